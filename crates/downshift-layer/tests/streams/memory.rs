use allocation_counter::measure;
use downshift_layer::{Limits, Unpacker};

use crate::encode::{bzip2, gzip, tar, text, xz, zstd};

/// What a decoder has beside its window.
const MARGIN: u64 = 1024 * 1024;

/// The most memory that is taken at a time to unpack `blob`, but not to keep what comes of it.
fn memory(blob: &[u8]) -> u64 {
    let (mut output, mut limits) = (vec![0; 64 * 1024], Limits::host());
    limits.ratio = u64::MAX;
    let allocated = measure(|| {
        let mut unpacker = Unpacker::new(&limits);
        for mut piece in blob.chunks(10_000) {
            loop {
                let progress = unpacker.step(piece, &mut output).expect("the layer is sound");
                piece = &piece[progress.read..];
                if progress.written < output.len() {
                    break;
                }
            }
        }
        unpacker.finish().expect("the layer is sound");
    });
    allocated.bytes_max
}

/// A frame with a window of 2^`log` bytes, and content of four times as much.
fn frame(log: u32) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, ((log - 10) << 3) as u8];
    let blocks = (4 << log) / (128 * 1024);
    for index in 0..blocks {
        let header = u32::from(index + 1 == blocks) | 1 << 1 | (128 * 1024) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(index as u8);
    }
    frame
}

#[test]
fn a_layer_takes_its_window_and_little_more() {
    for log in [20, 22, 24] {
        let memory = memory(&frame(log));
        assert!(memory <= (1 << log) + MARGIN, "{memory} for a window of 2^{log}");
    }
    // The former window is given back first.
    let memory_of_several = memory(&[frame(23), frame(20), frame(24), frame(23)].concat());
    assert!(memory_of_several <= (1 << 24) + MARGIN, "{memory_of_several}");
}

#[test]
fn a_layer_takes_the_same_whatever_its_size() {
    let (small, large) = (tar(&text(1, 100_000)), tar(&text(1, 100_000).repeat(100)));
    let of = |layer: Vec<u8>| {
        [gzip(&layer), zstd(&layer), bzip2(&layer), xz(&layer), layer].map(|blob| memory(&blob))
    };
    for (small, large) in of(small).into_iter().zip(of(large)) {
        assert!(large <= small + MARGIN && large <= 5 * MARGIN, "{small} and {large}");
    }
}
