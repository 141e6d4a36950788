//! Refused connections.

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are too many.
    Full,
    /// Its client has too many.
    Client,
    /// Its client speaks plain HTTP where TLS is spoken.
    NotTls,
}
