//! Every way in which a layer can be refused.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use downshift::layer::Compression;
use downshift::{Failure, Fault};
use downshift_text::Printable;

/// Why a layer was not read.
///
/// As with [`downshift::Error`], [`code`](Self::code) is stable, the text of [`Display`](fmt::Display) is the cause, on one
/// line, and [`remedy`](Self::remedy) says what can be done about it. Positions are those of the blob, at the beginning of the
/// member, frame or stream in question, and so they are the same however the bytes come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    // Fault::Caller
    /// The rules of [`Unpacker`](crate::Unpacker) were broken.
    Misuse {
        /// Which one.
        problem: &'static str,
    },
    /// There is no limit of this name.
    UnknownLimit {
        /// The name.
        name: String,
    },

    // Fault::Document
    /// A checksum is not that of the bytes.
    Checksum {
        /// How the layer is compressed.
        compression: Compression,
        /// Which checksum.
        check: &'static str,
        /// Where the member, frame or stream begins.
        offset: u64,
    },
    /// The compressed bytes have no meaning.
    Corrupt {
        /// How the layer is compressed.
        compression: Compression,
        /// What is wrong.
        problem: &'static str,
        /// Where the member, frame or stream begins.
        offset: u64,
    },
    /// The layer is followed by something else.
    TrailingBytes {
        /// How the layer is compressed.
        compression: Compression,
        /// Where that begins.
        offset: u64,
    },
    /// The end is missing.
    Truncated {
        /// How the layer is compressed.
        compression: Compression,
        /// Bytes that there are.
        size: u64,
    },
    /// Neither compressed in a way that is known, nor a tar.
    UnknownCompression {
        /// The first bytes, eight at the most.
        start: Vec<u8>,
    },
    /// What no reader of layers knows.
    Unsupported {
        /// How the layer is compressed.
        compression: Compression,
        /// What it takes.
        feature: &'static str,
        /// Where the member, frame or stream begins.
        offset: u64,
    },

    // Fault::Limit
    /// A limit was passed: see [`Limits`](crate::Limits).
    LimitExceeded {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        limit: u64,
    },
    /// There is less memory than decoding takes.
    OutOfMemory {
        /// How the layer is compressed.
        compression: Compression,
        /// Where the member, frame or stream begins.
        offset: u64,
    },
}

impl Error {
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
        use Fault::{Caller, Document, Limit};
        let (code, fault, remedy) = match self {
            Self::Misuse { .. } => ("layer-misuse", Caller, "report this: it is a bug in this program"),
            Self::UnknownLimit { .. } => {
                ("unknown-limit", Caller, "use layer-bytes, plain-bytes, ratio, window-bytes or work")
            }
            Self::Checksum { .. } => ("layer-checksum", Document, COPY_AGAIN),
            Self::Corrupt { .. } => ("corrupt-layer", Document, COPY_AGAIN),
            Self::TrailingBytes { .. } => ("trailing-bytes", Document, COPY_AGAIN),
            Self::Truncated { .. } => ("truncated-layer", Document, COPY_AGAIN),
            Self::UnknownCompression { .. } => (
                "unknown-compression",
                Document,
                "push the image again with tar layers, plain or compressed with gzip or zstd",
            ),
            Self::Unsupported { .. } => (
                "unsupported-layer",
                Document,
                "compress the layer again with default settings, and push the image again",
            ),
            Self::LimitExceeded { .. } => {
                ("limit-exceeded", Limit, "if the layer can be trusted, raise this limit with --limit")
            }
            Self::OutOfMemory { .. } => {
                ("out-of-memory", Limit, "give Downshift more memory: the layer itself may be fine")
            }
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

/// The remedy for a layer that is not what it was when it was made.
const COPY_AGAIN: &str =
    "compare its digest: if that is wrong, copy the layer again; otherwise rebuild the image and push it";

/// What a compression calls the parts that may follow each other.
const fn part(compression: Compression) -> &'static str {
    match compression {
        Compression::Plain => "tar",
        Compression::Gzip => "member",
        Compression::Zstd => "frame",
        Compression::Bzip2 | Compression::Xz => "stream",
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Characters of a name that a message has room for.
        const NAME_CHARACTERS: usize = 256;
        match self {
            Self::Misuse { problem } => f.write_str(problem),
            Self::UnknownLimit { name } => {
                write!(f, "there is no limit `{}`", Printable::excerpt(name, NAME_CHARACTERS))
            }
            Self::Checksum { compression, check, offset } => write!(
                f,
                "the {check} of the {compression} {} at byte `{offset}` is wrong",
                part(*compression)
            ),
            Self::Corrupt { compression, problem, offset } => {
                write!(f, "the {compression} {} at byte `{offset}` is damaged: {problem}", part(*compression))
            }
            Self::TrailingBytes { compression, offset } => {
                write!(
                    f,
                    "unexpected data after the {compression} {} that ends at byte `{offset}`",
                    part(*compression)
                )
            }
            Self::Truncated { compression, size } => {
                write!(f, "the {compression} layer is cut off after `{size}` bytes")
            }
            Self::UnknownCompression { start } => {
                f.write_str("the layer is neither a tar nor compressed with gzip, zstd, bzip2 or xz: it begins with `")?;
                for (index, byte) in start.iter().enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    write!(f, "{space}{byte:02x}")?;
                }
                f.write_str("`")
            }
            Self::Unsupported { compression, feature, offset } => {
                write!(
                    f,
                    "the {compression} {} at byte `{offset}` uses {feature}, which is not supported",
                    part(*compression)
                )
            }
            Self::LimitExceeded { name, limit } => {
                write!(f, "the layer exceeds the limit `{name}` of `{limit}`")
            }
            Self::OutOfMemory { compression, offset } => {
                write!(f, "out of memory for the {compression} {} at byte `{offset}`", part(*compression))
            }
        }
    }
}

impl core::error::Error for Error {}

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

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
