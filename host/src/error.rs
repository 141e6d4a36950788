//! Everything that can go wrong around the core, each with a stable code, a cause, a remedy, and who has to mend it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use downshift::{Digest, Failure, Fault, Limits};
use downshift_registry::{Fault as UpstreamFault, Problem};
use downshift_sign::KeyError;

/// An error of a request or a command. Its [`Display`](fmt::Display) is the cause, on one line.
#[derive(Debug)]
pub(crate) enum Error {
    /// The core refused.
    Core(Failure),
    /// A key could not be made or used.
    Key(KeyError),
    /// A folder is not an OCI image layout, or a broken one.
    BrokenLayout {
        /// The file in question.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What Pulp has published of a repository cannot be used.
    BrokenPulp {
        /// The file in question.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// More requests wait for a conversion than may.
    Busy,
    /// A certificate, or its key, cannot be used.
    Certificate {
        /// The file with the certificate.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The bytes that are stored under a digest have another one.
    Corrupt {
        /// The digest.
        digest: Digest,
    },
    /// Another process has the data folder.
    DataFolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// Another process writes into the store.
    StoreInUse {
        /// The store.
        path: PathBuf,
    },
    /// The sandbox cannot run the guest component.
    Guest {
        /// Why.
        problem: String,
    },
    /// The settings of a server contradict each other, or a value is out of range.
    InvalidSettings {
        /// What is wrong with them.
        problem: String,
    },
    /// The settings of an upstream registry contradict each other, or a value is out of range.
    InvalidUpstream {
        /// Its URL.
        url: String,
        /// What is wrong with them.
        problem: String,
    },
    /// A key file does not hold a usable key.
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// What is in layers is needed, and neither they nor facts about them were given to the command, or are in its layout.
    LayersNotGiven {
        /// Their digests.
        digests: Vec<Digest>,
    },
    /// A link in a store leads to where links may not lead.
    LinkOutside {
        /// The path with the link in it.
        path: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// The manifest that was asked for, or that a tag points to, is not there.
    Missing {
        /// Its digest.
        digest: Digest,
    },
    /// A document is needed that the command was not given.
    NotGiven {
        /// Its digest.
        digest: Digest,
    },
    /// Clients are to log in at the upstream registry, and there is not exactly one.
    NotOneUpstream,
    /// The command was given a config that is not the manifest's.
    OtherConfig {
        /// The digest that the manifest names.
        expected: Digest,
        /// The digest of the given config.
        actual: Digest,
    },
    /// A conversion panicked. The panic message is on standard error.
    Panicked,
    /// The records of reported digests cannot be read or written.
    Records {
        /// The database.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The server that a command is to ask cannot be asked.
    Server {
        /// Its URL.
        url: String,
        /// What is wrong.
        problem: Problem,
    },
    /// The error of another request, which asked for the same at the same time.
    Shared(Arc<Error>),
    /// The server cannot listen on an address.
    Unavailable {
        /// The address.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// A file could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
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
    /// A file could not be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// An upstream registry failed, or refused.
    Upstream(UpstreamFault),
}

/// The facts of an error, which are fixed for its kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'e> {
    /// The stable machine code.
    pub(crate) code: &'e str,
    /// Who has to mend it.
    pub(crate) blame: Blame,
    /// How, in one line.
    pub(crate) remedy: &'e str,
}

/// The one to blame for an error, who has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The client, which asked for what does not exist, or in a way that cannot be answered.
    Client,
    /// A stored document, which is broken or missing.
    Document,
    /// An image, which is sound and cannot be expressed in the form that was asked for.
    Image,
    /// A limit of the core.
    Limit,
    /// Nobody: there is more to do than this machine can.
    Load,
    /// The machine: its disks, its network, its source of randomness.
    Machine,
    /// The person who runs this program: an option, a setting, or a file that these name.
    Operator,
    /// This program: a bug.
    Program,
    /// An upstream registry.
    Upstream,
}

impl Error {
    /// A file that could not be read.
    pub(crate) fn unreadable(path: &Path, error: io::Error) -> Self {
        Self::Unreadable { path: path.to_path_buf(), error }
    }

    /// A file that could not be written.
    pub(crate) fn unwritable(path: &Path, error: io::Error) -> Self {
        Self::Unwritable { path: path.to_path_buf(), error }
    }

    /// A file that cannot be used.
    pub(crate) fn unusable(path: &Path, problem: impl fmt::Display) -> Self {
        Self::Unusable { path: path.to_path_buf(), problem: problem.to_string() }
    }

    /// A file of more than `limit` bytes.
    pub(crate) fn too_large(path: &Path, limit: u64) -> Self {
        Self::unusable(path, format_args!("it has more than `{limit}` bytes"))
    }

    /// A document of `size` bytes, which is past the limit and was not read to its end.
    pub(crate) fn document_too_large(limits: &Limits, size: u64) -> Self {
        let actual = usize::try_from(size).unwrap_or(usize::MAX);
        downshift::Error::LimitExceeded { name: "document-bytes", limit: limits.document_bytes, actual }
            .into()
    }

    /// The code, the blame and the remedy.
    pub(crate) fn facts(&self) -> Facts<'_> {
        let facts = |code, blame, remedy| Facts { code, blame, remedy };
        match self {
            Self::Core(Failure { code, fault, remedy, .. }) => facts(code, Blame::from(*fault), remedy),
            Self::Key(error @ KeyError::NoRandomness) => facts(error.code(), Blame::Machine, error.remedy()),
            Self::Key(error) | Self::KeyFile { error, .. } => {
                facts(error.code(), Blame::Operator, error.remedy())
            }
            Self::BrokenLayout { .. } => facts(
                "broken-layout",
                Blame::Document,
                "write the layout again, for example with skopeo copy",
            ),
            Self::BrokenPulp { .. } => facts(
                "broken-pulp-repository",
                Blame::Document,
                "publish the repository again in Pulp, or correct the file",
            ),
            Self::Busy => facts("busy", Blame::Load, "try again"),
            Self::Certificate { .. } => facts(
                "unusable-certificate",
                Blame::Operator,
                "give a file in PEM with the certificate followed by its intermediates, and the private key that \
                 belongs to it",
            ),
            Self::Corrupt { .. } => facts("corrupt-document", Blame::Document, COPY_AGAIN),
            Self::DataFolderInUse { .. } => facts(
                "data-folder-in-use",
                Blame::Operator,
                "stop the other server, or give this one a data folder of its own",
            ),
            Self::Guest { .. } => facts(
                "unusable-guest",
                Blame::Operator,
                "give the guest component of this version, or use --engine native",
            ),
            Self::InvalidSettings { .. } => {
                facts("invalid-settings", Blame::Operator, "see downshift serve --help")
            }
            Self::InvalidUpstream { .. } => {
                facts("invalid-upstream", Blame::Operator, "see downshift serve --help")
            }
            Self::LayersNotGiven { .. } => facts(
                "missing-layer",
                Blame::Operator,
                "give the layers with --layer or --layout, or with --facts what `downshift layer --json` writes about them",
            ),
            Self::LinkOutside { .. } => facts(
                "link-outside-store",
                Blame::Operator,
                "replace the link with its target, or allow the target's folder with --store-links",
            ),
            Self::Missing { .. } => facts(
                "missing-manifest",
                Blame::Document,
                "copy the image into its folder again, with all of its parts",
            ),
            Self::NotGiven { .. } => facts(
                "document-not-given",
                Blame::Operator,
                "give the config with --config, or with --layout a layout that has every document",
            ),
            Self::NotOneUpstream => facts(
                "not-one-upstream",
                Blame::Operator,
                "configure exactly one upstream registry, or use another --auth",
            ),
            Self::OtherConfig { .. } => {
                facts("other-config", Blame::Operator, "give the config that belongs to the manifest")
            }
            Self::Panicked => {
                facts("internal", Blame::Program, "report it, with the lines of the log before this one")
            }
            Self::Records { .. } => facts(
                "unusable-records",
                Blame::Machine,
                "check the disk and the permissions of the data folder; if the file is damaged, restore a copy of it, \
                 or remove it: then digests that were reported before can no longer be pulled",
            ),
            Self::Server { problem, .. } => {
                let (code, remedy) = facts_of_server(problem);
                facts(code, Blame::Operator, remedy)
            }
            Self::Shared(error) => error.facts(),
            Self::StoreInUse { .. } => facts(
                "store-in-use",
                Blame::Operator,
                "wait until the other `downshift sync` has ended, or stop it: what it has fetched is gone on with",
            ),
            Self::Unavailable { error, .. } => facts(
                "address-unavailable",
                Blame::Operator,
                match error.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "listen on a port from 1024 on, or give this program the right to others (CAP_NET_BIND_SERVICE)"
                    }
                    io::ErrorKind::AddrInUse => "listen on another address, or stop what listens on this one",
                    _ => "listen on an address of this machine",
                },
            ),
            Self::Unreadable { .. } => {
                facts("unreadable-file", Blame::Operator, "check the path and its permissions")
            }
            Self::Unusable { .. } => {
                facts("unusable-file", Blame::Operator, "correct the file, or name another one")
            }
            Self::Unwritable { error, .. } => facts(
                "unwritable-file",
                Blame::Operator,
                if error.kind() == io::ErrorKind::AlreadyExists {
                    "give another path: an existing file is not overwritten"
                } else {
                    "check the path, its permissions, and the room on the disk"
                },
            ),
            Self::Upstream(fault) => facts(fault.code(), Blame::Upstream, fault.remedy()),
        }
    }

    /// The stable machine code.
    pub(crate) fn code(&self) -> &str {
        self.facts().code
    }

    /// True if a command worked and its answer is no, rather than that it could not be carried out.
    pub(crate) fn is_verdict(&self) -> bool {
        matches!(self.facts().blame, Blame::Client | Blame::Image | Blame::Limit)
    }

    /// The refusal for clients, if a stored document is to blame. Other causes are not for clients.
    pub(crate) fn document_failure(&self) -> Option<Failure> {
        let Facts { code, blame, remedy } = self.facts();
        (blame == Blame::Document).then(|| Failure {
            code: code.to_owned().into(),
            fault: Fault::Document,
            cause: self.to_string(),
            remedy: remedy.to_owned().into(),
        })
    }

    /// True if a limit is what was passed.
    pub(crate) fn is_of_limit(&self) -> bool {
        match self {
            Self::Core(failure) => failure.fault == Fault::Limit,
            Self::Shared(error) => error.is_of_limit(),
            _ => false,
        }
    }

    /// True if the records failed.
    pub(crate) fn is_of_records(&self) -> bool {
        match self {
            Self::Records { .. } => true,
            Self::Shared(error) => error.is_of_records(),
            _ => false,
        }
    }
}

/// The remedy for a layout whose files are not what their digests say.
const COPY_AGAIN: &str = "copy the image into its folder again: what is stored is damaged";

/// The code and the remedy for a server that a command cannot ask.
fn facts_of_server(problem: &Problem) -> (&'static str, &'static str) {
    match problem {
        Problem::Denied | Problem::Unauthorized(_) => (
            "server-unauthorized",
            "give a user name and a password that the server takes, with --username and --password-file",
        ),
        Problem::Proxy { .. } => (
            "server-unreachable",
            "check the proxy in HTTP_PROXY or HTTPS_PROXY, or name the server in NO_PROXY",
        ),
        Problem::Tls(_) => (
            "server-unreachable",
            "check the URL, and give the certificate of the authority that has issued the server's with --ca",
        ),
        Problem::Timeout | Problem::Unreachable(_) => {
            ("server-unreachable", "check the URL, and that the server runs")
        }
        _ => ("server-unusable", "check the URL: it has to be that of a running Downshift"),
    }
}

impl From<Fault> for Blame {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Caller => Self::Program,
            Fault::Client => Self::Client,
            Fault::Document => Self::Document,
            Fault::Image => Self::Image,
            Fault::Limit => Self::Limit,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Core(failure) => failure.fmt(f),
            Self::Key(error) => error.fmt(f),
            Self::BrokenLayout { path, problem } => {
                write!(f, "`{}` is not part of a valid OCI image layout: {problem}", path.display())
            }
            Self::BrokenPulp { path, problem } => {
                write!(f, "`{}` is not of a repository that Pulp 2 has published: {problem}", path.display())
            }
            Self::Busy => f.write_str("too many requests are waiting already"),
            Self::Certificate { path, problem } => {
                write!(f, "the certificate in `{}` cannot be used: {problem}", path.display())
            }
            Self::Corrupt { digest } => write!(f, "the bytes stored as `{digest}` have another digest"),
            Self::DataFolderInUse { path } => {
                write!(f, "the data folder `{}` is in use by another process", path.display())
            }
            Self::StoreInUse { path } => {
                write!(f, "another process writes into the store `{}`", path.display())
            }
            Self::Guest { problem } => write!(f, "the guest component cannot be run: {problem}"),
            Self::InvalidSettings { problem } => write!(f, "invalid settings: {problem}"),
            Self::InvalidUpstream { url, problem } => {
                write!(f, "invalid settings of the upstream registry `{url}`: {problem}")
            }
            Self::KeyFile { path, error } => write!(f, "`{}` cannot be used: {error}", path.display()),
            Self::LayersNotGiven { digests } => {
                let digests: Vec<String> = digests.iter().map(|digest| format!("`{digest}`")).collect();
                write!(f, "the sizes and diff ids of these layers are needed: {}", digests.join(", "))
            }
            Self::LinkOutside { path, target } => {
                write!(
                    f,
                    "`{}` is not served: it leads out of the store, to `{}`",
                    path.display(),
                    target.display()
                )
            }
            Self::Missing { digest } => write!(f, "the manifest `{digest}` is missing"),
            Self::NotGiven { digest } => write!(f, "the document `{digest}` is needed"),
            Self::NotOneUpstream => f.write_str(
                "`--auth upstream` needs exactly one upstream registry: a token is good for one only",
            ),
            Self::OtherConfig { expected, actual } => {
                write!(f, "the manifest names the config `{expected}`, but the given one is `{actual}`")
            }
            Self::Panicked => f.write_str("a conversion panicked"),
            Self::Records { path, problem } => {
                write!(f, "the records in `{}` cannot be used: {problem}", path.display())
            }
            Self::Server { url, problem } => write!(f, "the server `{url}` {problem}"),
            Self::Shared(error) => error.fmt(f),
            Self::Unavailable { address, error } => write!(f, "cannot listen on `{address}`: {error}"),
            Self::Unreadable { path, error } => write!(f, "`{}` cannot be read: {error}", path.display()),
            Self::Unusable { path, problem } => write!(f, "`{}` cannot be used: {problem}", path.display()),
            Self::Unwritable { path, error } => write!(f, "`{}` cannot be written: {error}", path.display()),
            Self::Upstream(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for Error {}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documents_are_refused_as_documents() {
        let digest = Digest::of(b"text");
        let broken = Error::Corrupt { digest: digest.clone() };
        let shared = Error::Shared(Arc::new(Error::Corrupt { digest: digest.clone() }));
        for error in [broken, shared, Error::Missing { digest: digest.clone() }] {
            let failure = error.document_failure().unwrap();
            assert_eq!((&*failure.code, failure.fault), (error.code(), Fault::Document));
            assert_eq!((failure.cause, &*failure.remedy), (error.to_string(), error.facts().remedy));
        }
        let path = || PathBuf::from("/secret");
        for error in [
            Error::Busy,
            Error::Panicked,
            Error::NotOneUpstream,
            Error::NotGiven { digest },
            Error::Key(KeyError::NoRandomness),
            Error::Records { path: path(), problem: String::new() },
            Error::unreadable(&path(), io::ErrorKind::NotFound.into()),
            Error::Upstream(UpstreamFault { host: "a".to_owned(), problem: Problem::Timeout }),
        ] {
            assert_eq!(error.document_failure(), None, "{error}");
        }
    }

    #[test]
    fn commands_that_failed_are_told_from_those_whose_answer_is_no() {
        assert!(Error::from(downshift::Error::BaseLayer).is_verdict());
        assert!(Error::document_too_large(&Limits::default(), u64::MAX).is_verdict());
        assert!(!Error::from(downshift::Error::MissingMember { path: "config" }).is_verdict());
        assert!(!Error::NotGiven { digest: Digest::of(b"") }.is_verdict());
    }
}
