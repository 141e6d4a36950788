//! What a layer has come to so far, against its limits.

use downshift::layer::Compression;

use crate::{Error, Limits, Progress};

/// Work of each compressed byte.
const WORK_OF_READ: u64 = 4;

/// What a layer has come to so far.
pub(crate) struct Meter {
    limits: Limits,
    compressed: u64,
    plain: u64,
    work: u64,
    /// Where the current member, frame or stream begins.
    part_start: u64,
    largest_window: Option<u64>,
}

impl Meter {
    pub(crate) const fn new(limits: Limits) -> Self {
        Self { limits, compressed: 0, plain: 0, work: 0, part_start: 0, largest_window: None }
    }

    pub(crate) const fn compressed(&self) -> u64 {
        self.compressed
    }

    pub(crate) const fn plain(&self) -> u64 {
        self.plain
    }

    /// Where the current member, frame or stream begins.
    pub(crate) const fn part_start(&self) -> u64 {
        self.part_start
    }

    /// The largest window of a zstd frame.
    pub(crate) const fn largest_window(&self) -> Option<u64> {
        self.largest_window
    }

    /// The largest window that may be.
    pub(crate) const fn window_limit(&self) -> u64 {
        self.limits.window_bytes
    }

    /// Counts what a step read and wrote.
    pub(crate) fn count(&mut self, compression: Compression, progress: Progress) -> Result<(), Error> {
        let read = progress.read as u64;
        let written = progress.written as u64;
        self.compressed = self.compressed.saturating_add(read);
        self.plain = self.plain.saturating_add(written);
        let of_written = match compression {
            Compression::Plain => 0,
            Compression::Gzip => 1,
            Compression::Zstd => 3,
            Compression::Xz => 20,
            Compression::Bzip2 => 32,
        };
        if compression != Compression::Plain {
            self.add_work(read.saturating_mul(WORK_OF_READ))?;
        }
        self.add_work(written.saturating_mul(of_written))?;
        let limits = &self.limits;
        if self.compressed > limits.layer_bytes {
            return Err(Error::LimitExceeded { name: "layer-bytes", limit: limits.layer_bytes });
        }
        if self.plain > limits.plain_bytes {
            return Err(Error::LimitExceeded { name: "plain-bytes", limit: limits.plain_bytes });
        }
        let by_ratio = self.compressed.saturating_mul(limits.ratio);
        if self.plain > Limits::RATIO_FREE_BYTES && self.plain > by_ratio && compression != Compression::Plain
        {
            return Err(Error::LimitExceeded { name: "ratio", limit: limits.ratio });
        }
        Ok(())
    }

    /// A member, frame or stream begins here, behind all that has been counted.
    pub(crate) const fn begin_part(&mut self) {
        self.part_start = self.compressed;
    }

    /// Counts the window of a zstd frame.
    pub(crate) fn window(&mut self, bytes: u64) -> Result<(), Error> {
        self.largest_window = self.largest_window.max(Some(bytes));
        if bytes > self.limits.window_bytes { Err(self.window_exceeded()) } else { Ok(()) }
    }

    /// The error of a window or dictionary that is too large.
    pub(crate) const fn window_exceeded(&self) -> Error {
        Error::LimitExceeded { name: "window-bytes", limit: self.limits.window_bytes }
    }

    /// Counts work.
    pub(crate) fn add_work(&mut self, work: u64) -> Result<(), Error> {
        self.work = self.work.saturating_add(work);
        if self.work > self.limits.work {
            return Err(Error::LimitExceeded { name: "work", limit: self.limits.work });
        }
        Ok(())
    }
}
