//! What went wrong with upstream registries, as callers say it.

use downshift_registry::{BadRedirect, Demand, Fault, Problem};

use crate::argument::Argument;

/// What a registry wants to know: `{scheme, realm, service}`.
pub(crate) fn demand_of(given: Argument<'_>) -> Demand {
    let realm = given.text("realm");
    match given.text("scheme").as_str() {
        "basic" => Demand::Basic { realm },
        "bearer" => Demand::Bearer { realm, service: given.optional_text("service") },
        _ => {
            given.refuse("scheme");
            Demand::Basic { realm }
        }
    }
}

/// A fault: its `host`, its `problem`, and what belongs to that.
pub(crate) fn fault(given: Argument<'_>) -> Fault {
    let problem = match given.text("problem").as_str() {
        "corrupt" => Problem::Corrupt { digest: given.digest("digest") },
        "denied" => Problem::Denied,
        "invalid" => Problem::Invalid(given.text("what")),
        "circle" => Problem::Redirect(BadRedirect::Circle),
        "downgrade" => Problem::Redirect(BadRedirect::Downgrade),
        "nowhere" => Problem::Redirect(BadRedirect::Nowhere),
        "status" => Problem::Status(u16::try_from(given.number("status")).unwrap_or_default()),
        "timeout" => Problem::Timeout,
        "too-large" => {
            Problem::TooLarge { limit: usize::try_from(given.number("limit")).unwrap_or(usize::MAX) }
        }
        "too-many-requests" => Problem::TooManyRequests { retry_after: given.optional_number("retryAfter") },
        "unauthorized" => Problem::Unauthorized(demand_of(given)),
        "unreachable" => Problem::Unreachable(given.text("what")),
        _ => {
            given.refuse("problem");
            Problem::Denied
        }
    };
    Fault { host: given.text("host"), problem }
}
