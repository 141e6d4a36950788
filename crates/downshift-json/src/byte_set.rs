//! Looks for bytes, eight at a time.

/// A set of bytes to look for, eight at a time.
pub(crate) struct ByteSet<const N: usize> {
    bytes: [u8; N],
    /// Whether those below 0x20 are in it.
    with_control: bool,
    /// Whether those from 0x80 on are in it.
    with_non_ascii: bool,
}

/// How many bytes are looked at together.
const WORD: usize = size_of::<u64>();

/// A word of which each byte is `byte`.
const fn all(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Sets the highest bit of each byte of `word` that is below `limit`: it is set once that was subtracted, and was not
/// before. What is borrowed from the next byte makes that one wrong, but only after one that is found.
const fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(all(limit)) & !word
}

impl<const N: usize> ByteSet<N> {
    pub(crate) const fn of(bytes: [u8; N]) -> Self {
        Self { bytes, with_control: false, with_non_ascii: false }
    }

    pub(crate) const fn and_control(self) -> Self {
        Self { with_control: true, ..self }
    }

    pub(crate) const fn and_non_ascii(self) -> Self {
        Self { with_non_ascii: true, ..self }
    }

    /// How many of `bytes` stand before the first that is in the set.
    ///
    /// Inlined, for the set is a constant only then: read from memory for each word, it makes a conversion 7 % slower
    /// (measured).
    #[inline(always)]
    pub(crate) fn count_before(&self, bytes: &[u8]) -> usize {
        let (words, rest) = bytes.as_chunks();
        let mut count = 0_usize;
        for word in words {
            let word = u64::from_le_bytes(*word);
            let mut found = if self.with_non_ascii { word } else { 0 };
            if self.with_control {
                found |= below(word, b' ');
            }
            for byte in self.bytes {
                found |= below(word ^ all(byte), 1);
            }
            found &= all(0x80);
            if found != 0 {
                return count.saturating_add((found.trailing_zeros() / u8::BITS) as usize);
            }
            count = count.saturating_add(WORD);
        }
        count.saturating_add(rest.iter().take_while(|byte| !self.contains(**byte)).count())
    }

    #[inline(always)]
    fn contains(&self, byte: u8) -> bool {
        self.bytes.contains(&byte)
            || self.with_control && byte < b' '
            || self.with_non_ascii && !byte.is_ascii()
    }
}
