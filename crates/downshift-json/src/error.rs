//! Why a document was not read.

use alloc::boxed::Box;
use core::fmt;

/// Why a document was not read. There are no other reasons, so that users can turn it into their own error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The document is longer, deeper or has a longer string than its [`Limits`](crate::Limits) allow.
    Limit {
        /// The limit's name: `document-bytes`, `depth` or `string-bytes`.
        name: &'static str,
        /// The limit, in bytes or levels.
        limit: usize,
        /// What the document has, as far as it was read.
        actual: usize,
    },
    /// The document is not JSON (RFC 8259).
    Syntax {
        /// The document, as the caller calls it.
        document: &'static str,
        /// Bytes before the one that cannot stand there.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Error {
    /// Checks a quantity against its limit.
    pub(crate) fn check(name: &'static str, limit: usize, actual: usize) -> Result<(), Box<Self>> {
        if actual > limit { Err(Self::Limit { name, limit, actual }.into()) } else { Ok(()) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limit { name, limit, actual } => {
                write!(f, "`{actual}` exceeds the limit `{name}` of `{limit}`")
            }
            Self::Syntax { document, offset, problem } => {
                write!(f, "the {document} is not JSON: {problem} at byte `{offset}`")
            }
        }
    }
}

impl core::error::Error for Error {}
