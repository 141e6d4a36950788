//! Plain data as JSON.

use alloc::string::String;

#[cfg(any(feature = "convert", feature = "layer"))]
use downshift::layer::LayerFacts;
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

/// What is known of a layer, as `decode::layer_facts` reads it.
#[cfg(any(feature = "convert", feature = "layer"))]
pub(crate) fn layer_facts(facts: &LayerFacts) -> String {
    let mut object = Object::new();
    object.text("digest", facts.digest.as_str()).text("compression", facts.compression.name());
    object.number("size", facts.size).text("diffId", facts.diff_id.as_str());
    object.number("plainSize", facts.plain_size).optional_number("zstdWindow", facts.zstd_window);
    object.number("decoderVersion", facts.decoder_version.into()).finish()
}
