//! The size of a record, and of the segments, as they count against the room for records.

/// Bytes of a record beside its payload: its other members, its key twice, and its places in the tables.
pub(super) const OVERHEAD: u64 = 1024;

/// How much of the room is for records that were asked for by digest, in percent. The rest is left to those that were only
/// reported, so that there is always room for a pull to begin in.
const PROTECTED_PERCENT: u64 = 80;

/// Bytes of the record with this payload, as that is kept.
pub(super) fn of(payload: &[u8]) -> u64 {
    payload.len() as u64 + OVERHEAD
}

/// Bytes of those records that were asked for by digest, where there are `capacity` for all.
pub(super) fn protected(capacity: u64) -> u64 {
    capacity / 100 * PROTECTED_PERCENT
}
