//! Blobs: each is fetched once, however many images have it, from where a break has left it.

use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use downshift::Digest;
use tokio::task;

use super::super::refusal::Refusal;
use super::flights::blocking;
use super::mirror::Mirror;
use super::trouble::Trouble;
use crate::origin::layout_writer::LayoutWriter;
use crate::origin::store_writer::{Part, has_digest};

/// Bytes that are written at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// How often a blob is resumed of which more came each time.
const MAX_BREAKS: u32 = 100;

/// How often one is asked for again of which nothing came.
const MAX_VAIN: u32 = 3;

/// How long to wait before that, the first time.
const PAUSE: Duration = Duration::from_millis(100);

/// How far an attempt has come.
enum Attempt {
    /// All bytes are there that the registry has.
    Ended(Part),
    /// It broke off.
    Broken(Part, Refusal),
}

impl Mirror {
    /// Has a blob be in a layout.
    pub(super) async fn blob(
        &self,
        layout: &LayoutWriter,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<(), Trouble> {
        let flight = self.flights.of(digest);
        let _flight = flight.lock().await;
        if self.is_there(layout, digest, size).await {
            return Ok(());
        }
        let Some(store) = &self.store else {
            self.plan(layout, digest, size);
            return Ok(());
        };
        // That another repository has it says nothing of this one: a manifest can name any digest, and what it names is for who
        // may pull it. Where the registry does not say that it is there, it is fetched, and that says why.
        let (own, to, wanted) = (Arc::clone(store), layout.clone(), digest.clone());
        if store.has_elsewhere(layout, digest)
            && self.source.has_blob(&layout.name, digest).await?
            && blocking(move || own.link(&to, &wanted)).await?
        {
            let bytes = layout.blob_size(digest).unwrap_or_default();
            let mut summary = self.summary();
            summary.blobs.linked += 1;
            summary.bytes_linked += bytes;
            return Ok(());
        }
        let (own, wanted) = (Arc::clone(store), digest.clone());
        let part = blocking(move || own.part(&wanted)).await?;
        let file = self.fetch(&layout.name, digest, size, part).await?;
        let (own, to, wanted) = (Arc::clone(store), layout.clone(), digest.clone());
        blocking(move || own.put(&to, &wanted, &file)).await?;
        self.summary().blobs.fetched += 1;
        Ok(())
    }

    /// Whether a layout has a blob.
    async fn is_there(&self, layout: &LayoutWriter, digest: &Digest, size: Option<u64>) -> bool {
        let Some(length) = layout.blob_size(digest) else { return false };
        if size.is_some_and(|size| size != length) {
            return false;
        }
        if !self.rules.verifies || !self.first_time(layout, digest) {
            return true;
        }
        let (path, wanted) = (layout.blob_path(digest), digest.clone());
        task::spawn_blocking(move || has_digest(&path, &wanted)).await.unwrap_or(false)
    }

    /// Counts a blob that would be fetched, or linked to, once for each repository.
    fn plan(&self, layout: &LayoutWriter, digest: &Digest, size: Option<u64>) {
        if !self.first_time(layout, digest) {
            return;
        }
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = planned.insert(digest.clone());
        let mut summary = self.summary();
        if is_new {
            summary.blobs.fetched += 1;
            summary.bytes += size.unwrap_or_default();
        } else {
            summary.blobs.linked += 1;
            summary.bytes_linked += size.unwrap_or_default();
        }
    }

    /// Fetches what is missing of a blob, and gives where it is.
    async fn fetch(
        &self,
        name: &str,
        digest: &Digest,
        size: Option<u64>,
        mut part: Part,
    ) -> Result<PathBuf, Trouble> {
        if size.is_some_and(|size| part.len() > size) {
            part.restart()?;
        }
        self.progress.expect(size.unwrap_or_default().saturating_sub(part.len()));
        let (mut breaks, mut vain, mut is_anew) = (0, 0, part.len() == 0);
        loop {
            let before = part.len();
            let is_whole = size == Some(before);
            let attempt = if is_whole {
                Attempt::Ended(part)
            } else {
                self.attempt(name, digest, size, part, vain > 0).await?
            };
            match attempt {
                Attempt::Ended(ended) => {
                    if let Some(size) = size.filter(|size| *size != ended.len()) {
                        let refusal = wrong_size(digest, size, ended.len());
                        let mut ended = ended;
                        ended.restart()?;
                        return Err(refusal.into());
                    }
                    match blocking(move || ended.finish()).await? {
                        Some(file) => return Ok(file),
                        // What was there from before may have been damaged.
                        None if !is_anew => {
                            is_anew = true;
                            let (store, wanted) = (self.store.clone(), digest.clone());
                            let Some(store) = store else { return Err(corrupt(digest).into()) };
                            part = blocking(move || store.part(&wanted)).await?;
                        }
                        None => return Err(corrupt(digest).into()),
                    }
                }
                Attempt::Broken(broken, refusal) => {
                    breaks += 1;
                    vain = if broken.len() > before { 0 } else { vain + 1 };
                    if breaks > MAX_BREAKS || vain > MAX_VAIN {
                        return Err(refusal.into());
                    }
                    if vain > 0 {
                        tokio::time::sleep(PAUSE * (1 << vain)).await;
                    }
                    part = broken;
                }
            }
        }
    }

    /// Asks once for what is missing of a blob. A whole blob of which nothing came may have been held back, for it is
    /// another one: as a part it comes as it is.
    async fn attempt(
        &self,
        name: &str,
        digest: &Digest,
        size: Option<u64>,
        mut part: Part,
        is_part: bool,
    ) -> Result<Attempt, Trouble> {
        let mut answer = self.source.blob(name, digest, part.len(), is_part).await?;
        // How many of the bytes that come are there already.
        let mut known = match answer.status {
            206 => 0,
            200 => part.len(),
            // Whoever gave the beginning has had a longer one.
            416 if part.len() > 0 => return Ok(Attempt::Ended(part)),
            // The front has asked the registry again where that may help; what is in between may be mended soon.
            502..=504 => {
                return match answer.good().await {
                    Err(refusal) => Ok(Attempt::Broken(part, refusal)),
                    Ok(_) => Ok(Attempt::Ended(part)),
                };
            }
            _ => {
                return Err(answer.good().await.err().unwrap_or_else(|| corrupt(digest)).into());
            }
        };
        let mut waiting = Vec::with_capacity(WRITE_BYTES);
        loop {
            let (is_end, broken) = match answer.chunk().await {
                Ok(Some(chunk)) => {
                    let skipped = usize::try_from(known).unwrap_or(usize::MAX).min(chunk.len());
                    known -= skipped as u64;
                    let chunk = chunk.get(skipped..).unwrap_or_default();
                    self.progress.advance(chunk.len() as u64);
                    self.summary().bytes += chunk.len() as u64;
                    waiting.extend_from_slice(chunk);
                    (false, None)
                }
                Ok(None) => (true, None),
                Err(refusal) => (true, Some(refusal)),
            };
            if is_end || waiting.len() >= WRITE_BYTES {
                (part, waiting) = blocking(move || {
                    part.append(&waiting)?;
                    waiting.clear();
                    Ok((part, waiting))
                })
                .await?;
            }
            // It may go on for ever.
            let is_over = size.is_some_and(|size| part.len() > size);
            match broken {
                Some(refusal) => return Ok(Attempt::Broken(part, refusal)),
                None if is_end || is_over => return Ok(Attempt::Ended(part)),
                None => {}
            }
        }
    }

    /// Whether a blob was not looked at before by this process.
    fn first_time(&self, layout: &LayoutWriter, digest: &Digest) -> bool {
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.insert((layout.name.clone(), digest.clone()))
    }
}

fn corrupt(digest: &Digest) -> Refusal {
    Refusal {
        reason: "corrupt".to_owned(),
        cause: format!("the registry gives other bytes for `{digest}`"),
        remedy: "check the registry: what it stores or sends is damaged".to_owned(),
    }
}

/// A blob whose size is not the one that a manifest says: containerd and others refuse it.
fn wrong_size(digest: &Digest, size: u64, length: u64) -> Refusal {
    let sent = if length > size { "more".to_owned() } else { format!("`{length}`") };
    Refusal {
        reason: "wrong-size".to_owned(),
        cause: format!("the manifest says that `{digest}` has `{size}` bytes, and the registry sent {sent}"),
        remedy: "check the registry: the manifest or the blob is damaged".to_owned(),
    }
}
