//! Repositories: where one is, and what there is to ask of it, whatever kind of origin has it.
//!
//! Another kind is another variant of [`Repository`] and a file beside [`crate::registry`]: nothing else matches on the kind.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use downshift::answer::Need;
use downshift::document::Document;
use downshift::{Capabilities, Digest, Form};
use downshift_registry::{Meaning, Reference, Request};

use crate::blob::{Blob, OpenLayer, Source, open_stored};
use crate::blob_at::BlobAt;
use crate::caller::Caller;
use crate::effect::{Done, Effect, unexpected};
use crate::failure::{Failure, damaged_blob};
use crate::lists::TagList;
use crate::names::{Location, LocationPlace};
use crate::pulp;
use crate::referrers;
use crate::registry::Remote;
pub(crate) use crate::repository_kind::Repository;
use crate::settings::{Delivery, Scope, Settings};
use crate::shell::{Shell, all};
use crate::trouble::Trouble;
use crate::value::ListValue;

/// How many tags are looked into for a manifest that none of them points to.
const MAX_TAGS_SEARCHED: usize = 64;

/// What a reference stands for.
pub(crate) struct ResolvedReference {
    pub(crate) digest: Digest,
    pub(crate) meaning: Meaning,
}

impl<'p> Repository<'p> {
    /// The repository called `name` here, if there may be one.
    pub(crate) fn choose(settings: &'p Settings, shell: &'p Shell, name: &str) -> Option<Self> {
        let Location { scope, place } = settings.choose(name)?;
        Some(match place {
            LocationPlace::Layouts => Self::Layout { settings, shell, scope, pulp: None },
            LocationPlace::Pulp(pulp) => Self::Layout { settings, shell, scope, pulp: Some(pulp) },
            LocationPlace::Registry { registry, name } => {
                Self::Remote(Remote { settings, shell, registry, scope, name })
            }
        })
    }

    pub(crate) fn scope(&self) -> &Scope {
        match self {
            Self::Layout { scope, .. } => scope,
            Self::Remote(remote) => &remote.scope,
        }
    }

    /// Where it is, for what is remembered longer than any settings: its name in the store, or its registry's URL with its name
    /// there.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Layout { scope, .. } => scope.name.clone(),
            Self::Remote(remote) => [&remote.registry.base.text, &*remote.name].concat(),
        }
    }

    /// Whether nothing may be told of it any more, not even what was made here: in Pulp it has become protected since.
    pub(crate) async fn is_withdrawn(&self, digest: &Digest) -> Result<bool, Failure> {
        let Self::Layout { shell, scope, pulp: Some(_), .. } = self else { return Ok(false) };
        let (scope, reference) = (scope.clone(), Reference::Digest(digest.clone()));
        match shell.ask(Effect::Resolve { scope, reference }).await {
            Done::Resolved(resolved) => Ok(resolved?.is_none()),
            other => Err(unexpected(&other)),
        }
    }

    /// The registry, if it is at one.
    pub(crate) fn remote(&self) -> Option<&Remote<'p>> {
        match self {
            Self::Layout { .. } => None,
            Self::Remote(remote) => Some(remote),
        }
    }

    /// What a tag points to for a client, or that there may be a digest.
    pub(crate) async fn resolve(
        &self,
        reference: &Reference,
        client: &Capabilities,
        caller: &Caller,
    ) -> Result<Option<ResolvedReference>, Failure> {
        let remote = match self {
            Self::Layout { settings, shell, scope, .. } => {
                let (scope, reference) = (scope.clone(), reference.clone());
                let resolved = match shell.ask(Effect::Resolve { scope, reference }).await {
                    Done::Resolved(resolved) => resolved?,
                    other => return Err(unexpected(&other)),
                };
                return Ok(resolved.map(|stored| {
                    if stored.variants.is_empty() {
                        let meaning = Meaning::Reading(stored.reading);
                        return ResolvedReference { digest: stored.digest, meaning };
                    }
                    // Where a tag has several, the reading does not say which of them this client gets.
                    let digest = pulp::choose(&stored, client, &settings.platform).clone();
                    ResolvedReference { meaning: Meaning::Upstream(digest.clone()), digest }
                }));
            }
            Self::Remote(remote) => remote,
        };
        let digest = match reference {
            Reference::Tag(tag) => remote.tag(tag, caller).await?,
            Reference::Digest(digest) => Some(digest.clone()),
        };
        Ok(digest.map(|digest| ResolvedReference { meaning: Meaning::Upstream(digest.clone()), digest }))
    }

    /// A tag that points to a manifest, if one is known. At a registry it may as well be that of an index with it.
    pub(crate) async fn tag_of(&self, digest: &Digest) -> Result<Option<String>, Failure> {
        let (shell, scope) = match self {
            Self::Layout { shell, scope, .. } => (shell, scope),
            Self::Remote(remote) => return Ok(remote.tag_of(digest).await),
        };
        match shell.ask(Effect::TagOf { scope: scope.clone(), digest: digest.clone() }).await {
            Done::TagOf(tag) => Ok(tag),
            other => Err(unexpected(&other)),
        }
    }

    /// A tag whose list or index has a manifest in it, if one is known.
    pub(crate) async fn tag_of_child(
        &self,
        digest: &Digest,
        caller: &Caller,
    ) -> Result<Option<String>, Failure> {
        let Self::Layout { settings, .. } = self else { return Ok(None) };
        let Some(TagList::All(tags)) = self.tags("", caller).await? else { return Ok(None) };
        let client = Capabilities::of(&[Form::List, Form::Index]);
        for tag in tags.into_iter().take(MAX_TAGS_SEARCHED) {
            let reference = Reference::Tag(tag);
            let Some(resolved) = self.resolve(&reference, &client, caller).await? else { continue };
            // What is wrong with another image says nothing of this one.
            let needs = [Need::manifest(&resolved.digest)].into();
            let Ok(documents) = self.documents(needs, caller).await else { continue };
            let Some(bytes) = documents.into_iter().find_map(|(_, bytes)| bytes) else { continue };
            if let Ok(Document::Index(index)) = Document::parse(&bytes, &settings.limits)
                && index.entries.iter().any(|entry| entry.digest == *digest)
                && let Reference::Tag(tag) = reference
            {
                return Ok(Some(tag));
            }
        }
        Ok(None)
    }

    /// Documents, as far as they are there. Their digests are checked; a size that a descriptor says decides nothing.
    pub(crate) async fn documents(
        &self,
        needs: Vec<Need>,
        caller: &Caller,
    ) -> Result<Vec<(Need, Option<Bytes>)>, Failure> {
        let documents = match self {
            Self::Layout { shell, scope, .. } => {
                match shell.ask(Effect::Documents { scope: scope.clone(), needs }).await {
                    Done::Documents(documents) => documents?,
                    other => return Err(unexpected(&other)),
                }
            }
            Self::Remote(remote) => {
                let document = async |need: Need| {
                    let bytes = remote.document(&need, caller).await?;
                    Ok((need, bytes))
                };
                return all(needs.into_iter().map(document)).await;
            }
        };
        Ok(documents)
    }

    /// A blob, or what of it is asked for.
    pub(crate) async fn blob(&self, request: &Request, at: BlobAt) -> Result<Blob<'p>, Failure> {
        match self {
            Self::Layout { settings, shell, pulp, .. } => {
                let delivery = pulp.map(|pulp| pulp.delivery).unwrap_or_default();
                let resolve = (delivery == Delivery::Redirect).then_some(settings.resolve);
                Blob::of_layout(shell, self, request, at, resolve).await
            }
            Self::Remote(remote) => remote.blob(request, at).await,
        }
    }

    /// A part of a blob of `size` bytes.
    pub(crate) async fn open_part(
        &self,
        at: &BlobAt,
        range: Range<u64>,
        size: u64,
    ) -> Result<Option<Source<'p>>, Failure> {
        match self {
            Self::Layout { shell, scope, .. } => {
                let opened = open_stored(shell, scope, &at.digest).await?;
                Ok(opened.map(|blob| Source::part(blob.body, range)))
            }
            Self::Remote(remote) => remote.open_part(at, range, size).await,
        }
    }

    /// A blob, open from its first byte on.
    pub(crate) async fn open_layer(&self, at: &BlobAt) -> Result<Option<OpenLayer<'p>>, Failure> {
        match self {
            Self::Layout { shell, scope, .. } => {
                let opened = open_stored(shell, scope, &at.digest).await?;
                Ok(opened.map(|blob| OpenLayer { body: blob.body, size: Some(blob.size), again: None }))
            }
            Self::Remote(remote) => remote.open_layer(at).await,
        }
    }

    /// Whether a blob is there, and may be had.
    pub(crate) async fn has_layer(&self, at: &BlobAt) -> Result<bool, Failure> {
        match self {
            Self::Layout { shell, scope, .. } => {
                let opened = open_stored(shell, scope, &at.digest).await?;
                if let Some(blob) = &opened {
                    shell.ask(Effect::Close(blob.body)).await;
                }
                Ok(opened.is_some())
            }
            Self::Remote(remote) => remote.has_layer(at).await,
        }
    }

    /// That a blob does not have the digest that it was asked for by.
    pub(crate) fn corrupt(&self, digest: &Digest) -> Failure {
        match self {
            Self::Layout { .. } => Trouble::Document(damaged_blob(digest)).into(),
            Self::Remote(remote) => remote.corrupt(digest),
        }
    }

    /// That a blob broke off, again and again.
    pub(crate) fn broken(&self, digest: &Digest) -> Failure {
        match self {
            Self::Layout { .. } => Trouble::Internal.into(),
            Self::Remote(remote) => remote.broken(digest),
        }
    }

    /// The tags, or a page of them; nothing if there is no such repository.
    pub(crate) async fn tags(&self, query: &str, caller: &Caller) -> Result<Option<TagList>, Failure> {
        match self {
            Self::Layout { shell, scope, .. } => match shell.ask(Effect::Tags(scope.clone())).await {
                Done::Tags(tags) => Ok(tags?.map(TagList::All)),
                other => Err(unexpected(&other)),
            },
            Self::Remote(remote) => remote.tags(query, caller).await,
        }
    }

    /// The referrers of a manifest; nothing if nobody knows of referrers there.
    pub(crate) async fn referrers(
        &self,
        digest: &Digest,
        query: &str,
        caller: &Caller,
    ) -> Result<Option<ListValue>, Failure> {
        match self {
            // Pulp 2 has nothing but Docker's manifests, and these refer to no others.
            Self::Layout { shell, pulp: Some(_), .. } => Ok(Some(referrers::none(query, shell.now()))),
            Self::Layout { settings, shell, scope, .. } => {
                referrers::of_layout(settings, shell, scope, digest, query).await.map(Some)
            }
            Self::Remote(remote) => remote.referrers(digest, query, caller).await,
        }
    }
}
