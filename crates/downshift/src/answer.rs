//! The step function: from a request and the documents at hand to an answer, or to what is still missing.

mod desk;
mod documents;
mod draft;
mod need;
mod platform_order;
mod record;
mod request;
mod step;

use self::desk::{Desk, MAX_NESTING, Stop};
pub use self::documents::{Documents, LayerReading};
pub use self::draft::{Answer, Conversion, Draft, Prepared};
pub use self::need::{LayerNeed, Need, NeedKind, Needs};
pub use self::record::{LayerRecord, Record};
pub use self::request::{Request, Root};
pub use self::step::{Refusal, Step};
use crate::Failure;

/// How often a shell calls [`answer`] for one request at the most: for the root, for lists and indexes in it, for a
/// manifest, for others where that cannot be used, for the signatures and layers of those, for a config, for layers, and once
/// when all is there.
pub const MAX_ROUNDS: usize = 8 + MAX_NESTING;

/// Answers a request as far as the documents at hand allow.
///
/// Pure: the same input gives the same step. A shell calls it, fetches what it needs, and calls it again, at most
/// [`MAX_ROUNDS`] times.
#[must_use]
pub fn answer<'a>(request: &Request, documents: &Documents<'a>) -> Step<'a> {
    Desk::new(request, documents).step().unwrap_or_else(|stop| match stop {
        Stop::Need(needs) => Step::Need(needs),
        Stop::Refused(error) => Step::Refused(Refusal::from(Failure::from(error))),
    })
}
