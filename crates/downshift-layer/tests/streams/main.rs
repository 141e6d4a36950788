//! Streams of every compression, made here: whole, in pieces, cut off and damaged.

mod bzip2;
mod encode;
mod gzip;
mod limits;
mod memory;
mod pieces;
mod plain;
mod read;
mod xz;
mod zstd;
