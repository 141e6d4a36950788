//! The file of a database on a disk that cannot be written any more. A database that is opened writes, and one that has
//! failed puts itself in order first: what that writes is kept in memory here, so that all that is on the disk can be read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use redb::StorageBackend;

/// Bytes that are kept together.
const BLOCK_BYTES: usize = 4096;

type Block = [u8; BLOCK_BYTES];

/// The file as it is on the disk, and what is not to be written there.
#[derive(Debug)]
pub(super) struct Frozen {
    file: File,
    changes: RwLock<Changes>,
}

#[derive(Debug)]
struct Changes {
    len: u64,
    /// Whole blocks, by their number.
    blocks: BTreeMap<u64, Box<Block>>,
}

impl Frozen {
    /// The file at `path`, which nobody else has open.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        file.try_lock()?;
        let len = file.metadata()?.len();
        Ok(Self { file, changes: RwLock::new(Changes { len, blocks: BTreeMap::new() }) })
    }

    fn block(&self, changes: &Changes, number: u64) -> io::Result<Box<Block>> {
        if let Some(block) = changes.blocks.get(&number) {
            return Ok(block.clone());
        }
        let mut block = Box::new([0; BLOCK_BYTES]);
        let start = number * BLOCK_BYTES as u64;
        let mut filled = 0;
        while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, start + filled as u64) {
                // Beyond the end there are zeros.
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(block)
    }
}

/// The parts of the bytes from `offset` on: the number of a block, what is meant of that, and where that is in them.
fn parts(
    offset: u64,
    len: usize,
) -> impl Iterator<Item = (u64, core::ops::Range<usize>, core::ops::Range<usize>)> {
    let mut done = 0;
    core::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let at = offset + done as u64;
        let within = usize::try_from(at % BLOCK_BYTES as u64).ok()?;
        let count = (BLOCK_BYTES - within).min(len - done);
        let part = (at / BLOCK_BYTES as u64, within..within + count, done..done + count);
        done += count;
        Some(part)
    })
}

/// Copies from one place of so many bytes to another.
fn copy(from: Option<&[u8]>, to: Option<&mut [u8]>) -> io::Result<()> {
    match (from, to) {
        (Some(from), Some(to)) if from.len() == to.len() => {
            to.copy_from_slice(from);
            Ok(())
        }
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

impl StorageBackend for Frozen {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changes.read().unwrap_or_else(PoisonError::into_inner).len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let changes = self.changes.read().unwrap_or_else(PoisonError::into_inner);
        if offset + out.len() as u64 > changes.len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for (number, within, place) in parts(offset, out.len()) {
            copy(self.block(&changes, number)?.get(within), out.get_mut(place))?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        let former = changes.len;
        changes.len = len;
        // What is cut off and comes again is zero.
        for number in len / BLOCK_BYTES as u64..former.div_ceil(BLOCK_BYTES as u64) {
            let mut block = self.block(&changes, number)?;
            let kept = len.saturating_sub(number * BLOCK_BYTES as u64);
            block.iter_mut().skip(usize::try_from(kept).unwrap_or(BLOCK_BYTES)).for_each(|byte| *byte = 0);
            changes.blocks.insert(number, block);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut changes = self.changes.write().unwrap_or_else(PoisonError::into_inner);
        for (number, within, place) in parts(offset, data.len()) {
            let mut block = self.block(&changes, number)?;
            copy(data.get(place), block.get_mut(within))?;
            changes.blocks.insert(number, block);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(frozen: &Frozen) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(frozen.len().unwrap()).unwrap()];
        frozen.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn it_is_as_if_it_were_written_and_nothing_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stored: Vec<u8> = (0..10_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        std::fs::write(file.path(), &stored).unwrap();
        let frozen = Frozen::open(file.path()).unwrap();
        assert!(Frozen::open(file.path()).is_err(), "two have it");
        let mut expected = stored.clone();
        assert_eq!(all(&frozen), expected);
        // Across blocks, within one, at the end, and what was cut off before.
        for (offset, len) in [(4_000, 5_000), (10, 20), (9_990, 10)] {
            frozen.write(offset as u64, &vec![0xff; len]).unwrap();
            expected[offset..offset + len].fill(0xff);
            assert_eq!(all(&frozen), expected);
        }
        for len in [9_000, 4_096, 20_000, 12_288, 1, 0, 5_000] {
            frozen.set_len(len as u64).unwrap();
            expected.resize(len, 0);
            assert_eq!(all(&frozen), expected, "with {len} bytes");
        }
        assert!(frozen.read(4_999, &mut [0; 2]).is_err());
        assert_eq!(std::fs::read(file.path()).unwrap(), stored);
    }
}
