//! The matrix of clients, registries and stored forms.

mod clients;
mod distribution;
mod samples;
mod words;

use alloc::borrow::ToOwned as _;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec;
use alloc::vec::Vec;

use downshift::answer::{Documents, Record, Request, Root, Step, answer};
use downshift::{
    Digest, Form, Limits, Permissions, PlainLayers, Platform, Policy, SignatureReading, UnsignedSchema1,
};
use downshift_registry::response::{self, Manifest};
use downshift_registry::{Response, error};

pub use self::clients::{Client, clients};
use self::samples::{Sample, placeholder};
use self::words::words;
use crate::report::{AskedBy, Cell, ClientRow, Matrix, Outcome, Pair, RegistryRow, Stored};

const DOWNSHIFT: RegistryRow = RegistryRow {
    id: "downshift",
    name: "Downshift",
    text: "converts in either direction to the nearest form that the client names, and can serve every digest that it reports",
};
const DISTRIBUTION_2: RegistryRow = RegistryRow {
    id: "distribution-2",
    name: "Distribution 2.7 and 2.8",
    text: "converts schema 2 to schema 1 for clients that do not name schema 2; serves OCI only to clients that name it",
};
const DISTRIBUTION_3: RegistryRow = RegistryRow {
    id: "distribution-3",
    name: "Distribution 3",
    text: "does not know schema 1 and converts nothing; serves OCI only to clients that name it",
};

/// Computes the matrix. `own` is a client to add as the first: the lines of its `Accept` header, and its
/// `User-Agent`.
#[must_use]
pub fn matrix(own: Option<(&[String], Option<&str>)>) -> Matrix {
    let samples = samples::all();
    let mut rows: Vec<ClientRow> = Vec::with_capacity(clients().len().saturating_add(1));
    if let Some((accept, user_agent)) = own {
        let accept: Vec<&str> = accept.iter().map(String::as_str).collect();
        let understands = Form::ALL.into_iter().filter(|form| {
            let names_nothing =
                accept.iter().all(|line| !line.contains(".manifest.") && !line.contains(".index."));
            names_nothing || accept.iter().any(|line| line.to_ascii_lowercase().contains(form.media_type()))
        });
        let client = Client {
            id: "own",
            name: "Your client",
            user_agent: user_agent.unwrap_or_default(),
            accept: &accept,
            understands: &understands.collect::<Vec<_>>(),
        };
        rows.push(row(&client, &samples));
    }
    rows.extend(clients().iter().map(|client| row(client, &samples)));
    Matrix {
        registries: vec![DOWNSHIFT, DISTRIBUTION_2, DISTRIBUTION_3],
        stored: samples.iter().map(|sample| sample.stored).collect(),
        clients: rows,
    }
}

fn row(client: &Client<'_>, samples: &[Sample]) -> ClientRow {
    let mut answers: BTreeMap<_, BTreeMap<_, BTreeMap<_, _>>> = BTreeMap::new();
    for sample in samples {
        for by in [AskedBy::Tag, AskedBy::Digest] {
            let mut add = |registry: RegistryRow, cell: Cell| {
                answers
                    .entry(registry.id)
                    .or_default()
                    .entry(by)
                    .or_default()
                    .insert(sample.stored, usable(cell, client, sample));
            };
            add(DOWNSHIFT, downshift(client, sample, by));
            add(DISTRIBUTION_2, distribution::version_2(client, sample, by));
            add(DISTRIBUTION_3, distribution::version_3(client, sample, by));
        }
    }
    ClientRow {
        id: client.id,
        name: client.name,
        request: client.headers().map(|(name, value)| Pair::new(name, value)).collect(),
        understands: client.understands.to_vec(),
        answers,
    }
}

/// A cell as it is for a client, which may be unable to read what it gets.
fn usable(mut cell: Cell, client: &Client<'_>, sample: &Sample) -> Cell {
    if let Some(form) = cell.form.filter(|form| !client.understands.contains(form)) {
        cell.outcome = Outcome::Unusable;
        cell.text = format!("{}; {} cannot read {}", cell.text, client.name, words(form));
    } else if sample.stored == Stored::Zstd && cell.outcome == Outcome::Stored && !client.reads_zstd() {
        cell.outcome = Outcome::Unusable;
        cell.text = format!("{}; {} cannot read its layers, compressed with zstd", cell.text, client.name);
    }
    cell
}

/// Downshift's answer, by its own functions.
fn downshift(client: &Client<'_>, sample: &Sample, by: AskedBy) -> Cell {
    let reference = match by {
        AskedBy::Tag => samples::TAG.to_owned(),
        AskedBy::Digest => sample.digest.to_string(),
    };
    let target = format!("/v2/{}/manifests/{reference}", samples::NAME);
    let headers = client.headers().map(|(name, value)| (name, value.as_bytes()));
    let request = match downshift_registry::Request::read("GET", &target, headers) {
        Ok(request) => request,
        Err(response) => return refused(&response, "the request cannot be read".into()),
    };
    let name = samples::NAME.to_owned();
    let root = match by {
        AskedBy::Tag => Root::Tag { name, tag: samples::TAG.into(), digest: sample.digest.clone() },
        AskedBy::Digest => Root::Digest {
            name,
            digest: sample.digest.clone(),
            tag: Some(samples::TAG.into()),
            record: None::<Box<Record>>,
        },
    };
    let question = Request {
        root,
        client: request.client.clone(),
        policy: Policy::Strict,
        allow: Permissions::default(),
        plain_layers: PlainLayers::default(),
        unsigned_schema1: UnsignedSchema1::default(),
        default_platform: Platform::linux_amd64(),
        time: None,
        limits: Limits::default(),
    };
    let documents: Documents<'_> =
        sample.documents.iter().map(|(digest, bytes)| (digest, Some(&**bytes))).collect();
    let documents = documents.with_layers(sample.layers.iter().map(|(digest, reading)| (digest, reading)));
    let sound = SignatureReading::Valid { keys: Vec::new() };
    let documents = documents.with_signatures([(&sample.digest, &sound)]);
    let answered = match answer(&question, &documents) {
        Step::Done(draft) => draft.finish(),
        Step::Sign(prepared) => match prepared.seal(placeholder()) {
            Ok(answer) => answer,
            Err(error) => return refused(&error::internal(), error.to_string()),
        },
        Step::Refused(refusal) => return refused(&error::refusal(&refusal.failure), refusal.failure.cause),
        Step::Need(_) => return refused(&error::internal(), "a document is missing".into()),
    };
    let (form, digest, source) = (answered.form, answered.digest.clone(), answered.source.clone());
    let is_plain = !answered.layers.is_empty();
    let response = response::manifest(&request, &Manifest::from(answered));
    let outcome = if form == sample.form && source.is_none() {
        Outcome::Stored
    } else if sample.form.is_index() && sample.documents.iter().any(|(stored, _)| *stored == digest) {
        Outcome::Child
    } else {
        Outcome::Converted
    };
    let text = match (by, outcome) {
        _ if is_plain => format!(
            "the client is not known to read zstd in {}: the layers go by their diff ids, as plain tars",
            words(form)
        ),
        (AskedBy::Digest, Outcome::Stored) => {
            "by digest the response is exactly the stored manifest".to_owned()
        }
        (_, Outcome::Stored) => format!("{} is stored, and the client accepts it", words(sample.form)),
        (_, Outcome::Child) => {
            format!("the client names no list: it gets the {} for its platform", words(form))
        }
        _ if form.is_schema1() && sample.form.is_schema1() => {
            "it is signed; the payload and its digest stay the same".to_owned()
        }
        _ if sample.form.is_index() && !form.is_index() => {
            format!(
                "the client names no list that it could get: the manifest for its platform, converted to {}",
                words(form)
            )
        }
        _ => format!("{} is the nearest form that the client names", words(form)),
    };
    let mut cell = cell(outcome, form, &response, sample, text);
    if is_plain {
        cell.word.push_str(", plain layers");
    }
    cell
}

fn refused(response: &Response, text: String) -> Cell {
    Cell {
        outcome: Outcome::Refused,
        word: format!("{}", response.status),
        form: None,
        status: response.status,
        response: shown(&response.headers, &[]),
        text,
    }
}

fn cell(outcome: Outcome, form: Form, response: &Response, sample: &Sample, text: String) -> Cell {
    Cell {
        outcome,
        word: words(form).to_owned(),
        form: Some(form),
        status: response.status,
        response: shown(&response.headers, &sample.documents),
        text,
    }
}

/// The headers that show which manifest it is and how it may be kept. Digests stand for what they are of.
fn shown(headers: &[(&'static str, String)], stored: &[(Digest, Vec<u8>)]) -> Vec<Pair> {
    const SHOWN: [&str; 6] =
        ["content-type", "docker-content-digest", "etag", "vary", "cache-control", "downshift-source-digest"];
    let label = |value: &str| {
        let Some(at) = value.find("sha256:") else { return value.to_owned() };
        let digest: String = value.chars().skip(at).take(71).collect();
        let name = match stored.iter().position(|(stored, _)| stored.as_str() == digest) {
            Some(0) => "sha256:STORED",
            Some(_) => "sha256:CHILD",
            None => "sha256:CONVERTED",
        };
        value.replace(&digest, name)
    };
    let is_shown = |name: &str| SHOWN.contains(&name) || name.contains("source");
    headers
        .iter()
        .filter(|(name, _)| is_shown(name))
        .map(|(name, value)| Pair::new(*name, label(value)))
        .collect()
}
