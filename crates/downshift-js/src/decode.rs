//! From JSON to the core's types.

use alloc::boxed::Box;
#[cfg(any(feature = "pull", feature = "registry"))]
use alloc::string::String;
use alloc::vec::Vec;

use downshift::answer::{LayerReading, Record, Request, Root};
#[cfg(any(feature = "pull", feature = "registry"))]
use downshift::is_manifest_type;
use downshift::layer::{Compression, LayerFacts};
use downshift::{
    Capabilities, Digest, Failure, Fault, Form, Limits, PlainLayers, Platform, Policy, SourceSignature,
    Timestamp, ZstdSupport,
};

use crate::argument::Argument;

/// A request over HTTP, `{method, target, headers, acceptEncoding}`, where headers are pairs of name and value; or the response to one
/// that nothing has to be looked up for.
#[cfg(any(feature = "pull", feature = "registry"))]
pub(crate) fn http_request(
    given: Argument<'_>,
) -> Result<downshift_registry::Request, downshift_registry::Response> {
    let (method, target) = (given.text("method"), given.text("target"));
    let mut headers = pairs(given, "headers");
    // Some platforms write this header anew, and say beside it what the client has sent.
    if let Some(own) = given.optional_text("acceptEncoding") {
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("accept-encoding"));
        headers.push(("accept-encoding".into(), own));
    }
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = downshift_registry::Request::read(&method, &target, headers)?;
    Ok(request.from_address(given.optional_text("address")))
}

/// A member with pairs of texts.
#[cfg(any(feature = "pull", feature = "registry"))]
pub(crate) fn pairs(given: Argument<'_>, name: &str) -> Vec<(String, String)> {
    let pair = |element: Argument<'_>| given.or_refuse(name, element.as_pair());
    given.elements_of(name).into_iter().filter_map(pair).collect()
}

/// A request; `payload` is that of its record, if it has one.
pub(crate) fn request(given: Argument<'_>, payload: Vec<u8>) -> Request {
    let client = given.required("client");
    Request {
        root: root(given, payload),
        client: client.map(capabilities).unwrap_or_default(),
        policy: given
            .optional_text("policy")
            .and_then(|policy| given.accept(policy.parse()))
            .unwrap_or(Policy::Strict),
        allow: given.optional_text("allow").and_then(|allow| given.accept(allow.parse())).unwrap_or_default(),
        // Without being asked for it, no layers are needed: who calls has to have a reader for them.
        plain_layers: given
            .optional_text("plainLayers")
            .and_then(|plain_layers| given.accept(plain_layers.parse()))
            .unwrap_or(PlainLayers::Never),
        unsigned_schema1: given
            .optional_text("unsignedSchema1")
            .and_then(|unsigned| given.accept(unsigned.parse()))
            .unwrap_or_default(),
        default_platform: platform(given).unwrap_or_default(),
        time: time(given),
        limits: given.member("limits").map(limits).unwrap_or_default(),
    }
}

fn root(given: Argument<'_>, payload: Vec<u8>) -> Root {
    let (name, digest) = (given.text("name"), given.digest("digest"));
    if !given.is("byDigest") {
        return Root::Tag { name, tag: given.text("tag"), digest };
    }
    let record = given.member("record").map(|given| Box::new(record(given, payload)));
    Root::Digest { name, digest, tag: given.optional_text("tag"), record }
}

pub(crate) fn record(given: Argument<'_>, payload: Vec<u8>) -> Record {
    Record {
        name: given.text("name"),
        digest: given.digest("digest"),
        form: form(given),
        payload,
        source: given.digest("source"),
        tag: given.optional_text("tag"),
        platform: platform(given),
        time: time(given),
        signature: signature(given),
    }
}

/// What came of reading a layer.
pub(crate) fn layer_reading(given: Argument<'_>) -> LayerReading {
    if let Some(facts) = given.member("facts") {
        return LayerReading::Facts(layer_facts(facts));
    }
    match given.member("refused") {
        Some(refused) => LayerReading::Refused { code: refused.text("code"), cause: refused.text("cause") },
        None if given.is("missing") => LayerReading::Missing,
        None => {
            given.refuse("facts");
            LayerReading::Missing
        }
    }
}

pub(crate) fn layer_facts(given: Argument<'_>) -> LayerFacts {
    let compression = Compression::named(&given.text("compression"));
    LayerFacts {
        digest: given.digest("digest"),
        compression: given.or_refuse("compression", compression).unwrap_or(Compression::Plain),
        size: given.number("size"),
        diff_id: given.digest("diffId"),
        plain_size: given.number("plainSize"),
        zstd_window: given.optional_number("zstdWindow"),
        decoder_version: u32::try_from(given.number("decoderVersion")).unwrap_or(u32::MAX),
    }
}

fn capabilities(given: Argument<'_>) -> Capabilities {
    let mut capabilities = Capabilities::default();
    for (name, weight) in given.member("forms").map(Argument::numbers).unwrap_or_default() {
        match (u16::try_from(weight), form_called(&name)) {
            (Ok(weight), Some(form)) => capabilities = capabilities.with_form(form, weight),
            (Ok(_), None) => given.refuse("form"),
            (Err(_), _) => given.refuse("forms"),
        }
    }
    for (media_type, weight) in given.member("types").map(Argument::numbers).unwrap_or_default() {
        match u16::try_from(weight) {
            Ok(weight) => capabilities = capabilities.with_type(&media_type, weight),
            Err(_) => given.refuse("types"),
        }
    }
    if given.is("any") {
        capabilities = capabilities.with_any();
    }
    for element in given.elements_of("unreadable") {
        let form = element.as_text().and_then(|name| form_called(&name));
        if let Some(form) = given.or_refuse("unreadable", form) {
            capabilities = capabilities.with_unreadable(form);
        }
    }
    if let Some(name) = given.optional_text("zstd") {
        let zstd = ZstdSupport::ALL.into_iter().find(|zstd| zstd.name() == name);
        if let Some(zstd) = given.or_refuse("zstd", zstd) {
            capabilities = capabilities.with_zstd(zstd);
        }
    }
    match platform(given) {
        Some(platform) => capabilities.with_platform(platform),
        None => capabilities,
    }
}

pub(crate) fn limits(given: Argument<'_>) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in given.numbers() {
        given.accept(limits.set(&name, usize::try_from(value).unwrap_or(usize::MAX)));
    }
    limits
}

pub(crate) fn failure(given: Argument<'_>) -> Failure {
    let name = given.text("fault");
    let faults = [Fault::Caller, Fault::Client, Fault::Document, Fault::Image, Fault::Limit];
    let fault = faults.into_iter().find(|&fault| crate::json::fault(fault) == name);
    Failure {
        code: given.text("code").into(),
        fault: given.or_refuse("fault", fault).unwrap_or(Fault::Caller),
        cause: given.text("cause"),
        remedy: given.text("remedy").into(),
    }
}

pub(crate) fn form(given: Argument<'_>) -> Form {
    form_in(given, "form")
}

/// The form that the member `name` says.
#[inline(never)]
pub(crate) fn form_in(given: Argument<'_>, name: &str) -> Form {
    given.or_refuse(name, form_called(&given.text(name))).unwrap_or(Form::Oci)
}

/// The media type of what has a form that has none, if it says one.
#[cfg(any(feature = "pull", feature = "registry"))]
pub(crate) fn own_type(given: Argument<'_>, form: Form) -> Option<String> {
    let media_type = given.optional_text("mediaType").filter(|_| form == Form::Other);
    media_type.filter(|media_type| is_manifest_type(media_type))
}

/// A digest that may be missing.
#[cfg(any(feature = "pull", feature = "registry"))]
pub(crate) fn optional_digest(given: Argument<'_>, name: &str) -> Option<Digest> {
    given.optional_text(name).and_then(|digest| given.accept(digest.parse()))
}

fn form_called(name: &str) -> Option<Form> {
    Form::named(name)
}

#[inline(never)]
pub(crate) fn platform(given: Argument<'_>) -> Option<Platform> {
    given.optional_text("platform").and_then(|platform| given.accept(platform.parse()))
}

/// What the signatures of a source prove, as it stands in the header.
pub(crate) fn signature(given: Argument<'_>) -> Option<SourceSignature> {
    given.or_refuse("signature", given.optional_text("signature").map(|text| text.parse().ok())?)
}

fn time(given: Argument<'_>) -> Option<Timestamp> {
    given.optional_number("time").and_then(Timestamp::from_seconds)
}
