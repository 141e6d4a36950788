//! The parts of this crate that the fuzz targets look at: `cargo fuzz` builds with the option `fuzzing`.

use alloc::string::String;

use crate::Timestamp;
use crate::time::GoTime;

/// A time as Go reads it: how it writes it again, and the time of a signature.
#[must_use]
pub fn go_time(text: &[u8]) -> Option<(String, Option<Timestamp>)> {
    let time = GoTime::parse(text)?;
    Some((time.to_text(), time.timestamp()))
}
