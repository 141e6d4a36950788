//! Requests and what became of them, as JSON.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::answer::{LayerReading, LayerRecord, Record, Request, Root};
use downshift::layer::{Compression, LayerFacts};
use downshift::{
    Capabilities, Digest, Failure, Fault, Form, Limits, Platform, SourceSignature, Timestamp, ZstdSupport,
};
use serde_json::{Value, json};

use downshift_cases::implementation::{Answered, Outcome};
use downshift_cases::layers;

/// A request with all the documents that it may need.
pub(super) fn question(request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> Value {
    let encoded_documents: BTreeMap<&str, String> =
        documents.iter().map(|(digest, bytes)| (digest.as_str(), STANDARD.encode(bytes))).collect();
    let layers: BTreeMap<&str, Value> = documents
        .keys()
        .map(|digest| (digest.as_str(), reading(&layers::reading(documents, digest))))
        .collect();
    json!({ "request": encoded(request), "documents": encoded_documents, "layers": layers })
}

fn reading(reading: &LayerReading) -> Value {
    match reading {
        LayerReading::Facts(facts) => json!({ "facts": {
            "digest": facts.digest.as_str(),
            "compression": facts.compression.name(),
            "size": facts.size,
            "diffId": facts.diff_id.as_str(),
            "plainSize": facts.plain_size,
            "zstdWindow": facts.zstd_window,
            "decoderVersion": facts.decoder_version,
        }}),
        LayerReading::Missing => json!({ "missing": true }),
        LayerReading::Refused { code, cause } => json!({ "refused": { "code": code, "cause": cause } }),
    }
}

fn encoded(request: &Request) -> Value {
    let Request { root, client, policy, allow, plain_layers, unsigned_schema1, .. } = request;
    let Request { default_platform, time, limits, .. } = request;
    let mut encoded = json!({
        "name": root.name(),
        "digest": root.digest().as_str(),
        "client": capabilities(client),
        "policy": policy.to_string(),
        "allow": allow.to_string(),
        "plainLayers": plain_layers.name(),
        "unsignedSchema1": unsigned_schema1.name(),
        "platform": default_platform.to_string(),
        "time": time.map(Timestamp::seconds),
        "limits": self::limits(limits),
    });
    match root {
        Root::Tag { tag, .. } => encoded["tag"] = tag.as_str().into(),
        Root::Digest { tag, record, .. } => {
            encoded["byDigest"] = true.into();
            encoded["tag"] = tag.as_deref().into();
            encoded["record"] = record.as_deref().map(self::record).into();
        }
    }
    encoded
}

fn capabilities(client: &Capabilities) -> Value {
    let forms: BTreeMap<&str, u16> = client.forms().map(|(form, weight)| (form.name(), weight)).collect();
    let types: BTreeMap<&str, u16> = client.types().collect();
    let unreadable = Form::ALL.into_iter().filter(|&form| client.cannot_read(form));
    let unreadable: Vec<&str> = unreadable.map(Form::name).collect();
    json!({
        "forms": forms,
        "types": types,
        "any": client.takes_any(),
        "unreadable": unreadable,
        "zstd": client.zstd().map(ZstdSupport::name),
        "platform": client.platform().map(Platform::to_string),
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
        "document-bytes": limits.document_bytes,
        "depth": limits.depth,
        "layers": limits.layers,
        "history": limits.history,
        "entries": limits.entries,
        "converted-children": limits.converted_children,
        "string-bytes": limits.string_bytes,
        "output-bytes": limits.output_bytes,
    })
}

fn record(record: &Record) -> Value {
    json!({
        "name": record.name,
        "digest": record.digest.as_str(),
        "form": record.form.name(),
        "payload": STANDARD.encode(&record.payload),
        "source": record.source.as_str(),
        "tag": record.tag,
        "platform": record.platform.as_ref().map(Platform::to_string),
        "time": record.time.map(Timestamp::seconds),
        "signature": record.signature.as_ref().map(ToString::to_string),
    })
}

/// What became of it.
///
/// # Errors
/// If it is something else.
pub(super) fn outcome(answer: &Value) -> anyhow::Result<Outcome> {
    if let Some(digest) = answer["missing"].as_str() {
        return Ok(Outcome::Missing(digest.parse()?));
    }
    let records = answer.get("records").map_or(Ok(Vec::new()), records)?;
    if let Some(refused) = answer.get("refused") {
        let layers = layer_records(&answer["layers"])?;
        return Ok(Outcome::Refused { failure: failure(refused)?, records, layers });
    }
    let answered = &answer["answered"];
    Ok(Outcome::Answered(Answered {
        form: form(&answered["form"])?,
        digest: text(&answered["digest"])?.parse()?,
        body: STANDARD.decode(text(&answered["body"])?)?,
        source: answered["source"].as_str().map(str::parse).transpose()?,
        by_platform: answered["byPlatform"] == true,
        records: self::records(&answered["records"])?,
        layers: layer_records(&answered["layers"])?,
        signature: signature(answered)?,
        report: answered["report"].clone(),
    }))
}

fn failure(refused: &Value) -> anyhow::Result<Failure> {
    let fault = match text(&refused["fault"])? {
        "caller" => Fault::Caller,
        "client" => Fault::Client,
        "document" => Fault::Document,
        "image" => Fault::Image,
        "limit" => Fault::Limit,
        other => bail!("`{other}` is no fault"),
    };
    Ok(Failure {
        code: text(&refused["code"])?.to_string().into(),
        fault,
        cause: text(&refused["cause"])?.to_string(),
        remedy: text(&refused["remedy"])?.to_string().into(),
    })
}

/// What the signatures of a source prove.
fn signature(of: &Value) -> anyhow::Result<Option<SourceSignature>> {
    let parse = |text: &str| text.parse().map_err(|()| anyhow::anyhow!("`{text}` is no signature"));
    of["signature"].as_str().map(parse).transpose()
}

fn records(records: &Value) -> anyhow::Result<Vec<Record>> {
    let record = |record: &Value| -> anyhow::Result<Record> {
        Ok(Record {
            name: text(&record["name"])?.to_string(),
            digest: text(&record["digest"])?.parse()?,
            form: form(&record["form"])?,
            payload: STANDARD.decode(text(&record["payload"])?)?,
            source: text(&record["source"])?.parse()?,
            tag: record["tag"].as_str().map(str::to_string),
            platform: record["platform"].as_str().map(str::parse).transpose()?,
            time: record["time"].as_u64().and_then(Timestamp::from_seconds),
            signature: signature(record)?,
        })
    };
    records.as_array().context("there are no records")?.iter().map(record).collect()
}

fn layer_records(layers: &Value) -> anyhow::Result<Vec<LayerRecord>> {
    let record = |layer: &Value| -> anyhow::Result<LayerRecord> {
        let facts = &layer["facts"];
        let number = |name: &str| facts[name].as_u64().with_context(|| format!("`{name}` is missing"));
        let compression = Compression::named(text(&facts["compression"])?);
        Ok(LayerRecord {
            name: text(&layer["name"])?.to_string(),
            facts: LayerFacts {
                digest: text(&facts["digest"])?.parse()?,
                compression: compression.context("there is no such compression")?,
                size: number("size")?,
                diff_id: text(&facts["diffId"])?.parse()?,
                plain_size: number("plainSize")?,
                zstd_window: facts["zstdWindow"].as_u64(),
                decoder_version: number("decoderVersion")?.try_into()?,
            },
        })
    };
    layers.as_array().context("there are no layers")?.iter().map(record).collect()
}

fn form(name: &Value) -> anyhow::Result<Form> {
    name.as_str().and_then(Form::named).with_context(|| format!("{name} is no form"))
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("a text is missing")
}
