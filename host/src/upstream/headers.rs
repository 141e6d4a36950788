//! What an upstream registry says in the headers of its responses.

use downshift_registry::{ContentRange, link};
use reqwest::header::{self, HeaderMap};

/// The query of the next page, if there is one.
pub(super) fn next_query(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::LINK).iter().find_map(|value| link::next_query(value.to_str().ok()?))
}

/// After how many seconds to come again. A date, which RFC 9110 allows as well, is not passed on.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()
}

/// The part of a blob that the body is.
pub(super) fn content_range(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
}
