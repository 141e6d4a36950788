//! How far a step came.

/// How far a step came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that were read.
    pub read: usize,
    /// Bytes that were written to the output.
    pub written: usize,
}

impl Progress {
    /// A step that came no further: it lacks input, or room.
    pub(crate) const NONE: Self = Self { read: 0, written: 0 };

    /// A step that only read.
    pub(crate) const fn read(read: usize) -> Self {
        Self { read, written: 0 }
    }

    /// From all that was read and written before a step, and after it.
    pub(crate) fn between(before: (u64, u64), after: (u64, u64)) -> Self {
        let more =
            |before: u64, after: u64| usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
        Self { read: more(before.0, after.0), written: more(before.1, after.1) }
    }

    /// A step that only wrote.
    pub(crate) const fn written(written: usize) -> Self {
        Self { read: 0, written }
    }
}

/// Copies as many bytes as there is room for, and says how many.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        to.copy_from_slice(from);
    }
    len
}

/// What follows the first `count` bytes.
pub(crate) fn after(bytes: &[u8], count: usize) -> &[u8] {
    bytes.get(count..).unwrap_or_default()
}
