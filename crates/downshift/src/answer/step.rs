//! The outcome of one call of the step function.

use alloc::vec::Vec;

use super::draft::{Draft, Prepared};
use super::need::Needs;
use super::record::{LayerRecord, Record};
use crate::Failure;

/// What comes next.
#[derive(Debug)]
pub enum Step<'a> {
    /// Fetch these documents, read these layers, and ask again with what came of it.
    Need(Needs),
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
    /// The layers that such a manifest names by their diff ids: to be recorded, too.
    pub layers: Vec<LayerRecord>,
}

impl From<Failure> for Refusal {
    /// With nothing to record.
    fn from(failure: Failure) -> Self {
        Self { failure, records: Vec::new(), layers: Vec::new() }
    }
}
