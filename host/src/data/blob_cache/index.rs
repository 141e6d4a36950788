//! What is in the cache, in the order in which it was used, and the room that is left. It knows no file.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use downshift::Digest;

use super::flight::Flight;
use super::pin::Pin;

/// What a file takes beside its bytes: its place in its folder, and the rest of its last block.
pub(super) const OVERHEAD: u64 = 4096;

/// How many blobs are fetched into the cache at once. Each may have [some bytes](super::writer::QUEUE_BYTES) in memory.
const MAX_FILLS: usize = 128;

/// Why a blob has no place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uncached {
    /// It is larger than the cache.
    TooLarge,
    /// All that is there is being read or written.
    NoRoom,
    /// As many are fetched as may be at once.
    Busy,
    /// The disk is full, or fails.
    Disk,
}

/// The blobs and the fills.
pub(super) struct Index {
    capacity: u64,
    blobs: HashMap<Digest, Blob>,
    /// The blobs by their last use.
    order: BTreeMap<u64, Digest>,
    next_use: u64,
    /// Bytes of all blobs, and those that fills may come to.
    bytes: u64,
    fills: HashMap<Digest, FillEntry>,
}

struct Blob {
    /// The bytes of its file.
    size: u64,
    is_whole: bool,
    /// Its place in the order.
    used: u64,
    /// When its file was last said to be used.
    touched: SystemTime,
    pin: Pin,
}

struct FillEntry {
    flight: Arc<Flight>,
    /// How many bytes there is room for.
    reserved: u64,
}

/// What is known of a blob.
pub(super) enum Found {
    /// All of it is there.
    Whole {
        /// Keeps it there.
        pin: Pin,
        /// When its file was last said to be used.
        touched: SystemTime,
    },
    /// It is being fetched.
    Flight(Arc<Flight>),
    /// So many bytes of it may be there.
    Part(u64),
}

/// A file that has to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Victim {
    pub(super) digest: Digest,
    pub(super) is_whole: bool,
}

impl Index {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            capacity,
            blobs: HashMap::new(),
            order: BTreeMap::new(),
            next_use: 0,
            bytes: 0,
            fills: HashMap::new(),
        }
    }

    /// Adds a file, as the one that was used last.
    pub(super) fn insert(
        &mut self,
        digest: Digest,
        size: u64,
        is_whole: bool,
        touched: SystemTime,
        pin: Pin,
    ) {
        self.remove(&digest);
        let used = self.next_use;
        self.next_use += 1;
        self.bytes += size + OVERHEAD;
        self.order.insert(used, digest.clone());
        self.blobs.insert(digest, Blob { size, is_whole, used, touched, pin });
    }

    /// Takes a file out.
    pub(super) fn remove(&mut self, digest: &Digest) -> Option<Victim> {
        let blob = self.blobs.remove(digest)?;
        self.order.remove(&blob.used);
        self.bytes = self.bytes.saturating_sub(blob.size + OVERHEAD);
        Some(Victim { digest: digest.clone(), is_whole: blob.is_whole })
    }

    /// Looks a blob up, which is used.
    pub(super) fn find(&mut self, digest: &Digest) -> Found {
        if let Some(fill) = self.fills.get(digest) {
            return Found::Flight(Arc::clone(&fill.flight));
        }
        let Some(blob) = self.blobs.get_mut(digest) else { return Found::Part(0) };
        if !blob.is_whole {
            return Found::Part(blob.size);
        }
        self.order.remove(&blob.used);
        blob.used = self.next_use;
        self.next_use += 1;
        self.order.insert(blob.used, digest.clone());
        Found::Whole { pin: blob.pin.clone(), touched: blob.touched }
    }

    /// Notes when the file of a blob was said to be used.
    pub(super) fn touched(&mut self, digest: &Digest, at: SystemTime) {
        if let Some(blob) = self.blobs.get_mut(digest) {
            blob.touched = at;
        }
    }

    /// Begins a fill that comes to `size` bytes, and says what has to go for it.
    pub(super) fn begin(
        &mut self,
        digest: &Digest,
        size: u64,
        flight: Arc<Flight>,
    ) -> Result<Vec<Victim>, Uncached> {
        if self.fills.len() >= MAX_FILLS {
            return Err(Uncached::Busy);
        }
        let reserved = size.saturating_add(OVERHEAD);
        // What is there of it is among that.
        let part = self.blobs.get(digest).map_or(0, |part| part.size + OVERHEAD);
        let victims = self.make_room(reserved.saturating_sub(part), Some(digest))?;
        self.remove(digest);
        self.bytes += reserved;
        self.fills.insert(digest.clone(), FillEntry { flight, reserved });
        Ok(victims)
    }

    /// Has room for `size` bytes of a fill, and says what has to go for it.
    pub(super) fn grow(&mut self, digest: &Digest, size: u64) -> Result<Vec<Victim>, Uncached> {
        let wanted = size.saturating_add(OVERHEAD);
        let Some(more) = self.fills.get(digest).map(|fill| wanted.saturating_sub(fill.reserved)) else {
            return Err(Uncached::NoRoom);
        };
        if wanted > self.capacity {
            return Err(Uncached::TooLarge);
        }
        let victims = self.make_room(more, None)?;
        if let Some(fill) = self.fills.get_mut(digest) {
            fill.reserved += more;
            self.bytes += more;
        }
        Ok(victims)
    }

    /// Ends a fill. The room that it had is free.
    pub(super) fn end(&mut self, digest: &Digest) {
        if let Some(fill) = self.fills.remove(digest) {
            self.bytes = self.bytes.saturating_sub(fill.reserved);
        }
    }

    /// Lets those go that were used longest ago and that nobody reads, until `more` bytes have room: all that it takes, or
    /// none.
    fn make_room(&mut self, more: u64, but: Option<&Digest>) -> Result<Vec<Victim>, Uncached> {
        if more > self.capacity {
            return Err(Uncached::TooLarge);
        }
        let excess = self.bytes.saturating_add(more).saturating_sub(self.capacity);
        let (victims, freed) = self.oldest(excess, but);
        if freed < excess {
            return Err(Uncached::NoRoom);
        }
        Ok(self.evict(&victims))
    }

    /// Lets those go that were used longest ago and that nobody reads, until `bytes` are free; none where that cannot be.
    pub(super) fn free(&mut self, bytes: u64) -> Vec<Victim> {
        let (victims, freed) = self.oldest(bytes, None);
        if freed < bytes { Vec::new() } else { self.evict(&victims) }
    }

    /// Lets go what is too much.
    pub(super) fn shrink(&mut self) -> Vec<Victim> {
        let (victims, _) = self.oldest(self.bytes.saturating_sub(self.capacity), None);
        self.evict(&victims)
    }

    fn oldest(&self, bytes: u64, but: Option<&Digest>) -> (Vec<Digest>, u64) {
        let (mut digests, mut freed) = (Vec::new(), 0);
        for digest in self.order.values() {
            if freed >= bytes {
                break;
            }
            if let Some(blob) = self.blobs.get(digest)
                && !blob.pin.is_held()
                && Some(digest) != but
            {
                digests.push(digest.clone());
                freed += blob.size + OVERHEAD;
            }
        }
        (digests, freed)
    }

    fn evict(&mut self, digests: &[Digest]) -> Vec<Victim> {
        digests.iter().filter_map(|digest| self.remove(digest)).collect()
    }

    /// Bytes of all blobs, and those that fills may come to.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many blobs there are, whole or not.
    pub(super) fn len(&self) -> usize {
        self.blobs.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1000;
    const PLACE: u64 = SIZE + OVERHEAD;

    fn digest(name: &str) -> Digest {
        Digest::of(name.as_bytes())
    }

    fn index(blobs: u64, names: &[&str]) -> Index {
        let mut index = Index::new(blobs * PLACE);
        for name in names {
            index.insert(digest(name), SIZE, true, SystemTime::now(), Pin::default());
        }
        index
    }

    fn begin(index: &mut Index, name: &str, size: u64) -> Result<Vec<Digest>, Uncached> {
        let victims = index.begin(&digest(name), size, Arc::new(Flight::new()))?;
        Ok(victims.into_iter().map(|victim| victim.digest).collect())
    }

    #[test]
    fn what_was_used_longest_ago_goes_and_what_is_read_stays() {
        let mut index = index(3, &["a", "b", "c"]);
        let Found::Whole { pin, .. } = index.find(&digest("b")) else { panic!("it is not there") };
        assert!(matches!(index.find(&digest("a")), Found::Whole { .. }));
        assert_eq!(begin(&mut index, "d", SIZE).unwrap(), [digest("c")]);
        assert_eq!(begin(&mut index, "e", SIZE).unwrap(), [digest("a")]);
        assert_eq!(begin(&mut index, "f", SIZE), Err(Uncached::NoRoom));
        drop(pin);
        assert_eq!(begin(&mut index, "f", SIZE).unwrap(), [digest("b")]);
        assert_eq!(index.bytes(), 3 * PLACE);
    }

    #[test]
    fn what_would_not_fit_pushes_nothing_out() {
        let mut index = index(3, &["a", "b"]);
        assert_eq!(begin(&mut index, "c", 4 * PLACE), Err(Uncached::TooLarge));
        assert_eq!(begin(&mut index, "d", SIZE), Ok(vec![]));
        assert_eq!(begin(&mut index, "e", 3 * SIZE + 2 * OVERHEAD), Err(Uncached::NoRoom));
        assert_eq!((index.len(), index.bytes()), (2, 3 * PLACE));
        index.end(&digest("d"));
        assert_eq!(index.bytes(), 2 * PLACE);
    }

    #[test]
    fn a_fill_of_unknown_size_takes_room_as_it_comes() {
        let mut index = index(3, &["a", "b"]);
        assert_eq!(begin(&mut index, "c", 0), Ok(vec![]));
        assert_eq!(index.grow(&digest("c"), SIZE), Ok(vec![]));
        assert_eq!(index.grow(&digest("c"), SIZE), Ok(vec![]));
        let victims = index.grow(&digest("c"), SIZE + 1).unwrap();
        assert_eq!(victims, [Victim { digest: digest("a"), is_whole: true }]);
        assert_eq!(index.grow(&digest("c"), 3 * PLACE), Err(Uncached::TooLarge));
        assert_eq!(index.grow(&digest("other"), 1), Err(Uncached::NoRoom));
    }

    #[test]
    fn a_part_makes_room_for_itself() {
        let mut index = index(2, &["a"]);
        index.insert(digest("part"), SIZE / 2, false, SystemTime::now(), Pin::default());
        assert!(matches!(index.find(&digest("part")), Found::Part(bytes) if bytes == SIZE / 2));
        assert_eq!(begin(&mut index, "part", SIZE), Ok(vec![]));
        assert!(matches!(index.find(&digest("part")), Found::Flight(_)));
        assert_eq!(index.bytes(), 2 * PLACE);
    }
}
