//! Places of records in the order in which they go.

use core::time::Duration;

/// How long a record counts as reported, or asked for, now: doing that again and again writes nothing.
pub(crate) const REFRESH: Duration = Duration::from_secs(3600);

/// From which place on records were asked for by digest. A place is that, or nothing, and the record's age: a number that
/// grows with each record.
pub(super) const PROTECTED: u64 = 1 << 63;

/// The age in a place.
pub(super) const fn age_of(place: u64) -> u64 {
    place & !PROTECTED
}
