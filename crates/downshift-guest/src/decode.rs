//! From the component's types to the core's.

use alloc::boxed::Box;
use alloc::vec::Vec;

use downshift::answer::{LayerReading, Record, Request, Root};
use downshift::layer::{Compression, LayerFacts};
use downshift::{
    Capabilities, Digest, Error, Form, Limits, Permission, PlainLayers, Platform, Policy, SignatureReading,
    SourceSignature, Timestamp, UnsignedSchema1, ZstdSupport,
};

use crate::bindings::wit;

pub(crate) fn request(request: wit::Request) -> Result<Request, Error> {
    Ok(Request {
        root: root(request.root)?,
        client: capabilities(request.client),
        policy: policy(request.policy),
        allow: request.allow.iter().map(|code| code.parse::<Permission>()).collect::<Result<_, _>>()?,
        plain_layers: plain_layers(request.plain_layers),
        unsigned_schema1: match request.unsigned_schema1 {
            wit::UnsignedSchema1::Allow => UnsignedSchema1::Allow,
            wit::UnsignedSchema1::Refuse => UnsignedSchema1::Refuse,
        },
        default_platform: platform(request.default_platform),
        time: request.time.and_then(Timestamp::from_seconds),
        limits: limits(&request.limits),
    })
}

pub(crate) fn documents(documents: &[wit::Document]) -> Result<Vec<(Digest, Option<&[u8]>)>, Error> {
    documents.iter().map(|document| Ok((document.digest.parse()?, document.bytes.as_deref()))).collect()
}

pub(crate) fn layers(layers: Vec<wit::Layer>) -> Result<Vec<(Digest, LayerReading)>, Error> {
    layers.into_iter().map(|layer| Ok((layer.digest.parse()?, reading(layer.reading)?))).collect()
}

pub(crate) fn signatures(verified: Vec<wit::Verified>) -> Result<Vec<(Digest, SignatureReading)>, Error> {
    let mut decoded = Vec::with_capacity(verified.len());
    for wit::Verified { digest, reading } in verified {
        let reading = match reading {
            // The host knows by which keys.
            wit::SignatureReading::Valid => SignatureReading::Valid { keys: Vec::new() },
            wit::SignatureReading::Invalid(problem) => SignatureReading::Invalid { problem },
        };
        decoded.push((digest.parse()?, reading));
    }
    Ok(decoded)
}

fn reading(reading: wit::LayerReading) -> Result<LayerReading, Error> {
    Ok(match reading {
        wit::LayerReading::Facts(facts) => LayerReading::Facts(self::facts(facts)?),
        wit::LayerReading::Missing => LayerReading::Missing,
        wit::LayerReading::Refused(wit::LayerRefusal { code, cause }) => {
            LayerReading::Refused { code, cause }
        }
    })
}

fn facts(facts: wit::LayerFacts) -> Result<LayerFacts, Error> {
    Ok(LayerFacts {
        digest: facts.digest.parse()?,
        compression: compression(facts.compression),
        size: facts.size,
        diff_id: facts.diff_id.parse()?,
        plain_size: facts.plain_size,
        zstd_window: facts.zstd_window,
        decoder_version: facts.decoder_version,
    })
}

fn compression(compression: wit::Compression) -> Compression {
    match compression {
        wit::Compression::Plain => Compression::Plain,
        wit::Compression::Gzip => Compression::Gzip,
        wit::Compression::Zstd => Compression::Zstd,
        wit::Compression::Bzip2 => Compression::Bzip2,
        wit::Compression::Xz => Compression::Xz,
    }
}

fn root(root: wit::Root) -> Result<Root, Error> {
    Ok(match root {
        wit::Root::Tag(wit::TagRoot { name, tag, digest }) => {
            Root::Tag { name, tag, digest: digest.parse()? }
        }
        wit::Root::Digest(wit::DigestRoot { name, digest, tag, recorded }) => Root::Digest {
            name,
            digest: digest.parse()?,
            tag,
            record: recorded.map(|recorded| record(recorded).map(Box::new)).transpose()?,
        },
    })
}

fn record(reported: wit::Reported) -> Result<Record, Error> {
    Ok(Record {
        name: reported.name,
        digest: reported.digest.parse()?,
        form: form(reported.form),
        payload: reported.payload,
        source: reported.source.parse()?,
        tag: reported.tag,
        platform: reported.platform.map(platform),
        time: reported.time.and_then(Timestamp::from_seconds),
        signature: reported.signature.map(|signature| match signature {
            wit::SourceSignature::Verified => SourceSignature::valid(Vec::new()),
            wit::SourceSignature::None => SourceSignature::NONE,
        }),
    })
}

fn capabilities(client: wit::Capabilities) -> Capabilities {
    let named = client.forms.iter().fold(Capabilities::default(), |capabilities, named| {
        capabilities.with_form(form(named.form), named.weight)
    });
    let named = client
        .types
        .iter()
        .fold(named, |capabilities, named| capabilities.with_type(&named.media_type, named.weight));
    let any = if client.takes_any { named.with_any() } else { named };
    let unreadable = client.unreadable.into_iter().map(form);
    let known = unreadable.fold(any, Capabilities::with_unreadable);
    let known = client.zstd.map(zstd).into_iter().fold(known, Capabilities::with_zstd);
    match client.platform {
        Some(own) => known.with_platform(platform(own)),
        None => known,
    }
}

fn zstd(zstd: wit::ZstdSupport) -> ZstdSupport {
    match zstd {
        wit::ZstdSupport::None => ZstdSupport::None,
        wit::ZstdSupport::Oci => ZstdSupport::Oci,
        wit::ZstdSupport::All => ZstdSupport::All,
    }
}

fn form(form: wit::Form) -> Form {
    match form {
        wit::Form::Schema1 => Form::Schema1,
        wit::Form::Schema1Unsigned => Form::Schema1Unsigned,
        wit::Form::Schema2 => Form::Schema2,
        wit::Form::ManifestList => Form::List,
        wit::Form::Oci => Form::Oci,
        wit::Form::Index => Form::Index,
        wit::Form::Other => Form::Other,
    }
}

fn policy(policy: wit::Policy) -> Policy {
    match policy {
        wit::Policy::Strict => Policy::Strict,
        wit::Policy::Reference => Policy::Reference,
    }
}

fn plain_layers(plain_layers: wit::PlainLayers) -> PlainLayers {
    match plain_layers {
        wit::PlainLayers::Never => PlainLayers::Never,
        wit::PlainLayers::Old => PlainLayers::Old,
        wit::PlainLayers::Always => PlainLayers::Always,
    }
}

fn platform(platform: wit::Platform) -> Platform {
    let wit::Platform { os, architecture, variant } = platform;
    Platform { os, architecture, variant }
}

fn limits(limits: &wit::Limits) -> Limits {
    let mut decoded = Limits::default();
    decoded.document_bytes = limits.document_bytes as usize;
    decoded.depth = limits.depth as usize;
    decoded.layers = limits.layers as usize;
    decoded.history = limits.history as usize;
    decoded.entries = limits.entries as usize;
    decoded.converted_children = limits.converted_children as usize;
    decoded.string_bytes = limits.string_bytes as usize;
    decoded.output_bytes = limits.output_bytes as usize;
    decoded
}
