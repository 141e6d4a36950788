//! How far it is: a bar on a terminal, and lines everywhere else.

use std::io::{self, IsTerminal};

use downshift::{Digest, Form};
use indicatif::ProgressBar;

use super::super::bar::bar;
use super::super::failures::{Failed as _, ImageFailure};
use crate::log::notice;

const IMAGES: &str = "images     {bar:32} {pos}/{len}  {elapsed}";
const MANIFESTS: &str = "manifests  {bar:32} {pos}/{len}  {elapsed}";
const HEADS: &str = "blobs      {bar:32} {pos}/{len}  {elapsed}";
const BYTES: &str = "blobs      {bar:32} {bytes}/{total_bytes}  {bytes_per_sec}  {elapsed}";

/// How far it is.
pub(super) struct Progress {
    is_terminal: bool,
    bar: ProgressBar,
}

/// Counts bytes as they come.
pub(super) struct Meter(ProgressBar);

impl Meter {
    pub(super) fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), bar: ProgressBar::hidden() }
    }

    pub(super) fn begin_images(&mut self, count: usize) {
        self.begin(IMAGES, count as u64);
    }

    pub(super) fn begin_manifests(&mut self, count: usize) {
        self.begin(MANIFESTS, count as u64);
    }

    pub(super) fn begin_heads(&mut self, count: usize) {
        self.begin(HEADS, count as u64);
    }

    pub(super) fn begin_blobs(&mut self, count: usize, bytes: u64) {
        self.begin(BYTES, bytes);
        if !self.is_terminal {
            notice(format_args!("reading {count} blobs of {bytes} bytes"));
        }
    }

    fn begin(&mut self, template: &str, len: u64) {
        self.bar.finish_and_clear();
        if self.is_terminal {
            self.bar = bar(template, len);
        }
    }

    pub(super) fn advance(&self, count: u64) {
        self.bar.inc(count);
    }

    pub(super) fn meter(&self) -> Meter {
        Meter(self.bar.clone())
    }

    pub(super) fn got_manifest(&self, image: &str, client: &str, form: Form, digest: &Digest) {
        if !self.is_terminal {
            notice(format_args!("{image} for {client}: {form} {digest}"));
        }
    }

    pub(super) fn failed(&self, failure: &ImageFailure) {
        self.bar.suspend(|| notice(failure.line()));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
