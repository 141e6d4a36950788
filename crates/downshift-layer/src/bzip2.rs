//! bzip2: any number of streams.

use bzip2::{Decompress, Status};
use downshift::layer::Compression;

use crate::meter::Meter;
use crate::progress::copy;
use crate::{Error, Progress};

/// Work of beginning a stream, for each 100 kB of its blocks: memory for one has to be had and cleared.
const WORK_OF_STREAM: u64 = 50_000;

/// A decoder of bzip2.
pub(crate) struct Bzip2 {
    /// `BZh` and the size of the blocks.
    magic: [u8; 4],
    /// Bytes of it that have been read.
    len: usize,
    /// The stream, once its magic has been read.
    stream: Option<Decompress>,
}

impl Bzip2 {
    pub(crate) const fn new() -> Self {
        Self { magic: [0; 4], len: 0, stream: None }
    }

    pub(crate) fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        meter: &mut Meter,
    ) -> Result<Option<Progress>, Error> {
        let Some(stream) = &mut self.stream else {
            return if input.is_empty() { Ok(None) } else { self.begin(input, meter).map(Some) };
        };
        let (progress, has_ended) = decompress(stream, input, output, meter)?;
        if has_ended {
            (self.stream, self.len) = (None, 0);
        }
        Ok(Some(progress).filter(|progress| has_ended || *progress != Progress::NONE))
    }

    fn begin(&mut self, input: &[u8], meter: &mut Meter) -> Result<Progress, Error> {
        let read = copy(input, self.magic.get_mut(self.len..).unwrap_or_default());
        if self.len == 0 {
            meter.begin_part();
        }
        self.len = self.len.saturating_add(read);
        let mut is_magic = true;
        for (index, byte) in self.magic.iter().take(self.len).enumerate() {
            is_magic &= match index {
                0 => *byte == b'B',
                1 => *byte == b'Z',
                2 => *byte == b'h',
                _ => (b'1'..=b'9').contains(byte),
            };
        }
        if !is_magic {
            let offset = meter.part_start();
            return Err(Error::TrailingBytes { compression: Compression::Bzip2, offset });
        }
        if let ([_, _, _, level], 4) = (self.magic, self.len) {
            meter.add_work(WORK_OF_STREAM.saturating_mul(u64::from(level.saturating_sub(b'0'))))?;
            let mut stream = Decompress::new(false);
            decompress(&mut stream, &self.magic, &mut [], meter)?;
            self.stream = Some(stream);
        }
        Ok(Progress::read(read))
    }

    /// Whether the layer may end here.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.stream.is_none() && self.len == 0
    }
}

/// A step of a stream, and whether that has ended.
fn decompress(
    stream: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
    meter: &Meter,
) -> Result<(Progress, bool), Error> {
    let before = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, output);
    let progress = Progress::between(before, (stream.total_in(), stream.total_out()));
    Ok((progress, has_ended(status, meter)?))
}

/// Whether a stream has ended.
fn has_ended(status: Result<Status, bzip2::Error>, meter: &Meter) -> Result<bool, Error> {
    let (compression, offset) = (Compression::Bzip2, meter.part_start());
    match status {
        Ok(Status::MemNeeded) => Err(Error::OutOfMemory { compression, offset }),
        Ok(status) => Ok(status == Status::StreamEnd),
        Err(_) => {
            let problem = "a block is not bzip2, or its CRC is wrong";
            Err(Error::Corrupt { compression, problem, offset })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn a_lack_of_memory_is_no_fault_of_the_layer() {
        let code = |status| has_ended(status, &Meter::new(Limits::host())).map_err(|error| error.code());
        assert_eq!(code(Ok(Status::MemNeeded)), Err("out-of-memory"));
        assert_eq!(code(Err(bzip2::Error::Data)), Err("corrupt-layer"));
        assert_eq!(code(Ok(Status::StreamEnd)), Ok(true));
        assert_eq!(code(Ok(Status::Ok)), Ok(false));
    }
}
