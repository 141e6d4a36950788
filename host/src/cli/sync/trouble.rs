//! Why something is not copied.

use super::super::refusal::Refusal;
use crate::error::Error;

/// Why something is not copied.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The registry does not give it, and the rest goes on.
    Refused(Refusal),
    /// Nothing more can be done.
    Fatal(Error),
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Fatal(error)
    }
}
