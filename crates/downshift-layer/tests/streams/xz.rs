use downshift_layer::Limits;

use crate::encode::{text, xz, xz_with};
use crate::read::{code, plain, read, read_with};

#[test]
fn every_stream_counts_and_padding_does_not() {
    let parts = [text(1, 150_000), text(2, 10), text(3, 5_000)];
    let [a, b, c] = parts.each_ref().map(|part| xz(part));
    for padding in [0, 4, 4096] {
        let padding = vec![0; padding];
        let blob = [&a[..], &padding, &b, &c, &padding].concat();
        let (bytes, unpacked) = read(&blob).unwrap();
        assert_eq!(bytes, parts.concat());
        assert_eq!((unpacked.size, unpacked.plain_size), (blob.len() as u64, bytes.len() as u64));
        assert_eq!(unpacked.compression.name(), "xz");
    }
    for padding in [1, 2, 3, 5] {
        let padding = vec![0; padding];
        assert_eq!(code(&[&a[..], &padding].concat()), "truncated-layer");
        assert_eq!(code(&[&a[..], &padding, &b].concat()), "trailing-bytes");
    }
}

#[test]
fn a_stream_has_its_checks() {
    let bytes = text(1, 1000);
    let blob = xz(&bytes);
    assert_eq!(plain(&blob), bytes);
    assert_eq!(plain(&xz_with(&bytes, false, 0)), bytes);
    for at in 0..blob.len() {
        let mut wrong = blob.clone();
        wrong[at] ^= 1;
        assert!(read(&wrong).is_err(), "a flipped bit in byte {at}");
    }
    let mut wrong = blob;
    wrong[100] ^= 1;
    assert_eq!(code(&wrong), "layer-checksum");
}

#[test]
fn what_is_cut_off_or_goes_on_is_refused() {
    let stream = xz(&text(1, 100));
    let blob = [stream.clone(), stream.clone()].concat();
    for len in (6..blob.len()).filter(|&len| len != stream.len()) {
        assert_eq!(code(&blob[..len]), "truncated-layer", "{len}");
    }
    for trailing in [&b"x"[..], b"\0\0\0\0x", b"\x1f\x8b\x08"] {
        assert_eq!(code(&[&blob, trailing].concat()), "trailing-bytes");
    }
}

#[test]
fn a_dictionary_has_a_limit() {
    for (log, is_taken, at_the_edge) in
        [(11, true, true), (12, true, false), (15, true, false), (16, false, false)]
    {
        let blob = xz_with(b"x", true, log);
        assert_eq!(read(&blob).is_ok(), is_taken, "{log}");
        assert_eq!(read_with(&blob, &Limits::edge(), 7, 100).is_ok(), at_the_edge, "{log}");
    }
    let error = read(&xz_with(b"x", true, 16)).unwrap_err();
    assert_eq!(error.to_string(), "the layer exceeds the limit `window-bytes` of `134217728`");
}
