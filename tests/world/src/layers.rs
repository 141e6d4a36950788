//! Layers and cached blobs, as the shell of the [world](crate::world) knows them.

use downshift::Digest;
use downshift::answer::LayerRecord;
use downshift_cases::images::sample::gzip;
use downshift_layer::{FactsReader, Limits, Unpacker};
use downshift_pull::{
    Copied, Copy, Done, Effect, KnownLayer, LayerRead, NotFilled, StoredBlob, StoredCheck, Unpack,
};

use crate::net::End;
use crate::world::{Errand, OpenBody, Progress, PullId, World};

impl World {
    /// Carries out an effect that is about layers or cached blobs.
    pub(crate) fn perform_on_layers(&mut self, pull: PullId, effect: &Effect) -> Option<Progress> {
        Some(Progress::Done(match effect {
            Effect::RecallFacts { name, digest } => Done::KnownLayer(Ok(KnownLayer {
                facts: self.layers.facts.get(digest).cloned(),
                is_seen: self.layers.seen.contains(&(name.clone(), digest.clone())),
            })),
            Effect::KeepFacts(LayerRecord { name, facts }) => {
                self.layers.seen.insert((name.clone(), facts.digest.clone()));
                self.layers.facts.insert(facts.digest.clone(), facts.clone());
                Done::Recorded(Ok(()))
            }
            Effect::RememberBlob { name, digest } => {
                self.layers.seen.insert((name.clone(), digest.clone()));
                Done::Nothing
            }
            Effect::RecallLayer { name, diff_id } => {
                let sources = self.layers.sources.get(&(name.clone(), diff_id.clone()));
                let facts = |digest| self.layers.facts.get(digest).cloned();
                Done::Sources(Ok(sources.into_iter().flatten().filter_map(facts).collect()))
            }
            Effect::RecordLayers(records) => {
                for LayerRecord { name, facts } in records {
                    self.layers.facts.insert(facts.digest.clone(), facts.clone());
                    let key = (name.clone(), facts.diff_id.clone());
                    let sources = self.layers.sources.entry(key).or_default();
                    sources.retain(|source| *source != facts.digest);
                    sources.insert(0, facts.digest.clone());
                }
                Done::Recorded(Ok(()))
            }
            Effect::Learn(at) => return Some(Progress::By(self.on_errand(pull, Errand::Read(at.clone())))),
            Effect::ReadLayer(copy) => Done::LayerRead(Ok(self.read_layer(pull, copy))),
            Effect::Learnt(learnt) => {
                self.layers.half_read.remove(&pull);
                self.tell_all(pull, &Done::Learnt(learnt.clone()));
                Done::Nothing
            }
            Effect::OpenCached { name, digest } => {
                let is_seen = self.layers.seen.contains(&(name.clone(), digest.clone()));
                Done::Opened(Ok(if is_seen { self.open_cached(digest) } else { None }))
            }
            Effect::Fill(at) => {
                let is_seen = self.layers.seen.contains(&(at.name.clone(), at.digest.clone()));
                match self.open_cached(&at.digest) {
                    Some(_) if !is_seen => Done::Filling(Err(NotFilled::Unseen)),
                    Some(blob) => Done::Filling(Ok(blob)),
                    None => return Some(Progress::By(self.on_errand(pull, Errand::Fill(at.clone())))),
                }
            }
            Effect::BeginFill(digest) => {
                Done::Begun(self.layers.begun.get(digest).map_or(0, |begun| begun.len() as u64))
            }
            Effect::Store { copy, at } => return Some(self.store(pull, copy, *at)),
            Effect::NotFilled(not_filled) => {
                self.tell_all(pull, &Done::Filling(Err(not_filled.clone())));
                Done::Nothing
            }
            _ => return None,
        }))
    }

    fn open_cached(&mut self, digest: &Digest) -> Option<StoredBlob> {
        let bytes = self.layers.cached.get(digest)?.clone();
        let size = bytes.len() as u64;
        let body = self.open_body(bytes, End::Whole, None);
        Some(StoredBlob { body, size, check: StoredCheck::Checked, url: None })
    }

    /// The bytes of an open body, and whether they are all that were to come.
    fn taken(&mut self, copy: &Copy) -> (Vec<u8>, bool) {
        let Some(OpenBody { mut bytes, end, .. }) = self.bodies.remove(&copy.body) else {
            self.violations.push("a body is read that is not open".to_owned());
            return (Vec::new(), false);
        };
        let length = copy.length.map_or(bytes.len(), |length| length as usize);
        bytes.truncate(length);
        let is_whole = bytes.len() == length && (copy.length.is_some() || end == End::Whole);
        (bytes, is_whole)
    }

    fn read_layer(&mut self, pull: PullId, copy: &Copy) -> LayerRead {
        let (bytes, is_whole) = self.taken(copy);
        let read = self.layers.half_read.entry(pull).or_default();
        read.extend_from_slice(&bytes);
        if !is_whole {
            return LayerRead::Broken { read: Some(bytes.len() as u64) };
        }
        let blob = core::mem::take(read);
        if copy.check.as_ref().is_some_and(|digest| !digest.matches(&blob)) {
            return LayerRead::Corrupt;
        }
        let mut reader = FactsReader::new(&self.layers.limits);
        match reader.feed(&blob).and_then(|()| reader.finish()) {
            Ok(facts) => LayerRead::Facts(facts),
            Err(error) => LayerRead::Refused { code: error.code().to_owned(), cause: error.to_string() },
        }
    }

    /// Sends what a layer is unpacked to, once all of it is there.
    pub(crate) fn copy_unpacked(&mut self, pull: PullId, copy: &Copy, unpack: &Unpack) -> Progress {
        let copied = |copied| Progress::Done(Done::Copied(copied));
        let (bytes, is_whole) = self.taken(copy);
        let read = self.layers.half_read.entry(pull).or_default();
        read.extend_from_slice(&bytes);
        if !is_whole {
            return copied(Copied::Broken { sent: Some(bytes.len() as u64) });
        }
        let blob = core::mem::take(read);
        let is_right = copy.check.as_ref().is_none_or(|digest| digest.matches(&blob));
        let plain = if is_right { unpacked(&blob) } else { None };
        let Some(plain) = plain else { return copied(Copied::Corrupt) };
        if unpack.check.as_ref().is_some_and(|diff_id| !diff_id.matches(&plain)) {
            return copied(Copied::Corrupt);
        }
        let mut wanted = Vec::new();
        for (head, range) in &unpack.parts.parts {
            wanted.extend_from_slice(head);
            wanted.extend_from_slice(plain.get(range.start as usize..range.end as usize).unwrap_or_default());
        }
        wanted.extend_from_slice(&unpack.parts.end);
        let Some(running) = self.pulls.get_mut(pull.0) else { return Progress::Never };
        running.body.extend(if unpack.gzip { gzip(&wanted) } else { wanted });
        running.is_whole = running.has_all();
        copied(Copied::All)
    }

    fn store(&mut self, pull: PullId, copy: &Copy, at: u64) -> Progress {
        let (bytes, is_whole) = self.taken(copy);
        let Some(digest) = copy.check.clone() else { return Progress::Never };
        let begun = self.layers.begun.entry(digest.clone()).or_default();
        begun.truncate(at as usize);
        begun.extend_from_slice(&bytes);
        if !is_whole {
            return Progress::Done(Done::Copied(Copied::Broken { sent: Some(bytes.len() as u64) }));
        }
        let blob = core::mem::take(begun);
        self.layers.begun.remove(&digest);
        if !digest.matches(&blob) {
            return Progress::Done(Done::Copied(Copied::Corrupt));
        }
        self.layers.cached.insert(digest.clone(), blob);
        if let Some(blob) = self.open_cached(&digest) {
            self.tell_all(pull, &Done::Filling(Ok(blob)));
        }
        Progress::Done(Done::Copied(Copied::All))
    }
}

/// What a layer unpacks to; nothing if it cannot be unpacked.
pub(crate) fn unpacked(blob: &[u8]) -> Option<Vec<u8>> {
    let mut unpacker = Unpacker::new(&Limits::host());
    let (mut plain, mut room, mut rest) = (Vec::new(), vec![0; 64 * 1024], blob);
    loop {
        let progress = unpacker.step(rest, &mut room).ok()?;
        plain.extend_from_slice(room.get(..progress.written)?);
        rest = rest.get(progress.read..)?;
        if rest.is_empty() && progress.written < room.len() {
            unpacker.finish().ok()?;
            return Some(plain);
        }
    }
}
