//! Frames, by the C library.

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::frame_header::FrameHeader;
use super::frame_step::{FrameError, FrameStep};
use crate::Progress;

/// The largest window that the library can be told to take, as a logarithm. What is taken has been decided before.
const WINDOW_LOG: u32 = if usize::BITS == 32 { 30 } else { 31 };

/// A frame.
pub(super) struct LibzstdFrame {
    context: DCtx<'static>,
}

impl LibzstdFrame {
    pub(super) fn new() -> Self {
        Self { context: DCtx::create() }
    }

    pub(super) fn begin(&mut self, _: &FrameHeader, bytes: &[u8]) -> Result<(), FrameError> {
        self.context.reset(ResetDirective::SessionOnly).map_err(refusal)?;
        self.context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG)).map_err(refusal)?;
        self.step(bytes, &mut []).map(|_| ())
    }

    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<FrameStep, FrameError> {
        let mut input = InBuffer::around(input);
        let mut output = OutBuffer::around(output);
        let left = self.context.decompress_stream(&mut output, &mut input).map_err(refusal)?;
        let progress = Progress { read: input.pos(), written: output.pos() };
        Ok(match left {
            0 => FrameStep::End(progress),
            _ if progress == Progress::NONE => FrameStep::Stuck,
            _ => FrameStep::Progress(progress),
        })
    }
}

fn refusal(code: usize) -> FrameError {
    // The binding tells errors by their names only.
    let name = get_error_name(code);
    if name.contains("checksum") {
        FrameError::Checksum
    } else if name.contains("not enough memory") {
        FrameError::OutOfMemory
    } else {
        FrameError::Corrupt("a block is not zstd")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_no_fault_of_the_layer() {
        // As `ZSTD_ErrorCode` has them: no memory, a wrong checksum, and corruption.
        let [memory, checksum, corruption] = [64, 22, 20].map(|code: usize| refusal(code.wrapping_neg()));
        assert!(matches!(memory, FrameError::OutOfMemory));
        assert!(matches!(checksum, FrameError::Checksum));
        assert!(matches!(corruption, FrameError::Corrupt(_)));
    }
}
