use zlib_rs::crc32::crc32;

use crate::encode::{gzip, gzip_with, text};
use crate::read::{code, plain, read};

#[test]
fn every_member_counts() {
    let parts = [text(1, 70_000), Vec::new(), text(2, 10), text(3, 5_000)];
    let blob: Vec<u8> = parts.iter().flat_map(|part| gzip(part)).collect();
    let (bytes, unpacked) = read(&blob).unwrap();
    assert_eq!(bytes, parts.concat());
    assert_eq!((unpacked.size, unpacked.plain_size), (blob.len() as u64, bytes.len() as u64));
    assert_eq!((unpacked.compression.name(), unpacked.zstd_window), ("gzip", None));
}

#[test]
fn every_field_of_a_header_is_read() {
    let bytes = text(1, 1000);
    let extra = [5, 0, b'e', b'x', b't', b'r', b'a'];
    let fields: [(u8, &[u8]); 7] = [
        (1, b""),
        (4, &extra),
        (4, &[0, 0]),
        (8, b"layer.tar\0"),
        (16, b"no comment\0"),
        (4 | 8 | 16, &[&extra[..], b"name\0comment\0"].concat()),
        (8, b"\0"),
    ];
    for (flags, fields) in fields {
        assert_eq!(plain(&gzip_with(&bytes, flags, fields)), bytes, "{flags}");
        let with_crc = |wrong: u32| {
            let mut header = vec![0x1f, 0x8b, 8, flags | 2, 0, 0, 0, 0, 0, 3];
            header.extend(fields);
            let crc = (crc32(0, &header) ^ wrong) as u16;
            gzip_with(&bytes, flags | 2, &[fields, &crc.to_le_bytes()].concat())
        };
        assert_eq!(plain(&with_crc(0)), bytes, "{flags}");
        assert_eq!(code(&with_crc(1)), "layer-checksum", "{flags}");
    }
}

#[test]
fn a_member_has_its_crc_and_its_length() {
    let blob = gzip(&text(1, 1000));
    for from_end in 1..=8 {
        let mut wrong = blob.clone();
        let at = wrong.len() - from_end;
        wrong[at] ^= 1;
        let error = read(&wrong).unwrap_err();
        let check = if from_end <= 4 { "length" } else { "CRC" };
        assert_eq!(error.code(), "layer-checksum");
        assert_eq!(error.to_string(), format!("the {check} of the gzip member at byte `0` is wrong"));
    }
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    let member = gzip(&text(1, 1000));
    let blob = [member.clone(), member.clone()].concat();
    for len in 3..blob.len() {
        let expected = if len == member.len() { continue } else { "truncated-layer" };
        assert_eq!(code(&blob[..len]), expected, "{len}");
    }
    for trailing in [&b"x"[..], b"\0", b"\0\0\0\0", b"\x1f\x8a", b"\x1fx"] {
        let error = read(&[&blob, trailing].concat()).unwrap_err();
        assert_eq!(error.code(), "trailing-bytes");
        let message = format!("unexpected data after the gzip member that ends at byte `{}`", blob.len());
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn what_is_not_deflate_is_refused() {
    // A block of the reserved type.
    let blob = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xff; 20]].concat();
    assert_eq!(code(&blob), "corrupt-layer");
    let mut reserved = gzip(b"x");
    reserved[3] = 0x20;
    assert_eq!(code(&reserved), "unsupported-layer");
    let mut method = [gzip(b"x"), gzip(b"x")].concat();
    let second = method.len() / 2;
    method[second + 2] = 7;
    let error = read(&method).unwrap_err();
    assert_eq!(error.code(), "unsupported-layer");
    let message = format!(
        "the gzip member at byte `{second}` uses a method other than deflate, which is not supported"
    );
    assert_eq!(error.to_string(), message);
}
