//! Headers in the responses of an upstream registry.

use downshift_registry::{ContentRange, link};
use reqwest::header::{self, HeaderMap};

/// The query of the next page, if there is one.
pub(super) fn next_query(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::LINK).iter().find_map(|value| link::next_query(value.to_str().ok()?))
}

/// The seconds of `Retry-After`. A date, which RFC 9110 allows as well, is ignored.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The part of a blob that is in the body.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
}
