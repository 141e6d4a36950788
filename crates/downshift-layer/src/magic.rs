//! How a layer is compressed, by its first bytes.

use downshift::layer::Compression;

/// Bytes of a block of a tar, and the most that are looked at.
pub(crate) const BLOCK_BYTES: usize = 512;

/// What the first bytes of a layer say.
pub(crate) enum Guess {
    /// How it is compressed.
    Known(Compression),
    /// More bytes are needed to say so.
    Unsure,
    /// Neither compressed in a way that is known, nor a tar.
    Unknown,
}

/// What the first bytes of a layer, [`BLOCK_BYTES`] at the most, say of it.
pub(crate) fn guess(start: &[u8]) -> Guess {
    for (compression, is_magic) in MAGICS {
        if is_magic(start) {
            return Guess::Known(compression);
        }
    }
    match start.len() {
        ..BLOCK_BYTES => Guess::Unsure,
        _ if is_tar_block(start) => Guess::Known(Compression::Plain),
        _ => Guess::Unknown,
    }
}

type IsMagic = fn(&[u8]) -> bool;

/// With the method of gzip, which has only one; with the first block of bzip2, or the end of an empty one, so that no tar
/// whose first file is called `BZh1` is taken for it.
const MAGICS: [(Compression, IsMagic); 4] = [
    (Compression::Gzip, |start| start.starts_with(&[0x1f, 0x8b, 0x08])),
    (Compression::Zstd, |start| match start {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
        [first, 0x2a, 0x4d, 0x18, ..] => first & 0xf0 == 0x50,
        _ => false,
    }),
    (Compression::Bzip2, |start| {
        matches!(
            start,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
                | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..]
        )
    }),
    (Compression::Xz, |start| start.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0])),
];

/// Whether a block is the header of a tar's entry, by its checksum (POSIX.1, pax, "ustar Interchange Format"), or the end
/// of a tar, which is the whole of an empty one.
fn is_tar_block(block: &[u8]) -> bool {
    const CHECKSUM: core::ops::Range<usize> = 148..156;
    if block.iter().all(|&byte| byte == 0) {
        return true;
    }
    let Some(expected) = block.get(CHECKSUM).and_then(octal) else { return false };
    let mut sum = 0_i64;
    // Some old programs add bytes as if they had a sign, which every reader takes, too.
    let mut signed_sum = 0_i64;
    for (index, &byte) in block.iter().enumerate() {
        let byte = if CHECKSUM.contains(&index) { b' ' } else { byte };
        sum = sum.saturating_add(i64::from(byte));
        signed_sum = signed_sum.saturating_add(i64::from(byte.cast_signed()));
    }
    expected == sum || expected == signed_sum
}

/// An octal number with spaces and NULs around it.
fn octal(field: &[u8]) -> Option<i64> {
    let text = str::from_utf8(field).ok()?;
    i64::from_str_radix(text.trim_matches([' ', '\0']), 8).ok().filter(|number| *number >= 0)
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The header of an entry with a name and, in octal, a checksum.
    fn header(name: &[u8]) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block.iter_mut().zip(name).for_each(|(byte, letter)| *byte = *letter);
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        block[148..156].copy_from_slice(alloc::format!("{sum:06o}\0 ").as_bytes());
        block
    }

    fn compression(start: &[u8]) -> Option<Compression> {
        match guess(start) {
            Guess::Known(compression) => Some(compression),
            Guess::Unsure | Guess::Unknown => None,
        }
    }

    #[test]
    fn a_magic_says_how_a_layer_is_compressed() {
        assert_eq!(compression(&[0x1f, 0x8b, 8]), Some(Compression::Gzip));
        assert_eq!(compression(&[0x28, 0xb5, 0x2f, 0xfd]), Some(Compression::Zstd));
        assert_eq!(compression(&[0x50, 0x2a, 0x4d, 0x18]), Some(Compression::Zstd));
        assert_eq!(compression(&[0x5f, 0x2a, 0x4d, 0x18]), Some(Compression::Zstd));
        assert_eq!(compression(b"BZh91AY&SY"), Some(Compression::Bzip2));
        assert_eq!(compression(b"BZh1\x17\x72\x45\x38\x50\x90"), Some(Compression::Bzip2));
        assert_eq!(compression(b"\xfd7zXZ\0"), Some(Compression::Xz));
    }

    #[test]
    fn no_magic_is_known_before_it_is_there() {
        let magics: [&[u8]; 5] = [
            &[0x1f, 0x8b, 8],
            &[0x28, 0xb5, 0x2f, 0xfd],
            &[0x50, 0x2a, 0x4d, 0x18],
            b"BZh91AY&SY",
            b"\xfd7zXZ\0",
        ];
        for magic in magics {
            let mut start = Vec::new();
            for &byte in magic {
                assert!(matches!(guess(&start), Guess::Unsure), "{magic:x?} {start:x?}");
                start.push(byte);
            }
            assert!(matches!(guess(&start), Guess::Known(_)), "{magic:x?}");
        }
    }

    #[test]
    fn a_tar_begins_with_a_header_or_with_zeros() {
        assert_eq!(compression(&header(b"etc/passwd")), Some(Compression::Plain));
        // As some old programs sum it, which shows with a name that is not ASCII.
        let mut signed = header("größe".as_bytes());
        assert_eq!(compression(&signed), Some(Compression::Plain));
        signed[148..156].fill(b' ');
        let sum: i32 = signed.iter().map(|&byte| i32::from(byte.cast_signed())).sum();
        signed[148..156].copy_from_slice(alloc::format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(compression(&signed), Some(Compression::Plain));
        assert_eq!(compression(&[0; BLOCK_BYTES]), Some(Compression::Plain));
        // The first file of this one has the name of a magic.
        assert_eq!(compression(&header(b"BZh9x")), Some(Compression::Plain));
        let part: Vec<u8> = header(b"etc/passwd").into_iter().take(511).collect();
        assert!(matches!(guess(&part), Guess::Unsure));
        let mut wrong = header(b"etc/passwd");
        wrong[0] = b'f';
        assert!(matches!(guess(&wrong), Guess::Unknown));
        assert!(matches!(guess(&b"PK\x03\x04".repeat(128)), Guess::Unknown));
        assert!(matches!(guess(&b"{ \"layers\" : 777".repeat(32)), Guess::Unknown));
    }
}
