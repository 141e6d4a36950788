//! The converter: runs the core with the documents that are at hand.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use downshift::Limits;
use downshift::answer::{MAX_ROUNDS, Need, Request};
use downshift_pull::Scope;
use downshift_sign::{GraviolaSigner, Signer};

use crate::engine::workers::{NoResult, Waiter, Workers};
use crate::engine::{self, Engine, IsAbandoned, KnownDocuments, Lookup, NoAnswer, Progress, untrue};
use crate::error::Error;
use crate::metrics::{Cache as CacheName, METRICS};
use crate::origin::cache::OriginCache;
use crate::origin::store::Repository;
use crate::work_budget::Asker;

/// Where manifests are converted and signed.
pub(crate) struct Converter {
    /// Where the core runs.
    pub(crate) engine: Engine,
    /// The threads that it runs on where that takes long.
    pub(crate) workers: Arc<Workers>,
    /// Who signs converted manifests.
    pub(crate) signer: Arc<GraviolaSigner>,
    /// How much to take in and give out.
    pub(crate) limits: Limits,
}

/// Documents of one repository that are at hand, or a moment away.
#[derive(Clone)]
pub(crate) enum Shelf {
    /// In a stored repository.
    Store(Arc<Repository>),
    /// What a registry has said.
    Cache(Arc<OriginCache>, Scope),
}

impl Converter {
    /// Converts as far as the documents go that are at hand, on behalf of `asker`: to an answer, or to documents that it
    /// takes beside them, for which there is room then.
    pub(crate) async fn convert(
        self: &Arc<Self>,
        request: Arc<Request>,
        mut found: KnownDocuments,
        shelf: Shelf,
        asker: Asker,
    ) -> Result<Progress, NoAnswer> {
        // Each time there is more room, so this is more than enough.
        for _ in 0..=MAX_ROUNDS {
            // To hand an ordinary image to another thread and back takes as long as to convert it.
            let progress = match self.convert_shortly(&request, &mut found, &shelf)? {
                Some(progress) => progress,
                None => {
                    let progress;
                    (progress, found) = self.advance_elsewhere(&request, found, &shelf, asker).await?;
                    progress
                }
            };
            match progress {
                Progress::Waiting(needs) => {
                    found.make_room(&request, &needs).await?;
                    if !needs.is_empty() {
                        return Ok(Progress::Waiting(needs));
                    }
                }
                answered @ Progress::Answered(_) => return Ok(answered),
            }
        }
        // The core itself never does that.
        Err(Error::Core(untrue::endless()).into())
    }

    /// Goes on with a request on one of the threads for what takes long.
    async fn advance_elsewhere(
        self: &Arc<Self>,
        request: &Arc<Request>,
        mut found: KnownDocuments,
        shelf: &Shelf,
        asker: Asker,
    ) -> Result<(Progress, KnownDocuments), NoAnswer> {
        let (converter, request, shelf) = (Arc::clone(self), Arc::clone(request), shelf.clone());
        let job = self.workers.submit(asker.client, found.bytes(), move |waiter| {
            let progress = converter.advance(&request, &mut found, &shelf, waiter)?;
            Ok((progress, found))
        });
        job?.result().await?
    }

    /// Goes on with a request as far as that goes without waiting.
    fn advance(
        &self,
        request: &Request,
        found: &mut KnownDocuments,
        shelf: &Shelf,
        waiter: &Waiter,
    ) -> Result<Progress, NoAnswer> {
        let waiter = waiter.clone();
        let is_abandoned: IsAbandoned = Box::new(move || waiter.is_gone());
        let look_up = |need: &Need| shelf.look_up(need, &self.limits);
        let sign = |bytes: &[u8]| self.signer.sign(bytes).map_err(Error::from);
        let _timer = METRICS.conversion_seconds.start_timer();
        engine::advance(&self.engine, request, found, Some(is_abandoned), look_up, sign)
    }

    /// The same on a thread that others wait for; nothing if it takes longer than some milliseconds. Where there has to be
    /// more room first, it waits for no documents.
    pub(crate) fn convert_shortly(
        &self,
        request: &Request,
        found: &mut KnownDocuments,
        shelf: &Shelf,
    ) -> Result<Option<Progress>, NoAnswer> {
        let look_up = |need: &Need| shelf.look_up(need, &self.limits);
        let sign = |bytes: &[u8]| self.signer.sign(bytes).map_err(Error::from);
        let _timer = METRICS.conversion_seconds.start_timer();
        let convert =
            AssertUnwindSafe(|| engine::advance_shortly(&self.engine, request, found, look_up, sign));
        catch_unwind(convert).map_err(|_| Error::Panicked)?
    }
}

impl Shelf {
    /// What is known of a document without waiting for anything but the disk of a store.
    fn look_up(&self, need: &Need, limits: &Limits) -> Result<Lookup, Error> {
        match self {
            Self::Store(repository) => Ok(Lookup::Known(repository.checked_document(&need.digest, limits)?)),
            Self::Cache(cache, scope) => {
                let found = cache.document(scope, &need.digest);
                METRICS.looked_up(CacheName::Documents, found.is_some());
                Ok(found.map_or(Lookup::Elsewhere, |bytes| Lookup::Known(Some(bytes))))
            }
        }
    }
}

impl From<NoResult> for NoAnswer {
    fn from(no_result: NoResult) -> Self {
        match no_result {
            NoResult::Busy => Error::Busy.into(),
            NoResult::Panicked => Error::Panicked.into(),
        }
    }
}
