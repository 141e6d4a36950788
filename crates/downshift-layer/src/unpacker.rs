//! A layer, step by step.

use alloc::boxed::Box;
use alloc::vec::Vec;

use downshift::layer::Compression;

use crate::bzip2::Bzip2;
use crate::gzip::Gzip;
use crate::magic::{Guess, guess};
use crate::meter::Meter;
use crate::progress::{after, copy};
use crate::xz::Xz;
use crate::zstd::{Library, Zstd};
use crate::{Error, Limits, Progress};

/// A layer, from compressed bytes to plain ones.
///
/// ```
/// use downshift_layer::{Limits, Unpacker};
///
/// let blob = downshift::EMPTY_LAYER;
/// let mut unpacker = Unpacker::new(&Limits::host());
/// let (mut output, mut plain) = ([0; 100], Vec::new());
/// for mut chunk in blob.chunks(7) {
///     loop {
///         let progress = unpacker.step(chunk, &mut output)?;
///         plain.extend_from_slice(&output[..progress.written]);
///         chunk = &chunk[progress.read..];
///         // Where there was room left, all of the chunk has been read.
///         if progress.written < output.len() {
///             break;
///         }
///     }
/// }
/// assert_eq!(unpacker.finish()?.plain_size, plain.len() as u64);
/// # Ok::<(), downshift_layer::Error>(())
/// ```
pub struct Unpacker {
    library: Library,
    meter: Meter,
    /// The first bytes, until they say how the layer is compressed and have been decoded.
    start: Vec<u8>,
    /// How many of them have been decoded.
    decoded: usize,
    decoder: Option<Decoder>,
    /// Whether the last step has filled its output, so that there may be more.
    was_full: bool,
    error: Option<Error>,
}

enum Decoder {
    Plain,
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
    Bzip2(Box<Bzip2>),
    Xz(Box<Xz>),
}

/// What a layer has come to, once all of it has been unpacked and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// How it is compressed.
    pub compression: Compression,
    /// Bytes of the blob.
    pub size: u64,
    /// Bytes of the plain tar.
    pub plain_size: u64,
    /// The largest window of a zstd frame.
    pub zstd_window: Option<u64>,
}

impl Unpacker {
    /// An unpacker of one layer.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self::with(limits, Library::Pure)
    }

    /// An unpacker of one layer that decodes zstd with the C library, three times as fast. What it takes comes
    /// out the same; of what is damaged and has no checksum it refuses less.
    #[cfg(feature = "libzstd")]
    #[must_use]
    pub fn with_libzstd(limits: &Limits) -> Self {
        Self::with(limits, Library::Libzstd)
    }

    fn with(limits: &Limits, library: Library) -> Self {
        Self {
            library,
            meter: Meter::new(limits.clone()),
            start: Vec::new(),
            decoded: 0,
            decoder: None,
            was_full: false,
            error: None,
        }
    }

    /// How the layer is compressed, once enough of it has been read to say so.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.decoder.as_ref().map(Decoder::compression)
    }

    /// Bytes of the largest window so far, or of the dictionary: about as much memory as decoding takes. What xz takes is not
    /// known, and counts as all that it may.
    #[must_use]
    pub fn window(&self) -> u64 {
        match self.compression() {
            Some(Compression::Xz) => self.meter.window_limit(),
            _ => self.meter.largest_window().unwrap_or_default(),
        }
    }

    /// Reads compressed bytes, and writes plain ones.
    ///
    /// A step ends when the output is full, which must have room for something, or all of the input has been read. In the first
    /// case there may be more, even if all of the input has been read: another step says so, with what is left of the input.
    ///
    /// # Errors
    /// Any [`Error`]. The layer is refused then, and each further step says the same; what has been unpacked before must not be
    /// used.
    pub fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let result = self.try_step(input, output);
        self.error = result.as_ref().err().cloned();
        result
    }

    fn try_step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Progress, Error> {
        let mut progress = Progress::NONE;
        if self.decoder.is_none() {
            progress.read = self.recognise(input)?;
        }
        if let Some(decoder) = &mut self.decoder {
            let Self { start, decoded, meter, .. } = self;
            while *decoded < start.len() && progress.written < output.len() {
                let room = output.get_mut(progress.written..).unwrap_or_default();
                let Some(step) = decoder.step(after(start, *decoded), room, meter)? else { break };
                *decoded = decoded.saturating_add(step.read);
                progress.written = progress.written.saturating_add(step.written);
            }
            while *decoded >= start.len() && progress.written < output.len() {
                let room = output.get_mut(progress.written..).unwrap_or_default();
                let Some(step) = decoder.step(after(input, progress.read), room, meter)? else { break };
                progress.read = progress.read.saturating_add(step.read);
                progress.written = progress.written.saturating_add(step.written);
            }
        }
        self.was_full = progress.written == output.len();
        Ok(progress)
    }

    /// Reads the first bytes until they say how the layer is compressed: how many of `input` these are.
    fn recognise(&mut self, input: &[u8]) -> Result<usize, Error> {
        for (index, &byte) in input.iter().enumerate() {
            self.start.push(byte);
            match guess(&self.start) {
                Guess::Unsure => {}
                Guess::Unknown => return Err(self.unknown()),
                Guess::Known(compression) => {
                    self.decoder = Some(Decoder::new(compression, self.library, &self.meter));
                    return Ok(index.saturating_add(1));
                }
            }
        }
        Ok(input.len())
    }

    fn unknown(&self) -> Error {
        Error::UnknownCompression { start: self.start.iter().take(8).copied().collect() }
    }

    /// What the layer has come to, all of which has been read.
    ///
    /// # Errors
    /// [`Error::Truncated`] or another one, and that of an earlier step if there was one.
    pub fn finish(self) -> Result<Unpacked, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Some(decoder) = &self.decoder else {
            // No bytes at all are an empty layer, as for Docker.
            return if self.start.is_empty() {
                Ok(self.unpacked(Compression::Plain))
            } else {
                Err(self.unknown())
            };
        };
        if self.was_full {
            return Err(Error::Misuse { problem: "`finish` was called before all output was read" });
        }
        let compression = decoder.compression();
        if !decoder.is_at_end() {
            return Err(Error::Truncated { compression, size: self.meter.compressed() });
        }
        Ok(self.unpacked(compression))
    }

    const fn unpacked(&self, compression: Compression) -> Unpacked {
        Unpacked {
            compression,
            size: self.meter.compressed(),
            plain_size: self.meter.plain(),
            zstd_window: self.meter.largest_window(),
        }
    }
}

impl Decoder {
    fn new(compression: Compression, library: Library, meter: &Meter) -> Self {
        match compression {
            Compression::Plain => Self::Plain,
            Compression::Gzip => Self::Gzip(Box::new(Gzip::new())),
            Compression::Zstd => Self::Zstd(Box::new(Zstd::new(library))),
            Compression::Bzip2 => Self::Bzip2(Box::new(Bzip2::new())),
            Compression::Xz => Self::Xz(Box::new(Xz::new(meter))),
        }
    }

    const fn compression(&self) -> Compression {
        match self {
            Self::Plain => Compression::Plain,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
            Self::Bzip2(_) => Compression::Bzip2,
            Self::Xz(_) => Compression::Xz,
        }
    }

    /// One step, which is counted; none if it takes more input, or more room, to come further.
    fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        meter: &mut Meter,
    ) -> Result<Option<Progress>, Error> {
        let progress = match self {
            Self::Plain => {
                let copied = copy(input, output);
                Some(Progress { read: copied, written: copied }).filter(|_| copied > 0)
            }
            Self::Gzip(gzip) => gzip.step(input, output, meter)?,
            Self::Zstd(zstd) => zstd.step(input, output, meter)?,
            Self::Bzip2(bzip2) => bzip2.step(input, output, meter)?,
            Self::Xz(xz) => xz.step(input, output, meter)?,
        };
        if let Some(progress) = progress {
            meter.count(self.compression(), progress)?;
        }
        Ok(progress)
    }

    /// Whether the layer may end here.
    fn is_at_end(&self) -> bool {
        match self {
            Self::Plain => true,
            Self::Gzip(gzip) => gzip.is_at_end(),
            Self::Zstd(zstd) => zstd.is_at_end(),
            Self::Bzip2(bzip2) => bzip2.is_at_end(),
            Self::Xz(xz) => xz.is_at_end(),
        }
    }
}
