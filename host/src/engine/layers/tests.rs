//! Both engines with the same layers, and the readers of a server.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::{fmt, iter};
use std::io::{self, ErrorKind, Read as _};
use std::sync::{Arc, LazyLock, OnceLock};

use bytes::Bytes;
use downshift::Digest;
use downshift_layer::{Compression, LayerFacts, Limits};
use downshift_registry::Parts;
use futures_util::{Stream, StreamExt as _, stream};
use tokio::sync::oneshot;

use super::reader::LazySandbox;
use super::readers::{GZIP_BYTES, IN_CHANNELS};
use super::unpacking::Unpacking;
use super::*;
use crate::engine::LAYER_GUEST;
use crate::engine::wasm::layers::LayerSandbox;
use crate::work_budget::WorkBudget;

pub(in crate::engine) const MIB: usize = 1024 * 1024;

/// Bytes of a block of zstd, at the most.
const BLOCK_BYTES: usize = 128 * 1024;

/// An empty tar, compressed by the programs of those names.
const EMPTY_TAR: [(Compression, &str); 4] = [
    (Compression::Gzip, "1f8b080000000000020363601805a360148c5400002eafb5ef00040000"),
    (Compression::Zstd, "28b52ffd006845000008000100fc2b2004"),
    (
        Compression::Bzip2,
        "425a683931415926535974f5adf70000044000c0000008200030802a6945ac38bb9229c28483a7ad6fb8",
    ),
    (
        Compression::Xz,
        "fd377a585a000004e6d6b4460200210116000000742fe5a3e003ff000b5d00006ffdffffa3b77f46320000000c276920976378c3\
         00012780080000002e79aeadb1c467fb020000000004595a",
    ),
];

/// One sandbox for all tests: to compile it takes a while.
pub(in crate::engine) fn sandbox() -> &'static Arc<LayerSandbox> {
    static SANDBOX: LazyLock<Arc<LayerSandbox>> =
        LazyLock::new(|| LayerSandbox::new(LAYER_GUEST, None).unwrap());
    &SANDBOX
}

/// The same as engines.
fn engines() -> [LayerEngine; 2] {
    let made = OnceLock::from(Ok(Arc::clone(sandbox())));
    let sandbox = LazySandbox { module: LAYER_GUEST, is_of_server: false, data: None, made };
    [LayerEngine::Native, LayerEngine::Wasm(sandbox)]
}

/// A layer in zstd with so many plain bytes, as it comes: in blocks that are not compressed, for a window of this size.
pub(in crate::engine) fn blob(window_log: u8, plain: usize) -> impl Iterator<Item = Vec<u8>> {
    let header = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3];
    let blocks = (0..plain / BLOCK_BYTES).map(|number| {
        let mut block = block_header(BLOCK_BYTES, false).to_vec();
        block.resize(BLOCK_BYTES + 3, number.to_le_bytes()[0]);
        block
    });
    iter::once(header).chain(blocks).chain([block_header(0, true).to_vec()])
}

fn block_header(bytes: usize, is_last: bool) -> [u8; 3] {
    let [a, b, c, ..] = (bytes << 3 | usize::from(is_last)).to_le_bytes();
    [a, b, c]
}

/// The code of an error.
pub(in crate::engine) fn code<T: fmt::Debug>(result: Result<T, LayerError>) -> String {
    match result {
        Err(LayerError::Failed(error) | LayerError::Unreadable { error, .. }) => error.code().to_owned(),
        other => format!("{other:?}"),
    }
}

fn read(engine: &LayerEngine, limits: &Limits, blob: &[u8], chunk: usize) -> Result<LayerFacts, LayerError> {
    let mut pass = LayerPass::new(engine.open(limits, None, None)?);
    for chunk in blob.chunks(chunk) {
        pass.feed(chunk, &mut |_| Ok(()))?;
    }
    pass.finish()
}

#[test]
fn each_compression_has_the_same_facts_in_both_engines() {
    let plain = [0; 1024];
    let blobs = EMPTY_TAR.iter().map(|(compression, hex)| (*compression, decode(hex)));
    for (compression, blob) in blobs.chain([(Compression::Plain, plain.to_vec())]) {
        for engine in engines() {
            for chunk in [1, 10, blob.len()] {
                let facts = read(&engine, &Limits::host(), &blob, chunk).unwrap();
                assert_eq!(facts.compression, compression);
                assert_eq!((facts.size, facts.plain_size), (blob.len() as u64, 1024));
                assert_eq!((facts.digest, facts.diff_id), (Digest::of(&blob), Digest::of(&plain)));
                assert_eq!(facts.zstd_window.is_some(), compression == Compression::Zstd);
            }
            if compression != Compression::Plain {
                let cut = &blob[..blob.len() - 1];
                match read(&engine, &Limits::host(), cut, 10) {
                    // It may be the registry that is to blame, and not the layer.
                    Err(LayerError::Unreadable { error, digest }) => {
                        assert_eq!((error.code(), digest), ("truncated-layer", Digest::of(cut)));
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

fn decode(hex: &str) -> Vec<u8> {
    base16ct::lower::decode_vec(hex).unwrap()
}

#[test]
fn what_is_damaged_or_past_a_limit_is_refused_alike_in_both_engines() {
    let [(_, gzip), (_, zstd), ..] = EMPTY_TAR;
    let mut damaged = decode(gzip);
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    let mut trailing = decode(zstd);
    trailing.push(7);
    let large: Vec<u8> = blob(24, MIB).flatten().collect();
    let mut small_windows = Limits::host();
    small_windows.window_bytes = 8 * MIB as u64;
    let mut few_bytes = Limits::host();
    few_bytes.plain_bytes = MIB as u64 - 1;
    for engine in engines() {
        let read = |blob: &[u8], limits: &Limits| match read(&engine, limits, blob, 1000) {
            Err(LayerError::Failed(error) | LayerError::Unreadable { error, .. }) => {
                (error.code().to_owned(), error.to_string())
            }
            other => panic!("{other:?}"),
        };
        let host = Limits::host();
        assert_eq!(read(&damaged, &host).0, "layer-checksum");
        assert_eq!(read(&decode(gzip)[..15], &host).0, "truncated-layer");
        assert_eq!(read(&trailing, &host).0, "trailing-bytes");
        assert_eq!(read(b"neither of them", &host).0, "unknown-compression");
        for (limits, name) in [(&small_windows, "window-bytes"), (&few_bytes, "plain-bytes")] {
            let (code, cause) = read(&large, limits);
            assert_eq!(code, "limit-exceeded");
            assert!(cause.contains(name), "{cause}");
        }
        assert_eq!(engine.traps(), sandbox().traps() * u64::from(matches!(engine, LayerEngine::Wasm(_))));
    }
}

fn readers(engine: LayerEngine, work_bytes: usize) -> (LayerReaders, Arc<WorkBudget>) {
    let work = WorkBudget::new(work_bytes as u64);
    (LayerReaders::new(engine, Limits::host(), 1, Arc::clone(&work)), work)
}

type Blob = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

fn stream(blob: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Blob {
    Box::pin(stream::iter(blob.map(|chunk| Ok(chunk.into()))))
}

async fn plain(unpacking: &mut Unpacking<Blob>) -> Vec<u8> {
    let mut plain = Vec::new();
    while let Some(bytes) = unpacking.next().await {
        plain.extend_from_slice(&bytes.unwrap());
    }
    plain
}

#[tokio::test]
async fn a_layer_is_unpacked_as_a_stream_as_far_as_it_is_wanted() {
    for engine in engines() {
        let (readers, _) = readers(engine, 64 * MIB);
        let all: Vec<u8> = blob(20, 3 * MIB).skip(1).flat_map(|block| block.into_iter().skip(3)).collect();
        let facts = readers.read(stream(blob(20, 3 * MIB)), None).await.unwrap();
        assert_eq!((facts.plain_size, &facts.diff_id), (3 * MIB as u64, &Digest::of(&all)));
        let mut whole = readers.unpack(stream(blob(20, 3 * MIB)), 0..u64::MAX, None).await.unwrap();
        assert!(plain(&mut whole).await == all);
        assert_eq!(whole.facts(), Some(&facts));
        for range in [0..1, 0..2 * MIB, MIB - 1..MIB + 1, 3 * MIB - 1..3 * MIB] {
            let bytes = range.start as u64..range.end as u64;
            let mut part = readers.unpack(stream(blob(20, 3 * MIB)), bytes, None).await.unwrap();
            assert!(plain(&mut part).await == all[range]);
            assert_eq!(part.facts(), None);
        }
    }
}

#[tokio::test]
async fn one_pass_brings_several_parts_with_what_is_between_them() {
    for engine in engines() {
        let (readers, _) = readers(engine, 64 * MIB);
        let all: Vec<u8> = blob(20, 3 * MIB).skip(1).flat_map(|block| block.into_iter().skip(3)).collect();
        let ranges = [0..1, 1..2, BLOCK_BYTES - 1..MIB + 1, 3 * MIB - 1..3 * MIB];
        let part = |range: &core::ops::Range<usize>| {
            (Bytes::from(format!("{range:?}")), range.start as u64..range.end as u64)
        };
        let parts = Parts { parts: ranges.iter().map(part).collect(), end: Bytes::from_static(b"end") };
        let expected =
            ranges.iter().flat_map(|range| [format!("{range:?}").as_bytes(), &all[range.clone()]].concat());
        let expected: Vec<u8> = expected.chain(*b"end").collect();
        let wanted = Wanted { parts, gzip: false };
        let mut unpacking = readers.unpack(stream(blob(20, 3 * MIB)), wanted, None).await.unwrap();
        assert!(plain(&mut unpacking).await == expected);
    }
}

#[tokio::test]
async fn what_is_compressed_again_is_the_same_and_counts() {
    for engine in engines() {
        let (readers, work) = readers(engine, 64 * MIB);
        let mut whole = readers.unpack(stream(blob(20, 3 * MIB)), 0..u64::MAX, None).await.unwrap();
        let all = plain(&mut whole).await;
        let wanted = Wanted { gzip: true, ..Wanted::from(0..u64::MAX) };
        let mut coded = readers.unpack(stream(blob(20, 3 * MIB)), wanted, None).await.unwrap();
        let most = 64 * MIB - IN_CHANNELS - GZIP_BYTES;
        assert!(!work.open(None).try_grow_to(most + 1024));
        let bytes = plain(&mut coded).await;
        assert!(bytes.len() < all.len() / 10);
        let mut decoded = Vec::new();
        flate2::read::GzDecoder::new(&*bytes).read_to_end(&mut decoded).unwrap();
        assert!(decoded == all);
        // The end comes with what is known of the layer, which whoever sends it compares first.
        assert_eq!(coded.facts(), whole.facts());
    }
}

#[tokio::test]
async fn a_blob_that_breaks_off_is_an_error_and_so_is_one_that_is_cut_off() {
    for engine in engines() {
        let (readers, _) = readers(engine, 64 * MIB);
        let broken = blob(20, MIB).take(3).map(|chunk| Ok(chunk.into()));
        let broken = stream::iter(broken.chain([Err(ErrorKind::ConnectionReset.into())]));
        match readers.read(broken, None).await {
            Err(LayerError::Blob(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
        assert_eq!(code(readers.read(stream(blob(20, MIB).take(3)), None).await), "truncated-layer");
    }
}

/// A blob without end, which tells when it is dropped.
struct Endless(Blob, #[expect(dead_code, reason = "it is dropped")] oneshot::Sender<()>);

impl Stream for Endless {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

#[tokio::test]
async fn a_layer_that_nobody_wants_any_more_ends_and_gives_its_memory_back() {
    for engine in engines() {
        let (readers, work) = readers(engine, 64 * MIB);
        let (sender, is_dropped) = oneshot::channel();
        let endless = Endless(stream(blob(24, usize::MAX)), sender);
        let mut unpacking = readers.unpack(endless, 0..u64::MAX, None).await.unwrap();
        unpacking.next().await.unwrap().unwrap();
        // That of its window counts.
        assert!(!work.open(None).try_grow_to(50 * MIB));
        drop(unpacking);
        assert!(is_dropped.await.is_err());
        let mut all = work.open(None);
        // The overdraft would do: somebody else has it.
        let _overdraft = work.charge(None, 100 * MIB).await.unwrap();
        all.grow_to(64 * MIB).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_reads_nothing_keeps_no_other_layer_waiting() {
    for engine in engines() {
        let (readers, _) = readers(engine, 64 * MIB);
        let mut slow = readers.unpack(stream(blob(20, 8 * MIB)), 0..u64::MAX, None).await.unwrap();
        let first = slow.next().await.unwrap().unwrap();
        // Nor does a registry that sends nothing more. The first bytes come once there are more than the window has.
        let silent: Blob = Box::pin(stream(blob(20, 3 * MIB)).take(20).chain(stream::pending()));
        let mut silent = readers.unpack(silent, 0..u64::MAX, None).await.unwrap();
        silent.next().await.unwrap().unwrap();
        assert!(readers.read(stream(blob(20, MIB)), None).await.is_ok());
        assert_eq!(first.len() + plain(&mut slow).await.len(), 8 * MIB);
    }
}
