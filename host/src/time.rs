//! The wall clock: what is written down with a time, and how old files are. Waiting is by the monotonic clock of `std`
//! and `tokio`.

use core::time::Duration;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970; 0 if the clock is before that.
pub(crate) fn now() -> u64 {
    UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// Milliseconds since 1970; 0 if the clock is before that.
pub(crate) fn now_in_milliseconds() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// The present as file systems keep it.
pub(crate) fn file_time() -> SystemTime {
    SystemTime::now()
}

/// The time since `file_time`; zero if that is in the future, as after the clock was set back.
pub(crate) fn age(file_time: SystemTime) -> Duration {
    file_time.elapsed().unwrap_or_default()
}
