use crate::encode::{gzip, tar};
use crate::read::{code, plain, read};

#[test]
fn a_tar_is_passed_on() {
    for blob in [tar(b""), tar(&[7; 100_000]), vec![0; 1024], vec![0; 512]] {
        let (bytes, unpacked) = read(&blob).unwrap();
        assert_eq!(bytes, blob);
        assert_eq!((unpacked.size, unpacked.plain_size), (blob.len() as u64, blob.len() as u64));
        assert_eq!(unpacked.compression.name(), "plain");
    }
}

#[test]
fn no_bytes_are_an_empty_layer() {
    let (bytes, unpacked) = read(b"").unwrap();
    assert_eq!((bytes.len(), unpacked.compression.name()), (0, "plain"));
}

#[test]
fn whatever_else_is_refused() {
    assert_eq!(code(&tar(b"")[..511]), "unknown-compression");
    assert_eq!(code(b"x"), "unknown-compression");
    let error = read(&b"PK\x03\x04".repeat(200)).unwrap_err();
    assert_eq!(error.code(), "unknown-compression");
    let message = "the layer is neither a tar nor compressed with gzip, zstd, bzip2 or xz: \
                   it begins with `50 4b 03 04 50 4b 03 04`";
    assert_eq!(error.to_string(), message);
    // lz4, and lzma alone.
    assert_eq!(code(&[&[0x04, 0x22, 0x4d, 0x18][..], &[7; 600]].concat()), "unknown-compression");
    assert_eq!(code(&[&[0x5d, 0, 0, 0x80, 0][..], &[7; 600]].concat()), "unknown-compression");
    // What is inside of a compression is nobody's business.
    assert_eq!(plain(&gzip(b"x")), b"x");
}
