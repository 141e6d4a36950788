//! What comes of a step of a frame, whichever library takes it.

use crate::Progress;

/// How far a step of a frame came.
pub(super) enum FrameStep {
    /// So far, and there is more of it.
    Progress(Progress),
    /// It needs more input, or more room.
    Stuck,
    /// So far, and that was the end of it.
    End(Progress),
}

/// Why a frame is not decoded.
pub(super) enum FrameError {
    /// It has no meaning: why.
    Corrupt(&'static str),
    /// Its checksum is not that of its content.
    Checksum,
    /// There is less memory than it takes.
    #[cfg(feature = "libzstd")]
    OutOfMemory,
}
