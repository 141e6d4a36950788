//! Looks for the bytes that need care, eight at a time: most of a document needs none, and in a sandbox each turn of a
//! loop is paid for, because it looks at the clock.

/// A byte in each of a word's lanes.
const fn lanes(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// What tells of the lanes of a word whether they are looked for: their highest bits. Nothing but the lowest of these
/// bits counts, for what is subtracted below carries into the lanes above it.
pub(crate) type Found = u64;

/// The lanes that are `byte`.
pub(crate) fn is(word: u64, byte: u8) -> Found {
    let differs = word ^ lanes(byte);
    differs.wrapping_sub(lanes(1)) & !differs & lanes(0x80)
}

/// The lanes that are control characters, below 0x20.
pub(crate) fn is_control(word: u64) -> Found {
    word.wrapping_sub(lanes(0x20)) & !word & lanes(0x80)
}

/// The next eight bytes as a word, the first of them in the lowest lane.
pub(crate) fn word(bytes: &[u8]) -> Option<(u64, &[u8; 8])> {
    let chunk = bytes.first_chunk::<8>()?;
    Some((u64::from_le_bytes(*chunk), chunk))
}

/// How many lanes come before the first that was found: eight, if none was.
pub(crate) fn lanes_before(found: Found) -> usize {
    (found.trailing_zeros() / 8) as usize
}

/// How many of `bytes` come before the first that `find` finds.
pub(crate) fn run_length(bytes: &[u8], find: impl Fn(u64) -> Found) -> usize {
    /// Fills up the last word, and is looked for nowhere.
    const FILLER: u8 = b'a';
    let mut rest = bytes;
    let mut length = 0_usize;
    while let Some((word, _)) = word(rest) {
        let run = lanes_before(find(word));
        length = length.saturating_add(run);
        if run < 8 {
            return length;
        }
        rest = rest.get(8..).unwrap_or_default();
    }
    let mut last = [FILLER; 8];
    for (lane, &byte) in last.iter_mut().zip(rest) {
        *lane = byte;
    }
    length.saturating_add(lanes_before(find(u64::from_le_bytes(last))).min(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_found_whatever_stands_beside_it() {
        let find = |word| is(word, b'"') | is(word, 0xe2) | is_control(word);
        for length in 0..20_usize {
            for place in 0..=length {
                for beside in [b'#', b'!', 0x21, 0x7f, 0xe1, 0xe3, 0xff, 0x80] {
                    for wanted in [b'"', 0xe2, 0, 0x1f] {
                        let mut bytes = [beside; 20];
                        bytes[place..].fill(wanted);
                        assert_eq!(run_length(&bytes[..length], find), place, "{wanted:#x} after {beside:#x}");
                    }
                }
            }
        }
    }
}
