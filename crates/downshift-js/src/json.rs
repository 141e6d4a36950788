//! Plain data as JSON.

use downshift::Fault;

/// The name of a fault.
pub(crate) fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Caller => "caller",
        Fault::Client => "client",
        Fault::Document => "document",
        Fault::Image => "image",
        Fault::Limit => "limit",
    }
}
