use downshift::Digest;
use downshift_cases::random::Random;
use downshift_layer::{DECODER_VERSION, FactsReader, Limits, Unpacker};

use crate::encode::{bzip2, gzip, skippable, tar, text, xz, zstd};
use crate::read::{read, read_with};

/// Layers of every kind, each of several parts.
fn layers() -> Vec<(Vec<u8>, Vec<u8>)> {
    let (a, b) = (tar(&text(1, 150_000)), text(2, 3_000));
    let plain = [&a[..], &b].concat();
    vec![
        (plain.clone(), plain.clone()),
        ([gzip(&a), gzip(&b)].concat(), plain.clone()),
        ([zstd(&a), skippable(1, &b), zstd(&b)].concat(), plain.clone()),
        ([bzip2(&a), bzip2(&b)].concat(), plain.clone()),
        ([xz(&a), vec![0; 8], xz(&b)].concat(), plain),
    ]
}

#[test]
fn it_never_matters_how_the_bytes_come() {
    let limits = Limits::host();
    for (blob, plain) in layers() {
        let whole = read(&blob);
        assert_eq!(whole.as_ref().unwrap().0, plain);
        for (piece, room) in [(1, 1), (1, 70_000), (blob.len(), 1), (3, 5), (511, 512), (4096, 300_000)] {
            assert_eq!(read_with(&blob, &limits, piece, room), whole, "{piece} {room}");
        }
        for seed in 0..50 {
            // Damage that lies anywhere, and is found at the same place and for the same reason.
            let mut random = Random::nth(24, seed);
            let mut damaged = blob.clone();
            if random.chance(50) {
                damaged.truncate(random.below(blob.len()));
            }
            for _ in 0..random.below(3) {
                let (at, bit) = (random.below(damaged.len().max(1)), random.below(8));
                damaged.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            let whole = read(&damaged);
            for (piece, room) in [(random.between(1, 50), random.between(1, 2000)), (1000, 64 * 1024)] {
                assert_eq!(read_with(&damaged, &limits, piece, room), whole, "{seed}: {piece} {room}");
            }
        }
    }
}

#[test]
fn facts_are_the_digests_the_sizes_and_the_compression() {
    for (blob, plain) in layers() {
        let mut reader = FactsReader::new(&Limits::host());
        blob.chunks(10_000).try_for_each(|piece| reader.feed(piece)).unwrap();
        let facts = reader.finish().unwrap();
        assert_eq!((facts.digest, facts.size), (Digest::of(&blob), blob.len() as u64));
        assert_eq!((facts.diff_id, facts.plain_size), (Digest::of(&plain), plain.len() as u64));
        assert_eq!(facts.decoder_version, DECODER_VERSION);
        assert_eq!(facts.zstd_window.is_some(), facts.compression.name() == "zstd");
    }
}

#[test]
fn a_layer_is_refused_for_good_and_has_to_be_taken_to_its_end() {
    let mut unpacker = Unpacker::new(&Limits::host());
    let mut output = [0; 100];
    let error = unpacker.step(b"x".repeat(600).as_slice(), &mut output).unwrap_err();
    assert_eq!(unpacker.step(&gzip(b"x"), &mut output), Err(error.clone()));
    assert_eq!(unpacker.finish(), Err(error));

    let mut unpacker = Unpacker::new(&Limits::host());
    assert_eq!(unpacker.step(&gzip(&[7; 100]), &mut output).unwrap().written, 100);
    let error = unpacker.finish().unwrap_err();
    assert_eq!(error.code(), "layer-misuse");
    assert_eq!(error.to_string(), "`finish` was called before all output was read");
}
