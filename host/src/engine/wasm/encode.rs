//! From the core's types to the component's.

use downshift::answer::{Documents, LayerReading, Record, Request, Root};
use downshift::layer::{Compression, LayerFacts};
use downshift::{
    Capabilities, Form, Limits, PlainLayers, Platform, Policy, SignatureReading, SourceVerdict,
    UnsignedSchema1, ZstdSupport,
};

use super::bindings::downshift::convert::types as wit;

pub(super) fn request(request: &Request) -> wit::Request {
    wit::Request {
        root: root(&request.root),
        client: capabilities(&request.client),
        policy: match request.policy {
            Policy::Strict => wit::Policy::Strict,
            Policy::Reference => wit::Policy::Reference,
        },
        allow: request.allow.iter().map(|permission| permission.code().to_owned()).collect(),
        plain_layers: match request.plain_layers {
            PlainLayers::Never => wit::PlainLayers::Never,
            PlainLayers::Old => wit::PlainLayers::Old,
            PlainLayers::Always => wit::PlainLayers::Always,
        },
        unsigned_schema1: match request.unsigned_schema1 {
            UnsignedSchema1::Allow => wit::UnsignedSchema1::Allow,
            UnsignedSchema1::Refuse => wit::UnsignedSchema1::Refuse,
        },
        default_platform: platform(&request.default_platform),
        time: request.time.map(|time| time.seconds()),
        limits: limits(&request.limits),
    }
}

pub(super) fn documents(documents: &Documents<'_>) -> Vec<wit::Document> {
    documents
        .iter()
        .map(|(digest, bytes)| wit::Document { digest: digest.to_string(), bytes: bytes.map(<[u8]>::to_vec) })
        .collect()
}

pub(super) fn layers(documents: &Documents<'_>) -> Vec<wit::Layer> {
    documents
        .layers()
        .map(|(digest, reading)| wit::Layer {
            digest: digest.to_string(),
            reading: match reading {
                LayerReading::Facts(facts) => wit::LayerReading::Facts(self::facts(facts)),
                LayerReading::Missing => wit::LayerReading::Missing,
                LayerReading::Refused { code, cause } => {
                    wit::LayerReading::Refused(wit::LayerRefusal { code: code.clone(), cause: cause.clone() })
                }
            },
        })
        .collect()
}

pub(super) fn signatures(documents: &Documents<'_>) -> Vec<wit::Verified> {
    documents
        .signatures()
        .map(|(digest, reading)| wit::Verified {
            digest: digest.to_string(),
            reading: match reading {
                SignatureReading::Valid { .. } => wit::SignatureReading::Valid,
                SignatureReading::Invalid { problem } => wit::SignatureReading::Invalid(problem.clone()),
            },
        })
        .collect()
}

fn facts(facts: &LayerFacts) -> wit::LayerFacts {
    wit::LayerFacts {
        digest: facts.digest.to_string(),
        compression: match facts.compression {
            Compression::Plain => wit::Compression::Plain,
            Compression::Gzip => wit::Compression::Gzip,
            Compression::Zstd => wit::Compression::Zstd,
            Compression::Bzip2 => wit::Compression::Bzip2,
            Compression::Xz => wit::Compression::Xz,
        },
        size: facts.size,
        diff_id: facts.diff_id.to_string(),
        plain_size: facts.plain_size,
        zstd_window: facts.zstd_window,
        decoder_version: facts.decoder_version,
    }
}

fn root(root: &Root) -> wit::Root {
    match root {
        Root::Tag { name, tag, digest } => {
            wit::Root::Tag(wit::TagRoot { name: name.clone(), tag: tag.clone(), digest: digest.to_string() })
        }
        Root::Digest { name, digest, tag, record } => wit::Root::Digest(wit::DigestRoot {
            name: name.clone(),
            digest: digest.to_string(),
            tag: tag.clone(),
            recorded: record.as_deref().map(reported),
        }),
    }
}

fn reported(record: &Record) -> wit::Reported {
    wit::Reported {
        name: record.name.clone(),
        digest: record.digest.to_string(),
        form: form(record.form),
        payload: record.payload.clone(),
        source: record.source.to_string(),
        tag: record.tag.clone(),
        platform: record.platform.as_ref().map(platform),
        time: record.time.map(|time| time.seconds()),
        signature: record.signature.as_ref().map(|signature| match signature.verdict {
            SourceVerdict::Valid | SourceVerdict::Invalid => wit::SourceSignature::Verified,
            SourceVerdict::None => wit::SourceSignature::None,
        }),
    }
}

fn capabilities(client: &Capabilities) -> wit::Capabilities {
    wit::Capabilities {
        forms: client
            .forms()
            .map(|(named, weight)| wit::WeightedForm { form: form(named), weight })
            .collect(),
        types: client
            .types()
            .map(|(media_type, weight)| wit::WeightedType { media_type: media_type.to_owned(), weight })
            .collect(),
        takes_any: client.takes_any(),
        platform: client.platform().map(platform),
        unreadable: Form::ALL.into_iter().filter(|&form| client.cannot_read(form)).map(form).collect(),
        zstd: client.zstd().map(zstd),
    }
}

fn zstd(zstd: ZstdSupport) -> wit::ZstdSupport {
    match zstd {
        ZstdSupport::None => wit::ZstdSupport::None,
        ZstdSupport::Oci => wit::ZstdSupport::Oci,
        ZstdSupport::All => wit::ZstdSupport::All,
    }
}

fn form(form: Form) -> wit::Form {
    match form {
        Form::Schema1 => wit::Form::Schema1,
        Form::Schema1Unsigned => wit::Form::Schema1Unsigned,
        Form::Schema2 => wit::Form::Schema2,
        Form::List => wit::Form::ManifestList,
        Form::Oci => wit::Form::Oci,
        Form::Index => wit::Form::Index,
        Form::Other => wit::Form::Other,
    }
}

fn platform(platform: &Platform) -> wit::Platform {
    let Platform { os, architecture, variant } = platform.clone();
    wit::Platform { os, architecture, variant }
}

fn limits(limits: &Limits) -> wit::Limits {
    let limit = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    wit::Limits {
        document_bytes: limit(limits.document_bytes),
        depth: limit(limits.depth),
        layers: limit(limits.layers),
        history: limit(limits.history),
        entries: limit(limits.entries),
        converted_children: limit(limits.converted_children),
        string_bytes: limit(limits.string_bytes),
        output_bytes: limit(limits.output_bytes),
    }
}
