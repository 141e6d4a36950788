//! zstd (RFC 8878): any number of frames and skippable frames.

mod frame_header;
mod frame_step;
#[cfg(feature = "libzstd")]
mod libzstd;
mod pure;

use alloc::boxed::Box;

use downshift::layer::Compression;

use self::frame_header::{FrameHeader, Start};
use self::frame_step::{FrameError, FrameStep};
#[cfg(feature = "libzstd")]
use self::libzstd::LibzstdFrame;
use self::pure::PureFrame;
use crate::meter::Meter;
use crate::progress::copy;
use crate::{Error, Progress};

/// Work of beginning a frame.
const WORK_OF_FRAME: u64 = 5_000;

/// Which library decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// ruzstd.
    Pure,
    /// The C library.
    #[cfg(feature = "libzstd")]
    Libzstd,
}

/// A decoder of zstd.
pub(crate) struct Zstd {
    decoder: FrameDecoder,
    state: State,
    start: [u8; frame_header::MOST_BYTES],
}

enum State {
    /// So many bytes of a frame's start have been read: none in front of a frame, or at the end.
    Start(usize),
    /// So many bytes of a skippable frame are left.
    Skippable(u64),
    /// In a frame with this header, of which so many plain bytes have come.
    Frame(FrameHeader, u64),
}

/// What decodes a frame behind its header.
enum FrameDecoder {
    Pure(Box<PureFrame>),
    #[cfg(feature = "libzstd")]
    Libzstd(LibzstdFrame),
}

impl Zstd {
    pub(crate) fn new(library: Library) -> Self {
        let decoder = match library {
            Library::Pure => FrameDecoder::Pure(Box::new(PureFrame::new())),
            #[cfg(feature = "libzstd")]
            Library::Libzstd => FrameDecoder::Libzstd(LibzstdFrame::new()),
        };
        Self { decoder, state: State::Start(0), start: [0; frame_header::MOST_BYTES] }
    }

    pub(crate) fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        meter: &mut Meter,
    ) -> Result<Option<Progress>, Error> {
        match &mut self.state {
            State::Frame(header, plain) => {
                let refuse = |error| refusal(&error, meter);
                let (progress, has_ended) = match self.decoder.step(header, input, output).map_err(refuse)? {
                    FrameStep::Stuck => return Ok(None),
                    FrameStep::Progress(progress) => (progress, false),
                    FrameStep::End(progress) => (progress, true),
                };
                *plain = plain.saturating_add(progress.written as u64);
                let is_other_size = match header.content_size {
                    None => false,
                    Some(size) if has_ended => *plain != size,
                    Some(size) => *plain > size,
                };
                if is_other_size {
                    return Err(refuse(FrameError::Corrupt(
                        "the decoded size does not match the frame header",
                    )));
                }
                if has_ended {
                    self.state = State::Start(0);
                }
                Ok(Some(progress))
            }
            _ if input.is_empty() => Ok(None),
            State::Skippable(left) => {
                let read = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left = left.saturating_sub(read as u64);
                if *left == 0 {
                    self.state = State::Start(0);
                }
                Ok(Some(Progress::read(read)))
            }
            State::Start(len) => {
                let len = *len;
                let (read, state) = self.read_start(len, input, meter)?;
                self.state = state;
                Ok(Some(Progress::read(read)))
            }
        }
    }

    /// Reads on in the start of a frame, of which there are `len` bytes: how many have been read, and what follows.
    fn read_start(&mut self, len: usize, input: &[u8], meter: &mut Meter) -> Result<(usize, State), Error> {
        if len == 0 {
            meter.begin_part();
        }
        let mut len = len;
        let mut read: usize = 0;
        loop {
            let needed = match Start::read(self.start.get(..len).unwrap_or_default()) {
                Start::Needs(needed) => needed,
                Start::Skippable(0) => return Ok((read, State::Start(0))),
                Start::Skippable(bytes) => return Ok((read, State::Skippable(bytes))),
                Start::Frame(header) => {
                    self.begin(&header, len, meter)?;
                    return Ok((read, State::Frame(header, 0)));
                }
                Start::Other => {
                    let offset = meter.part_start();
                    return Err(Error::TrailingBytes { compression: Compression::Zstd, offset });
                }
            };
            // No byte more than belongs to it.
            let room = self.start.get_mut(len..needed).unwrap_or_default();
            let more = copy(input.get(read..).unwrap_or_default(), room);
            if more == 0 {
                return Ok((read, State::Start(len)));
            }
            len = len.saturating_add(more);
            read = read.saturating_add(more);
        }
    }

    /// Begins a frame, whose header has `len` bytes.
    fn begin(&mut self, header: &FrameHeader, len: usize, meter: &mut Meter) -> Result<(), Error> {
        let unsupported = |feature, meter: &Meter| {
            Err(Error::Unsupported { compression: Compression::Zstd, feature, offset: meter.part_start() })
        };
        if header.has_reserved_bit {
            return unsupported("a reserved bit of the header", meter);
        }
        if header.has_dictionary {
            return unsupported("a dictionary", meter);
        }
        // Before any memory is taken for it.
        meter.window(header.window)?;
        meter.add_work(WORK_OF_FRAME)?;
        let bytes = self.start.get(..len).unwrap_or_default();
        self.decoder.begin(header, bytes).map_err(|error| refusal(&error, meter))
    }

    /// Whether the layer may end here.
    pub(crate) const fn is_at_end(&self) -> bool {
        matches!(self.state, State::Start(0))
    }
}

impl FrameDecoder {
    fn begin(&mut self, header: &FrameHeader, bytes: &[u8]) -> Result<(), FrameError> {
        match self {
            Self::Pure(frame) => frame.begin(header, bytes),
            #[cfg(feature = "libzstd")]
            Self::Libzstd(frame) => frame.begin(header, bytes),
        }
    }

    fn step(
        &mut self,
        header: &FrameHeader,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<FrameStep, FrameError> {
        match self {
            Self::Pure(frame) => frame.step(header, input, output),
            #[cfg(feature = "libzstd")]
            Self::Libzstd(frame) => frame.step(input, output),
        }
    }
}

fn refusal(error: &FrameError, meter: &Meter) -> Error {
    let (compression, offset) = (Compression::Zstd, meter.part_start());
    match error {
        FrameError::Corrupt(problem) => Error::Corrupt { compression, problem, offset },
        FrameError::Checksum => Error::Checksum { compression, check: "content checksum", offset },
        #[cfg(feature = "libzstd")]
        FrameError::OutOfMemory => Error::OutOfMemory { compression, offset },
    }
}
