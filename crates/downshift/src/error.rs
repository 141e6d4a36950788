//! Every way in which a request can be refused.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::fmt;

use downshift_text::Printable;
use serde::Serialize;

use crate::{Digest, Form};

/// The party at fault for an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The caller of this crate broke its rules. Nothing that comes from outside can cause it.
    Caller,
    /// The client asked for something that is not there, or in a way that cannot be answered.
    Client,
    /// A document is not what it should be: broken JSON, wrong types, an unreadable digest.
    Document,
    /// The image is sound, but it cannot be expressed in the form that was asked for.
    Image,
    /// A limit was passed: see [`Limits`](crate::Limits).
    Limit,
}

/// Why a document was not read, or an image not converted.
///
/// [`code`](Self::code) is stable and the contract between all places where the core runs; the text of
/// [`Display`](fmt::Display) is the cause, on one line; [`remedy`](Self::remedy) says what can be done about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    // Fault::Caller
    /// A signature does not have the length that its algorithm gives it.
    SignatureLength {
        /// Bytes that the algorithm makes.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// There is no limit of this name.
    UnknownLimit {
        /// The name.
        name: String,
    },
    /// There is no permission of this name.
    UnknownPermission {
        /// The name.
        value: String,
    },
    /// [`PlainLayers`](crate::PlainLayers) has no value of this name.
    UnknownPlainLayers {
        /// The name.
        value: String,
    },
    /// There is no policy of this name.
    UnknownPolicy {
        /// The name.
        value: String,
    },
    /// [`UnsignedSchema1`](crate::UnsignedSchema1) has no value of this name.
    UnknownUnsignedSchema1 {
        /// The name.
        value: String,
    },

    // Fault::Client
    /// The client accepts none of the forms in which the manifest can be served.
    NotAcceptable {
        /// The stored form.
        stored: Form,
    },
    /// Neither `os/architecture` nor `os/architecture/variant`.
    InvalidPlatform {
        /// What was given.
        value: String,
    },
    /// The list or index has no manifest for the platform.
    PlatformMissing {
        /// The platform that was asked for.
        platform: String,
        /// The platforms that there are, separated by commas.
        available: String,
    },
    /// An engine asked, by digest, for a manifest that it is known not to read.
    UnreadableDigest {
        /// What it asked for.
        digest: Digest,
        /// What of it that engine does not read.
        unreadable: Unreadable,
        /// The digest of the same image as that engine reads it.
        instead: Digest,
    },

    // Fault::Document
    /// The document can be read as two kinds of manifest at once.
    Ambiguous {
        /// A member of the one kind.
        one: &'static str,
        /// A member of the other.
        other: &'static str,
    },
    /// A schema 1 manifest that engines refuse.
    BrokenSchema1 {
        /// What is wrong with it.
        problem: Cow<'static, str>,
    },
    /// An object has a member twice.
    DuplicateKey {
        /// The member's name.
        key: String,
    },
    /// Not a digest: neither `algorithm:hex` in lower case, nor one of another algorithm.
    InvalidDigest {
        /// What was given.
        value: String,
    },
    /// Not JSON.
    InvalidJson {
        /// Which document.
        document: &'static str,
        /// Bytes before the one that cannot stand there.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The libtrust signature block cannot be read.
    InvalidSignature {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a time of RFC 3339.
    InvalidTime {
        /// What was given.
        value: String,
    },
    /// A document that a manifest names is not there.
    MissingDocument {
        /// Its digest.
        digest: Digest,
    },
    /// A layer that a manifest names is not there.
    MissingLayer {
        /// Its digest.
        digest: Digest,
    },
    /// A member is missing.
    MissingMember {
        /// Where it should be.
        path: &'static str,
    },
    /// A key differs from a known one in nothing but case, so that engines read it differently.
    ShadowedKey {
        /// The key as written.
        key: String,
        /// The key that Go's decoder takes it for.
        known: &'static str,
    },
    /// A layer cannot be unpacked: it is damaged, compressed in a way that nobody reads, or past a limit of the reader.
    UnreadableLayer {
        /// Its digest.
        digest: Digest,
        /// The reader's code.
        code: String,
        /// The reader's cause.
        cause: String,
    },
    /// Neither a manifest nor a list of manifests that this crate knows.
    UnknownDocument {
        /// Its `schemaVersion` or `mediaType`.
        value: String,
    },
    /// Stored schema 1 has no signature, and the operator wants one.
    UnsignedSchema1,
    /// A signature of stored schema 1 does not hold.
    WrongSignature {
        /// Why.
        problem: String,
    },
    /// A member has another type than it should.
    WrongType {
        /// Which member.
        path: &'static str,
        /// What it should be.
        expected: &'static str,
    },

    // Fault::Image
    /// The manifest is not that of an image.
    Artifact {
        /// The media type that says so.
        media_type: String,
    },
    /// `rootfs.base_layer`: a Windows image whose lowest layer is not in the manifest.
    BaseLayer,
    /// None of a list's manifests can be converted.
    ChildrenRefused {
        /// How many there are.
        entries: usize,
        /// Code of the first refusal.
        first: &'static str,
    },
    /// The config names another number of diff ids than the manifest has layers.
    DiffIdCount {
        /// Entries of `rootfs.diff_ids`.
        diff_ids: usize,
        /// Layers of the manifest.
        layers: usize,
    },
    /// The config names another diff id than the layer has.
    DiffIdMismatch {
        /// The layer.
        digest: Digest,
        /// The diff id in the config.
        expected: Digest,
        /// The layer's own.
        actual: Digest,
    },
    /// A layer's digest is of an algorithm that engines of the schema 1 era do not know.
    DigestAlgorithm {
        /// The layer.
        digest: Digest,
    },
    /// A layer is encrypted.
    EncryptedLayer {
        /// The layer.
        digest: Digest,
    },
    /// A layer is fetched from elsewhere, and schema 1 cannot say from where.
    ForeignLayer {
        /// The layer.
        digest: Digest,
    },
    /// The history has more entries with a layer than the manifest has layers.
    HistoryExceedsLayers {
        /// History entries that are not empty.
        history: usize,
        /// Layers of the manifest.
        layers: usize,
    },
    /// There is no such conversion.
    NoConversion {
        /// The stored form.
        from: Form,
        /// The form asked for.
        to: Form,
    },
    /// The config has no history.
    NoHistory,
    /// The config has no `rootfs`.
    NoRootfs,
    /// A list or index inside a list or index.
    NestedIndex {
        /// The inner one.
        digest: Digest,
    },
    /// The config has a key of its own where schema 1 needs one of that name.
    ReservedKey {
        /// The key.
        key: String,
    },
    /// An engine of the schema 1 era could not read the config's member.
    UnreadableConfig {
        /// Which member.
        path: String,
        /// What those engines take there.
        expected: &'static str,
    },
    /// A digest of an algorithm that is not computed here.
    UnsupportedDigest {
        /// The digest.
        value: String,
    },
    /// A layer's media type is not that of an image layer.
    UnknownLayerType {
        /// The layer.
        digest: Digest,
        /// Its media type.
        media_type: String,
    },
    /// A layer is compressed with zstd, and the client, or the form that it gets, does not know that.
    ZstdLayer {
        /// The layer.
        digest: Digest,
    },

    // Fault::Limit
    /// A limit was passed.
    LimitExceeded {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        limit: usize,
        /// What was found.
        actual: usize,
    },
}

/// What an engine does not read of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its form.
    Form(Form),
    /// The form of manifests that it lists.
    Listed(Form),
    /// Its layers, which are compressed with zstd.
    Zstd,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(form) => write!(f, "is a manifest in the form `{form}`"),
            Self::Listed(form) => write!(f, "lists manifests in the form `{form}`"),
            Self::Zstd => f.write_str("has layers that are compressed with zstd"),
        }
    }
}

impl Error {
    /// The remedy for what is past a limit. Where limits are not options, it is for the place to say what they are.
    pub const RAISE_LIMIT: &str =
        "if the image can be trusted, Downshift's operator can raise this limit, on a server with --limit";

    /// [`Error::WrongType`], which much of what reads documents may end with: made in one place, it takes less code.
    #[cold]
    #[inline(never)]
    pub(crate) fn wrong_type(path: &'static str, expected: &'static str) -> Box<Self> {
        Self::WrongType { path, expected }.into()
    }

    /// [`Error::MissingMember`], likewise.
    #[cold]
    #[inline(never)]
    pub(crate) fn missing_member(path: &'static str) -> Box<Self> {
        Self::MissingMember { path }.into()
    }

    /// The stable machine code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.facts().code
    }

    /// The party at fault.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        self.facts().fault
    }

    /// The way out, in one line.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        self.facts().remedy
    }

    /// All that a refusal says but for its cause: one line of each variant.
    const fn facts(&self) -> Facts {
        use Fault::{Caller, Client, Document, Image, Limit};
        let (code, fault, remedy) = match self {
            Self::SignatureLength { .. } => {
                ("signature-length", Caller, "sign with the key and algorithm that were announced")
            }
            Self::UnknownLimit { .. } => (
                "unknown-limit",
                Caller,
                "use document-bytes, depth, layers, history, entries, converted-children, string-bytes or output-bytes",
            ),
            Self::UnknownPermission { .. } => (
                "unknown-permission",
                Caller,
                "use artifact, base-layer, digest-algorithm, duplicate-key, foreign-layer, reserved-key, shadowed-key, unknown-layer-type, unreadable-config, wrong-signature or zstd-layer",
            ),
            Self::UnknownPlainLayers { .. } => ("unknown-plain-layers", Caller, "use never, old or always"),
            Self::UnknownPolicy { .. } => ("unknown-policy", Caller, "use strict or reference"),
            Self::UnknownUnsignedSchema1 { .. } => {
                ("unknown-unsigned-schema1", Caller, "use allow or refuse")
            }

            Self::NotAcceptable { .. } => (
                "not-acceptable",
                Client,
                "name another manifest type in the Accept header, or pull with a newer client",
            ),
            Self::InvalidPlatform { .. } => {
                ("invalid-platform", Client, "write it as os/architecture or os/architecture/variant")
            }
            Self::PlatformMissing { .. } => {
                ("platform-missing", Client, "ask for one of the platforms that the message lists")
            }
            Self::UnreadableDigest { .. } => {
                ("unreadable-digest", Client, "pull the other digest that the message names")
            }

            Self::Ambiguous { .. } => ("ambiguous", Document, WRITE_EACH_KEY_ONCE),
            Self::BrokenSchema1 { .. } => ("broken-schema1", Document, REWRITE),
            Self::DuplicateKey { .. } => (
                "duplicate-key",
                Document,
                "push the image again with a tool that writes each key once, or Downshift's operator can allow `duplicate-key` if it is the config's",
            ),
            Self::InvalidDigest { .. } => ("invalid-digest", Document, REWRITE),
            Self::InvalidJson { .. } => ("invalid-json", Document, REWRITE),
            Self::InvalidSignature { .. } => ("invalid-signature-block", Document, REWRITE),
            Self::InvalidTime { .. } => ("invalid-time", Document, REWRITE),
            Self::MissingDocument { .. } => {
                ("missing-document", Document, "push the image again: part of it is missing from storage")
            }
            Self::MissingLayer { .. } => {
                ("missing-layer", Document, "push the image again: one of its layers is missing from storage")
            }
            Self::MissingMember { .. } => ("missing-member", Document, REWRITE),
            Self::ShadowedKey { .. } => (
                "shadowed-key",
                Document,
                "push the image again with a tool that writes each key in its exact spelling, or Downshift's operator can allow `shadowed-key` if it is the config's",
            ),
            Self::UnreadableLayer { code, .. } => (
                "unreadable-layer",
                Document,
                match code.as_bytes() {
                    b"limit-exceeded" => Self::RAISE_LIMIT,
                    _ => "push the image again with whole layers",
                },
            ),
            Self::UnknownDocument { .. } => (
                "unknown-document",
                Document,
                "use schema 1, schema 2, a manifest list, an OCI manifest or an OCI index",
            ),
            Self::UnsignedSchema1 => (
                "unsigned-schema1",
                Document,
                "push the image again signed, or Downshift's operator can set `unsigned-schema1` to `allow`",
            ),
            Self::WrongSignature { .. } => (
                "wrong-signature",
                Document,
                "push the image again from its source, or Downshift's operator can allow `wrong-signature`",
            ),
            Self::WrongType { .. } => ("wrong-type", Document, REWRITE),

            Self::Artifact { .. } => (
                "artifact",
                Image,
                "fetch it with the tool it was made for, or Downshift's operator can allow `artifact` if it is an image after all",
            ),
            Self::BaseLayer => (
                "base-layer",
                Image,
                "pull the image with Docker 1.10 or later, or Downshift's operator can allow `base-layer`",
            ),
            Self::ChildrenRefused { .. } => ("children-refused", Image, PULL_ONE_MANIFEST),
            Self::DiffIdCount { .. } => ("diff-id-count", Image, BUILD_AGAIN),
            Self::DiffIdMismatch { .. } => ("diff-id-mismatch", Image, BUILD_AGAIN),
            Self::DigestAlgorithm { .. } => (
                "digest-algorithm",
                Image,
                "push the image again with sha256 digests, or Downshift's operator can allow `digest-algorithm`",
            ),
            Self::EncryptedLayer { .. } => ("encrypted-layer", Image, "decrypt the image and push it again"),
            Self::ForeignLayer { .. } => (
                "foreign-layer",
                Image,
                "pull the image with Docker 1.10 or later, which fetches foreign layers, or Downshift's operator can allow `foreign-layer` if they are here as well",
            ),
            Self::HistoryExceedsLayers { .. } => ("history-exceeds-layers", Image, BUILD_AGAIN),
            Self::NoConversion { .. } => ("no-conversion", Image, "ask for another form"),
            Self::NoHistory => {
                ("no-history", Image, "convert with the strict policy, which writes the missing history")
            }
            Self::NoRootfs => ("no-rootfs", Image, BUILD_AGAIN),
            Self::NestedIndex { .. } => ("nested-index", Image, PULL_ONE_MANIFEST),
            Self::ReservedKey { .. } => (
                "reserved-key",
                Image,
                "remove the key from the config and push the image again, or Downshift's operator can allow `reserved-key`",
            ),
            Self::UnreadableConfig { .. } => (
                "unreadable-config",
                Image,
                "give the member the type that Docker writes and push the image again, or Downshift's operator can allow `unreadable-config`",
            ),
            Self::UnsupportedDigest { .. } => {
                ("unsupported-digest", Image, "push the image again with sha256 digests")
            }
            Self::UnknownLayerType { .. } => (
                "unknown-layer-type",
                Image,
                "push the image again with tar layers, plain or gzipped, or for schema 1 Downshift's operator can allow `unknown-layer-type`",
            ),
            Self::ZstdLayer { .. } => (
                "zstd-layer",
                Image,
                "push the image again with gzip compression, or pull with Docker 23, containerd 1.5 or later; Downshift's operator can give plain layers to older clients, or allow `zstd-layer` if what pulls it reads zstd",
            ),

            Self::LimitExceeded { .. } => ("limit-exceeded", Limit, Self::RAISE_LIMIT),
        };
        Facts { code, fault, remedy }
    }
}

/// What a refusal says whatever its cause is.
struct Facts {
    code: &'static str,
    fault: Fault,
    remedy: &'static str,
}

// Remedies of several refusals.
const BUILD_AGAIN: &str = "rebuild the image: its config does not match its manifest";
const PULL_ONE_MANIFEST: &str = "pull one of the manifests by its digest";
const REWRITE: &str = "rebuild the image and push it: this document is malformed";
const WRITE_EACH_KEY_ONCE: &str =
    "push the image again with a tool that writes each key once, in its exact spelling";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignatureLength { expected, actual } => {
                write!(f, "the signature has `{actual}` bytes instead of `{expected}`")
            }
            Self::UnknownLimit { name } => write!(f, "there is no limit `{}`", Cut(name)),
            Self::UnknownPermission { value } => write!(f, "there is no permission `{}`", Cut(value)),
            Self::UnknownPlainLayers { value } => {
                write!(f, "plain layers are for nobody called `{}`", Cut(value))
            }
            Self::UnknownPolicy { value } => write!(f, "there is no policy `{}`", Cut(value)),
            Self::UnknownUnsignedSchema1 { value } => {
                write!(f, "`{}` is neither `allow` nor `refuse`", Cut(value))
            }
            Self::NotAcceptable { stored } => {
                write!(
                    f,
                    "the client accepts neither the stored form `{stored}` nor any form that it can be converted to"
                )
            }
            Self::InvalidPlatform { value } => write!(f, "`{}` is not a platform", Cut(value)),
            Self::PlatformMissing { platform, available } => {
                write!(f, "there is no manifest for `{platform}`, only for `{}`", Cut(available))
            }
            Self::UnreadableDigest { digest, unreadable, instead } => {
                write!(f, "`{digest}` {unreadable}, which this engine cannot read: pull `{instead}` instead")
            }
            Self::Ambiguous { one, other } => {
                write!(f, "the document has both `{one}` and `{other}`, so it can be read in two ways")
            }
            Self::BrokenSchema1 { problem } => {
                write!(f, "no engine takes the schema 1 manifest: {problem}")
            }
            Self::DuplicateKey { key } => write!(f, "the key `{}` appears twice in one object", Cut(key)),
            Self::InvalidDigest { value } => write!(f, "`{}` is not a digest", Cut(value)),
            Self::InvalidJson { document, offset, problem } => {
                write!(f, "the {document} is not JSON: {problem} at byte `{offset}`")
            }
            Self::InvalidSignature { problem } => write!(f, "the signature block cannot be read: {problem}"),
            Self::InvalidTime { value } => write!(f, "`{}` is not an RFC 3339 time", Cut(value)),
            Self::MissingDocument { digest } => write!(f, "the document `{digest}` is missing"),
            Self::MissingLayer { digest } => write!(f, "the layer `{digest}` is missing"),
            Self::MissingMember { path } => write!(f, "the member `{path}` is missing"),
            Self::ShadowedKey { key, known } => {
                write!(f, "the key `{}` is read as `{known}` by some engines and ignored by others", Cut(key))
            }
            Self::UnreadableLayer { digest, code, cause } => {
                write!(f, "the layer `{digest}` cannot be unpacked: {} ({})", Cut(cause), Cut(code))
            }
            Self::UnknownDocument { value } => {
                write!(f, "`{}` is not a manifest type that can be read", Cut(value))
            }
            Self::UnsignedSchema1 => {
                f.write_str("the schema 1 manifest has no signature, which this server requires")
            }
            Self::WrongSignature { problem } => {
                write!(f, "a signature of the schema 1 manifest does not hold: {}", Cut(problem))
            }
            Self::WrongType { path, expected } => write!(f, "the member `{path}` is not {expected}"),
            Self::Artifact { media_type } => {
                write!(f, "`{}` is not the media type of an image", Cut(media_type))
            }
            Self::BaseLayer => {
                f.write_str("the image builds on a `rootfs.base_layer` that its manifest does not list")
            }
            Self::ChildrenRefused { entries, first } => {
                write!(
                    f,
                    "none of the `{entries}` manifests can be converted; the first refusal is `{first}`"
                )
            }
            Self::DiffIdCount { diff_ids, layers } => {
                write!(f, "the config has `{diff_ids}` diff ids, but the manifest has `{layers}` layers")
            }
            Self::DiffIdMismatch { digest, expected, actual } => {
                write!(
                    f,
                    "the config has the diff id `{expected}` for the layer `{digest}`, which has `{actual}`"
                )
            }
            Self::DigestAlgorithm { digest } => {
                write!(
                    f,
                    "the digest of the layer `{digest}` is not a sha256 digest, and engines of the schema 1 era read no others"
                )
            }
            Self::EncryptedLayer { digest } => write!(f, "the layer `{digest}` is encrypted"),
            Self::ForeignLayer { digest } => {
                write!(f, "the layer `{digest}` is a foreign layer, which schema 1 cannot express")
            }
            Self::HistoryExceedsLayers { history, layers } => {
                write!(
                    f,
                    "the history has `{history}` entries with a layer, but the manifest has `{layers}` layers"
                )
            }
            Self::NoConversion { from, to } => write!(f, "`{from}` cannot be converted to `{to}`"),
            Self::NoHistory => f.write_str("the config has no history"),
            Self::NoRootfs => f.write_str("the config has no `rootfs`"),
            Self::NestedIndex { digest } => write!(f, "the entry `{digest}` is itself a list or index"),
            Self::ReservedKey { key } => {
                write!(f, "the config's key `{}` would be mistaken for one of schema 1", Cut(key))
            }
            Self::UnreadableConfig { path, expected } => {
                write!(f, "engines of the schema 1 era cannot read `{path}`: it is not {expected}")
            }
            Self::UnsupportedDigest { value } => {
                write!(f, "the digest `{}` is of an algorithm that is not supported", Cut(value))
            }
            Self::UnknownLayerType { digest, media_type } => {
                write!(
                    f,
                    "the layer `{digest}` has the media type `{}`, which is not that of an image layer",
                    Cut(media_type)
                )
            }
            Self::ZstdLayer { digest } => {
                write!(
                    f,
                    "the layer `{digest}` is compressed with zstd, which older clients and Docker's manifests do not support"
                )
            }
            Self::LimitExceeded { name, limit, actual } => {
                write!(f, "`{actual}` exceeds the limit `{name}` of `{limit}`")
            }
        }
    }
}

/// A value from outside, on one line and cut to what a message has room for.
pub(crate) struct Cut<'c>(pub(crate) &'c str);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS: usize = 256;
        Printable::excerpt(self.0, CHARACTERS).fmt(f)
    }
}

impl core::error::Error for Error {}

/// An [`Error`] as plain data: what crosses the boundary of a sandbox, and what people and machines are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The stable machine code.
    pub code: Cow<'static, str>,
    /// The party at fault.
    pub fault: Fault,
    /// The cause, in one line.
    pub cause: String,
    /// The remedy, in one line.
    pub remedy: Cow<'static, str>,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self {
            code: error.code().into(),
            fault: error.fault(),
            cause: error.to_string(),
            remedy: error.remedy().into(),
        }
    }
}

/// Inside this crate errors are boxed: they are rare, and a boxed one makes every result smaller.
impl From<Box<Error>> for Error {
    fn from(error: Box<Self>) -> Self {
        *error
    }
}

/// What reading JSON may end with, in this crate's words.
impl From<downshift_json::Error> for Error {
    fn from(error: downshift_json::Error) -> Self {
        match error {
            downshift_json::Error::Limit { name, limit, actual } => {
                Self::LimitExceeded { name, limit, actual }
            }
            downshift_json::Error::Syntax { document, offset, problem } => {
                Self::InvalidJson { document, offset, problem }
            }
        }
    }
}

impl From<Box<downshift_json::Error>> for Box<Error> {
    #[cold]
    #[inline(never)]
    fn from(error: Box<downshift_json::Error>) -> Self {
        Self::new(Error::from(*error))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<Box<Error>> for Failure {
    fn from(error: Box<Error>) -> Self {
        Self::from(&*error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl core::error::Error for Failure {}
