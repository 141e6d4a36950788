//! zstd, as far as a layer of a test needs it: frames of blocks that are not compressed (RFC 8878, 3.1).

/// Bytes of a block: less than the most there may be.
const BLOCK: usize = 64 * 1024;

/// A frame with these bytes, whose header says how many there are.
#[must_use]
pub fn frame(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("the content of a test is small");
    // A single segment, with its size in four bytes.
    let mut frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xa0][..], &size.to_le_bytes()].concat();
    let mut rest = content;
    loop {
        let (block, after) = rest.split_at(rest.len().min(BLOCK));
        let header = (block.len() as u32) << 3 | u32::from(after.is_empty());
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
        if after.is_empty() {
            return frame;
        }
        rest = after;
    }
}

/// A frame that readers skip, as zstd:chunked has them at its end.
#[must_use]
pub fn skippable(content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).expect("the content of a test is small");
    [&[0x50, 0x2a, 0x4d, 0x18][..], &size.to_le_bytes(), content].concat()
}
