use downshift_layer::Limits;

use crate::encode::{skippable, text, zstd, zstd_raw};
use crate::read::{code, plain, read, read_with};

/// A descriptor of a frame whose window is told.
const WINDOW: u8 = 0;
/// … and whose content is one segment, with a size of one byte.
const SEGMENT: u8 = 0x20;
const CHECKSUM: u8 = 4;
/// A window of 1 KiB.
const LEAST_WINDOW: [u8; 1] = [0];

#[test]
fn every_frame_counts_and_skippable_ones_are_skipped() {
    let parts = [text(1, 300_000), text(2, 10), Vec::new(), text(3, 5_000)];
    let mut blob = skippable(0, b"");
    for (index, part) in parts.iter().enumerate() {
        blob.extend(zstd(part));
        blob.extend(skippable(index as u8, &text(9, index * 1000)));
    }
    let (bytes, unpacked) = read(&blob).unwrap();
    assert_eq!(bytes, parts.concat());
    assert_eq!((unpacked.size, unpacked.plain_size), (blob.len() as u64, bytes.len() as u64));
    assert_eq!(unpacked.compression.name(), "zstd");
    assert!(unpacked.zstd_window.is_some_and(|window| window >= 1024));
    let (bytes, unpacked) = read(&skippable(15, b"nothing")).unwrap();
    assert_eq!((bytes, unpacked.zstd_window), (Vec::new(), None));
}

#[test]
fn a_content_size_is_compared_and_never_believed() {
    let frame = |size: u8| zstd_raw(SEGMENT, &[size], &[b"four"], None);
    assert_eq!(plain(&frame(4)), b"four");
    for size in [0, 3, 5, 255] {
        let error = read(&frame(size)).unwrap_err();
        assert_eq!(error.code(), "corrupt-layer", "{size}");
        // A segment is the window too, which bounds the block.
        let problem = "the decoded size does not match the frame header";
        assert!(size < 4 || error.to_string().ends_with(problem), "{size}: {error}");
    }
    // Eight bytes of it, which claim 16 EiB: as a segment that is the window, and otherwise wrong.
    assert_eq!(code(&zstd_raw(SEGMENT | 0xc0, &[0xff; 8], &[b"four"], None)), "limit-exceeded");
    let claim = [&LEAST_WINDOW[..], &[0xff; 8]].concat();
    assert_eq!(code(&zstd_raw(0xc0, &claim, &[b"four"], None)), "corrupt-layer");
    // Two bytes begin at 256.
    let block = [b'x'; 300];
    assert_eq!(plain(&zstd_raw(SEGMENT | 0x40, &[44, 0], &[&block], None)), block);
}

#[test]
fn a_content_checksum_is_that_of_the_content() {
    // XXH64 of nothing is ef46db3751d8e999.
    let frame = |checksum| zstd_raw(WINDOW | CHECKSUM, &LEAST_WINDOW, &[b""], Some(checksum));
    assert_eq!(plain(&frame(0x51d8_e999)), b"");
    assert_eq!(code(&frame(0x51d8_e998)), "layer-checksum");
    let mut blob = zstd(&text(1, 300_000));
    let last = blob.len() - 1;
    blob[last] ^= 1;
    assert_eq!(code(&blob), "layer-checksum");
}

#[test]
fn a_window_has_a_limit_and_is_told() {
    // From 1 KiB, by eighths of a power of two.
    for (byte, window) in [(0, 1024), (1, 1152), (0x0f, 3840), (0x68, 8 << 20), (0x88, 128 << 20)] {
        let frame = zstd_raw(WINDOW, &[byte], &[b"x"], None);
        assert_eq!(read(&frame).unwrap().1.zstd_window, Some(window), "{byte}");
        let at_the_edge = read_with(&frame, &Limits::edge(), 1, 1);
        assert_eq!(at_the_edge.is_ok(), window <= 8 << 20, "{byte}");
    }
    let error = read(&zstd_raw(WINDOW, &[0x89], &[b"x"], None)).unwrap_err();
    assert_eq!(error.to_string(), "the layer exceeds the limit `window-bytes` of `134217728`");
    assert_eq!(code(&zstd_raw(WINDOW, &[0xff], &[b"x"], None)), "limit-exceeded");
    // The largest of all frames counts.
    let blob = [[0x28], [0x68], [0]].map(|byte| zstd_raw(WINDOW, &byte, &[b"x"], None)).concat();
    assert_eq!(read(&blob).unwrap().1.zstd_window, Some(8 << 20));
}

#[test]
fn what_takes_more_than_the_layer_is_refused() {
    assert_eq!(code(&zstd_raw(WINDOW | 1, &[0, 7], &[b"x"], None)), "unsupported-layer");
    // A dictionary id of zero means no dictionary.
    assert_eq!(plain(&zstd_raw(WINDOW | 3, &[0, 0, 0, 0, 0], &[b"x"], None)), b"x");
    assert_eq!(code(&zstd_raw(WINDOW | 8, &LEAST_WINDOW, &[b"x"], None)), "unsupported-layer");
}

#[test]
fn blocks_keep_to_their_size_and_their_types() {
    let block = vec![b'x'; 1025];
    assert_eq!(code(&zstd_raw(WINDOW, &LEAST_WINDOW, &[&block], None)), "corrupt-layer");
    let with_block = |header: u32, content: &[u8]| {
        let mut frame = zstd_raw(WINDOW, &[0x40], &[], None);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(content);
        frame
    };
    // One byte, 100,000 times; and more often than a block may.
    assert_eq!(plain(&with_block(1 | 1 << 1 | 100_000 << 3, b"x")), vec![b'x'; 100_000]);
    assert_eq!(code(&with_block(1 | 1 << 1 | 131_073 << 3, b"x")), "corrupt-layer");
    assert_eq!(code(&with_block(1 | 3 << 1 | 1 << 3, b"x")), "corrupt-layer");
    assert_eq!(code(&with_block(1 | 2 << 1 | 20 << 3, &[0xff; 20])), "corrupt-layer");
}

#[test]
fn blocks_keep_to_their_size_when_decoded() {
    // Literals, one byte repeated, with a size of 20 bits, and no sequences.
    let block = |is_last: bool, size: u32| {
        let header = u32::from(is_last) | 2 << 1 | 5 << 3;
        let literals = 1 | 3 << 2 | size << 4;
        [&header.to_le_bytes()[..3], &literals.to_le_bytes()[..3], b"x", &[0]].concat()
    };
    // Windows of 1 KiB, 128 KiB and 8 MiB.
    for (window, most) in [(0, 1024), (0x38, 128 << 10), (0x68, 128 << 10)] {
        let frame = |blocks: &[(bool, u32)]| {
            let mut frame = zstd_raw(WINDOW, &[window], &[], None);
            frame.extend(blocks.iter().flat_map(|&(is_last, size)| block(is_last, size)));
            frame
        };
        assert_eq!(plain(&frame(&[(false, most), (true, most)])), vec![b'x'; 2 * most as usize]);
        for size in [most + 1, (1 << 20) - 1] {
            for blocks in [&[(true, size)][..], &[(false, size), (true, 1)], &[(false, 1), (true, size)]] {
                let blob = frame(blocks);
                assert_eq!(code(&blob), "corrupt-layer", "{window}: {blocks:?}");
                let in_bytes = read_with(&blob, &Limits::host(), 1, 100).unwrap_err();
                assert_eq!(in_bytes.code(), "corrupt-layer", "{window}: {blocks:?}");
            }
        }
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    let frame = zstd(&text(1, 1000));
    let skipped = skippable(3, b"skipped");
    let blob = [&skipped[..], &frame, &skipped].concat();
    let ends = [skipped.len(), skipped.len() + frame.len()];
    for len in (4..blob.len()).filter(|len| !ends.contains(len)) {
        assert_eq!(code(&blob[..len]), "truncated-layer", "{len}");
    }
    for trailing in [&b"x"[..], b"\0", b"\x28\xb5\x2e", b"\x50\x2a\x4e", b"\x1f\x8b\x08\x00"] {
        let error = read(&[&blob, trailing].concat()).unwrap_err();
        assert_eq!(error.code(), "trailing-bytes");
        let message = format!("unexpected data after the zstd frame that ends at byte `{}`", blob.len());
        assert_eq!(error.to_string(), message);
    }
}
