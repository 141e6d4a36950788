//! What can go wrong around the core: reading, writing, keys.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::wasm::UnusableGuest;

use downshift::{Digest, Failure, Fault, Limits};
use downshift_registry::Fault as UpstreamFault;
use downshift_sign::KeyError;

/// Why a request or a command failed. Like the core's errors it has a stable code, a cause on one line, and a remedy.
#[derive(Debug)]
pub(crate) enum Error {
    /// The core refused.
    Core(Failure),
    /// A key could not be made or used.
    Key(KeyError),
    /// A folder is no OCI image layout, or a broken one.
    BrokenLayout {
        /// The file that says so.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The bytes that are stored under a digest do not have it.
    Corrupt {
        /// The digest.
        digest: Digest,
    },
    /// The component to run in the sandbox is none that can be run there.
    Guest(UnusableGuest),
    /// A key file does not hold a key that can be used.
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// The manifest that was asked for, or that a tag points to, is not there.
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// A document that a manifest names was not given with it.
    NotGiven {
        /// Its digest.
        digest: Digest,
    },
    /// A config was given that is not the manifest's.
    OtherConfig {
        /// The digest that the manifest names.
        expected: Digest,
        /// That of the config.
        actual: Digest,
    },
    /// More waits to be converted than can be.
    Busy,
    /// A certificate, or its key, cannot be used.
    Certificate {
        /// The file with the certificate.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// What an operator says of a server cannot be.
    InvalidSettings {
        /// What is wrong with it.
        problem: String,
    },
    /// What an operator says of an upstream registry cannot be.
    InvalidUpstream {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A repository is not there.
    NoSuchRepository,
    /// A tag is not there.
    NoSuchTag {
        /// The tag.
        tag: String,
    },
    /// It is to be left to the upstream registry who may pull, and there is not one.
    NotOneUpstream,
    /// A conversion panicked. What it said is on standard error.
    Panicked,
    /// The records of reported digests cannot be read or written.
    Records {
        /// The database.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// What failed for another request as well, which asked for the same.
    Shared(Arc<Error>),
    /// The address to listen on could not be had.
    Unavailable {
        /// The address.
        address: core::net::SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be used.
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An upstream registry did not give what it should.
    Upstream(UpstreamFault),
    /// A file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file could not be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A document has another size than the manifest that names it says.
    WrongSize {
        /// Its digest.
        digest: Digest,
        /// The size that the manifest says, in bytes.
        expected: u64,
        /// Its size.
        actual: usize,
    },
}

impl Error {
    pub(crate) fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable { path: path.to_path_buf(), error }
    }

    pub(crate) fn unwritable(path: &Path, error: io::Error) -> Self {
        Self::Unwritable { path: path.to_path_buf(), error }
    }

    pub(crate) fn unusable(path: &Path, problem: impl fmt::Display) -> Self {
        Self::Unusable { path: path.to_path_buf(), problem: problem.to_string() }
    }

    /// What an upstream registry did, if it is about that.
    pub(crate) fn fault(&self) -> Option<&UpstreamFault> {
        match self {
            Self::Upstream(fault) => Some(fault),
            Self::Shared(error) => error.fault(),
            _ => None,
        }
    }

    /// Whether it is about who asked an upstream registry, and so says nothing to others.
    pub(crate) fn is_about_caller(&self) -> bool {
        self.fault().is_some_and(UpstreamFault::is_about_caller)
    }

    /// Whether it is about the records.
    pub(crate) fn is_of_records(&self) -> bool {
        match self {
            Self::Records { .. } => true,
            Self::Shared(error) => error.is_of_records(),
            _ => false,
        }
    }

    /// A document that was not even read to its end.
    pub(crate) fn document_too_large(limits: &Limits, size: u64) -> Self {
        let actual = usize::try_from(size).unwrap_or(usize::MAX);
        downshift::Error::LimitExceeded { name: "document-bytes", limit: limits.document_bytes, actual }
            .into()
    }

    /// The stable machine code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Core(failure) => &failure.code,
            Self::Key(error) | Self::KeyFile { error, .. } => error.code(),
            Self::BrokenLayout { .. } => "broken-layout",
            Self::Busy => "busy",
            Self::Certificate { .. } => "unusable-certificate",
            Self::InvalidSettings { .. } => "invalid-settings",
            Self::InvalidUpstream { .. } => "invalid-upstream",
            Self::NoSuchRepository => "no-such-repository",
            Self::NoSuchTag { .. } => "no-such-tag",
            Self::NotOneUpstream => "not-one-upstream",
            Self::Panicked => "internal",
            Self::Records { .. } => "unusable-records",
            Self::Shared(error) => error.code(),
            Self::Unusable { .. } => "unusable-file",
            Self::Upstream(fault) => fault.code(),
            Self::Corrupt { .. } => "corrupt-document",
            Self::Guest(_) => "unusable-guest",
            Self::Missing { .. } => "missing-manifest",
            Self::NotGiven { .. } => "document-not-given",
            Self::OtherConfig { .. } => "other-config",
            Self::Unavailable { .. } => "address-unavailable",
            Self::Unreadable { .. } => "unreadable-file",
            Self::Unwritable { .. } => "unwritable-file",
            Self::WrongSize { .. } => "wrong-size",
        }
    }

    /// What can be done about it, in one line.
    pub(crate) fn remedy(&self) -> &str {
        match self {
            Self::Core(failure) => &failure.remedy,
            Self::Key(error) | Self::KeyFile { error, .. } => error.remedy(),
            Self::BrokenLayout { .. } => "write the layout again, for example with skopeo copy",
            Self::Busy => "try again",
            Self::Certificate { .. } => {
                "give a certificate in PEM, those that vouch for it after it, and the key that belongs to it"
            }
            Self::InvalidSettings { .. } => "give it as downshift serve --help says",
            Self::InvalidUpstream { .. } => "give it as downshift serve --help says",
            Self::NoSuchRepository => "check the name",
            Self::NoSuchTag { .. } => "check the tag",
            Self::NotOneUpstream => "give one upstream registry, or another --auth",
            Self::Panicked => "report it, with the lines before this one",
            Self::Records { .. } => {
                "check the disk, and that one server only has this data folder; without the file, digests that were \
                 reported before cannot be pulled"
            }
            Self::Shared(error) => error.remedy(),
            Self::Unusable { .. } => "give another file, or mend this one",
            Self::Upstream(fault) => fault.remedy(),
            Self::Corrupt { .. } | Self::WrongSize { .. } => {
                "push the image again: what is stored is damaged"
            }
            Self::Guest(_) => {
                "give a build of the guest that belongs to this program, or use --engine native"
            }
            Self::Missing { .. } => "push the image again, whole",
            Self::NotGiven { .. } => {
                "give the config with --config, or a layout that has all documents with --layout"
            }
            Self::OtherConfig { .. } => "give the config that belongs to the manifest",
            Self::Unavailable { .. } => "listen on another address, or stop what listens on this one",
            Self::Unwritable { error, .. } if error.kind() == io::ErrorKind::AlreadyExists => {
                "give another path: an existing file is not overwritten"
            }
            Self::Unreadable { .. } | Self::Unwritable { .. } => "check the path and its permissions",
        }
    }

    /// Whether the command worked and the answer is no, rather than that it could not be carried out.
    pub(crate) fn is_verdict(&self) -> bool {
        match self {
            Self::Core(failure) => matches!(failure.fault, Fault::Client | Fault::Image | Fault::Limit),
            Self::Shared(error) => error.is_verdict(),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(failure) => failure.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::Busy => f.write_str("too many requests wait already"),
            Self::Certificate { path, problem } => {
                write!(f, "the certificate in `{}` cannot be used: {problem}", path.display())
            }
            Self::InvalidSettings { problem } => write!(f, "the settings cannot be used: {problem}"),
            Self::InvalidUpstream { url, problem } => {
                write!(f, "`{url}` cannot be an upstream registry: {problem}")
            }
            Self::NoSuchRepository => f.write_str("there is no such repository"),
            Self::NoSuchTag { tag } => write!(f, "there is no tag `{tag}`"),
            Self::NotOneUpstream => f.write_str(
                "with `--auth upstream` there must be one upstream registry, for a token is good for one",
            ),
            Self::Panicked => f.write_str("a conversion panicked"),
            Self::Records { path, problem } => {
                write!(f, "the records in `{}` cannot be used: {problem}", path.display())
            }
            Self::Shared(error) => error.fmt(f),
            Self::Unusable { path, problem } => write!(f, "`{}` cannot be used: {problem}", path.display()),
            Self::Upstream(fault) => fault.fmt(f),
            Self::KeyFile { path, error } => write!(f, "`{}` cannot be used: {error}", path.display()),
            Self::BrokenLayout { path, problem } => {
                write!(f, "`{}` is not as an OCI image layout has it: {problem}", path.display())
            }
            Self::Corrupt { digest } => write!(f, "the bytes stored as `{digest}` have another digest"),
            Self::Guest(error) => write!(f, "the guest component cannot be run: {error}"),
            Self::Missing { digest } => write!(f, "the manifest `{digest}` is missing"),
            Self::NotGiven { digest } => write!(f, "`{digest}` is needed"),
            Self::OtherConfig { expected, actual } => {
                write!(f, "the manifest names the config `{expected}`, given was `{actual}`")
            }
            Self::Unavailable { address, error } => write!(f, "cannot listen on `{address}`: {error}"),
            Self::Unreadable { path, error } => write!(f, "`{}` cannot be read: {error}", path.display()),
            Self::Unwritable { path, error } => write!(f, "`{}` cannot be written: {error}", path.display()),
            Self::WrongSize { digest, expected, actual } => {
                write!(f, "`{digest}` has `{actual}` bytes, its manifest says `{expected}`")
            }
        }
    }
}

impl core::error::Error for Error {}

/// As the core refuses a document that is broken where it is stored.
impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().to_owned().into(),
            fault: Fault::Document,
            cause: error.to_string(),
            remedy: error.remedy().to_owned().into(),
        }
    }
}

impl From<downshift::Error> for Error {
    fn from(error: downshift::Error) -> Self {
        Self::Core(error.into())
    }
}

impl From<Box<downshift::Error>> for Error {
    fn from(error: Box<downshift::Error>) -> Self {
        Self::Core(error.into())
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
