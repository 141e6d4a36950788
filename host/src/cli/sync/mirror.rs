//! A store that is brought in step with registries, as all who work on it have it.

use core::time::Duration;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use downshift::Digest;

use super::super::refusal::Refusal;
use super::flights::{Flights, Verified};
use super::progress::Progress;
use super::selection::Selection;
use super::source::Source;
use super::summary::{Failure, Summary};
use crate::error::Error;
use crate::origin::store_writer::{StoreWriter, stored_blobs};

/// How many tags of a repository, and blobs of an image, are looked at at a time. How many requests are under way is limited
/// for all together.
pub(super) const AT_ONCE: usize = 8;

/// What is wanted beside the images themselves.
pub(super) struct Rules {
    pub(super) is_dry_run: bool,
    pub(super) deletes: bool,
    pub(super) deletes_repositories: bool,
    /// For how long a blob stays that nothing refers to.
    pub(super) kept_for: Duration,
    pub(super) has_referrers: bool,
    pub(super) verifies: bool,
    pub(super) jobs: usize,
    pub(super) exclude: Vec<Selection>,
}

/// A store, and where its images come from.
pub(super) struct Mirror {
    pub(super) source: Source,
    pub(super) folder: PathBuf,
    /// The store, unless this is a dry run.
    pub(super) store: Option<Arc<StoreWriter>>,
    pub(super) rules: Rules,
    pub(super) flights: Flights,
    /// What would be fetched in a dry run, and what is there.
    pub(super) planned: Mutex<HashSet<Digest>>,
    pub(super) verified: Verified,
    pub(super) progress: Progress,
    summary: Mutex<Summary>,
}

impl Mirror {
    /// Takes the store.
    ///
    /// # Errors
    /// [`Error::StoreInUse`], and those of the disk.
    pub(super) fn open(source: Source, folder: PathBuf, rules: Rules) -> Result<Self, Error> {
        let (store, planned) = if rules.is_dry_run {
            (None, stored_blobs(&folder)?)
        } else {
            (Some(Arc::new(StoreWriter::open(&folder)?)), HashSet::new())
        };
        let summary = Summary { is_dry_run: rules.is_dry_run, ..Summary::default() };
        Ok(Self {
            source,
            folder,
            store,
            rules,
            flights: Flights::default(),
            planned: Mutex::new(planned),
            verified: Verified::default(),
            progress: Progress::new(),
            summary: Mutex::new(summary),
        })
    }

    pub(super) fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self, failure: Failure) {
        self.progress.failed(&failure);
        self.summary().failures.add(failure);
    }

    pub(super) fn failed_repository(&self, name: &str, refusal: Refusal) {
        self.failed(Failure { repository: name.to_owned(), tag: None, digest: None, refusal });
    }

    /// Says what was done.
    pub(super) fn finish(self) -> Summary {
        self.progress.finish();
        let mut summary = self.summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.sort();
        summary
    }
}
