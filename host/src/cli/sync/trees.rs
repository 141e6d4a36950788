//! Manifests with all that they name: other manifests, blobs, and what refers to them.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;
use downshift::{Digest, Limits};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde::Deserialize;

use super::super::refusal::Refusal;
use super::contents::{Contents, drop_duplicates};
use super::flights::blocking;
use super::mirror::{AT_ONCE, Mirror};
use super::source::Manifest;
use super::summary::Absent;
use super::trouble::Trouble;
use crate::digest;
use crate::origin::layout_writer::{Described, LayoutWriter};

/// How deep lists may be in lists.
const MAX_DEPTH: usize = 8;

/// Manifests that one may lead to.
const MAX_MANIFESTS: usize = 10_000;

/// Bytes of all of them.
const MAX_TREE_BYTES: usize = 256 * 1024 * 1024;

/// Bytes of a manifest: what a server passes on of one.
pub(super) const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// A manifest that is there, with all that it names.
pub(super) struct Tree {
    pub(super) root: Described,
    /// The digests by which the registry knows the manifests.
    pub(super) manifests: Vec<Digest>,
}

/// What is known of a repository while it is copied.
#[derive(Default)]
pub(super) struct Known {
    /// Whether its registry has no list of referrers.
    has_no_referrers: AtomicBool,
    /// The manifests whose referrers were looked for.
    looked_for: Mutex<HashSet<Digest>>,
}

#[derive(Deserialize)]
struct ReferrersPage {
    manifests: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

impl Mirror {
    /// Has all be in a layout that a manifest names, and the manifest itself.
    pub(super) async fn tree(&self, layout: &LayoutWriter, manifest: Manifest) -> Result<Tree, Trouble> {
        let mut seen = HashSet::from([manifest.digest.clone()]);
        let (root, contents) = described(&manifest)?;
        let mut manifests = vec![manifest.digest.clone()];
        let mut blobs = contents.blobs;
        let mut documents = vec![(root.digest.clone(), manifest.bytes)];
        let mut bytes = 0;
        let mut level = contents.manifests;
        for depth in 0.. {
            level.retain(|child| seen.insert(child.clone()));
            if level.is_empty() {
                break;
            }
            if depth >= MAX_DEPTH || seen.len() > MAX_MANIFESTS {
                return Err(too_large(&root.digest).into());
            }
            let children = level.into_iter().map(|child| async move {
                let found = self.manifest(layout, &child).await;
                (child, found)
            });
            let mut children = iter(children).buffered(AT_ONCE);
            let mut below = Vec::new();
            while let Some((child, found)) = children.next().await {
                let Some(found) = found? else {
                    // A list that has fewer platforms than it says is copied as it is.
                    let absent = Absent { repository: layout.name.clone(), digest: child };
                    self.summary().add_absent(absent);
                    continue;
                };
                let (described, contents) = described(&found)?;
                bytes += found.bytes.len();
                if bytes > MAX_TREE_BYTES {
                    return Err(too_large(&root.digest).into());
                }
                documents.push((described.digest, found.bytes));
                manifests.push(child);
                blobs.extend(contents.blobs);
                below.extend(contents.manifests);
            }
            level = below;
        }
        drop_duplicates(&mut blobs);
        let fetched = blobs.iter().map(|(digest, size)| self.blob(layout, digest, *size));
        let mut fetched = iter(fetched).buffer_unordered(AT_ONCE);
        let mut failed = None;
        while let Some(fetched) = fetched.next().await {
            match fetched {
                Err(Trouble::Refused(refusal)) => failed = failed.or(Some(refusal)),
                other => other?,
            }
        }
        // What else can be had is there for the next time.
        if let Some(refusal) = failed {
            return Err(refusal.into());
        }
        if let Some(store) = self.store.clone() {
            let layout = layout.clone();
            // Whoever asks by a digest finds all that it names: what is listed is there before the list.
            blocking(move || {
                let mut last_first = documents.iter().rev();
                last_first.try_for_each(|(digest, bytes)| store.put_document(&layout, digest, bytes))
            })
            .await?;
        }
        Ok(Tree { root, manifests })
    }

    /// A manifest by its digest: of the layout, or else of the registry, if that has it.
    pub(super) async fn manifest(
        &self,
        layout: &LayoutWriter,
        digest: &Digest,
    ) -> Result<Option<Manifest>, Trouble> {
        let flight = self.flights.of(digest);
        let _flight = flight.lock().await;
        let (own, store, wanted) = (layout.clone(), self.store.clone(), digest.clone());
        let stored = blocking(move || {
            let stashed = || store?.stashed(&own, &wanted, MAX_MANIFEST_BYTES).map(Bytes::from);
            Ok(own.document(&wanted, MAX_MANIFEST_BYTES).or_else(stashed))
        });
        let stored = stored.await?;
        if let Some(bytes) = stored {
            return Ok(Some(Manifest { digest: digest.clone(), media_type: None, bytes }));
        }
        let Some(manifest) = self.source.manifest(&layout.name, digest.as_str()).await? else {
            return Ok(None);
        };
        self.summary().manifests += 1;
        if let Some(store) = self.store.clone() {
            let (described, _) = described(&manifest)?;
            let (own, bytes) = (layout.clone(), manifest.bytes.clone());
            blocking(move || store.stash(&own, &described.digest, &bytes)).await?;
        }
        Ok(Some(manifest))
    }

    /// Has all be in a layout that refers to some manifests, and what refers to that.
    pub(super) async fn referrers(
        &self,
        layout: &LayoutWriter,
        known: &Known,
        manifests: &[Digest],
    ) -> Result<Vec<Described>, Trouble> {
        let mut referrers = Vec::new();
        let mut pending: VecDeque<Digest> = manifests.iter().cloned().collect();
        while let Some(digest) = pending.pop_front() {
            if known.has_no_referrers.load(Ordering::Relaxed) {
                break;
            }
            let is_new = match known.looked_for.lock() {
                Ok(mut looked_for) => looked_for.insert(digest.clone()),
                Err(_) => true,
            };
            if !is_new {
                continue;
            }
            let Some(pages) = self.source.referrers(&layout.name, &digest).await? else {
                known.has_no_referrers.store(true, Ordering::Relaxed);
                break;
            };
            for page in pages {
                let page: ReferrersPage =
                    serde_json::from_slice(&page).map_err(|error| unreadable(&digest, &error))?;
                for entry in page.manifests.unwrap_or_default() {
                    let digest = Digest::parse(&entry.digest).map_err(|error| unreadable(&digest, &error))?;
                    let Some(manifest) = self.manifest(layout, &digest).await? else { continue };
                    let tree = self.tree(layout, manifest).await?;
                    if referrers.len() >= MAX_MANIFESTS {
                        return Err(too_large(&digest).into());
                    }
                    pending.extend(tree.manifests);
                    referrers.push(tree.root);
                }
            }
        }
        Ok(referrers)
    }
}

/// A manifest as an entry has it, and what it names.
fn described(manifest: &Manifest) -> Result<(Described, Contents), Refusal> {
    let Manifest { digest, media_type, bytes } = manifest;
    let contents = Contents::read(bytes).map_err(|problem| unreadable(digest, &problem))?;
    // That of a schema 1 manifest may be the digest of its payload, and files have that of their bytes.
    let file = if digest.matches(bytes) { digest.clone() } else { Digest::of(bytes) };
    let media_type = contents.media_type.clone().or_else(|| media_type.clone());
    let described = Described {
        digest: file,
        size: bytes.len() as u64,
        media_type,
        artifact_type: contents.artifact_type.clone(),
    };
    Ok((described, contents))
}

/// The digest by which a registry knows a stored manifest.
pub(super) fn registry_digest(file: &Digest, bytes: &[u8]) -> Digest {
    digest::of_payload(bytes, &Limits::default()).unwrap_or_else(|| file.clone())
}

fn unreadable(digest: &Digest, problem: &impl core::fmt::Display) -> Refusal {
    Refusal {
        reason: "unreadable-manifest".to_owned(),
        cause: format!("the manifest `{digest}` cannot be read: {problem}"),
        remedy: "push the image again, or leave it out with --exclude".to_owned(),
    }
}

fn too_large(digest: &Digest) -> Refusal {
    Refusal {
        reason: "too-many-manifests".to_owned(),
        cause: format!(
            "`{digest}` leads to more than `{MAX_MANIFESTS}` manifests of `{MAX_TREE_BYTES}` bytes, or to lists more than \
             `{MAX_DEPTH}` deep"
        ),
        remedy: "leave it out with --exclude".to_owned(),
    }
}
