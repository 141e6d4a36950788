//! The converter: runs the core, and waits in between for the documents that are elsewhere.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::{Answer, MAX_ROUNDS, Need, Request, Root};
use downshift::{Capabilities, Limits, Platform, Policy};
use downshift_sign::{GraviolaSigner, Signer};
use tokio::task::JoinSet;

use crate::engine::{self, Engine, Found, Lookup, NoAnswer, Pace, Progress};
use crate::error::Error;
use crate::metrics::METRICS;
use crate::store::Repository;
use crate::upstream::{Caller, Upstream};
use crate::workers::Workers;

/// Everything that decides answers beside the request.
pub(crate) struct Converter {
    /// Where the core runs.
    pub(crate) engine: Engine,
    /// The threads that it runs on where that takes long.
    pub(crate) workers: Arc<Workers>,
    /// Who signs converted manifests.
    pub(crate) signer: Arc<GraviolaSigner>,
    /// What to do where the reference would lose something.
    pub(crate) policy: Policy,
    /// The platform for clients that do not say theirs.
    pub(crate) platform: Platform,
    /// How much to take in and give out.
    pub(crate) limits: Limits,
}

/// Where the documents of one repository are.
#[derive(Clone)]
pub(crate) enum Shelf {
    /// In a stored repository.
    Store(Arc<Repository>),
    /// At an upstream registry, under this name.
    Upstream {
        /// The registry.
        upstream: Arc<Upstream>,
        /// The repository's name there.
        name: String,
        /// On whose behalf it is asked.
        caller: Caller,
    },
}

impl Converter {
    /// Answers what `client` asks for.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        root: Root,
        client: Capabilities,
        shelf: Shelf,
    ) -> Result<Answer<'static>, NoAnswer> {
        let request = Arc::new(Request {
            root,
            client,
            policy: self.policy,
            default_platform: self.platform.clone(),
            time: None,
            limits: self.limits.clone(),
        });
        let mut found = Found::default();
        // Each time something more is found, so this is more than enough.
        for _ in 0..=MAX_ROUNDS {
            // To hand an ordinary image to another thread and back takes as long as to convert it.
            let here = AssertUnwindSafe(|| self.advance(&request, &mut found, Pace::Short, &shelf));
            let mut progress = catch_unwind(here).map_err(|_| Error::Panicked)??;
            if matches!(progress, Progress::Long) {
                (progress, found) = self.advance_elsewhere(&request, found, &shelf).await?;
            }
            match progress {
                Progress::Answered(answer) => return Ok(*answer),
                Progress::Long => unreachable!("elsewhere it may take long"),
                Progress::Waiting(needs) => {
                    for (need, bytes) in shelf.fetch(needs).await? {
                        found.add(&request, need, bytes)?;
                    }
                }
            }
        }
        // The core itself never does that.
        Err(Error::Core(engine::wasm::endless()).into())
    }

    /// Goes on with a request on one of the threads for what takes long.
    async fn advance_elsewhere(
        self: &Arc<Self>,
        request: &Arc<Request>,
        mut found: Found,
        shelf: &Shelf,
    ) -> Result<(Progress, Found), NoAnswer> {
        let (converter, request, shelf) = (Arc::clone(self), Arc::clone(request), shelf.clone());
        let job = self.workers.submit(move || {
            let progress = converter.advance(&request, &mut found, Pace::Any, &shelf)?;
            Ok((progress, found))
        });
        let job = job.map_err(|_| Error::Busy)?;
        job.await.map_err(|_| Error::Panicked)?
    }

    /// Goes on with a request as far as that goes without waiting, and at this pace.
    fn advance(
        &self,
        request: &Request,
        found: &mut Found,
        pace: Pace,
        shelf: &Shelf,
    ) -> Result<Progress, NoAnswer> {
        let look_up = |need: &Need| shelf.look_up(need, &self.limits);
        let sign = |bytes: &[u8]| self.signer.sign(bytes).map_err(Error::from);
        let _timer = METRICS.conversion_seconds.start_timer();
        engine::advance(&self.engine, request, found, pace, look_up, sign)
    }
}

impl Shelf {
    /// What is known of a document without waiting for anything but the disk.
    fn look_up(&self, need: &Need, limits: &Limits) -> Result<Lookup, Error> {
        match self {
            Self::Store(repository) => {
                let bytes = repository.document(&need.digest, limits)?;
                if let Some(bytes) = &bytes {
                    engine::check(&need.digest, bytes, limits)?;
                }
                Ok(Lookup::Known(bytes.map(Bytes::from)))
            }
            Self::Upstream { upstream, name, .. } => {
                let found = upstream.document_at_hand(name, need);
                Ok(found.map_or(Lookup::Elsewhere, |bytes| Lookup::Known(Some(bytes))))
            }
        }
    }

    /// Fetches documents that are elsewhere, side by side.
    async fn fetch(&self, needs: Vec<Need>) -> Result<Vec<(Need, Option<Bytes>)>, Arc<Error>> {
        let Self::Upstream { upstream, name, caller } = self else {
            unreachable!("what is in a store is at hand")
        };
        if let [need] = needs.as_slice() {
            let bytes = upstream.document(name, need, caller).await?;
            return Ok(vec![(need.clone(), bytes)]);
        }
        let mut fetching = JoinSet::new();
        for need in needs {
            let (upstream, name, caller) = (Arc::clone(upstream), name.clone(), caller.clone());
            fetching.spawn(async move {
                let bytes = upstream.document(&name, &need, &caller).await;
                bytes.map(|bytes| (need, bytes))
            });
        }
        let mut fetched = Vec::new();
        while let Some(document) = fetching.join_next().await {
            fetched.push(document.map_err(|_| Error::Panicked)??);
        }
        Ok(fetched)
    }
}
