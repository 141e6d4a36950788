//! What was done, and what was not.

use downshift::Digest;
use serde::Serialize;

use super::super::failures::{Failed, Failures};
use super::super::refusal::Refusal;
use crate::origin::store_writer::Removed;

/// Changes that are told one by one.
const MAX_TOLD: usize = 1000;

/// What was done; of a dry run, what would be.
#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Summary {
    pub(super) is_dry_run: bool,
    pub(super) repositories: usize,
    pub(super) tags: Tags,
    /// How many manifests came from registries.
    pub(super) manifests: usize,
    pub(super) blobs: Blobs,
    /// How many bytes of blobs came from registries.
    pub(super) bytes: u64,
    /// How many bytes need not come, for another repository of the store has them.
    pub(super) bytes_linked: u64,
    pub(super) removed_repositories: usize,
    pub(super) removed_blobs: usize,
    pub(super) removed_bytes: u64,
    pub(super) seconds: f64,
    /// The first of the tags that are not what they were.
    pub(super) changes: Vec<Change>,
    /// The first manifests that a list names and its registry does not have.
    pub(super) absent: Vec<Absent>,
    #[serde(flatten)]
    pub(super) failures: Failures<Failure>,
}

/// How many tags there are of each kind.
#[derive(Default, Serialize)]
pub(super) struct Tags {
    pub(super) added: usize,
    pub(super) moved: usize,
    pub(super) unchanged: usize,
    pub(super) removed: usize,
    /// The registry does not have them any more, and they stay.
    pub(super) gone: usize,
}

/// How many blobs there are of each kind.
#[derive(Default, Serialize)]
pub(super) struct Blobs {
    /// They came from registries.
    pub(super) fetched: usize,
    /// Another repository of the store had them.
    pub(super) linked: usize,
}

/// A tag that is not what it was.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    pub(super) repository: String,
    pub(super) tag: String,
    pub(super) from: Option<Digest>,
    pub(super) to: Option<Digest>,
}

/// A manifest that a list names and its registry does not have.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Absent {
    pub(super) repository: String,
    pub(super) digest: Digest,
}

/// What is not as at its registry, and why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<Digest>,
    #[serde(flatten)]
    pub(super) refusal: Refusal,
}

impl Summary {
    pub(super) fn add_change(&mut self, change: Change) {
        match (&change.from, &change.to) {
            (None, _) => self.tags.added += 1,
            (Some(_), None) => self.tags.removed += 1,
            (Some(_), Some(_)) => self.tags.moved += 1,
        }
        if self.changes.len() < MAX_TOLD {
            self.changes.push(change);
        }
    }

    pub(super) fn add_absent(&mut self, absent: Absent) {
        if self.absent.len() < MAX_TOLD {
            self.absent.push(absent);
        }
    }

    pub(super) fn add_removed(&mut self, removed: Removed) {
        self.removed_blobs += removed.blobs;
        self.removed_bytes += removed.bytes;
    }

    /// In an order that does not depend on what came first.
    pub(super) fn sort(&mut self) {
        self.changes.sort_by(|one, other| (&one.repository, &one.tag).cmp(&(&other.repository, &other.tag)));
        self.absent
            .sort_by(|one, other| (&one.repository, &one.digest).cmp(&(&other.repository, &other.digest)));
        let key =
            |failure: &Failure| (failure.repository.clone(), failure.tag.clone(), failure.digest.clone());
        self.failures.sort_by_key(key);
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<String> {
        let Tags { added, moved, unchanged, removed, gone } = &self.tags;
        let mut lines = Vec::new();
        if self.is_dry_run {
            lines.push("nothing was written: this is what would be done".to_owned());
        }
        for change in self.changes.iter().filter(|_| self.is_dry_run) {
            lines.push(change.line());
        }
        lines.push(format!("repositories  {}", self.repositories));
        lines.push(format!(
            "tags          {added} added, {moved} moved, {unchanged} unchanged, {removed} removed, {gone} gone and kept"
        ));
        lines.push(format!("manifests     {}", self.manifests));
        lines.push(format!("blobs         {} fetched, {} linked", self.blobs.fetched, self.blobs.linked));
        lines.push(format!("bytes         {} fetched, {} linked", self.bytes, self.bytes_linked));
        if self.removed_repositories + self.removed_blobs > 0 {
            lines.push(format!(
                "removed       {} repositories, {} blobs, {} bytes",
                self.removed_repositories, self.removed_blobs, self.removed_bytes
            ));
        }
        lines.push(format!("seconds       {:.1}", self.seconds));
        lines.push(format!("failed        {}", self.failures.count()));
        for Absent { repository, digest } in &self.absent {
            lines
                .push(format!("  {repository}@{digest}: a list names it, and the registry does not have it"));
        }
        lines.extend(self.failures.lines());
        lines
    }
}

impl Change {
    /// For people.
    pub(super) fn line(&self) -> String {
        let Self { repository, tag, from, to } = self;
        match (from, to) {
            (None, Some(to)) => format!("{repository}:{tag}: added, {to}"),
            (Some(from), Some(to)) => format!("{repository}:{tag}: moved from {from} to {to}"),
            (_, None) => format!("{repository}:{tag}: removed"),
        }
    }
}

impl Failed for Failure {
    fn what(&self) -> String {
        let mut what =
            if self.repository.is_empty() { "registry".to_owned() } else { self.repository.clone() };
        if let Some(tag) = &self.tag {
            what.push_str(&format!(":{tag}"));
        }
        if let Some(digest) = &self.digest {
            what.push_str(&format!(", {digest}"));
        }
        what
    }

    fn refusal(&self) -> &Refusal {
        &self.refusal
    }
}
