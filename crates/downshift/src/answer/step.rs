//! The outcome of one call of the step function.

use alloc::vec::Vec;

use super::draft::{Draft, Prepared};
use super::need::Need;
use super::record::Record;
use crate::Failure;

/// What comes next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Fetch these documents, and ask again with them.
    Need(Vec<Need>),
    /// Sign [`Prepared::signing_input`], and [`Prepared::seal`] the answer with it.
    Sign(Prepared),
    /// [`Draft::finish`] it.
    Done(Draft<'a>),
    /// It cannot be answered.
    Refused(Refusal),
}

/// Why a request was not answered.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The reason.
    pub failure: Failure,
    /// What has to be recorded before the error goes out: an error may name a digest to pull instead.
    pub records: Vec<Record>,
}
