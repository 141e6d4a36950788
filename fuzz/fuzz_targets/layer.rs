//! Layers of every compression: however the bytes come, what comes of them is the same, and within the limits.
//!
//! The first two bytes say how the others come. A layer is rarely found by chance, so checksums that are wrong matter less
//! here than what is read before them.

#![no_main]

use downshift_layer::{Compression, Error, Limits, Unpacked, Unpacker};
use libfuzzer_sys::fuzz_target;

/// Bytes that nobody exceeds in the time that an input has.
const PLAIN_BYTES: u64 = 4 * 1024 * 1024;

/// Less than the edge has, for each input takes it anew.
const WINDOW_BYTES: u64 = 1024 * 1024;

/// Room for plain bytes that is seldom filled.
const ROOM: usize = 64 * 1024;

/// The plain bytes, and what the layer has come to.
type Outcome = Result<(Vec<u8>, Unpacked), Error>;

fuzz_target!(|input: &[u8]| {
    let [piece, room, blob @ ..] = input else { return };
    let mut limits = Limits::edge();
    (limits.plain_bytes, limits.window_bytes) = (PLAIN_BYTES, WINDOW_BYTES);
    let whole = read(blob, &limits, blob.len().max(1), ROOM);
    let pieces = read(blob, &limits, usize::from(*piece) + 1, (usize::from(*room) + 1) * 16);
    assert_eq!(whole.is_ok(), pieces.is_ok(), "whether it is taken depends on how the bytes come");
    // What is damaged and too much is refused for either, and so is what is damaged and cut off, by xz, which looks ahead.
    let is_one_of_two = |outcome: &Outcome| {
        matches!(
            outcome,
            Err(Error::LimitExceeded { .. } | Error::Truncated { compression: Compression::Xz, .. })
        )
    };
    if whole.is_ok() || !(is_one_of_two(&whole) || is_one_of_two(&pieces)) {
        assert_eq!(whole, pieces, "what comes of it depends on how the bytes come");
    }
    match whole {
        Ok((plain, unpacked)) => {
            assert_eq!(unpacked.size, blob.len() as u64);
            assert_eq!(unpacked.plain_size, plain.len() as u64);
            assert!(unpacked.plain_size <= PLAIN_BYTES);
            assert!(unpacked.zstd_window.is_none_or(|window| window <= WINDOW_BYTES));
            if unpacked.compression.name() != "plain" {
                let more = [blob, b"!"].concat();
                assert!(
                    read(&more, &limits, more.len(), ROOM).is_err(),
                    "it is taken with something behind it"
                );
            }
        }
        Err(error) => {
            assert!(!error.to_string().contains('\n') && !error.remedy().is_empty());
            assert!(!matches!(error, Error::Misuse { .. }));
        }
    }
});

fn read(blob: &[u8], limits: &Limits, piece: usize, room: usize) -> Outcome {
    let mut unpacker = Unpacker::new(limits);
    let (mut output, mut plain) = (vec![0; room], Vec::new());
    for mut piece in blob.chunks(piece) {
        loop {
            let progress = unpacker.step(piece, &mut output)?;
            plain.extend_from_slice(&output[..progress.written]);
            assert!(plain.len() as u64 <= limits.plain_bytes);
            piece = &piece[progress.read..];
            if progress.written < output.len() {
                assert!(piece.is_empty(), "where there is room, all is read");
                break;
            }
        }
    }
    Ok((plain, unpacker.finish()?))
}
