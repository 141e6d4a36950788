//! TLS: a certificate and its key, which may change while they are used.

use core::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::bounded;
use crate::error::Error;
use crate::log;
use crate::origin::layout::Stamp;

/// What is spoken on a connection (RFC 7301), the preferred first. Whoever does not know of the choice, as Docker ≤ 1.9,
/// speaks HTTP/1.1.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Bytes of a file with certificates, or with a key.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A certificate in files, and what accepts connections with it.
///
/// rustls' own choice of versions, suites and groups has what the oldest clients know: TLS 1.2 with
/// ECDHE-RSA-AES128-GCM-SHA256 or ECDHE-ECDSA-AES128-GCM-SHA256 on P-256.
pub(crate) struct Tls {
    files: Files,
    certificate: Arc<Current>,
    acceptor: TlsAcceptor,
    /// The state of the files that was looked at last.
    seen: Mutex<Option<[Stamp; 2]>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// The certificate as it is now.
struct Current(ArcSwap<CertifiedKey>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Tls {
    /// Reads the certificate, with those that vouch for it, and its key.
    ///
    /// # Errors
    /// [`Error::Unreadable`] and [`Error::Certificate`], also where the key is another one's.
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let files = Files { certificate: certificate.to_path_buf(), key: key.to_path_buf() };
        let seen = files.stamps();
        let certificate = Arc::new(Current(ArcSwap::from_pointee(files.read()?)));
        let unusable = |error: rustls::Error| files.unusable(error);
        let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?;
        let mut config =
            versions.with_no_client_auth().with_cert_resolver(Arc::<Current>::clone(&certificate));
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        config.ticketer = ring::Ticketer::new().map_err(unusable)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { files, certificate, acceptor, seen: Mutex::new(seen) })
    }

    /// Whether it is about these files.
    pub(crate) fn is_of(&self, certificate: &Path, key: &Path) -> bool {
        self.files.certificate == certificate && self.files.key == key
    }

    /// What accepts connections.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Reads the files again, for the connections that come from now on.
    pub(crate) fn reload(&self) -> Result<(), Error> {
        let seen = self.files.stamps();
        self.certificate.0.store(Arc::new(self.files.read()?));
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        Ok(())
    }

    /// Reads the files again if they have changed. Where they cannot be used, as when one of them is written already and
    /// the other one is not, the certificate stays as it is until they change again.
    pub(crate) fn look(&self) {
        let now = self.files.stamps();
        if *self.seen.lock().unwrap_or_else(PoisonError::into_inner) == now {
            return;
        }
        match self.reload() {
            Ok(()) => log::info("the certificate was changed"),
            Err(error) => {
                log::error(&error);
                log::warn("the certificate stays as it was");
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<CertifiedKey, Error> {
        let certificates = bounded::read_file(&self.certificate, MAX_FILE_BYTES)?;
        let key = bounded::read_secrets(&self.key, MAX_FILE_BYTES as usize)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&certificates).collect();
        let certificates = certificates.map_err(|error| self.unusable(error))?;
        if certificates.is_empty() {
            return Err(self.unusable("the file has no certificate"));
        }
        // An error of the parser could have a part of the key in it.
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| self.unusable("the key file has no private key in PEM"))?;
        CertifiedKey::from_der(certificates, key, &ring::default_provider())
            .map_err(|error| self.unusable(error))
    }

    fn stamps(&self) -> Option<[Stamp; 2]> {
        let stamp = |path: &Path| fs::metadata(path).and_then(|metadata| Stamp::of(&metadata)).ok();
        Some([stamp(&self.certificate)?, stamp(&self.key)?])
    }

    fn unusable(&self, problem: impl fmt::Display) -> Error {
        Error::Certificate { path: self.certificate.clone(), problem: problem.to_string() }
    }
}
