//! From JSON to the core's types.

use alloc::boxed::Box;
use alloc::vec::Vec;

use downshift::answer::{Record, Request, Root};
use downshift::{Capabilities, Digest, Failure, Fault, Form, Limits, Platform, Policy, Timestamp};

use crate::given::Given;
use crate::thrown::Thrown;

/// A request; `payload` is that of its record, if it has one.
pub(crate) fn request(given: Given<'_>, payload: Vec<u8>) -> Result<Request, Thrown> {
    let client = given.member("client").ok_or_else(|| Thrown::invalid("client"))?;
    Ok(Request {
        root: root(given, payload)?,
        client: capabilities(client)?,
        policy: given.optional_text("policy")?.map_or(Ok(Policy::Strict), |policy| policy.parse())?,
        default_platform: platform(given)?.unwrap_or_default(),
        time: time(given)?,
        limits: limits(given.member("limits"))?,
    })
}

fn root(given: Given<'_>, payload: Vec<u8>) -> Result<Root, Thrown> {
    let (name, digest) = (given.text("name")?, digest(given, "digest")?);
    if !given.is("byDigest") {
        return Ok(Root::Tag { name, tag: given.text("tag")?, digest });
    }
    let record = given.member("record").map(|given| record(given, payload).map(Box::new)).transpose()?;
    Ok(Root::Digest { name, digest, tag: given.optional_text("tag")?, record })
}

fn record(given: Given<'_>, payload: Vec<u8>) -> Result<Record, Thrown> {
    Ok(Record {
        name: given.text("name")?,
        digest: digest(given, "digest")?,
        form: form(&given.text("form")?)?,
        payload,
        source: digest(given, "source")?,
        tag: given.optional_text("tag")?,
        platform: platform(given)?,
        time: time(given)?,
    })
}

pub(crate) fn capabilities(given: Given<'_>) -> Result<Capabilities, Thrown> {
    let mut capabilities = Capabilities::default();
    for (name, weight) in given.member("forms").map(Given::numbers).unwrap_or_default() {
        let weight = u16::try_from(weight).map_err(|_| Thrown::invalid("forms"))?;
        capabilities = capabilities.with_form(form(&name)?, weight);
    }
    if given.is("any") {
        capabilities = capabilities.with_any();
    }
    if given.is("schema1Engine") {
        capabilities = capabilities.with_schema1_engine();
    }
    Ok(match platform(given)? {
        Some(platform) => capabilities.with_platform(platform),
        None => capabilities,
    })
}

pub(crate) fn limits(given: Option<Given<'_>>) -> Result<Limits, Thrown> {
    let mut limits = Limits::default();
    for (name, value) in given.map(Given::numbers).unwrap_or_default() {
        limits.set(&name, usize::try_from(value).unwrap_or(usize::MAX))?;
    }
    Ok(limits)
}

pub(crate) fn failure(given: Given<'_>) -> Result<Failure, Thrown> {
    let name = given.text("fault")?;
    let faults = [Fault::Caller, Fault::Client, Fault::Document, Fault::Image, Fault::Limit];
    let fault = faults.into_iter().find(|&fault| crate::json::fault(fault) == name);
    Ok(Failure {
        code: given.text("code")?.into(),
        fault: fault.ok_or_else(|| Thrown::invalid("fault"))?,
        cause: given.text("cause")?,
        remedy: given.text("remedy")?.into(),
    })
}

pub(crate) fn form(name: &str) -> Result<Form, Thrown> {
    Form::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| Thrown::invalid("form"))
}

pub(crate) fn digest(given: Given<'_>, name: &str) -> Result<Digest, Thrown> {
    Ok(given.text(name)?.parse()?)
}

fn platform(given: Given<'_>) -> Result<Option<Platform>, Thrown> {
    Ok(given.optional_text("platform")?.map(|platform| platform.parse()).transpose()?)
}

fn time(given: Given<'_>) -> Result<Option<Timestamp>, Thrown> {
    Ok(given.optional_number("time")?.and_then(Timestamp::from_seconds))
}
