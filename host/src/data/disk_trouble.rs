//! What is said about a disk that fails, which is not the same thing again and again.

use core::time::Duration;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::error::Error;
use crate::log;

/// How long nothing is said after something was.
const QUIET: Duration = Duration::from_secs(60);

/// When something was said.
#[derive(Debug, Default)]
pub(super) struct DiskTrouble(Mutex<Option<Instant>>);

impl DiskTrouble {
    /// Says that the disk failed, unless that was said lately.
    pub(super) fn tell(&self, error: &Error) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|at| at.elapsed() > QUIET) {
            *told = Some(Instant::now());
            log::error(error);
        }
    }
}
