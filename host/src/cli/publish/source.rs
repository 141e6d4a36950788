//! Where images come from: a registry, a store or what Pulp has published, behind the front that a server has. It is asked as
//! clients ask, in this process.

use core::net::{IpAddr, Ipv4Addr};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use downshift::{Digest, Form};
use downshift_registry::{Problem, V1Mode};
use downshift_sign::PrivateKey;

use crate::cli::refusal::Refusal;
use crate::data::keys;
use crate::digest::DigestCheck;
use crate::error::Error;
use crate::origin::layout::BlobFile;
use crate::origin::pulp::{Blobs, Repository};
use crate::origin::registry::Delivery;
use crate::pull::{Reply, ReplyBody};
use crate::service::Service;
use crate::settings::{Auth, Settings};
use crate::work_budget::Asker;

/// Who asks.
const ASKER: Asker = Asker { client: IpAddr::V4(Ipv4Addr::LOCALHOST), is_shared: false };

/// Where images come from.
pub(super) struct Source {
    service: Service,
    /// Whether manifests are signed with a key that is kept.
    has_key: bool,
}

/// An answer that is there as a whole.
pub(super) struct Answer {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// Whether it was signed here.
    pub(super) is_signed: bool,
}

/// Why there is none.
pub(super) struct Trouble {
    pub(super) refusal: Refusal,
    /// The status, where it is one of HTTP.
    pub(super) status: u16,
}

impl Trouble {
    /// Whether it may be another time: what is published then stays as it is.
    pub(super) fn is_passing(&self) -> bool {
        self.status >= 500 || matches!(self.status, 0 | 401 | 403 | 408 | 429)
    }
}

impl From<Problem> for Trouble {
    fn from(problem: Problem) -> Self {
        Self { refusal: problem.into(), status: 0 }
    }
}

impl Source {
    pub(super) fn open(mut settings: Settings) -> Result<Self, Error> {
        // Who may pull from a server is its own business.
        settings.auth = Auth::Open;
        (settings.tls_certificate, settings.tls_key) = (None, None);
        // What its images are made of is asked for by version 2.
        settings.v1 = V1Mode::Off;
        for upstream in &mut settings.upstream {
            upstream.blobs = Delivery::Stream;
        }
        settings.pulp_blobs = Blobs::Stream;
        let has_key = settings.key.is_some();
        if has_key {
            return Ok(Self { service: Service::start(settings)?, has_key });
        }
        // What is signed with another key each time is not published: it is read here, and gone.
        let unwritable = |error| Error::unwritable(Path::new("-"), error);
        let folder = tempfile::tempdir().map_err(unwritable)?;
        let path = folder.path().join("key");
        keys::write_new(&path, &PrivateKey::generate()?)?;
        settings.key = Some(path);
        Ok(Self { service: Service::start(settings)?, has_key })
    }

    /// Whether signatures are the same each time.
    pub(super) fn has_key(&self) -> bool {
        self.has_key
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Reply, Trouble> {
        let lines = headers.iter().map(|(name, value)| (*name, value.as_str()));
        let reply = self.service.front.ask(method, path, lines, ASKER).await;
        if reply.status == 200 { Ok(reply) } else { Err(trouble(reply).await) }
    }

    /// Asks for something that fits into memory.
    pub(super) async fn get(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
    ) -> Result<Answer, Trouble> {
        let Reply { headers, body, forms, .. } = self.ask("GET", path, headers).await?;
        let is_signed =
            forms.is_some_and(|(stored, given)| given == Form::Schema1 && stored != Form::Schema1);
        Ok(Answer { headers, body: whole(body).await?, is_signed })
    }

    /// What Pulp has published of a repository.
    fn of_pulp(&self, name: &str) -> Result<Option<Repository>, Error> {
        self.service.front.shared.pulp.as_ref().map_or(Ok(None), |pulp| pulp.repository(name))
    }

    /// The repositories in Pulp whose metadata cannot be used, each with what is wrong.
    pub(super) fn unusable(&self) -> Result<Vec<(String, Arc<Error>)>, Error> {
        self.service.front.shared.pulp.as_ref().map_or_else(|| Ok(Vec::new()), |pulp| pulp.unusable())
    }

    /// Whether a repository is protected in Pulp, also if it was copied from there.
    pub(super) fn is_protected(&self, name: &str) -> Result<bool, Error> {
        if let Some(store) = &self.service.front.shared.store {
            return Ok(store.repository(name)?.is_some_and(|repository| repository.is_protected));
        }
        Ok(self.of_pulp(name)?.is_some_and(|repository| repository.is_protected()))
    }

    /// Whether also the manifests that a repository has itself are signed here.
    pub(super) fn signs_stored(&self, name: &str) -> bool {
        // Where it cannot be read, no answer came from it.
        self.of_pulp(name).ok().flatten().is_some_and(|repository| repository.is_signed_here())
    }

    /// The file that a store or Pulp has a blob in.
    pub(super) fn stored(&self, name: &str, digest: &Digest) -> Result<Option<BlobFile>, Error> {
        if let Some(repository) = self.of_pulp(name)? {
            return repository.blob(digest);
        }
        let Some(store) = &self.service.front.shared.store else { return Ok(None) };
        match store.repository(name)? {
            Some(repository) => repository.layout.blob(digest),
            None => Ok(None),
        }
    }

    /// How many bytes a blob has, if that is known.
    pub(super) async fn size(&self, path: &str, user_agent: &str) -> Result<Option<u64>, Trouble> {
        let headers = [("user-agent", user_agent.to_owned())];
        let reply = self.ask("HEAD", path, &headers).await?;
        let length = reply.headers.iter().find(|(name, _)| *name == "content-length");
        Ok(length.and_then(|(_, length)| length.parse().ok()))
    }

    /// Writes a blob to a new file, and gives how many bytes it has. They are checked.
    pub(super) async fn copy(
        &self,
        path: &str,
        headers: &[(&'static str, String)],
        digest: &Digest,
        to: &Path,
    ) -> Result<Result<u64, Trouble>, Error> {
        let mut body = match self.ask("GET", path, headers).await {
            Ok(reply) => reply.body,
            Err(trouble) => return Ok(Err(trouble)),
        };
        let unwritable = |error| Error::unwritable(to, error);
        let mut file = File::create_new(to).map_err(unwritable)?;
        let mut check = DigestCheck::new(digest.clone());
        let mut bytes = 0_u64;
        loop {
            let piece = match body.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(_) => return Ok(Err(Problem::Invalid(format!("the blob `{digest}` broke off")).into())),
            };
            check.update(&piece);
            bytes = bytes.saturating_add(piece.len() as u64);
            file.write_all(&piece).map_err(unwritable)?;
        }
        if check.finish().is_err() {
            return Ok(Err(Problem::Corrupt { digest: digest.clone() }.into()));
        }
        Ok(Ok(bytes))
    }
}

/// Why a reply is not a good one.
async fn trouble(reply: Reply) -> Trouble {
    let status = reply.status;
    let body = whole(reply.body).await.unwrap_or_default();
    Trouble { refusal: Refusal::of_response(status, &body), status }
}

async fn whole(body: ReplyBody) -> Result<Bytes, Trouble> {
    let broken = || Trouble::from(Problem::Invalid("an answer broke off".to_owned()));
    // What a server makes has limits of its own.
    body.whole(usize::MAX).await.ok().flatten().ok_or_else(broken)
}
