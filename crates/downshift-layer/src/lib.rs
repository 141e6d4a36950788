//! What is in a layer: from the blob as a registry has it to the plain tar, its diff id and the sizes of both.
//!
//! [`Unpacker`] is a step function without I/O, a clock or threads: compressed bytes in, plain bytes out, in chunks of any
//! size. It never holds more than the window of the compression and some MiB, however large the layer is. Whether a layer is
//! taken, and what comes of it, does not depend on how its bytes come, with [one exception](#the-limit-ratio). Hashing is the
//! caller's, for whom it is often cheaper; [`FactsReader`] hashes too, and ends with the [`LayerFacts`].
//!
//! ```
//! use downshift_layer::{Compression, FactsReader, Limits};
//!
//! let mut reader = FactsReader::new(&Limits::host());
//! for chunk in downshift::EMPTY_LAYER.chunks(10) {
//!     reader.feed(chunk)?;
//! }
//! let facts = reader.finish()?;
//! assert_eq!(facts.compression, Compression::Gzip);
//! assert_eq!(facts.digest.as_str(), downshift::Digest::EMPTY_LAYER);
//! assert_eq!((facts.size, facts.plain_size), (32, 1024));
//! assert_eq!(facts.diff_id, downshift::Digest::of(&[0; 1024]));
//! # Ok::<(), downshift_layer::Error>(())
//! ```
//!
//! # What is read
//!
//! The first bytes decide, never a media type: many images have layers whose type says another compression.
//!
//! | | begins with | and has |
//! |---|---|---|
//! | gzip (RFC 1952) | `1f 8b 08` | any number of members |
//! | zstd (RFC 8878) | `28 b5 2f fd`, or a skippable frame | any number of frames and skippable frames, as zstd:chunked has them |
//! | bzip2 | `BZh1` to `BZh9` and the magic of a block or of the end | any number of streams |
//! | xz | `fd 37 7a 58 5a 00` | any number of streams, with padding in multiples of four zero bytes |
//! | plain | a block of 512 bytes that is the header of a tar by its checksum, or has nothing but zeros | whatever follows |
//! | plain | nothing: the blob has no bytes | |
//!
//! Everything else is refused, for no client could read it: [`Error::UnknownCompression`]. A plain layer has no check of its
//! own; that of its digest is the caller's.
//!
//! # What is checked
//!
//! Whatever the compression has for that: the CRC and the length of each gzip member and the CRC of its header; the content
//! checksum and the content size of each zstd frame; the CRCs of bzip2; the index, the footer and the check of xz (CRC32,
//! CRC64, SHA-256 or none). What is cut off, damaged or followed by something else is an error, even where the program of
//! that name only warns, for Go's readers – and so Docker and containerd – fail there. No size that a header claims is
//! ever used for anything but to be compared with what came.
//!
//! # The limit `ratio`
//!
//! It is judged after each step of a decoder, and how far a step goes depends on the input and the room that it has. So:
//!
//! * A layer that has too many plain bytes for its compressed ones at its end is always refused.
//! * A layer of which no beginning has too many, counting only the compressed bytes that it takes to make those plain ones, is
//!   always taken, as far as this limit goes.
//! * A layer that has too many only for a while, and comes below the limit again, may be refused or taken: a step may go past
//!   the place where it had the most. ruzstd stops behind each block, and with it such a layer has the same outcome however its
//!   bytes come.
//!
//! And a layer with two faults, such as one that is damaged and exceeds a limit, may be refused for either.
//!
//! # Which crates decode, and how fast
//!
//! Chosen by speed, upkeep and licence among those that decode from memory, in steps, and in WebAssembly without imports.
//! Processor seconds for 300 MiB of a tar of `/usr/lib`, compressed by the programs' defaults (60 MiB for bzip2 and xz), on one
//! thread of a busy server, built for release:
//!
//! | | chosen | native | in V8 | instead of | the program and `sha256sum` |
//! |---|---|---|---|---|---|
//! | zstd | `ruzstd` | 0.83 | 1.25 | | 0.87 |
//! | … with the feature `libzstd` | `zstd-safe` | 0.22 | | | |
//! | gzip | `zlib-rs` | 0.56 | 0.73 | `miniz_oxide`, 0.70 | 2.06 |
//! | bzip2 | `bzip2`, by `libbz2-rs-sys` | 1.4 | 1.7 | `bzip2-rs`, without upkeep since 2021 | 3.0 without the sum |
//! | xz | `xz4rust` | 1.1 | 1.25 | `lzma-rust2`, 0.70, and `lzma-rs`, which read from a stream and cannot wait for more of it | 0.82 without the sum |
//!
//! The two digests that [`FactsReader`] computes take 0.23 more, by `sha2`.
//!
//! # Memory
//!
//! gzip and plain: less than 100 KiB. zstd: the window and 1 MiB (measured with one of 128 MiB: 131 MiB for the whole process,
//! or the whole WebAssembly memory); a window that is not a power of two may take as much as the next one, and
//! windows that grow from frame to frame no more than the largest. bzip2: 4 MiB. xz: the
//! dictionary, beside which the former one is still there while a stream with a larger one begins. [`FactsReader`] has 64 KiB
//! more.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    // What comes from outside must never bring the program down.
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::unreachable,
    clippy::unwrap_used
)]

extern crate alloc;

mod bzip2;
mod error;
mod facts;
mod facts_reader;
mod gzip;
mod limits;
mod magic;
mod meter;
mod progress;
mod unpacker;
mod xz;
mod zstd;

pub use downshift::layer::{Compression, DECODER_VERSION, LayerFacts};
pub use error::Error;
pub use facts_reader::FactsReader;
pub use limits::Limits;
pub use progress::Progress;
pub use unpacker::{Unpacked, Unpacker};
