//! The cache of blobs, filled from registries.

use alloc::sync::Arc;

use downshift::Digest;
use downshift::layer::LayerFacts;
use downshift_registry::{Parts, Problem};

use crate::blob_at::BlobAt;
use crate::effect::{BodyId, Copied, Copy, Done, Effect, NotFilled, StoredBlob, Unpack, unexpected};
use crate::failure::Failure;
use crate::names::AskedRegistry;
use crate::permit::permit;
use crate::registry::Remote;
use crate::repository::Repository;
use crate::settings::{Delivery, Settings};
use crate::shell::Shell;

/// How often a blob that breaks off is gone on with.
const MAX_RESUMES: u32 = 3;

/// What the cache has of a blob.
pub(crate) enum Cached {
    /// The blob, or what is there of it by now.
    Open(StoredBlob),
    /// The registry has no such blob.
    Missing,
    /// It goes without the cache.
    Nothing,
}

/// A body that is open from some byte on.
pub(crate) struct OpenFrom {
    pub(crate) body: BodyId,
    /// The first byte that comes.
    pub(crate) start: u64,
    /// How many bytes the whole blob has, if that is known.
    pub(crate) size: Option<u64>,
}

impl Remote<'_> {
    /// A blob from the cache, which is filled with it if need be. Whoever asks may pull it: a caller of whom that is not known
    /// asks the registry first, for what is there was fetched for somebody else.
    pub(crate) async fn cached(&self, at: &BlobAt) -> Result<Cached, Failure> {
        let permit = permit(self.shell, &self.scope, &at.caller).await;
        if !permit.is_known() {
            if !self.is_seen_now(at).await? {
                return Ok(Cached::Missing);
            }
            permit.keep(self.shell, &self.scope, &at.caller).await;
        }
        if let Some(blob) = self.open_cached(at).await? {
            return Ok(Cached::Open(blob));
        }
        for _ in 0..2 {
            match self.shell.ask(Effect::Fill(at.clone())).await {
                Done::Filling(Ok(blob)) => return Ok(Cached::Open(blob)),
                // It was fetched for another repository.
                Done::Filling(Err(NotFilled::Unseen)) => {
                    // Whoever runs a registry that clients have named could say that it has it.
                    if self.is_of_domain() {
                        return Ok(Cached::Nothing);
                    }
                    if !self.is_seen_now(at).await? {
                        return Ok(Cached::Missing);
                    }
                }
                Done::Filling(Err(NotFilled::Missing)) => return Ok(Cached::Missing),
                Done::Filling(Err(NotFilled::NoRoom)) => return Ok(Cached::Nothing),
                Done::Filling(Err(NotFilled::Failed(failure))) => return Err(failure.into()),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(Cached::Nothing)
    }

    /// Whether blobs of this registry are kept.
    pub(crate) fn caches_blobs(&self) -> bool {
        self.registry.delivery == Delivery::Cache
    }

    /// Whether the registry is one that nobody but a client has named, so that it may be anybody's. What others have is no
    /// business of it, whatever it says that it has.
    pub(crate) fn is_of_domain(&self) -> bool {
        matches!(self.registry, AskedRegistry::OfDomain(_))
    }

    /// The plain tar of a layer, for who may pull that: if it is in the cache, or is to be put there.
    pub(crate) async fn spooled(
        &self,
        stored: &BlobAt,
        plain: &BlobAt,
        is_wanted: bool,
    ) -> Result<Option<StoredBlob>, Failure> {
        let is_let = permit(self.shell, &self.scope, &plain.caller).await.is_known();
        if is_let && let Some(blob) = self.open_cached(plain).await? {
            return Ok(Some(blob));
        }
        if !is_wanted || !self.has_layer(stored).await? {
            return Ok(None);
        }
        // It is in the repository as long as what it is made of is.
        let (name, digest) = (plain.place.clone(), plain.digest.clone());
        self.shell.ask(Effect::RememberBlob { name, digest }).await;
        match self.shell.ask(Effect::Fill(plain.clone())).await {
            Done::Filling(Ok(blob)) => Ok(Some(blob)),
            // It is unpacked as it would be without the cache.
            _ => Ok(None),
        }
    }

    /// A blob that is in the cache and known to be in this repository.
    pub(crate) async fn open_cached(&self, at: &BlobAt) -> Result<Option<StoredBlob>, Failure> {
        let (name, digest) = (at.place.clone(), at.digest.clone());
        match self.shell.ask(Effect::OpenCached { name, digest }).await {
            Done::Opened(opened) => Ok(opened?),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether the registry has the blob in this repository for this caller, which is remembered.
    async fn is_seen_now(&self, at: &BlobAt) -> Result<bool, Failure> {
        // Of a plain tar the registry knows only what it is made of.
        let stored = at.unpacked_from.as_ref().map_or(&at.digest, |facts| &facts.digest);
        let stored = BlobAt { digest: stored.clone(), unpacked_from: None, ..at.clone() };
        // As it is asked where nothing is known: nobody can tell by that.
        let opened = self.open_from(&stored, 0).await?;
        let is_seen = opened.is_some();
        if let Some(opened) = opened {
            self.shell.ask(Effect::Close(opened.body)).await;
            let (name, digest) = (at.place.clone(), at.digest.clone());
            self.shell.ask(Effect::RememberBlob { name, digest }).await;
        }
        Ok(is_seen)
    }

    /// Unpacks a layer into the cache.
    async fn spool(&self, plain: &BlobAt, facts: &LayerFacts, there: u64) -> Result<(), NotFilled> {
        let (digest, size) = (facts.digest.clone(), Some(facts.size));
        let stored = BlobAt { digest, size, unpacked_from: None, ..plain.clone() };
        let open = self.open_layer(&stored).await?.ok_or(NotFilled::Missing)?;
        let parts = Parts::one(there..facts.plain_size);
        let unpack = Unpack { parts, check: Some(facts.diff_id.clone()), gzip: false };
        let mut source = open.source(&facts.digest, Some(unpack));
        for _ in 0..=MAX_RESUMES {
            let copy = source.copy.clone();
            match self.shell.ask(Effect::Store { copy, at: there }).await {
                Done::Copied(Copied::All | Copied::ClientGone) => return Ok(()),
                Done::Copied(Copied::Broken { sent: Some(sent) }) if source.go_on(sent).await.is_ok() => {}
                _ => break,
            }
        }
        Err(NotFilled::NoRoom)
    }

    /// Fetches a blob into the cache.
    async fn fill(&self, at: &BlobAt) -> Result<(), NotFilled> {
        let digest = &at.digest;
        let Done::Begun(mut there) = self.shell.ask(Effect::BeginFill(digest.clone())).await else {
            return Err(NotFilled::NoRoom);
        };
        if let Some(facts) = &at.unpacked_from {
            return self.spool(at, facts, there).await;
        }
        let opened = self.open_from(at, there).await?.ok_or(NotFilled::Missing)?;
        let (mut body, size) = (opened.body, opened.size.ok_or(NotFilled::NoRoom)?);
        there = opened.start;
        let (name, own) = (at.place.clone(), digest.clone());
        self.shell.ask(Effect::RememberBlob { name, digest: own }).await;
        for resumes in 0..=MAX_RESUMES {
            let length = Some(size.saturating_sub(there));
            let copy = Copy { body, start: 0, length, check: Some(digest.clone()), unpack: None };
            let Done::Copied(copied) = self.shell.ask(Effect::Store { copy, at: there }).await else {
                return Err(NotFilled::NoRoom);
            };
            match copied {
                Copied::All | Copied::ClientGone => return Ok(()),
                Copied::Broken { sent: Some(sent) } if resumes < MAX_RESUMES => {
                    there = there.saturating_add(sent);
                    body = self.reopen(digest, there..size, size, &at.caller).await?;
                }
                Copied::Broken { .. } => break,
                Copied::Corrupt => return Err(self.corrupt(digest).into()),
            }
        }
        Err(self.broken(digest).into())
    }

    /// That a blob broke off, again and again.
    pub(crate) fn broken(&self, digest: &Digest) -> Failure {
        self.fault(Problem::BrokeOff { digest: digest.clone() })
    }
}

impl From<Failure> for NotFilled {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

/// Fetches a blob into the cache, on behalf of all who read it there.
pub(crate) async fn fill(settings: Arc<Settings>, shell: Shell, at: BlobAt) {
    let filled = match Repository::choose(&settings, &shell, &at.name) {
        Some(Repository::Remote(remote)) => remote.fill(&at).await,
        _ => Err(NotFilled::Missing),
    };
    if let Err(not_filled) = filled {
        shell.ask(Effect::NotFilled(not_filled)).await;
    }
}
