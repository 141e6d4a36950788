//! Repositories: which are copied, what of each, and how the store changes.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use downshift::Digest;
use futures_util::StreamExt as _;
use futures_util::stream::iter;

use super::super::refusal::Refusal;
use super::contents::Contents;
use super::flights::blocking;
use super::mirror::{AT_ONCE, Mirror};
use super::selection::{Selection, Wanted};
use super::source::Manifest;
use super::summary::{Change, Failure, Summary};
use super::trees::{Known, MAX_MANIFEST_BYTES, registry_digest};
use super::trouble::Trouble;
use crate::error::Error;
use crate::origin::layout_writer::{Described, LayoutIndex, LayoutWriter};
use crate::origin::store_writer::stored_names;

/// How often it is looked again what Pulp has by a tag, while another publication takes the place of the one that was found.
const MAX_PUBLICATIONS: usize = 3;

/// What is selected of a repository.
#[derive(Default)]
struct Selected<'s> {
    /// Whether it was named, and does not just fit a pattern.
    is_named: bool,
    wanted: Vec<&'s Wanted>,
}

/// A tag, and what has come of it.
type TagOutcome = (String, Result<Option<Copied>, Trouble>);

/// What a tag points to, all of which is there.
struct Copied {
    /// The manifests that it has: one for each form where there are several.
    roots: Vec<Described>,
    /// The digests by which the registry knows its manifests.
    manifests: Vec<Digest>,
    referrers: Vec<Described>,
    /// Why its referrers are not all there.
    unreferred: Option<Refusal>,
}

/// What there is of a repository, here and there.
struct Repository<'r> {
    layout: LayoutWriter,
    index: LayoutIndex,
    wanted: Vec<&'r Wanted>,
    /// What is not wanted of it.
    unwanted: Vec<&'r Wanted>,
    stored: BTreeMap<String, Vec<Digest>>,
    /// Where it is at its registry.
    place: String,
    /// The stored tags that were copied from there.
    sourced: BTreeSet<String>,
    /// All tags that the registry has, if it says so.
    listed: Option<BTreeSet<String>>,
    known: Known,
    failures: usize,
}

impl Mirror {
    /// Copies what is selected.
    ///
    /// # Errors
    /// What nothing can be done about any more, such as a full disk.
    pub(super) async fn run(self, selections: &[Selection]) -> Result<Summary, Error> {
        let names = self.names(selections).await?;
        self.summary().repositories = names.len();
        let copied = names.iter().map(|(name, selected)| self.repository(name, selected));
        let mut copied = iter(copied).buffer_unordered(self.rules.jobs);
        while let Some(copied) = copied.next().await {
            copied?;
        }
        drop(copied);
        if let Some(store) = self.store.clone() {
            let kept_for = self.rules.kept_for;
            let deletes = self.rules.deletes;
            let removed = blocking(move || {
                let removed = if deletes { store.sweep_repositories(kept_for)? } else { Default::default() };
                store.save()?;
                Ok(removed)
            });
            let removed = removed.await?;
            self.summary().add_removed(removed);
        }
        Ok(self.finish())
    }

    /// The repositories that are selected, each with what is wanted of it.
    async fn names<'s>(&self, selections: &'s [Selection]) -> Result<BTreeMap<String, Selected<'s>>, Error> {
        let mut names: BTreeMap<String, Selected<'_>> = BTreeMap::new();
        let (open, named): (Vec<_>, Vec<_>) = selections.iter().partition(|selection| selection.is_open());
        for selection in named {
            let selected = names.entry(selection.name.clone()).or_default();
            selected.is_named = true;
            selected.wanted.push(&selection.of);
        }
        if open.is_empty() {
            return Ok(names);
        }
        match self.source.repositories().await {
            Ok(mut listed) => {
                // What is there and not listed may be gone.
                if self.rules.deletes {
                    listed.extend(self.copied_before().await?);
                }
                for name in listed {
                    let fitting = open.iter().filter(|selection| selection.fits_name(&name));
                    let wanted: Vec<_> = fitting.map(|selection| &selection.of).collect();
                    if !wanted.is_empty() && !self.is_excluded(&name) {
                        names.entry(name).or_default().wanted.extend(wanted);
                    }
                }
            }
            Err(refusal) => self.failed_repository("", refusal),
        }
        // What cannot be used is not listed, and is not to be missed in silence.
        for (name, refusal) in self.source.unusable().await? {
            let is_open = open.iter().any(|selection| selection.fits_name(&name));
            if is_open && !self.is_excluded(&name) && !names.contains_key(&name) {
                self.failed_repository(&name, refusal);
            }
        }
        Ok(names)
    }

    /// The repositories that were copied from these registries. Of others they are not told.
    async fn copied_before(&self) -> Result<Vec<String>, Error> {
        let stored = stored_names(&self.folder)?.into_iter();
        let placed: Vec<(String, String)> =
            stored.filter_map(|name| self.source.place(&name).map(|place| (name, place))).collect();
        let folder = self.folder.clone();
        blocking(move || {
            let is_copied = |(name, place): &(String, String)| {
                let index = LayoutWriter::new(&folder, name).index();
                index.is_ok_and(|index| index.tags_from(name, place).next().is_some())
            };
            Ok(placed.into_iter().filter(is_copied).map(|(name, _)| name).collect())
        })
        .await
    }

    /// Whether nothing of a repository is wanted.
    fn is_excluded(&self, name: &str) -> bool {
        let is_excluded = |excluded: &Selection| excluded.of.is_everything() && excluded.fits_name(name);
        self.rules.exclude.iter().any(is_excluded)
    }

    /// Copies one repository.
    async fn repository(&self, name: &str, selected: &Selected<'_>) -> Result<(), Error> {
        let Selected { is_named, wanted } = selected;
        let Some(place) = self.source.place(name) else {
            self.failed_repository(name, no_registry(name));
            return Ok(());
        };
        let layout = LayoutWriter::new(&self.folder, name);
        let own = layout.clone();
        let index = match blocking(move || own.index()).await {
            Ok(index) => index,
            Err(error @ Error::BrokenLayout { .. }) => {
                self.failed_repository(name, Refusal::of_error(&error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let stored = index.tags(name);
        let is_open = wanted.iter().any(|wanted| wanted.is_open());
        let needs_list = is_open || self.rules.deletes || self.rules.has_referrers;
        let unwanted = self.rules.exclude.iter().filter(|excluded| excluded.fits_name(name));
        let mut repository = Repository {
            unwanted: unwanted.map(|excluded| &excluded.of).collect(),
            layout,
            sourced: index.tags_from(name, &place).collect(),
            index,
            wanted: wanted.clone(),
            stored,
            place,
            listed: None,
            known: Known::default(),
            failures: 0,
        };
        if needs_list {
            match self.source.tags(name).await {
                Ok(Some(tags)) => repository.listed = Some(tags),
                Ok(None) if repository.stored.is_empty() && is_open => {
                    // Registries list repositories of which nothing is left.
                    if *is_named {
                        self.failed_repository(name, self.no_repository(name));
                    }
                    return Ok(());
                }
                Ok(None) => match self.source.unusable().await?.into_iter().next() {
                    // Of which repository such a file is nobody knows: it may be of this one.
                    Some((_, refusal)) => {
                        repository.failures += 1;
                        self.failed_repository(name, refusal);
                    }
                    None => repository.listed = Some(BTreeSet::new()),
                },
                Err(refusal) if is_open => {
                    repository.failures += 1;
                    self.failed_repository(name, refusal);
                }
                // Some do not list tags, and give them all the same.
                Err(_) => {}
            }
        }
        self.copy(&mut repository).await
    }

    async fn copy(&self, repository: &mut Repository<'_>) -> Result<(), Error> {
        let own = repository.layout.clone();
        let targets = repository.targets();
        let gone = repository.gone(&targets);
        let has_digests = repository.wanted.iter().any(|wanted| matches!(wanted, Wanted::Digest(_)));
        let published = self.published(repository).await;
        let has_some = has_digests || published.as_ref().is_some_and(|published| !published.is_empty());
        if self.store.is_some() && (!targets.is_empty() || has_some) {
            blocking(move || own.make()).await?;
        }
        let mut copied = self.tags(repository, targets).await?;
        // Signatures of those who know no referrers are tags, called after the digest of what they sign.
        if self.rules.has_referrers {
            let signed: BTreeSet<String> = copied
                .values()
                .flat_map(|copied| &copied.manifests)
                .filter_map(|digest| Some(format!("{}-{}", digest.algorithm(), digest.hex().get(..64)?)))
                .collect();
            let is_of_these = |tag: &String| {
                !copied.contains_key(tag) && tag.get(..71).is_some_and(|name| signed.contains(name))
            };
            let signatures: BTreeSet<String> =
                repository.listed.iter().flatten().filter(|tag| is_of_these(tag)).cloned().collect();
            copied.extend(self.tags(repository, signatures).await?);
        }
        let untagged = self.digests(repository).await?;
        let beside = match published {
            Some(published) => Some(self.beside(repository, &copied, published).await?),
            None => None,
        };
        self.publish(repository, &copied, &untagged, beside, gone).await
    }

    /// All manifests of a repository in Pulp, if all of it is wanted.
    async fn published(&self, repository: &mut Repository<'_>) -> Option<Vec<Digest>> {
        if !self.source.is_pulp() || !repository.is_whole() {
            return None;
        }
        let name = repository.layout.name.clone();
        match self.source.manifests(&name).await {
            Ok(mut published) => {
                let is_unwanted = |digest: &Digest| {
                    repository
                        .unwanted
                        .iter()
                        .any(|unwanted| matches!(unwanted, Wanted::Digest(own) if own == digest))
                };
                published.retain(|digest| !is_unwanted(digest));
                Some(published)
            }
            Err(refusal) => {
                repository.failures += 1;
                self.failed_repository(&name, refusal);
                None
            }
        }
    }

    /// Copies what Pulp has beside what its tags have: clients pull it by digests that they got when a tag had it.
    async fn beside(
        &self,
        repository: &mut Repository<'_>,
        copied: &BTreeMap<String, Copied>,
        published: Vec<Digest>,
    ) -> Result<Vec<Copied>, Error> {
        let layout = repository.layout.clone();
        let mut seen: HashSet<Digest> =
            copied.values().flat_map(|copied| copied.manifests.iter().cloned()).collect();
        let stored = self.stored(&layout, repository.index.untagged(&layout.name, &repository.place)).await?;
        let mut beside = Vec::new();
        for digest in published {
            if seen.contains(&digest) {
                continue;
            }
            let outcome = match self.known_or_fetched(&layout, &digest, &stored).await {
                Ok(Some(manifest)) => self.copied(repository, vec![manifest]).await,
                // Another publication has taken the place of the one that was listed, or a link leads nowhere.
                Ok(None) => match self.source.manifests(&layout.name).await {
                    Ok(published) if !published.contains(&digest) => continue,
                    _ => Err(self.no_tag(&layout.name, digest.as_str()).into()),
                },
                Err(trouble) => Err(trouble),
            };
            if let Some(copied) = self.of_digest(repository, &digest, outcome)? {
                seen.extend(copied.manifests.iter().cloned());
                beside.push(copied);
            }
        }
        Ok(beside)
    }

    /// Copies some tags, and gives those of which all is there.
    async fn tags(
        &self,
        repository: &mut Repository<'_>,
        tags: BTreeSet<String>,
    ) -> Result<BTreeMap<String, Copied>, Error> {
        let mut copied = BTreeMap::new();
        let mut failures = Vec::new();
        {
            let repository = &*repository;
            let outcomes = tags.into_iter().map(|tag| self.tag(repository, tag));
            let mut outcomes = iter(outcomes).buffer_unordered(AT_ONCE);
            while let Some((tag, outcome)) = outcomes.next().await {
                let refusal = match outcome {
                    Ok(Some(of_tag)) => {
                        failures.extend(of_tag.unreferred.clone().map(|refusal| (tag.clone(), refusal)));
                        copied.insert(tag, of_tag);
                        continue;
                    }
                    // It is gone, of which the rest is decided by what is listed.
                    Ok(None) if repository.is_gone(&tag) => continue,
                    Ok(None) => self.no_tag(&repository.layout.name, &tag),
                    Err(Trouble::Refused(refusal)) => refusal,
                    Err(Trouble::Fatal(error)) => return Err(error),
                };
                failures.push((tag, refusal));
            }
        }
        repository.failures += failures.len();
        for (tag, refusal) in failures {
            let name = repository.layout.name.clone();
            self.failed(Failure { repository: name, tag: Some(tag), digest: None, refusal });
        }
        Ok(copied)
    }

    async fn tag(&self, repository: &Repository<'_>, tag: String) -> TagOutcome {
        let outcome = self.copy_tag(repository, &tag).await;
        (tag, outcome)
    }

    async fn copy_tag(&self, repository: &Repository<'_>, tag: &str) -> Result<Option<Copied>, Trouble> {
        let layout = &repository.layout;
        let stored = repository.stored.get(tag).cloned().unwrap_or_default();
        let stored = self.stored(layout, stored).await?;
        if self.source.is_pulp() {
            let Some(manifests) = self.variants(layout, tag, &stored).await? else { return Ok(None) };
            return self.copied(repository, manifests).await.map(Some);
        }
        let last = stored.into_iter().next();
        let before = last.as_ref().map(|(digest, _)| digest.clone());
        let Some(manifest) = self.source.tagged(&layout.name, tag, last).await? else { return Ok(None) };
        if before.as_ref() != Some(&manifest.digest) {
            self.summary().manifests += 1;
        }
        self.copied(repository, vec![manifest]).await.map(Some)
    }

    /// Manifests of a layout, each by the digest by which its registry knows it.
    async fn stored(
        &self,
        layout: &LayoutWriter,
        digests: Vec<Digest>,
    ) -> Result<Vec<(Digest, Bytes)>, Error> {
        let own = layout.clone();
        blocking(move || {
            let document = |digest: &Digest| {
                let bytes = own.document(digest, MAX_MANIFEST_BYTES)?;
                Some((registry_digest(digest, &bytes), bytes))
            };
            Ok(digests.iter().filter_map(document).collect())
        })
        .await
    }

    /// A manifest by its digest, which need not be fetched if it is among those that are stored: schema 1 has another digest
    /// than its file, and what is made of images of the V1 protocol another signature each time.
    async fn known_or_fetched(
        &self,
        layout: &LayoutWriter,
        digest: &Digest,
        stored: &[(Digest, Bytes)],
    ) -> Result<Option<Manifest>, Trouble> {
        match stored.iter().find(|(own, _)| own == digest) {
            Some((_, bytes)) => {
                let (digest, bytes) = (digest.clone(), bytes.clone());
                Ok(Some(Manifest { digest, media_type: None, bytes }))
            }
            None => self.manifest(layout, digest).await,
        }
    }

    /// All that Pulp has by a tag; nothing if there is no such tag.
    async fn variants(
        &self,
        layout: &LayoutWriter,
        tag: &str,
        stored: &[(Digest, Bytes)],
    ) -> Result<Option<Vec<Manifest>>, Trouble> {
        for _ in 0..MAX_PUBLICATIONS {
            let variants = self.source.variants(&layout.name, tag).await?;
            let mut manifests = Vec::new();
            for (form, digest) in &variants {
                let Some(mut manifest) = self.known_or_fetched(layout, digest, stored).await? else { break };
                manifest.media_type.get_or_insert_with(|| form.media_type().to_owned());
                manifests.push(manifest);
            }
            if manifests.len() == variants.len() {
                return Ok(Some(manifests).filter(|manifests| !manifests.is_empty()));
            }
            // Another publication has taken the place of this one.
        }
        Ok(None)
    }

    async fn copied(&self, repository: &Repository<'_>, manifests: Vec<Manifest>) -> Result<Copied, Trouble> {
        let layout = &repository.layout;
        let mut copied =
            Copied { roots: Vec::new(), manifests: Vec::new(), referrers: Vec::new(), unreferred: None };
        for manifest in manifests {
            let tree = self.tree(layout, manifest).await?;
            copied.roots.push(tree.root);
            copied.manifests.extend(tree.manifests);
        }
        if self.rules.has_referrers {
            match self.referrers(layout, &repository.known, &copied.manifests).await {
                Ok(referrers) => copied.referrers = referrers,
                Err(Trouble::Refused(refusal)) => copied.unreferred = Some(refusal),
                Err(fatal) => return Err(fatal),
            }
        }
        Ok(copied)
    }

    /// Copies what is wanted by its digest.
    async fn digests(&self, repository: &mut Repository<'_>) -> Result<Vec<Copied>, Error> {
        let mut copied = Vec::new();
        for wanted in repository.wanted.clone() {
            let Wanted::Digest(digest) = wanted else { continue };
            let outcome = match self.manifest(&repository.layout, digest).await {
                Ok(Some(manifest)) => self.copied(repository, vec![manifest]).await,
                Ok(None) => Err(self.no_tag(&repository.layout.name, digest.as_str()).into()),
                Err(trouble) => Err(trouble),
            };
            copied.extend(self.of_digest(repository, digest, outcome)?);
        }
        Ok(copied)
    }

    /// What was copied by its digest, if all of it is there. What is missing is told.
    fn of_digest(
        &self,
        repository: &mut Repository<'_>,
        digest: &Digest,
        outcome: Result<Copied, Trouble>,
    ) -> Result<Option<Copied>, Error> {
        let (copied, refusal) = match outcome {
            Ok(mut copied) => {
                let unreferred = copied.unreferred.take();
                (Some(copied), unreferred)
            }
            Err(Trouble::Refused(refusal)) => (None, Some(refusal)),
            Err(Trouble::Fatal(error)) => return Err(error),
        };
        if let Some(refusal) = refusal {
            repository.failures += 1;
            let (repository, digest) = (repository.layout.name.clone(), Some(digest.clone()));
            self.failed(Failure { repository, tag: None, digest, refusal });
        }
        Ok(copied)
    }

    /// Has the repository be what was copied, at once.
    async fn publish(
        &self,
        repository: &mut Repository<'_>,
        copied: &BTreeMap<String, Copied>,
        untagged: &[Copied],
        beside: Option<Vec<Copied>>,
        gone: BTreeSet<String>,
    ) -> Result<(), Error> {
        let name = repository.layout.name.clone();
        let place = repository.place.clone();
        let mut changes = Vec::new();
        // Also those that point there: it may be another tool that says so.
        let roots = copied.iter().map(|(tag, of_tag)| (tag.as_str(), of_tag.roots.as_slice()));
        repository.index.set_tags(&name, &place, roots);
        for (tag, of_tag) in copied {
            let from = repository.stored.get(tag).map(Vec::as_slice).unwrap_or_default();
            let to: Vec<_> = of_tag.roots.iter().map(|root| root.digest.clone()).collect();
            if from == to {
                self.summary().tags.unchanged += 1;
                continue;
            }
            // Of several it is told what is another one.
            let other = |of: &[Digest], than: &[Digest]| {
                of.iter().find(|digest| !than.contains(digest)).or(of.first()).cloned()
            };
            let (from, to) = (other(from, &to), other(&to, from));
            changes.push(Change { repository: name.clone(), tag: tag.clone(), from, to });
        }
        for root in untagged.iter().flat_map(|of_digest| &of_digest.roots) {
            repository.index.add_untagged(&name, None, root);
        }
        for root in beside.iter().flatten().flat_map(|of_digest| &of_digest.roots) {
            repository.index.add_untagged(&name, Some(&place), root);
        }
        if let Ok(Some(is_protected)) = self.source.is_protected(&name).await {
            repository.index.set_protected(is_protected);
        }
        let all = || copied.values().chain(untagged).chain(beside.iter().flatten());
        for referrer in all().flat_map(|copied| &copied.referrers) {
            repository.index.add_referrer(referrer);
        }
        let left = repository.index.tags(&name).len();
        let is_all = !gone.is_empty() && left <= gone.len();
        let is_held = self.rules.deletes && is_all && !self.rules.deletes_repositories;
        if is_held {
            repository.failures += 1;
            self.failed_repository(&name, all_tags_gone(&name));
        }
        if self.rules.deletes && !is_held {
            repository.index.remove_tags(&name, &gone);
            for tag in &gone {
                let from = repository.stored.get(tag).and_then(|digests| digests.first()).cloned();
                let tag = tag.clone();
                changes.push(Change { repository: name.clone(), tag, from, to: None });
            }
        } else {
            self.summary().tags.gone += gone.len();
        }
        // What others have put there is not looked at.
        let is_own = !copied.is_empty() || !untagged.is_empty() || !repository.sourced.is_empty();
        let sweeps = self.rules.deletes && repository.failures == 0 && is_own;
        if sweeps {
            let kept: HashSet<&Digest> =
                all().flat_map(|copied| &copied.referrers).map(|referrer| &referrer.digest).collect();
            repository.index.retain_referrers(|digest| kept.contains(digest));
        }
        if let Some(beside) = beside.as_ref().filter(|_| sweeps) {
            let kept: HashSet<&Digest> =
                beside.iter().flat_map(|copied| &copied.roots).map(|root| &root.digest).collect();
            repository.index.retain_untagged(&name, &place, |digest| kept.contains(digest));
        }
        let is_gone = self.rules.deletes && is_all && !is_held && repository.index.is_empty();
        if let Some(store) = self.store.clone() {
            let (layout, index) = (repository.layout.clone(), core::mem::take(&mut repository.index));
            let kept_for = self.rules.kept_for;
            let removed = blocking(move || {
                if is_gone {
                    layout.remove_index()?;
                    store.removed_repository(&layout.name);
                    return Ok(None);
                }
                if !index.is_empty() {
                    layout.write_index(&index)?;
                }
                if sweeps && let Some(referenced) = referenced(&layout, &index) {
                    return store.sweep(&layout, &referenced, kept_for).map(Some);
                }
                Ok(Some(Default::default()))
            });
            match removed.await? {
                Some(removed) => self.summary().add_removed(removed),
                None => self.summary().removed_repositories += 1,
            }
        } else if is_gone {
            self.summary().removed_repositories += 1;
        }
        for change in changes {
            // Of a dry run the summary tells.
            if self.store.is_some() {
                self.progress.changed(&change);
            }
            self.summary().add_change(change);
        }
        Ok(())
    }
}

impl Repository<'_> {
    fn is_wanted(&self, tag: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted.fits_tag(tag))
            && !self.unwanted.iter().any(|unwanted| unwanted.fits_tag(tag))
    }

    /// Whether every tag of it is wanted.
    fn is_whole(&self) -> bool {
        let has_tags = self.unwanted.iter().any(|unwanted| matches!(unwanted, Wanted::Tags(_)));
        !has_tags && self.wanted.iter().any(|wanted| wanted.is_everything())
    }

    /// The tags to ask for.
    fn targets(&self) -> BTreeSet<String> {
        let listed = self.listed.iter().flatten().filter(|tag| self.is_wanted(tag));
        let named = self.wanted.iter().flat_map(|wanted| wanted.named_tags());
        listed.chain(named.filter(|tag| self.is_wanted(tag))).cloned().collect()
    }

    /// Whether a tag that was copied is not at the registry any more. Only a whole list of its tags says so.
    fn is_gone(&self, tag: &str) -> bool {
        self.sourced.contains(tag) && self.listed.as_ref().is_some_and(|listed| !listed.contains(tag))
    }

    /// The stored tags that are wanted, and gone; signatures as well, for what they sign may be.
    fn gone(&self, targets: &BTreeSet<String>) -> BTreeSet<String> {
        let is_signature = |tag: &str| {
            let hex = tag.strip_prefix("sha256-").and_then(|rest| rest.get(..64));
            hex.is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        let is_own = |tag: &String| self.is_wanted(tag) || targets.contains(tag) || is_signature(tag);
        self.sourced.iter().filter(|tag| is_own(tag) && self.is_gone(tag)).cloned().collect()
    }
}

/// All that the entries of an index lead to, as far as it is there; nothing where that cannot be known.
fn referenced(layout: &LayoutWriter, index: &LayoutIndex) -> Option<HashSet<Digest>> {
    let mut pending: Vec<Digest> = index.digests().collect();
    let mut referenced: HashSet<Digest> = pending.iter().cloned().collect();
    while let Some(digest) = pending.pop() {
        // A list may name what its registry does not have.
        if layout.blob_size(&digest).is_none() {
            continue;
        }
        let contents = Contents::read(&layout.document(&digest, MAX_MANIFEST_BYTES)?).ok()?;
        referenced.extend(contents.blobs.into_iter().map(|(blob, _)| blob));
        for child in contents.manifests {
            if referenced.insert(child.clone()) {
                pending.push(child);
            }
        }
    }
    Some(referenced)
}

fn no_registry(name: &str) -> Refusal {
    Refusal {
        reason: "no-registry".to_owned(),
        cause: format!("no registry of the settings has names such as `{name}`"),
        remedy: "add an [[upstream]] with its prefix".to_owned(),
    }
}

impl Mirror {
    fn no_repository(&self, name: &str) -> Refusal {
        self.missing("no-repository", &format!("repository `{name}`"))
    }

    fn no_tag(&self, name: &str, reference: &str) -> Refusal {
        self.missing("no-manifest", &format!("`{reference}` in `{name}`"))
    }

    fn missing(&self, reason: &str, what: &str) -> Refusal {
        let (cause, remedy) = if self.source.is_pulp() {
            let remedy = "check the name, and for what is protected in Pulp add --pulp-protected serve";
            (format!("Pulp has published no {what}, or it is protected"), remedy)
        } else {
            let remedy = "check the name, and the user and password for the registry";
            (format!("the registry has no {what}, or hides it"), remedy)
        };
        Refusal { reason: reason.to_owned(), cause, remedy: remedy.to_owned() }
    }
}

fn all_tags_gone(name: &str) -> Refusal {
    Refusal {
        reason: "all-tags-gone".to_owned(),
        cause: format!("the registry has none of the tags of `{name}` any more; they stay"),
        remedy: "check that the registry is the right one, and lets this user in; if they are to go, add \
                 --delete-repositories"
            .to_owned(),
    }
}
