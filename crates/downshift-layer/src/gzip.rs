//! gzip (RFC 1952): any number of members.

use downshift::layer::Compression;
use zlib_rs::crc32::crc32;
use zlib_rs::{Inflate, InflateError, InflateFlush, Status};

use crate::meter::Meter;
use crate::progress::copy;
use crate::{Error, Progress};

/// Work of beginning a member.
const WORK_OF_MEMBER: u64 = 2_000;

/// Bits of the window of deflate.
const WINDOW_BITS: u8 = 15;

// The flags of a header.
const HAS_HEADER_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// A decoder of gzip.
pub(crate) struct Gzip {
    inflate: Inflate,
    state: State,
    header: Header,
    crc: u32,
    /// Plain bytes of the member, of which gzip tells the lowest 32 bits.
    size: u32,
    trailer: [u8; 8],
}

#[derive(Clone, Copy)]
enum State {
    /// In front of a member, or at the end.
    Between,
    Header,
    Body,
    /// So many bytes of the trailer have been read.
    Trailer(usize),
}

/// The header of a member.
#[derive(Default)]
struct Header {
    field: Field,
    flags: u8,
    /// Bytes of the current field that have been read.
    read: u16,
    /// Bytes of the extra field.
    extra: u16,
    /// Of all bytes so far.
    crc: u32,
    /// As it is written, the lowest 16 bits of that.
    expected_crc: u16,
}

/// The field of a header that a byte belongs to.
#[derive(Clone, Copy, Default, PartialEq)]
enum Field {
    /// Magic, method, flags, time, extra flags and system: ten bytes.
    #[default]
    Fixed,
    ExtraLength,
    Extra,
    Name,
    Comment,
    Crc,
    End,
}

impl Gzip {
    pub(crate) fn new() -> Self {
        Self {
            inflate: Inflate::new(false, WINDOW_BITS),
            state: State::Between,
            header: Header::default(),
            crc: 0,
            size: 0,
            trailer: [0; 8],
        }
    }

    pub(crate) fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        meter: &mut Meter,
    ) -> Result<Option<Progress>, Error> {
        match self.state {
            State::Body => self.inflate(input, output, meter),
            _ if input.is_empty() => Ok(None),
            State::Between => {
                meter.begin_part();
                meter.add_work(WORK_OF_MEMBER)?;
                self.header = Header::default();
                self.state = State::Header;
                Ok(Some(Progress::NONE))
            }
            State::Header => {
                let mut read: usize = 0;
                for &byte in input {
                    read = read.saturating_add(1);
                    self.header.read(byte, meter)?;
                    if self.header.field == Field::End {
                        self.inflate.reset(false);
                        (self.crc, self.size) = (0, 0);
                        self.state = State::Body;
                        break;
                    }
                }
                Ok(Some(Progress::read(read)))
            }
            State::Trailer(len) => {
                let read = copy(input, self.trailer.get_mut(len..).unwrap_or_default());
                let len = len.saturating_add(read);
                self.state = State::Trailer(len);
                if len == self.trailer.len() {
                    self.check(meter)?;
                    self.state = State::Between;
                }
                Ok(Some(Progress::read(read)))
            }
        }
    }

    fn inflate(&mut self, input: &[u8], output: &mut [u8], meter: &Meter) -> Result<Option<Progress>, Error> {
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(input, output, InflateFlush::NoFlush);
        let progress = Progress::between(before, (self.inflate.total_in(), self.inflate.total_out()));
        let plain = output.get(..progress.written).unwrap_or_default();
        self.crc = crc32(self.crc, plain);
        self.size = self.size.wrapping_add(u32::try_from(plain.len()).unwrap_or_default());
        match status {
            Ok(Status::StreamEnd) => self.state = State::Trailer(0),
            Ok(Status::Ok | Status::BufError) if progress == Progress::NONE => return Ok(None),
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => return Err(refusal(error, meter)),
        }
        Ok(Some(progress))
    }

    fn check(&self, meter: &Meter) -> Result<(), Error> {
        let [crc @ .., _, _, _, _] = self.trailer;
        let [_, _, _, _, size @ ..] = self.trailer;
        let (crc, size) = (u32::from_le_bytes(crc), u32::from_le_bytes(size));
        let wrong =
            |check| Error::Checksum { compression: Compression::Gzip, check, offset: meter.part_start() };
        if crc != self.crc {
            return Err(wrong("CRC"));
        }
        if size != self.size {
            return Err(wrong("length"));
        }
        Ok(())
    }

    /// Whether the layer may end here.
    pub(crate) const fn is_at_end(&self) -> bool {
        matches!(self.state, State::Between)
    }
}

impl Header {
    /// Reads a byte.
    fn read(&mut self, byte: u8, meter: &Meter) -> Result<(), Error> {
        let index = self.read;
        self.read = index.saturating_add(1);
        if self.field != Field::Crc {
            self.crc = crc32(self.crc, &[byte]);
        }
        let is_last = match self.field {
            Field::Fixed => {
                match (index, byte) {
                    (0, 0x1f) | (1, 0x8b) => {}
                    // Only the first member is known to be one.
                    (0 | 1, _) => {
                        let offset = meter.part_start();
                        return Err(Error::TrailingBytes { compression: Compression::Gzip, offset });
                    }
                    (2, 8) => {}
                    (2, _) => return Err(unsupported("a method other than deflate", meter)),
                    (3, flags) if flags & RESERVED != 0 => return Err(unsupported("reserved flags", meter)),
                    (3, flags) => self.flags = flags,
                    _ => {}
                }
                index == 9
            }
            Field::ExtraLength => {
                self.extra |= u16::from(byte) << if index == 0 { 0 } else { 8 };
                index == 1
            }
            Field::Extra => self.read == self.extra,
            Field::Name | Field::Comment => byte == 0,
            Field::Crc => {
                self.expected_crc |= u16::from(byte) << if index == 0 { 0 } else { 8 };
                index == 1
            }
            Field::End => true,
        };
        if is_last {
            self.read = 0;
            self.field = self.next(self.field);
            let crc = self.crc & 0xffff;
            if self.field == Field::End
                && self.flags & HAS_HEADER_CRC != 0
                && u32::from(self.expected_crc) != crc
            {
                let offset = meter.part_start();
                let check = "CRC of the header";
                return Err(Error::Checksum { compression: Compression::Gzip, check, offset });
            }
        }
        Ok(())
    }

    /// The field after `field` that is there.
    const fn next(&self, field: Field) -> Field {
        match field {
            Field::Fixed if self.flags & HAS_EXTRA != 0 => Field::ExtraLength,
            Field::ExtraLength if self.extra > 0 => Field::Extra,
            Field::Fixed | Field::ExtraLength | Field::Extra if self.flags & HAS_NAME != 0 => Field::Name,
            Field::Fixed | Field::ExtraLength | Field::Extra | Field::Name
                if self.flags & HAS_COMMENT != 0 =>
            {
                Field::Comment
            }
            Field::Crc | Field::End => Field::End,
            _ if self.flags & HAS_HEADER_CRC != 0 => Field::Crc,
            _ => Field::End,
        }
    }
}

fn refusal(error: InflateError, meter: &Meter) -> Error {
    let (compression, offset) = (Compression::Gzip, meter.part_start());
    match error {
        InflateError::MemError => Error::OutOfMemory { compression, offset },
        _ => Error::Corrupt { compression, problem: "it is not deflate", offset },
    }
}

fn unsupported(feature: &'static str, meter: &Meter) -> Error {
    Error::Unsupported { compression: Compression::Gzip, feature, offset: meter.part_start() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    #[test]
    fn a_lack_of_memory_is_no_fault_of_the_layer() {
        let code = |error| refusal(error, &Meter::new(Limits::host())).code();
        assert_eq!(code(InflateError::MemError), "out-of-memory");
        assert_eq!(code(InflateError::DataError), "corrupt-layer");
    }
}
