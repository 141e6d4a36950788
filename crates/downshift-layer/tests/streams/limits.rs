use downshift_layer::{Error, Limits};

use crate::encode::{bzip2, gzip, skippable, tar, text, xz, zstd, zstd_raw};
use crate::read::read_with;

/// The limit that a layer exceeds, if it does: the same one however the bytes come.
fn exceeded(blob: &[u8], limits: &[(&str, u64)]) -> Option<&'static str> {
    let mut changed = Limits::host();
    for (name, value) in limits {
        changed.set(name, *value).unwrap();
    }
    let outcomes =
        [(blob.len(), 64 * 1024), (1, 100), (1000, 64 * 1024)].map(|(piece, room)| {
            match read_with(blob, &changed, piece, room) {
                Ok((plain, _)) => {
                    assert!(plain.len() as u64 <= changed.plain_bytes);
                    None
                }
                Err(Error::LimitExceeded { name, limit }) => {
                    assert!(limits.contains(&(name, limit)));
                    Some(name)
                }
                Err(error) => panic!("{error}"),
            }
        });
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    outcomes[0]
}

#[test]
fn plain_bytes_have_a_limit() {
    let plain = tar(&text(1, 100_000));
    let len = plain.len() as u64;
    for blob in [plain.clone(), gzip(&plain), zstd(&plain), bzip2(&plain), xz(&plain)] {
        assert_eq!(exceeded(&blob, &[("plain-bytes", len)]), None);
        assert_eq!(exceeded(&blob, &[("plain-bytes", len - 1)]), Some("plain-bytes"));
        assert_eq!(exceeded(&blob, &[("plain-bytes", 0)]), Some("plain-bytes"));
    }
}

#[test]
fn the_layer_itself_has_a_limit_also_where_nothing_comes_of_it() {
    let plain = tar(&text(1, 100_000));
    for blob in [plain.clone(), gzip(&plain), zstd(&plain), bzip2(&plain), xz(&plain)] {
        assert_eq!(exceeded(&blob, &[("layer-bytes", blob.len() as u64)]), None);
        assert_eq!(exceeded(&blob, &[("layer-bytes", blob.len() as u64 - 1)]), Some("layer-bytes"));
    }
    let nothing = [zstd(b""), skippable(0, &[7; 1000])].concat();
    assert_eq!(exceeded(&nothing, &[("layer-bytes", nothing.len() as u64 - 1)]), Some("layer-bytes"));
}

#[test]
fn work_has_a_limit_and_what_makes_nothing_is_work_too() {
    let plain = text(1, 100_000);
    assert_eq!(exceeded(&gzip(&plain), &[("work", 100_000)]), Some("work"));
    assert_eq!(exceeded(&gzip(&plain), &[("work", 600_000)]), None);
    assert_eq!(exceeded(&zstd(&plain), &[("work", 300_000)]), Some("work"));
    assert_eq!(exceeded(&xz(&plain), &[("work", 2_000_000)]), Some("work"));
    assert_eq!(exceeded(&bzip2(&plain), &[("work", 3_200_000)]), Some("work"));
    let nothing = [gzip(b""), zstd(b""), bzip2(b""), skippable(0, &[7; 250])];
    for (part, work) in nothing.into_iter().zip([2_000, 5_000, 50_000, 1_000]) {
        let blob = part.repeat(1000);
        assert_eq!(exceeded(&blob, &[("work", 1000 * work)]), Some("work"));
        assert_eq!(exceeded(&blob, &[("work", 2000 * work)]), None);
    }
    assert_eq!(exceeded(&tar(&plain), &[("work", 0)]), None);
}

#[test]
fn the_ratio_has_a_limit_past_what_is_free() {
    let read =
        |blob: &[u8]| read_with(blob, &Limits::host(), blob.len(), 1 << 20).map(|(plain, _)| plain.len());
    assert_eq!(read(&repeated(FREE_BLOCKS)), Ok(Limits::RATIO_FREE_BYTES as usize));
    let limit = Limits::host().ratio;
    assert_eq!(read(&repeated(FREE_BLOCKS + 1)), Err(Error::LimitExceeded { name: "ratio", limit }));
}

#[test]
fn a_ratio_that_is_passed_only_for_a_while_is_found_behind_each_zstd_block() {
    // What follows is not compressed at all.
    let incompressible = zstd_raw(0, &[0x40], &[&[7; 128 * 1024][..]; 8], None);
    let limit = Limits::host().ratio;
    for (repeats, expected) in
        [(FREE_BLOCKS, None), (FREE_BLOCKS + 1, Some(Error::LimitExceeded { name: "ratio", limit }))]
    {
        let blob = [repeated(repeats), incompressible.clone()].concat();
        assert!(blob.len() as u64 * limit > (Limits::RATIO_FREE_BYTES + (2 << 20)));
        for (piece, room) in [(blob.len(), 3 << 20), (1000, 64 * 1024)] {
            let error = read_with(&blob, &Limits::host(), piece, room).err();
            assert_eq!(error, expected, "{repeats}: {piece} {room}");
        }
    }
}

/// So many blocks as a layer may have of [`repeated`] whatever its ratio.
const FREE_BLOCKS: usize = Limits::RATIO_FREE_BYTES as usize / (128 * 1024);

/// A frame of zstd with so many blocks of 128 KiB, each of four bytes.
fn repeated(blocks: usize) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x40];
    for index in 0..blocks {
        let header = u32::from(index + 1 == blocks) | 1 << 1 | (128 * 1024) << 3;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn limits_have_names() {
    let mut limits = Limits::default();
    for name in downshift::layer::LIMITS {
        limits.set(name, 7).unwrap();
    }
    let Limits { layer_bytes, plain_bytes, ratio, window_bytes, work, .. } = limits;
    assert_eq!([layer_bytes, plain_bytes, ratio, window_bytes, work], [7; 5]);
    assert_eq!(limits.set("time", 7).unwrap_err().code(), "unknown-limit");
    assert_eq!(Limits::host().window_bytes, 16 * Limits::edge().window_bytes);
}
