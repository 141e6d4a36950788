//! The converter: runs the core on its threads, and waits in between for the documents that are elsewhere.

use std::sync::Arc;

use bytes::Bytes;
use downshift::answer::{Answer, MAX_ROUNDS, Need, Request, Root};
use downshift::{Capabilities, Limits, Platform, Policy};
use downshift_sign::{P256Signer, Signer};
use tokio::task::JoinSet;

use crate::engine::{self, Engine, Found, Lookup, NoAnswer, Progress};
use crate::error::Error;
use crate::store::Repository;
use crate::upstream::{Caller, Upstream};
use crate::workers::Workers;

/// Everything that decides answers beside the request.
pub(crate) struct Converter {
    /// Where the core runs.
    pub(crate) engine: Engine,
    /// The threads that it runs on.
    pub(crate) workers: Workers,
    /// Who signs converted manifests.
    pub(crate) signer: P256Signer,
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
            let (progress, so_far) = self.advance(&request, found, &shelf).await?;
            found = so_far;
            match progress? {
                Progress::Answered(answer) => return Ok(*answer),
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

    /// Goes on with a request on one of the threads, as far as that goes without waiting.
    async fn advance(
        self: &Arc<Self>,
        request: &Arc<Request>,
        mut found: Found,
        shelf: &Shelf,
    ) -> Result<(Result<Progress, NoAnswer>, Found), Error> {
        let (converter, request, shelf) = (Arc::clone(self), Arc::clone(request), shelf.clone());
        let job = self.workers.submit(move || {
            let look_up = |need: &Need| shelf.look_up(need, &converter.limits);
            let sign = |bytes: &[u8]| converter.signer.sign(bytes).map_err(Error::from);
            let progress = engine::advance(&converter.engine, &request, &mut found, look_up, sign);
            (progress, found)
        });
        let job = job.map_err(|_| Error::Busy)?;
        job.await.map_err(|_| Error::Panicked)
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
