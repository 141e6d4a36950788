use crate::encode::{bzip2, text};
use crate::read::{code, plain, read};

#[test]
fn every_stream_counts() {
    let parts = [text(1, 250_000), Vec::new(), text(2, 10)];
    let blob: Vec<u8> = parts.iter().flat_map(|part| bzip2(part)).collect();
    let (bytes, unpacked) = read(&blob).unwrap();
    assert_eq!(bytes, parts.concat());
    assert_eq!((unpacked.size, unpacked.plain_size), (blob.len() as u64, bytes.len() as u64));
    assert_eq!(unpacked.compression.name(), "bzip2");
    assert_eq!(plain(&bzip2(b"")), b"");
}

#[test]
fn what_is_cut_off_goes_on_or_is_damaged_is_refused() {
    let stream = bzip2(&text(1, 3000));
    let blob = [stream.clone(), stream.clone()].concat();
    for len in (10..blob.len()).filter(|&len| len != stream.len()) {
        assert_eq!(code(&blob[..len]), "truncated-layer", "{len}");
    }
    for trailing in [&b"x"[..], b"\0", b"BZx", b"BZh0"] {
        let error = read(&[&blob, trailing].concat()).unwrap_err();
        assert_eq!(error.code(), "trailing-bytes");
        let message = format!("unexpected data after the bzip2 stream that ends at byte `{}`", blob.len());
        assert_eq!(error.to_string(), message);
    }
    // The CRC of the block, a byte of the block, and the CRC of the stream.
    for at in [10, 300, stream.len() - 3] {
        let mut wrong = blob.clone();
        wrong[at] ^= 1;
        assert_eq!(code(&wrong), "corrupt-layer", "{at}");
    }
}
