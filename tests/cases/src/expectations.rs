//! The bytes and digests behind the tables of `outcomes.md`. The tables say what comes, and the images what is in it:
//! the rest is computed here, with the core in this process.

use core::slice;
use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use downshift::answer::{Record, Request, Root};
use downshift::{
    Capabilities, Digest, EMPTY_LAYER, Form, Limits, Permissions, PlainLayers, Platform, Policy,
    UnsignedSchema1, ZstdSupport, jws,
};
use serde_json::Value;

use crate::difference;
use crate::images::{Family, Image, Manifest, REPOSITORY, digest_of, sample};
use crate::implementation::{Answered, Implementation, Native, Outcome};
use crate::layers::facts;
use crate::outcomes::{Cell, Client, Outcomes, title};
use crate::response::{Response, is_refused};

/// How the header begins that says by which keys a source is signed.
const VALID: &str = "valid; key=";

/// The tables as one policy has them.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'o> {
    /// The tables.
    pub outcomes: &'o Outcomes,
    /// The policy.
    pub policy: Policy,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A manifest.
    Manifest(Expected),
    /// An error with this status and, if it is ours, this reason.
    Refusal(u16, Option<String>),
}

/// A manifest that has to come.
#[derive(Clone, Debug)]
pub struct Expected {
    /// Its form.
    pub form: Form,
    /// The digest that is reported.
    pub digest: Digest,
    /// Its exact bytes.
    pub body: Vec<u8>,
    /// Whether it is stored, and was not converted.
    pub is_stored: bool,
    /// The source, or where several give the same, any of these; none if it is not converted.
    pub sources: Vec<Digest>,
    /// What the signatures of that prove, likewise; none if it is not of schema 1.
    pub signatures: Vec<&'static str>,
}

/// Every image that is stored, by its tag.
///
/// # Errors
/// If the sample cannot be converted to schema 1.
pub fn images() -> anyhow::Result<BTreeMap<String, Image>> {
    let [signed, unsigned] = stored_schema1()?;
    let images = [
        ("schema1", signed),
        ("schema1-unsigned", unsigned),
        ("schema2", sample::schema2()),
        ("oci", sample::oci()),
        ("list", sample::list()),
        ("index", sample::index()),
        ("oci-untyped", sample::untyped(sample::oci())),
        ("index-untyped", sample::untyped(sample::index())),
        ("list-of-oci", sample::list_of_oci()),
        ("list-arm64", sample::arm64_only(Family::Docker)),
        ("index-arm64", sample::arm64_only(Family::Oci)),
        ("artifact", sample::artifact()),
        ("surplus-layer", sample::surplus_layer()),
        ("no-history", sample::no_history()),
        ("zstd", sample::zstd()),
        ("zstd-schema2", sample::zstd_schema2()),
        ("zstd-index", sample::zstd_index()),
        ("zstd-list", sample::zstd_list()),
        ("zstd-beside-gzip", sample::zstd_beside_gzip()),
        ("nested-index", sample::nested_index()),
        ("no-platforms", sample::no_platforms()),
        ("variants", sample::variants()),
    ];
    Ok(images.map(|(tag, image)| (tag.to_string(), image)).into())
}

/// An image that was pushed as schema 1, and another one in a store that lost its signature.
fn stored_schema1() -> anyhow::Result<[Image; 2]> {
    let image = sample::schema2();
    let made = |tag| {
        let root = Root::Tag { name: REPOSITORY.to_string(), tag, digest: image.manifest.digest() };
        convert(root, Form::Schema1, ZstdSupport::None, &Platform::linux_amd64(), Policy::Strict, &image)
    };
    let layers: Vec<_> = image.layers.iter().cloned().chain([EMPTY_LAYER.to_vec()]).collect();
    let of = |form, bytes| Image { layers: layers.clone(), ..Image::bare(form, bytes) };
    let signed = made("schema1".to_string())?.body;
    let unsigned = payload(&made("schema1-unsigned".to_string())?.body)?;
    Ok([of(Form::Schema1, signed), of(Form::Schema1Unsigned, unsigned)])
}

/// What the core makes of an image, in this process, for a client that reads zstd so.
fn convert(
    root: Root,
    form: Form,
    zstd: ZstdSupport,
    platform: &Platform,
    policy: Policy,
    image: &Image,
) -> anyhow::Result<Answered> {
    let request = Request {
        root,
        // A list is of schema 2, whatever the one is of that it was made of.
        client: Capabilities::of(if form == Form::List {
            &[Form::List, Form::Schema2]
        } else {
            slice::from_ref(&form)
        })
        .with_zstd(zstd),
        policy,
        allow: Permissions::default(),
        plain_layers: PlainLayers::default(),
        unsigned_schema1: UnsignedSchema1::default(),
        default_platform: platform.clone(),
        time: None,
        limits: Limits::default(),
    };
    match Native.answer(&request, &image.documents()) {
        Outcome::Answered(answered) => Ok(answered),
        refused => bail!("`{form}` cannot be made: {refused:?}"),
    }
}

impl Expectations<'_> {
    /// The cell for a client and an image or form, in the last of the tables with the title `table` that has it.
    ///
    /// # Errors
    /// If the tables do not say.
    pub fn find(&self, table: &str, client: &str, column: &str) -> anyhow::Result<&Cell> {
        let with_reference = [table, title::REFERENCE_POLICY].concat();
        let titles: &[&str] = match self.policy {
            Policy::Strict => &[table],
            Policy::Reference => &[table, &with_reference],
        };
        let cell = self.outcomes.find(titles, client, column);
        cell.with_context(|| format!("the tables say nothing about `{column}`"))
    }

    /// The answer to a request for the tag of an image.
    ///
    /// # Errors
    /// If the image cannot give what the cell says.
    pub fn by_tag(&self, tag: &str, image: &Image, cell: &Cell) -> anyhow::Result<Answer> {
        let root = &image.manifest;
        let stored = |manifest: &Manifest| {
            Ok(Answer::Manifest(Expected {
                form: manifest.form,
                digest: digest_of(manifest.form, &manifest.bytes)?,
                body: manifest.bytes.clone(),
                is_stored: true,
                sources: Vec::new(),
                signatures: Vec::new(),
            }))
        };
        match cell {
            Cell::Same => stored(root),
            Cell::Child(platform) => stored(child(image, platform)?),
            Cell::ZstdChild(platform) => stored(children(image, platform)?.0),
            Cell::Refused(status, reason) => Ok(Answer::Refusal(*status, reason.clone())),
            Cell::Signed => self.converted(tag, image, Form::Schema1, &Platform::linux_amd64()),
            Cell::Unsigned => self.converted(tag, image, Form::Schema1Unsigned, &Platform::linux_amd64()),
            Cell::Converted(form, platform) => self.converted(tag, image, *form, platform),
            Cell::Plain(form, platform) => {
                let answered = self.convert_plain(tag, image, *form, platform)?;
                Ok(self.expected(*form, image, answered))
            }
        }
    }

    fn converted(&self, tag: &str, image: &Image, form: Form, platform: &Platform) -> anyhow::Result<Answer> {
        Ok(self.expected(form, image, self.convert(tag, image, form, platform)?))
    }

    fn expected(&self, form: Form, image: &Image, answered: Answered) -> Answer {
        // Distribution signs with a key of its own what it serves, whoever had signed that before.
        let signatures = match image.manifest.form {
            Form::Schema1 if !form.is_schema1() => [VALID].into(),
            Form::Schema1Unsigned if !form.is_schema1() => ["none", VALID].into(),
            _ => Vec::new(),
        };
        Answer::Manifest(Expected {
            form,
            signatures,
            digest: answered.digest,
            body: answered.body,
            is_stored: false,
            sources: answered.source.map_or_else(Vec::new, |source| sources_of(image, source)),
        })
    }

    fn convert(&self, tag: &str, image: &Image, form: Form, platform: &Platform) -> anyhow::Result<Answered> {
        // The reference policy has no platform but one; that of a client is told by the table all the same.
        let picked = match (image.manifest.form.is_index(), form.is_index()) {
            (true, false) => child(image, platform)?,
            _ => &image.manifest,
        };
        let root = Root::Tag { name: REPOSITORY.to_string(), tag: tag.to_string(), digest: picked.digest() };
        // Engines that take a list take what they can read of it.
        let zstd = if form == Form::List { ZstdSupport::None } else { ZstdSupport::All };
        convert(root, form, zstd, platform, self.policy, image)
    }

    /// The image with plain layers: each is the tar that reading the stored one gives.
    fn convert_plain(
        &self,
        tag: &str,
        image: &Image,
        form: Form,
        platform: &Platform,
    ) -> anyhow::Result<Answered> {
        let picked =
            if image.manifest.form.is_index() { children(image, platform)?.0 } else { &image.manifest };
        let root = Root::Tag { name: REPOSITORY.to_string(), tag: tag.to_string(), digest: picked.digest() };
        let answered = convert(root, form, ZstdSupport::None, platform, self.policy, image)?;
        let stored: Value = serde_json::from_slice(&picked.bytes)?;
        let stored = stored["layers"].as_array().context("it has no layers")?;
        ensure!(answered.layers.len() == stored.len(), "layers are not plain: {answered:?}");
        let text = String::from_utf8(payload(&answered.body)?)?;
        for layer in stored {
            let digest: Digest = layer["digest"].as_str().context("a digest is missing")?.parse()?;
            let documents = image.documents();
            let facts = facts(documents.get(&digest).context("a layer is missing")?)?;
            let is_named = text.contains(facts.diff_id.as_str()) && !text.contains(digest.as_str());
            ensure!(is_named, "`{digest}` does not go by its diff id: {text}");
        }
        Ok(answered)
    }

    /// The answer to a request for the digest of a stored manifest.
    ///
    /// # Errors
    /// If the image cannot give what the cell says.
    pub fn by_digest(
        &self,
        image: &Image,
        manifest: &Manifest,
        cell: &Cell,
        digest: &Digest,
    ) -> anyhow::Result<Answer> {
        let (form, body) = match cell {
            Cell::Same => (manifest.form, manifest.bytes.clone()),
            Cell::Signed => {
                let root = Root::Digest {
                    name: REPOSITORY.to_string(),
                    digest: manifest.digest(),
                    tag: None,
                    record: None,
                };
                let platform = Platform::linux_amd64();
                let zstd = ZstdSupport::None;
                (Form::Schema1, convert(root, Form::Schema1, zstd, &platform, self.policy, image)?.body)
            }
            Cell::Unsigned => {
                let payload = payload(&manifest.bytes)?;
                // A folder has the signed bytes under a digest of their own, which no others have.
                let is_of_payload = Digest::of(&payload) == *digest;
                if is_of_payload {
                    (Form::Schema1Unsigned, payload)
                } else {
                    (manifest.form, manifest.bytes.clone())
                }
            }
            Cell::Refused(status, reason) => return Ok(Answer::Refusal(*status, reason.clone())),
            Cell::Child(_) | Cell::ZstdChild(_) | Cell::Converted(..) | Cell::Plain(..) => {
                bail!("a digest gives nothing else")
            }
        };
        Ok(Answer::Manifest(Expected {
            form,
            digest: digest.clone(),
            body,
            is_stored: true,
            sources: Vec::new(),
            signatures: Vec::new(),
        }))
    }

    /// Every digest that is reported to anybody for something converted from an image: its record, and its document.
    ///
    /// # Errors
    /// If the image cannot give what the tables say.
    pub fn reported(&self, tag: &str, image: &Image) -> anyhow::Result<BTreeMap<Digest, (Record, Vec<u8>)>> {
        let mut reported = BTreeMap::new();
        for client in &self.outcomes.clients {
            let cell = self.find(title::BY_TAG, &client.name, tag)?;
            if let Cell::Converted(form, platform) | Cell::Plain(form, platform) = cell {
                let form = if form.is_schema1() { Form::Schema1 } else { *form };
                let answered = match cell {
                    Cell::Plain(..) => self.convert_plain(tag, image, form, platform)?,
                    _ => self.convert(tag, image, form, platform)?,
                };
                // Configs are no manifests.
                for record in answered.records.into_iter().filter(|record| !record.is_config()) {
                    let body = match form {
                        Form::Schema1 => answered.body.clone(),
                        _ => record.payload.clone(),
                    };
                    reported.insert(record.digest.clone(), (record, body));
                }
            }
        }
        Ok(reported)
    }

    /// The answer to a request for a digest that was reported: that of `record`, which `body` belongs to.
    ///
    /// # Errors
    /// If the tables do not say.
    pub fn by_reported_digest(
        &self,
        client: &Client,
        tag: &str,
        image: &Image,
        record: Record,
        body: Vec<u8>,
        sources: Vec<Digest>,
    ) -> anyhow::Result<Answer> {
        let manifest = Manifest { form: record.form, bytes: record.payload.clone() };
        let cell = match self.find(title::BY_REPORTED_DIGEST, &client.name, record.form.name())? {
            // What is in it counts as in what is stored.
            Cell::Same if manifest.has_zstd() => {
                self.find(title::BY_STORED_DIGEST, &client.name, column(&manifest))?
            }
            cell => cell,
        };
        let (form, body) = match cell {
            Cell::Same => (record.form, body),
            Cell::Unsigned => (Form::Schema1Unsigned, record.payload),
            Cell::Refused(status, reason) => {
                // Where there is no digest to use instead the reason is that of the image.
                let of_image = self.find(title::BY_STORED_DIGEST, &client.name, tag)?;
                let is_whole = record.form.is_index() == image.manifest.form.is_index();
                let (status, reason) = match of_image {
                    Cell::Refused(status, reason) if is_whole => (status, reason),
                    _ => (status, reason),
                };
                return Ok(Answer::Refusal(*status, reason.clone()));
            }
            Cell::Signed | Cell::Child(_) | Cell::ZstdChild(_) | Cell::Converted(..) | Cell::Plain(..) => {
                bail!("a digest gives nothing else")
            }
        };
        // The same is made of signed schema 1 and of unsigned.
        let signatures = match record.signature {
            Some(_) => [VALID, "none"].into(),
            None => Vec::new(),
        };
        Ok(Answer::Manifest(Expected {
            form,
            digest: record.digest,
            body,
            is_stored: false,
            sources,
            signatures,
        }))
    }

    /// Asks with every method and under every condition. `kind` is `tag` or `digest`; `ask` takes a method and the
    /// value of `If-None-Match`. Where `is_signed_anew`, the signature is not the one that is expected.
    ///
    /// # Errors
    /// If something else comes.
    pub fn check(
        &self,
        kind: &str,
        answer: &Answer,
        is_signed_anew: bool,
        ask: &dyn Fn(&str, Option<&str>) -> anyhow::Result<Response>,
    ) -> anyhow::Result<()> {
        let get = ask("GET", None)?;
        match answer {
            Answer::Manifest(expected) => {
                expected.check(&get, is_signed_anew)?;
                self.check_headers(&get, kind, "manifest")?;
                let source = get.header("downshift-source-digest");
                let sources = &expected.sources;
                let is_expected = match source {
                    Some(source) => sources.iter().any(|expected| expected.as_str() == source),
                    None => sources.is_empty(),
                };
                ensure!(is_expected, "the source is {source:?} and none of {sources:?}: {get:?}");
                let signature = get.header("downshift-source-signature");
                let signatures = &expected.signatures;
                let is_expected = match signature {
                    Some(signature) => signatures.iter().any(|expected| signature.starts_with(expected)),
                    None => signatures.is_empty(),
                };
                ensure!(is_expected, "the signature is {signature:?} and none of {signatures:?}: {get:?}");
            }
            Answer::Refusal(status, None) => {
                ensure!(get.status == *status, "the status is not {status}: {get:?}");
            }
            Answer::Refusal(status, Some(reason)) => {
                is_refused(&get, *status, reason)?;
                self.check_headers(&get, "either", "refusal")?;
            }
        }
        is_head_of(&ask("HEAD", None)?, &get)?;
        for (condition, status) in &self.outcomes.conditions {
            let Some(condition) = condition else { continue };
            match answer {
                Answer::Manifest(expected) => {
                    let condition = condition.replace("DIGEST", expected.digest.as_str());
                    for method in ["GET", "HEAD"] {
                        repeats(&ask(method, Some(&condition))?, *status, method, &get)
                            .with_context(|| format!("{method} with `If-None-Match: {condition}`"))?;
                    }
                }
                Answer::Refusal(..) => {
                    let again = ask("GET", Some(condition))?;
                    ensure!(again.body == get.body, "a refusal depends on `{condition}`: {again:?}");
                }
            }
        }
        Ok(())
    }

    fn check_headers(&self, response: &Response, kind: &str, answer: &str) -> anyhow::Result<()> {
        let [cache_control, vary] = self.outcomes.headers(kind, answer)?;
        has(response, "cache-control", cache_control.as_deref())?;
        has(response, "vary", vary.as_deref())
    }
}

impl Expected {
    /// Checks what every registry has to say of a manifest, and its bytes: where it `is_signed_anew`, its payload.
    ///
    /// # Errors
    /// If something else comes.
    pub fn check(&self, response: &Response, is_signed_anew: bool) -> anyhow::Result<()> {
        let Self { form, digest, body, .. } = self;
        ensure!(response.status == 200, "`{form}` does not come: {response:?}");
        has(response, "content-type", Some(form.media_type()))?;
        has(response, "docker-content-digest", Some(digest.as_str()))?;
        has(response, "etag", Some(&format!("\"{digest}\"")))?;
        has(response, "docker-distribution-api-version", Some("registry/2.0"))?;
        if !is_signed_anew {
            return difference::compare("manifest", body, &response.body);
        }
        let document = jws::parse(&response.body, &Limits::default())?;
        ensure!(downshift_sign::verify(&document).is_valid(), "the signature does not hold");
        difference::compare("payload", &payload(body)?, &document.payload)
    }
}

/// Checks that a response to HEAD has what that to GET had, but for the body.
///
/// # Errors
/// If something else comes.
pub fn is_head_of(head: &Response, get: &Response) -> anyhow::Result<()> {
    let is_same = head.status == get.status && lasting_headers(head) == lasting_headers(get);
    ensure!(is_same, "HEAD differs: {head:?}");
    Ok(())
}

fn has(response: &Response, name: &str, value: Option<&str>) -> anyhow::Result<()> {
    let actual = response.header(name);
    ensure!(actual == value, "`{name}` is {actual:?} and not {value:?}: {response:?}");
    Ok(())
}

/// Checks what comes again against what came before: all of it, or that nothing has changed.
fn repeats(again: &Response, status: u16, method: &str, get: &Response) -> anyhow::Result<()> {
    ensure!(again.status == status, "it is not {status}: {again:?}");
    if status == 200 {
        ensure!(lasting_headers(again) == lasting_headers(get), "the headers differ: {again:?}");
        ensure!(method == "HEAD" || again.body == get.body, "the body differs: {again:?}");
        return Ok(());
    }
    // RFC 9110, 15.4.5, and Docker's own header.
    for name in ["etag", "vary", "docker-content-digest", "cache-control"] {
        has(again, name, get.header(name))?;
    }
    Ok(())
}

/// The headers but for those that are of one exchange only.
fn lasting_headers(response: &Response) -> Vec<&(String, String)> {
    response.headers.iter().filter(|(name, _)| name != "date" && name != "x-request-id").collect()
}

/// The digests by which the source of what is made of an image may be named: registries know signed schema 1 by that of its
/// payload, stores by that of its file.
#[must_use]
pub fn sources_of(image: &Image, source: Digest) -> Vec<Digest> {
    let payload = Some(&image.manifest).filter(|manifest| manifest.digest() == source);
    let payload = payload.and_then(|manifest| digest_of(manifest.form, &manifest.bytes).ok());
    payload.into_iter().chain([source]).collect()
}

/// The manifest for `platform` that a list or index has: the first, but before one whose layers are compressed with
/// zstd one whose are not.
///
/// # Errors
/// If there is none.
pub fn child<'i>(image: &'i Image, platform: &Platform) -> anyhow::Result<&'i Manifest> {
    let (zstd, other) = children(image, platform)?;
    Ok(other.unwrap_or(zstd))
}

/// The first manifest for `platform`, and the first whose layers are not compressed with zstd.
fn children<'i>(
    image: &'i Image,
    platform: &Platform,
) -> anyhow::Result<(&'i Manifest, Option<&'i Manifest>)> {
    let mut found = Vec::new();
    let indexes = image.children.iter().filter(|child| child.form.is_index());
    for index in core::iter::once(&image.manifest).chain(indexes) {
        let index: Value = serde_json::from_slice(&index.bytes)?;
        for entry in index["manifests"].as_array().context("it lists nothing")? {
            let listed = |child: &&Manifest| entry["digest"] == *child.digest().as_str();
            let manifest = image.children.iter().find(listed).context("it lists what is not there")?;
            let own = match &entry["platform"] {
                Value::Null => config(image, manifest)?,
                own => own.clone(),
            };
            let is_for = own["os"] == *platform.os
                && own["architecture"] == *platform.architecture
                && own["variant"].as_str() == platform.variant.as_deref();
            if is_for && !manifest.form.is_index() {
                found.push(manifest);
            }
        }
    }
    let first = found.first().with_context(|| format!("there is nothing for {platform}"))?;
    Ok((first, found.iter().find(|manifest| !manifest.has_zstd()).copied()))
}

/// The config of a manifest; null if it has none.
fn config(image: &Image, manifest: &Manifest) -> anyhow::Result<Value> {
    let manifest: Value = serde_json::from_slice(&manifest.bytes)?;
    let named = |config: &&Vec<u8>| manifest["config"]["digest"] == *Digest::of(config).as_str();
    image.configs.iter().find(named).map_or(Ok(Value::Null), |config| Ok(serde_json::from_slice(config)?))
}

/// The column of the tables by digest that is for a manifest as such.
#[must_use]
pub fn column(manifest: &Manifest) -> &'static str {
    match (manifest.form, manifest.has_zstd()) {
        (Form::Schema2, true) => "zstd-schema2",
        (Form::Oci, true) => "zstd",
        (form, _) => form.name(),
    }
}

/// The payload of schema 1, signed or not.
fn payload(manifest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let parsed = jws::parse(manifest, &Limits::default());
    Ok(parsed.map_or_else(|_| manifest.to_vec(), |document| document.payload))
}
