//! What registries say of how much they let somebody ask, which clients hear as well: Docker Hub's say in `RateLimit-Limit` and
//! `RateLimit-Remaining` how many pulls there are left, and in `Docker-RateLimit-Source` whose they are.

use alloc::string::ToString as _;
use alloc::vec::Vec;

use downshift_registry::Response;

use crate::effect::Answered;
use crate::shell::Shell;

/// The headers that are passed on.
const PASSED_ON: [&str; 3] = ["docker-ratelimit-source", "ratelimit-limit", "ratelimit-remaining"];

/// When to come again, which only an error can say: a number of seconds, or a date (RFC 9110, 10.2.3).
const RETRY_AFTER: &str = "retry-after";

/// Bytes of a value that is passed on. Docker Hub's longest has some 40.
const MAX_VALUE_BYTES: usize = 256;

/// Notes what a registry says of its limits, in the place of what it said before.
pub(super) fn note(shell: &Shell, answered: &Answered) {
    let line = |name| {
        let value = answered.header(name)?.trim();
        let is_visible = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        let is_sound = name != RETRY_AFTER || is_time(value);
        (is_visible && is_sound && !value.is_empty() && value.len() <= MAX_VALUE_BYTES)
            .then(|| (name, value.to_string()))
    };
    let limits: Vec<_> = PASSED_ON.into_iter().chain([RETRY_AFTER]).filter_map(line).collect();
    if !limits.is_empty() {
        shell.with(|mailbox| mailbox.limits = limits);
    }
}

/// Whether a value says when to come again: a number of seconds, or a date as it is written today (RFC 9110, 5.6.7).
fn is_time(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit()) || value.ends_with(" GMT")
}

/// The response with what the registry said last of its limits, if it was asked for it.
pub(crate) fn with_limits(mut response: Response, shell: &Shell) -> Response {
    let is_error = response.status >= 400;
    for (name, value) in shell.with(|mailbox| core::mem::take(&mut mailbox.limits)) {
        let is_said = response.headers.iter().any(|(known, _)| *known == name);
        if !is_said && (is_error || name != RETRY_AFTER) {
            response.headers.push((name, value));
        }
    }
    response
}
