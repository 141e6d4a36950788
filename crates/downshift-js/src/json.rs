//! Plain data as JSON.

use alloc::string::String;

use downshift::{Failure, Fault};
use downshift_json::Object;

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

/// A failure: `{code, fault, cause, remedy}`.
pub(crate) fn failure(failure: &Failure) -> String {
    let mut object = Object::new();
    object.text("code", &failure.code).text("fault", fault(failure.fault));
    object.text("cause", &failure.cause).text("remedy", &failure.remedy).finish()
}
