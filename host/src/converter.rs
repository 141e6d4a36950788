//! The converter: runs the core, and waits in between for the documents that are elsewhere.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::{Answer, MAX_ROUNDS, Need, Request, Root};
use downshift::{Capabilities, Limits, Platform, Policy};
use downshift_sign::{GraviolaSigner, Signer};
use tokio::task::JoinSet;

use crate::digest;
use crate::engine::{self, Engine, Found, IsAbandoned, Lookup, NoAnswer, Progress, untrue};
use crate::error::Error;
use crate::metrics::METRICS;
use crate::store::Repository;
use crate::upstream::{Caller, Upstream};
use crate::work_budget::{Asker, Charge};
use crate::workers::{NoResult, Waiter, Workers};

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
    /// Answers what a client asks for that understands `client`, and takes its turns as `asker`.
    ///
    /// What it takes counts in `charge`, which comes back with the answer.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        root: Root,
        client: Capabilities,
        shelf: Shelf,
        asker: Asker,
        charge: Charge,
    ) -> Result<(Answer<'static>, Option<Charge>), NoAnswer> {
        let request = Arc::new(Request {
            root,
            client,
            policy: self.policy,
            default_platform: self.platform.clone(),
            time: None,
            limits: self.limits.clone(),
        });
        let mut found = Found::charged(&request, charge);
        // Each time something more is found, or there is room for what is made of it, so this is more than enough.
        for _ in 0..=2 * MAX_ROUNDS {
            // To hand an ordinary image to another thread and back takes as long as to convert it.
            let here = AssertUnwindSafe(|| self.advance_shortly(&request, &mut found, &shelf));
            let progress = match catch_unwind(here).map_err(|_| Error::Panicked)?? {
                Some(progress) => progress,
                None => {
                    let progress;
                    (progress, found) = self.advance_elsewhere(&request, found, &shelf, asker).await?;
                    progress
                }
            };
            match progress {
                Progress::Answered(answer) => return Ok((*answer, found.into_charge())),
                Progress::Waiting(needs) => {
                    found.make_room(&request, &needs).await?;
                    if needs.is_empty() {
                        continue;
                    }
                    for (need, bytes) in shelf.fetch(needs, &self.limits).await? {
                        found.add(&request, need, bytes)?;
                    }
                }
            }
        }
        // The core itself never does that.
        Err(Error::Core(untrue::endless()).into())
    }

    /// Goes on with a request on one of the threads for what takes long.
    async fn advance_elsewhere(
        self: &Arc<Self>,
        request: &Arc<Request>,
        mut found: Found,
        shelf: &Shelf,
        asker: Asker,
    ) -> Result<(Progress, Found), NoAnswer> {
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
        found: &mut Found,
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

    /// The same on a thread that others wait for; nothing if it takes longer than some milliseconds.
    fn advance_shortly(
        &self,
        request: &Request,
        found: &mut Found,
        shelf: &Shelf,
    ) -> Result<Option<Progress>, NoAnswer> {
        let look_up = |need: &Need| shelf.look_up(need, &self.limits);
        let sign = |bytes: &[u8]| self.signer.sign(bytes).map_err(Error::from);
        let _timer = METRICS.conversion_seconds.start_timer();
        engine::advance_shortly(&self.engine, request, found, look_up, sign)
    }
}

impl Shelf {
    /// What is known of a document without waiting for anything but the disk.
    fn look_up(&self, need: &Need, limits: &Limits) -> Result<Lookup, Error> {
        match self {
            Self::Store(repository) => Ok(Lookup::Known(stored(repository, need, limits)?)),
            Self::Upstream { upstream, name, .. } => {
                let found = upstream.document_at_hand(name, need);
                Ok(found.map_or(Lookup::Elsewhere, |bytes| Lookup::Known(Some(bytes))))
            }
        }
    }

    /// Fetches documents that have to be waited for, side by side.
    async fn fetch(
        &self,
        needs: Vec<Need>,
        limits: &Limits,
    ) -> Result<Vec<(Need, Option<Bytes>)>, Arc<Error>> {
        let (upstream, name, caller) = match self {
            Self::Store(repository) => {
                let read = |need| stored(repository, &need, limits).map(|bytes| (need, bytes));
                return Ok(needs.into_iter().map(read).collect::<Result<_, _>>()?);
            }
            Self::Upstream { upstream, name, caller } => (upstream, name, caller),
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
            let (need, bytes) = document.map_err(|_| Error::Panicked)??;
            // The others are not waited for: there is room for what is announced, and no more.
            if let (Some(expected), Some(bytes)) = (need.size, &bytes)
                && expected != bytes.len() as u64
            {
                return Err(Error::WrongSize { digest: need.digest, expected, actual: bytes.len() }.into());
            }
            fetched.push((need, bytes));
        }
        Ok(fetched)
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

/// A document of a stored repository, if it is there. Its digest is checked.
fn stored(repository: &Repository, need: &Need, limits: &Limits) -> Result<Option<Bytes>, Error> {
    let bytes = repository.document(&need.digest, limits)?;
    if let Some(bytes) = &bytes {
        digest::check(&need.digest, bytes, limits)?;
    }
    Ok(bytes.map(Bytes::from))
}
