//! Encoders: those of crates, and others that write what no encoder would.

use bzip2::{Action, Compress, Compression};
use downshift_cases::random::Random;
use zlib_rs::crc32::crc32;
use zlib_rs::{Deflate, DeflateFlush};

/// Bytes that compress somewhat.
pub(crate) fn text(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = Vec::with_capacity(len);
    while bytes.len() < len {
        if bytes.len() > 64 && random.chance(60) {
            let from = random.below(bytes.len() - 32);
            let run = bytes[from..from + random.between(4, 32)].to_vec();
            bytes.extend(run);
        } else {
            bytes.push(random.below(64) as u8 + b' ');
        }
    }
    bytes.truncate(len);
    bytes
}

/// A member of gzip, with the flags and fields of a header that follow the fixed ones.
pub(crate) fn gzip_with(plain: &[u8], flags: u8, fields: &[u8]) -> Vec<u8> {
    let mut member = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
    member.extend(fields);
    let mut deflate = Deflate::new(6, false, 15);
    let mut body = vec![0; plain.len() + plain.len() / 8 + 64];
    deflate.compress(plain, &mut body, DeflateFlush::Finish).expect("there is room");
    body.truncate(deflate.total_out() as usize);
    member.extend(body);
    member.extend(crc32(0, plain).to_le_bytes());
    member.extend((plain.len() as u32).to_le_bytes());
    member
}

/// A member of gzip.
pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    gzip_with(plain, 0, &[])
}

/// A frame of zstd, as ruzstd compresses it.
pub(crate) fn zstd(plain: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(plain, ruzstd::encoding::CompressionLevel::Fastest)
}

/// A frame of raw blocks with this descriptor, the fields that it announces, and this checksum.
pub(crate) fn zstd_raw(descriptor: u8, fields: &[u8], blocks: &[&[u8]], checksum: Option<u32>) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, descriptor];
    frame.extend(fields);
    for (index, block) in blocks.iter().enumerate() {
        let is_last = u32::from(index + 1 == blocks.len());
        frame.extend(&(is_last | (block.len() as u32) << 3).to_le_bytes()[..3]);
        frame.extend(*block);
    }
    frame.extend(
        checksum.map(u32::to_le_bytes).unwrap_or_default().iter().take(4 * usize::from(checksum.is_some())),
    );
    frame
}

/// A skippable frame.
pub(crate) fn skippable(number: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x50 | number, 0x2a, 0x4d, 0x18];
    frame.extend((content.len() as u32).to_le_bytes());
    frame.extend(content);
    frame
}

/// A stream of bzip2.
pub(crate) fn bzip2(plain: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::fast(), 0);
    let mut stream = Vec::with_capacity(plain.len() * 2 + 1024);
    compress.compress_vec(plain, &mut stream, Action::Finish).expect("there is room");
    stream
}

/// A stream of xz whose only block is stored, without a check or with a CRC32, and with a dictionary of 2^(12 + `log`) bytes.
pub(crate) fn xz_with(plain: &[u8], has_check: bool, log: u8) -> Vec<u8> {
    let flags = [0, u8::from(has_check)];
    let mut stream = vec![0xfd, b'7', b'z', b'X', b'Z', 0];
    stream.extend(flags);
    stream.extend(crc32(0, &flags).to_le_bytes());

    // Twelve bytes: one filter, LZMA2, with its dictionary.
    let block_start = stream.len();
    let mut header = vec![2, 0, 0x21, 1, log * 2, 0, 0, 0];
    header.extend(crc32(0, &header).to_le_bytes());
    stream.extend(header);
    for (index, chunk) in plain.chunks(0x1_0000).enumerate() {
        stream.push(if index == 0 { 1 } else { 2 });
        stream.extend(((chunk.len() - 1) as u16).to_be_bytes());
        stream.extend(chunk);
    }
    stream.push(0);
    let mut unpadded = stream.len() - block_start;
    stream.resize(stream.len().next_multiple_of(4), 0);
    if has_check {
        stream.extend(crc32(0, plain).to_le_bytes());
        unpadded += 4;
    }

    let mut index = vec![0, 1];
    index.extend(variable(unpadded as u64));
    index.extend(variable(plain.len() as u64));
    index.resize(index.len().next_multiple_of(4), 0);
    index.extend(crc32(0, &index).to_le_bytes());
    let mut footer = ((index.len() / 4 - 1) as u32).to_le_bytes().to_vec();
    footer.extend(flags);
    stream.extend(index);
    stream.extend(crc32(0, &footer).to_le_bytes());
    stream.extend(footer);
    stream.extend(b"YZ");
    stream
}

/// A stream of xz.
pub(crate) fn xz(plain: &[u8]) -> Vec<u8> {
    xz_with(plain, true, 0)
}

fn variable(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A header of a tar's entry, and what follows it.
pub(crate) fn tar(content: &[u8]) -> Vec<u8> {
    let mut tar = vec![0; 512];
    tar[..4].copy_from_slice(b"file");
    tar[148..156].fill(b' ');
    let sum: u32 = tar.iter().map(|&byte| u32::from(byte)).sum();
    tar[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    tar.extend(content);
    tar
}
