//! How far it is: a bar on a terminal, and lines everywhere else.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

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
        let bar = if is_terminal {
            let style = ProgressStyle::with_template(BYTES).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style).with_message("blobs")
        } else {
            ProgressBar::hidden()
        };
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

    /// Says it at once: the summary may be hours away.
    pub(super) fn failed(&self, failure: &Failure) {
        let line = format!("{}: failed: {}", failure.what(), failure.refusal.reason);
        self.bar.suspend(|| notice(&line));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
