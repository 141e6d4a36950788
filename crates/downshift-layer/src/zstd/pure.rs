//! Frames, by ruzstd.

use alloc::vec::Vec;
use core::hint::black_box;

use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use ruzstd::io::Read as _;

use super::frame_header::FrameHeader;
use super::frame_step::{FrameError, FrameStep};
use crate::Progress;
use crate::progress::copy;

/// The most bytes of a block, compressed or not (RFC 8878, 3.1.1.2.4).
const BLOCK_BYTES: u64 = 128 * 1024;

/// Bytes of a block's header.
const BLOCK_HEADER_BYTES: usize = 3;

/// The bit of the first byte of a block's header that says that it is the last one.
const LAST_BLOCK: u8 = 1;

/// Bytes of a frame's checksum.
const CHECKSUM_BYTES: usize = 4;

const NOT_ZSTD: FrameError = FrameError::Corrupt("a block is not zstd");

const BLOCK_TOO_LARGE: FrameError = FrameError::Corrupt("a block is larger than blocks may be");

/// A frame. It is decoded block by block, each one once all of its bytes are there, and nothing is left to take of the one
/// before it: so it never matters how the bytes come.
pub(super) struct PureFrame {
    decoder: FrameDecoder,
    /// The largest window so far.
    window: Option<u64>,
    /// The bytes of a block that are there.
    block: Vec<u8>,
}

impl PureFrame {
    pub(super) fn new() -> Self {
        Self { decoder: FrameDecoder::new(), window: None, block: Vec::new() }
    }

    pub(super) fn begin(&mut self, header: &FrameHeader, bytes: &[u8]) -> Result<(), FrameError> {
        self.block.clear();
        if self.window.is_none_or(|window| window < header.window) {
            // The former buffer is given back before the larger one is taken. And a decoder has its whole window at once
            // from the second time on that it begins a frame, instead of doubling what it has, which takes half as much again.
            self.decoder = FrameDecoder::new();
            // Nothing may be left above that buffer, or it could not become a part of the larger one.
            self.block = Vec::new();
            join_memory(self.window.map_or(0, buffer_bytes), buffer_bytes(header.window));
            self.decoder.set_max_window_size(header.window);
            self.window = Some(header.window);
            self.reset(bytes)?;
        }
        self.reset(bytes)
    }

    fn reset(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        self.decoder.reset(&mut bytes).map_err(|_| FrameError::Corrupt("its header is not zstd"))
    }

    pub(super) fn step(
        &mut self,
        header: &FrameHeader,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<FrameStep, FrameError> {
        if self.decoder.can_collect() > 0 {
            let written = self.decoder.read(output).map_err(|_| NOT_ZSTD)?;
            return Ok(if written == 0 {
                FrameStep::Stuck
            } else {
                FrameStep::Progress(Progress::written(written))
            });
        }
        if self.decoder.is_finished() {
            let is_wrong = header.has_checksum
                && self.decoder.get_checksum_from_data() != self.decoder.get_calculated_checksum();
            return if is_wrong { Err(FrameError::Checksum) } else { Ok(FrameStep::End(Progress::NONE)) };
        }
        if self.block.is_empty()
            && !is_last(input)
            && let Some(len) = block_len(header, input)?
            && let Some(block) = input.get(..len)
        {
            decode(&mut self.decoder, header, block)?;
            return Ok(FrameStep::Progress(Progress::read(len)));
        }
        self.gather(header, input)
    }

    /// Adds to the bytes of a block, and decodes it if all of it is there.
    fn gather(&mut self, header: &FrameHeader, input: &[u8]) -> Result<FrameStep, FrameError> {
        if input.is_empty() {
            return Ok(FrameStep::Stuck);
        }
        let len = block_len(header, &self.block)?;
        let missing = len.unwrap_or(BLOCK_HEADER_BYTES).saturating_sub(self.block.len()).min(input.len());
        self.block.extend_from_slice(input.get(..missing).unwrap_or_default());
        if block_len(header, &self.block)? == Some(self.block.len()) {
            if is_last(&self.block) {
                decode_last(&mut self.decoder, header, &mut self.block)?;
            } else {
                decode(&mut self.decoder, header, &self.block)?;
            }
            self.block.clear();
        }
        Ok(FrameStep::Progress(Progress::read(missing)))
    }
}

/// Has the memory of a former buffer, which has just been given back, and what is missing to a larger one become one piece.
///
/// The allocator of a WebAssembly module, whose memory only grows, asks for all of what it has no room for, even where the last
/// part of its memory is free: with windows that double from frame to frame it would have twice the largest one in the end.
fn join_memory(former: usize, larger: usize) {
    let mut parts = [Vec::<u8>::new(), Vec::new()];
    for (part, bytes) in parts.iter_mut().zip([former, larger.saturating_sub(former)]) {
        // Where there is no memory, the decoder finds that out.
        let _ = part.try_reserve_exact(bytes);
    }
    drop(black_box(parts));
}

/// Bytes of the buffer that ruzstd has for a window.
fn buffer_bytes(window: u64) -> usize {
    const BESIDE: usize = 2 * BLOCK_BYTES as usize;
    let window = usize::try_from(window).unwrap_or(usize::MAX);
    let rounded = window.saturating_sub(BESIDE).checked_next_power_of_two().unwrap_or(window);
    rounded.saturating_add(BESIDE).saturating_add(1)
}

/// Decodes a block that is not the last one.
///
/// ruzstd takes blocks whose content is larger than blocks may be, and does not say how much it has made of one. But told to
/// go on until there is too much, it only stops there; after any other block it looks for the next one, which is not there.
fn decode(decoder: &mut FrameDecoder, header: &FrameHeader, mut block: &[u8]) -> Result<(), FrameError> {
    let too_much = usize::try_from(block_limit(header)).unwrap_or(usize::MAX).saturating_add(1);
    match decoder.decode_blocks(&mut block, BlockDecodingStrategy::UptoBytes(too_much)) {
        Ok(_) => Err(BLOCK_TOO_LARGE),
        Err(FrameDecoderError::FailedToReadBlockHeader(_)) if block.is_empty() => Ok(()),
        Err(_) => Err(NOT_ZSTD),
    }
}

/// Decodes the last block, with the frame's checksum behind it: as one that is not the last, and then an empty one.
fn decode_last(decoder: &mut FrameDecoder, header: &FrameHeader, block: &mut [u8]) -> Result<(), FrameError> {
    if let Some(first) = block.first_mut() {
        *first &= !LAST_BLOCK;
    }
    let checksum_bytes = if header.has_checksum { CHECKSUM_BYTES } else { 0 };
    let (block, checksum) =
        block.split_at_checked(block.len().saturating_sub(checksum_bytes)).ok_or(NOT_ZSTD)?;
    decode(decoder, header, block)?;
    let mut end = [0; BLOCK_HEADER_BYTES + CHECKSUM_BYTES];
    end[0] = LAST_BLOCK;
    copy(checksum, end.get_mut(BLOCK_HEADER_BYTES..).unwrap_or_default());
    decoder.decode_blocks(&mut end.as_slice(), BlockDecodingStrategy::UptoBlocks(1)).map_err(|_| NOT_ZSTD)?;
    Ok(())
}

/// The most bytes of a block of this frame, compressed or not.
fn block_limit(header: &FrameHeader) -> u64 {
    BLOCK_BYTES.min(header.window)
}

/// Whether the block that begins here is the last one.
fn is_last(block: &[u8]) -> bool {
    block.first().is_some_and(|first| first & LAST_BLOCK != 0)
}

/// Bytes of a block with its header, and with the frame's checksum if it is the last one (RFC 8878, 3.1.1.2), once its header is
/// there.
fn block_len(header: &FrameHeader, bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let [a, b, c, ..] = *bytes else { return Ok(None) };
    let block = u32::from_le_bytes([a, b, c, 0]);
    let (kind, size) = (block >> 1 & 3, block >> 3);
    if u64::from(size) > block_limit(header) {
        return Err(BLOCK_TOO_LARGE);
    }
    let content = match kind {
        0 | 2 => size,
        1 => 1,
        _ => return Err(FrameError::Corrupt("a block is of no known type")),
    };
    let checksum = if is_last(bytes) && header.has_checksum { CHECKSUM_BYTES } else { 0 };
    Ok(Some((content as usize).saturating_add(BLOCK_HEADER_BYTES).saturating_add(checksum)))
}
