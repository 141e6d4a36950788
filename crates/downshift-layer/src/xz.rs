//! xz: any number of streams, with padding between and after them.

use alloc::boxed::Box;
use alloc::vec;

use downshift::layer::Compression;
use xz4rust::{XzDecoder, XzError};

use crate::meter::Meter;
use crate::progress::copy;
use crate::{Error, Progress};

/// Work of beginning a stream.
const WORK_OF_STREAM: u64 = 20_000;

/// Plain bytes that are made at a time. The filters for machine code need room for whole instructions, however little the
/// caller has.
const OUTPUT_BYTES: usize = 32 * 1024;

/// The least dictionary that is had before a stream says what it needs.
const FIRST_DICTIONARY_BYTES: usize = xz4rust::DICT_SIZE_MIN;

/// A decoder of xz.
pub(crate) struct Xz {
    decoder: Box<XzDecoder<'static>>,
    output: Box<[u8]>,
    /// Which bytes of the output have not been taken yet.
    from: usize,
    to: usize,
    state: State,
}

enum State {
    /// In front of a stream, or at the end, after so many bytes of padding.
    Between {
        padding: u64,
    },
    Stream,
}

impl Xz {
    pub(crate) fn new(meter: &Meter) -> Self {
        let most = usize::try_from(meter.window_limit()).unwrap_or(usize::MAX);
        let first = FIRST_DICTIONARY_BYTES.min(most);
        Self {
            decoder: XzDecoder::in_heap_with_alloc_dict_size(first, most),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            from: 0,
            to: 0,
            state: State::Between { padding: 0 },
        }
    }

    pub(crate) fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        meter: &mut Meter,
    ) -> Result<Option<Progress>, Error> {
        if self.from < self.to {
            let written = copy(self.output.get(self.from..self.to).unwrap_or_default(), output);
            self.from = self.from.saturating_add(written);
            return Ok(Some(Progress::written(written)).filter(|_| written > 0));
        }
        match (&mut self.state, input) {
            (State::Stream, _) => self.decode(input, meter),
            (State::Between { .. }, []) => Ok(None),
            (State::Between { padding }, [0, ..]) => {
                let zeros = input.iter().take_while(|&&byte| byte == 0).count();
                *padding = padding.saturating_add(zeros as u64);
                Ok(Some(Progress::read(zeros)))
            }
            (State::Between { padding }, [0xfd, ..]) if padding.is_multiple_of(4) => {
                meter.begin_part();
                meter.add_work(WORK_OF_STREAM)?;
                self.decoder.reset();
                self.state = State::Stream;
                Ok(Some(Progress::NONE))
            }
            (State::Between { .. }, _) => Err(trailing(meter.compressed())),
        }
    }

    fn decode(&mut self, input: &[u8], meter: &Meter) -> Result<Option<Progress>, Error> {
        match self.decoder.decode(input, &mut self.output) {
            Ok(result) => {
                (self.from, self.to) = (0, result.output_produced());
                let has_ended = result.is_end_of_stream();
                if has_ended {
                    self.state = State::Between { padding: 0 };
                }
                let progress = Progress::read(result.input_consumed());
                Ok(Some(progress).filter(|_| has_ended || result.made_progress()))
            }
            Err(XzError::NeedsLargerInputBuffer) => Ok(None),
            Err(error) => Err(refusal(&error, meter)),
        }
    }

    /// Whether the layer may end here.
    pub(crate) const fn is_at_end(&self) -> bool {
        matches!(self.state, State::Between { padding } if padding.is_multiple_of(4))
    }
}

fn trailing(offset: u64) -> Error {
    Error::TrailingBytes { compression: Compression::Xz, offset }
}

fn refusal(error: &XzError, meter: &Meter) -> Error {
    const COMPRESSION: Compression = Compression::Xz;
    let offset = meter.part_start();
    let unsupported = |feature| Error::Unsupported { compression: COMPRESSION, feature, offset };
    let wrong = |check| Error::Checksum { compression: COMPRESSION, check, offset };
    match error {
        XzError::DictionaryTooLarge(_) => meter.window_exceeded(),
        XzError::StreamHeaderMagicNumberMismatch => trailing(offset),
        XzError::ContentCrc32Mismatch(..) => wrong("CRC32"),
        XzError::ContentCrc64Mismatch(..) => wrong("CRC64"),
        XzError::ContentSha256Mismatch(..) => wrong("SHA-256"),
        XzError::IndexCrc32Mismatch(..) => wrong("CRC32 of the index"),
        XzError::StreamHeaderCrc32Mismatch(..) => wrong("CRC32 of the header"),
        XzError::BlockHeaderCrc32Mismatch(..) => wrong("CRC32 of a block's header"),
        XzError::FooterCrc32Mismatch(..) => wrong("CRC32 of the footer"),
        XzError::UnsupportedCheckType(_) => unsupported("a check other than CRC32, CRC64 and SHA-256"),
        XzError::UnsupportedBcjFilter(_)
        | XzError::UnsupportedBlockHeaderOption
        | XzError::UnsupportedStreamHeaderOption
        | XzError::UnsupportedLzmaProperties(_) => unsupported("an unknown filter or option"),
        _ => Error::Corrupt { compression: COMPRESSION, problem: "it is not xz", offset },
    }
}
