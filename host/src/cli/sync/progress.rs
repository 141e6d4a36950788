//! How far it is: a bar on a terminal, and lines everywhere else.

use std::io::{self, IsTerminal};

use indicatif::ProgressBar;

use super::super::bar::bar;
use super::super::failures::Failed as _;
use super::summary::{Change, Failure};
use crate::log::notice;

/// What is to come becomes known as manifests are read.
const BYTES: &str = "{msg:12} {bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {elapsed}";

/// How far it is.
pub(super) struct Progress {
    is_terminal: bool,
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = if is_terminal { bar(BYTES, 0).with_message("blobs") } else { ProgressBar::hidden() };
        Self { is_terminal, bar }
    }

    /// So many bytes more are to come.
    pub(super) fn expect(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// So many have come.
    pub(super) fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    pub(super) fn changed(&self, change: &Change) {
        if !self.is_terminal {
            notice(change.line());
        }
    }

    pub(super) fn failed(&self, failure: &Failure) {
        self.bar.suspend(|| notice(failure.line()));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
