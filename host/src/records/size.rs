//! The size of a record, as it counts against the room for records.

/// Bytes of a record beside its payload: its other members, its key twice, and its places in the tables.
pub(super) const OVERHEAD: u64 = 1024;

/// Bytes of the record with this payload.
pub(super) fn of(payload: &[u8]) -> u64 {
    payload.len() as u64 + OVERHEAD
}
