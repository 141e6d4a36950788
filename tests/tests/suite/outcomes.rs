//! What every client gets of every stored image, by tag and by digest: the tables of `tests/cases/outcomes.md`.
//!
//! The tables say what comes, and the images what is in it: bytes and digests are computed here, with the core in this
//! process. The same cases are put to our server and to the reference.

use core::fmt::Display;
use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, bail, ensure};
use downshift::answer::{Record, Request, Root};
use downshift::{Capabilities, Digest, EMPTY_LAYER, Form, Limits, Platform, Policy, jws};
use downshift_tests::difference;
use downshift_tests::fixed_key::FixedKey;
use downshift_tests::front::{Engine, Front, REPOSITORY, digest_of, is_refused, manifest_path};
use downshift_tests::http::{self, Response};
use downshift_tests::images::{Family, Image, Manifest, sample};
use downshift_tests::implementation::{Answered, Implementation, Native, Outcome};
use downshift_tests::outcomes::{Cell, Client, Outcomes, title};
use downshift_tests::programs::{DOCKER_REGISTRY, case, case_with};
use downshift_tests::registry::Registry;
use libtest_mimic::Trial;
use tempfile::TempDir;

/// How many problems of one case are told.
const TOLD: usize = 20;

/// Who answers.
#[derive(Clone, Copy, Debug)]
enum Site {
    /// Our server, with a store.
    Store(Engine, Policy),
    /// Our server, in front of the reference.
    Upstream(Engine, Policy),
    /// The reference.
    Distribution,
}

pub(crate) fn trials(engine: Engine) -> anyhow::Result<Vec<Trial>> {
    let outcomes = Arc::new(Outcomes::read()?);
    let mut trials = Vec::new();
    for policy in [Policy::Strict, Policy::Reference] {
        if !engine.is_worker {
            trials.extend(trials_at(Site::Store(engine, policy), &outcomes));
        }
        trials.extend(trials_at(Site::Upstream(engine, policy), &outcomes));
    }
    Ok(trials)
}

/// The same cases, put to the reference.
pub(crate) fn reference_trials() -> anyhow::Result<Vec<Trial>> {
    Ok(trials_at(Site::Distribution, &Arc::new(Outcomes::read()?)))
}

/// The cases of one server, which is started for the first of them and ends with the last.
fn trials_at(site: Site, outcomes: &Arc<Outcomes>) -> Vec<Trial> {
    let bench = Arc::new(Bench { site, outcomes: Arc::clone(outcomes), running: OnceLock::new() });
    let prefix = match site {
        Site::Store(engine, policy) => format!("{}::front::outcomes::{policy}", engine.name),
        Site::Upstream(engine, policy) => format!("{}::upstream::outcomes::{policy}", engine.name),
        Site::Distribution => "reference::outcomes".to_string(),
    };
    let trial =
        |name: String, run: fn(&Running, &Client, &Case<'_>) -> anyhow::Result<Problems>, client: &Client| {
            let (bench, client) = (Arc::clone(&bench), client.clone());
            let run = move || {
                let running = bench.running()?;
                let case = Case { site: bench.site, outcomes: &bench.outcomes };
                run(running, &client, &case)?.into_result()
            };
            match site {
                Site::Store(..) => case(name, run),
                Site::Upstream(engine, _) => case_with(engine.programs(&[DOCKER_REGISTRY]), name, run),
                Site::Distribution => case_with([DOCKER_REGISTRY], name, run),
            }
        };
    let mut trials = Vec::new();
    for client in &outcomes.clients {
        trials.push(trial(format!("{prefix}::by_tag::{}", client.name), by_tag, client));
        if outcomes.find(&[title::BY_STORED_DIGEST], &client.name, "schema2").is_some() {
            trials.push(trial(format!("{prefix}::by_digest::{}", client.name), by_digest, client));
        }
    }
    trials
}

/// Where the cases of one server meet.
struct Bench {
    site: Site,
    outcomes: Arc<Outcomes>,
    running: OnceLock<Result<Running, String>>,
}

/// A server with all the images.
struct Running {
    address: SocketAddr,
    images: BTreeMap<String, Image>,
    _server: Server,
}

/// What ends with this value.
enum Server {
    Ours { _front: Box<Front>, _key: TempDir },
    // Dropped in this order.
    Between { _front: Box<Front>, _key: TempDir, _registry: Registry },
    Distribution { _registry: Registry },
}

/// What a case is checked by.
struct Case<'a> {
    site: Site,
    outcomes: &'a Outcomes,
}

/// A manifest that has to come.
struct Expected {
    form: Form,
    digest: Digest,
    body: Vec<u8>,
    /// Whether the signature is another one each time.
    signed_anew: bool,
    /// The source, or where several give the same, any of these; none if it is not converted.
    sources: Vec<Digest>,
    /// Whether the list or index that is asked for has others for other platforms.
    by_platform: bool,
}

/// What has to come.
enum Answer {
    Manifest(Expected),
    Refusal(u16, Option<String>),
}

impl Bench {
    fn running(&self) -> anyhow::Result<&Running> {
        let start = || Running::start(self.site, &self.outcomes).map_err(|error| format!("{error:#}"));
        self.running.get_or_init(start).as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }
}

impl Running {
    fn start(site: Site, outcomes: &Outcomes) -> anyhow::Result<Self> {
        let mut images = images()?;
        ensure!(
            images.keys().eq(outcomes.images.iter().collect::<std::collections::BTreeSet<_>>()),
            "the file lists other images"
        );
        let (address, server) = match site {
            Site::Store(engine, policy) => {
                let (key, file) = fixed_key()?;
                let policy = policy.to_string();
                let tagged: Vec<_> =
                    images.iter().map(|(tag, image)| (tag.as_str(), image.clone())).collect();
                let front = Front::start_with(engine, &["--policy", &policy, "--key", &file], &tagged)?;
                (front.address(), Server::Ours { _front: Box::new(front), _key: key })
            }
            Site::Upstream(engine, policy) => {
                let registry = distribution(&mut images)?;
                let (key, file) = fixed_key()?;
                let arguments = ["--policy", &policy.to_string(), "--key", &file];
                let front = Front::start_before(engine, &arguments, &registry)?;
                (front.address(), Server::Between { _front: Box::new(front), _key: key, _registry: registry })
            }
            Site::Distribution => {
                let registry = distribution(&mut images)?;
                let address = registry.host().parse()?;
                (address, Server::Distribution { _registry: registry })
            }
        };
        let running = Self { address, images, _server: server };
        // What is reported to one client may be asked for by another.
        for client in &outcomes.clients {
            for tag in running.images.keys() {
                running.ask("GET", tag, client, None)?;
            }
        }
        Ok(running)
    }

    fn ask(
        &self,
        method: &str,
        reference: &str,
        client: &Client,
        condition: Option<&str>,
    ) -> anyhow::Result<Response> {
        let mut headers = client.headers();
        headers.extend(condition.map(|value| ("If-None-Match", value)));
        http::send(self.address, method, &manifest_path(reference), &headers)
    }
}

/// The reference with all images that it takes.
fn distribution(images: &mut BTreeMap<String, Image>) -> anyhow::Result<Registry> {
    // It takes no schema 1 without a signature.
    images.remove(Form::Schema1Unsigned.name());
    let registry = Registry::start()?;
    for (tag, image) in images {
        registry.push(REPOSITORY, tag, image).with_context(|| tag.clone())?;
    }
    Ok(registry)
}

/// A file with the key that the expectations are signed with.
fn fixed_key() -> anyhow::Result<(TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("key.pem");
    fs::write(&file, FixedKey::read()?.pem())?;
    let file = file.display().to_string();
    Ok((folder, file))
}

/// Every image that is stored, by its tag.
fn images() -> anyhow::Result<BTreeMap<String, Image>> {
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
    ];
    Ok(images.map(|(tag, image)| (tag.to_string(), image)).into())
}

/// An image that was pushed as schema 1, and another one in a store that lost its signature.
fn stored_schema1() -> anyhow::Result<[Image; 2]> {
    let image = sample::schema2();
    let made = |tag| {
        let root = Root::Tag { name: REPOSITORY.to_string(), tag, digest: image.manifest.digest() };
        convert(root, Form::Schema1, &Platform::linux_amd64(), Policy::Strict, &image)
    };
    let layers: Vec<_> = image.layers.iter().cloned().chain([EMPTY_LAYER.to_vec()]).collect();
    let of = |form, bytes| Image { layers: layers.clone(), ..Image::bare(form, bytes) };
    let signed = made("schema1".to_string())?.body;
    let unsigned = payload(&made("schema1-unsigned".to_string())?.body)?;
    Ok([of(Form::Schema1, signed), of(Form::Schema1Unsigned, unsigned)])
}

/// What the core makes of an image, in this process.
fn convert(
    root: Root,
    form: Form,
    platform: &Platform,
    policy: Policy,
    image: &Image,
) -> anyhow::Result<Answered> {
    let request = Request {
        root,
        client: Capabilities::of(&[form]),
        policy,
        default_platform: platform.clone(),
        time: None,
        limits: Limits::default(),
    };
    match Native.answer(&request, &image.documents()) {
        Outcome::Answered(answered) => Ok(answered),
        refused => bail!("`{form}` cannot be made: {refused:?}"),
    }
}

fn by_tag(running: &Running, client: &Client, case: &Case<'_>) -> anyhow::Result<Problems> {
    let mut problems = Problems::default();
    for (tag, image) in &running.images {
        let cell = &case.by_tag(client, tag, image)?;
        let answer = case.answer_by_tag(tag, image, cell).with_context(|| tag.clone())?;
        problems.note(tag, case.check(running, client, "tag", tag, &answer));
    }
    Ok(problems)
}

fn by_digest(running: &Running, client: &Client, case: &Case<'_>) -> anyhow::Result<Problems> {
    let mut problems = Problems::default();
    // One manifest may be made of several.
    let mut sources: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    for (tag, image) in &running.images {
        for (digest, (record, _)) in case.reported(tag, image)? {
            sources.entry(digest).or_default().push(record.source);
        }
    }
    for (tag, image) in &running.images {
        let cell = &case.by_stored_digest(client, tag, &image.manifest)?;
        for digest in case.stored_digests(&image.manifest)? {
            let answer = case.answer_by_digest(image, &image.manifest, cell, &digest)?;
            problems.note(tag, case.check(running, client, "digest", digest.as_str(), &answer));
        }
        for child in &image.children {
            let cell = &case.by_stored_digest(client, child.form.name(), child)?;
            let answer = case.answer_by_digest(image, child, cell, &child.digest())?;
            problems.note(tag, case.check(running, client, "digest", child.digest().as_str(), &answer));
        }
        for (digest, (record, body)) in case.reported(tag, image)? {
            let sources = sources.get(&digest).cloned().unwrap_or_default();
            let answer = case.answer_by_reported_digest(client, tag, image, record, body, sources)?;
            problems.note(tag, case.check(running, client, "digest", digest.as_str(), &answer));
        }
    }
    Ok(problems)
}

impl Case<'_> {
    fn by_tag(&self, client: &Client, tag: &str, image: &Image) -> anyhow::Result<Cell> {
        let cell = self.find(title::BY_TAG, &client.name, tag)?;
        if !matches!(self.site, Site::Distribution) {
            return Ok(cell.clone());
        }
        let distribution = self.distribution_by_tag(client, tag, image)?;
        let is_refused = |cell: &Cell| matches!(cell, Cell::Refused(..));
        let agrees = *cell == distribution || is_refused(cell) && is_refused(&distribution);
        ensure!(
            agrees || !client.is_real || image.has_oci(),
            "`{}` gets {distribution:?} of `{tag}` from Distribution, and not {cell:?}",
            client.name
        );
        Ok(distribution)
    }

    fn by_stored_digest(&self, client: &Client, name: &str, manifest: &Manifest) -> anyhow::Result<Cell> {
        match self.site {
            Site::Distribution if is_hidden(client, manifest) => Ok(Cell::Refused(404, None)),
            Site::Distribution => Ok(Cell::Same),
            _ => self.find(title::BY_STORED_DIGEST, &client.name, name).cloned(),
        }
    }

    /// What Distribution 2.8 has for a tag, by its own rules: parameters of media types, wildcards and User-Agent are
    /// nothing to it, OCI is for those alone who name it, and all others are expected to have one platform.
    fn distribution_by_tag(&self, client: &Client, tag: &str, image: &Image) -> anyhow::Result<Cell> {
        let amd64 = Platform::linux_amd64();
        // What it converts, it converts for everybody in the same way.
        let converted = || self.find(title::BY_TAG, "no-headers", tag).cloned();
        let manifest = &image.manifest;
        match manifest.form {
            _ if is_hidden(client, manifest) => Ok(Cell::Refused(404, None)),
            Form::Schema2 if !client.names(Form::Schema2) => converted(),
            Form::List if !client.names(Form::List) => match child(image, &amd64) {
                Err(_) => Ok(Cell::Refused(404, None)),
                Ok(child) if child.form == Form::Schema2 && !client.names(Form::Schema2) => converted(),
                Ok(_) => Ok(Cell::Child(amd64)),
            },
            _ => Ok(Cell::Same),
        }
    }

    fn find(&self, table: &str, client: &str, column: &str) -> anyhow::Result<&Cell> {
        let with_reference = [table, title::REFERENCE_POLICY].concat();
        let titles: &[&str] = match self.policy() {
            Policy::Strict => &[table],
            Policy::Reference => &[table, &with_reference],
        };
        let cell = self.outcomes.find(titles, client, column);
        cell.with_context(|| format!("the tables say nothing about `{column}`"))
    }

    /// Whether stored schema 1 has another signature each time.
    fn is_signed_anew(&self) -> bool {
        matches!(self.site, Site::Upstream(..) | Site::Distribution)
    }

    fn policy(&self) -> Policy {
        match self.site {
            Site::Store(_, policy) | Site::Upstream(_, policy) => policy,
            Site::Distribution => Policy::Reference,
        }
    }

    /// The digests that a stored manifest has: of signed schema 1 that of its payload, and with us that of its file.
    fn stored_digests(&self, manifest: &Manifest) -> anyhow::Result<Vec<Digest>> {
        let mut digests = vec![digest_of(manifest.form, &manifest.bytes)?];
        if manifest.form == Form::Schema1 && matches!(self.site, Site::Store(..)) {
            digests.push(manifest.digest());
        }
        Ok(digests)
    }

    fn answer_by_tag(&self, tag: &str, image: &Image, cell: &Cell) -> anyhow::Result<Answer> {
        let root = &image.manifest;
        let by_platform = root.form.is_index();
        let stored = |manifest: &Manifest| {
            Ok(Answer::Manifest(Expected {
                form: manifest.form,
                digest: digest_of(manifest.form, &manifest.bytes)?,
                body: manifest.bytes.clone(),
                signed_anew: manifest.form == Form::Schema1 && self.is_signed_anew(),
                sources: Vec::new(),
                by_platform,
            }))
        };
        match cell {
            Cell::Same => stored(root),
            Cell::Child(platform) => stored(child(image, platform)?),
            Cell::Refused(status, reason) => Ok(Answer::Refusal(*status, reason.clone())),
            Cell::Signed => self.converted(tag, image, Form::Schema1, &Platform::linux_amd64()),
            Cell::Unsigned => self.converted(tag, image, Form::Schema1Unsigned, &Platform::linux_amd64()),
            Cell::Converted(form, platform) => self.converted(tag, image, *form, platform),
        }
    }

    fn converted(&self, tag: &str, image: &Image, form: Form, platform: &Platform) -> anyhow::Result<Answer> {
        let answered = self.convert(tag, image, form, platform)?;
        Ok(Answer::Manifest(Expected {
            form,
            digest: answered.digest,
            body: answered.body,
            signed_anew: form == Form::Schema1 && matches!(self.site, Site::Distribution),
            sources: answered.source.into_iter().collect(),
            by_platform: image.manifest.form.is_index(),
        }))
    }

    fn convert(&self, tag: &str, image: &Image, form: Form, platform: &Platform) -> anyhow::Result<Answered> {
        // The reference policy has no platform but one; that of a client is told by the table all the same.
        let picked = match (image.manifest.form.is_index(), form.is_index()) {
            (true, false) => child(image, platform)?,
            _ => &image.manifest,
        };
        let (name, tag) = (REPOSITORY.to_string(), tag.to_string());
        convert(Root::Tag { name, tag, digest: picked.digest() }, form, platform, self.policy(), image)
    }

    fn answer_by_digest(
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
                (Form::Schema1, convert(root, Form::Schema1, &platform, self.policy(), image)?.body)
            }
            Cell::Unsigned => (Form::Schema1Unsigned, payload(&manifest.bytes)?),
            Cell::Refused(status, reason) => return Ok(Answer::Refusal(*status, reason.clone())),
            Cell::Child(_) | Cell::Converted(..) => bail!("a digest gives nothing else"),
        };
        Ok(Answer::Manifest(Expected {
            form,
            digest: digest.clone(),
            body,
            signed_anew: form == Form::Schema1 && self.is_signed_anew(),
            sources: Vec::new(),
            by_platform: form.is_index(),
        }))
    }

    /// Every digest that is reported to anybody for something converted from an image: its record, and its document.
    fn reported(&self, tag: &str, image: &Image) -> anyhow::Result<BTreeMap<Digest, (Record, Vec<u8>)>> {
        let mut reported = BTreeMap::new();
        for client in &self.outcomes.clients {
            if let Cell::Converted(form, platform) = self.find(title::BY_TAG, &client.name, tag)? {
                let form = if form.is_schema1() { Form::Schema1 } else { *form };
                let answered = self.convert(tag, image, form, platform)?;
                for record in answered.records {
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

    fn answer_by_reported_digest(
        &self,
        client: &Client,
        tag: &str,
        image: &Image,
        record: Record,
        body: Vec<u8>,
        sources: Vec<Digest>,
    ) -> anyhow::Result<Answer> {
        if matches!(self.site, Site::Distribution) {
            // It forgets what it has reported.
            return Ok(Answer::Refusal(404, None));
        }
        let (form, body) = match self.find(title::BY_REPORTED_DIGEST, &client.name, record.form.name())? {
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
            Cell::Signed | Cell::Child(_) | Cell::Converted(..) => bail!("a digest gives nothing else"),
        };
        Ok(Answer::Manifest(Expected {
            form,
            digest: record.digest,
            body,
            signed_anew: false,
            sources,
            by_platform: form.is_index(),
        }))
    }

    /// Asks for `reference` with every method and under every condition.
    fn check(
        &self,
        running: &Running,
        client: &Client,
        kind: &str,
        reference: &str,
        answer: &Answer,
    ) -> anyhow::Result<()> {
        let get = running.ask("GET", reference, client, None)?;
        match answer {
            Answer::Manifest(expected) => self.is_expected(&get, kind, expected)?,
            Answer::Refusal(status, reason) => self.is_refusal(&get, *status, reason.as_deref())?,
        }
        let head = running.ask("HEAD", reference, client, None)?;
        ensure!(
            head.status == get.status && lasting_headers(&head) == lasting_headers(&get),
            "HEAD differs: {head:?}"
        );
        if matches!(self.site, Site::Distribution) {
            return Ok(());
        }
        for (condition, status) in &self.outcomes.conditions {
            let Some(condition) = condition else { continue };
            match answer {
                Answer::Manifest(expected) => {
                    let condition = condition.replace("DIGEST", expected.digest.as_str());
                    for method in ["GET", "HEAD"] {
                        let again = running.ask(method, reference, client, Some(&condition))?;
                        repeats(&again, *status, method, &get)
                            .with_context(|| format!("{method} with `If-None-Match: {condition}`"))?;
                    }
                }
                Answer::Refusal(..) => {
                    let again = running.ask("GET", reference, client, Some(condition))?;
                    ensure!(again.body == get.body, "a refusal depends on `{condition}`: {again:?}");
                }
            }
        }
        Ok(())
    }

    fn is_expected(&self, response: &Response, kind: &str, expected: &Expected) -> anyhow::Result<()> {
        let Expected { form, digest, body, signed_anew, sources, by_platform } = expected;
        ensure!(response.status == 200, "`{form}` does not come: {response:?}");
        has(response, "content-type", Some(form.media_type()))?;
        has(response, "docker-content-digest", Some(digest.as_str()))?;
        has(response, "etag", Some(&format!("\"{digest}\"")))?;
        has(response, "docker-distribution-api-version", Some("registry/2.0"))?;
        if *signed_anew {
            let document = jws::parse(&response.body, &Limits::default())?;
            ensure!(downshift_sign::verify(&document).is_valid(), "the signature does not hold");
            difference::compare("payload", &payload(body)?, &document.payload)?;
        } else {
            difference::compare("manifest", body, &response.body)?;
        }
        if matches!(self.site, Site::Distribution) {
            return Ok(());
        }
        let answer = if *by_platform { "list or index" } else { "image" };
        let [cache_control, vary] = self.outcomes.headers(kind, answer)?;
        has(response, "cache-control", cache_control.as_deref())?;
        has(response, "vary", vary.as_deref())?;
        let source = response.header("downshift-source-digest");
        let is_expected = match source {
            Some(source) => sources.iter().any(|expected| expected.as_str() == source),
            None => sources.is_empty(),
        };
        ensure!(is_expected, "the source is {source:?} and none of {sources:?}: {response:?}");
        Ok(())
    }

    fn is_refusal(&self, response: &Response, status: u16, reason: Option<&str>) -> anyhow::Result<()> {
        let Some(reason) = reason else {
            ensure!(response.status == status, "the status is not {status}: {response:?}");
            return Ok(());
        };
        if matches!(self.site, Site::Distribution) {
            ensure!(response.status == status, "the status is not {status}: {response:?}");
            return Ok(());
        }
        is_refused(response, status, reason)?;
        let [cache_control, vary] = self.outcomes.headers("either", "refusal")?;
        has(response, "cache-control", cache_control.as_deref())?;
        has(response, "vary", vary.as_deref())
    }
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

/// Whether Distribution hides a manifest from a client, which has to name OCI's types to get any of them. An index
/// without its own is taken for something else there.
fn is_hidden(client: &Client, manifest: &Manifest) -> bool {
    let is_typed = || {
        let json: Option<serde_json::Value> = serde_json::from_slice(&manifest.bytes).ok();
        json.is_some_and(|json| json["mediaType"].is_string())
    };
    match manifest.form {
        Form::Oci => !client.names(Form::Oci),
        Form::Index => !client.names(Form::Index) && is_typed(),
        _ => false,
    }
}

/// The manifest for `platform` that a list or index has first.
fn child<'i>(image: &'i Image, platform: &Platform) -> anyhow::Result<&'i Manifest> {
    let index: serde_json::Value = serde_json::from_slice(&image.manifest.bytes)?;
    let entries = index["manifests"].as_array().context("it lists nothing")?;
    let is_for = |entry: &&serde_json::Value| {
        let own = &entry["platform"];
        own["os"] == *platform.os && own["architecture"] == *platform.architecture
    };
    let entry = entries.iter().find(is_for).with_context(|| format!("there is nothing for {platform}"))?;
    let listed = |child: &&Manifest| entry["digest"] == *child.digest().as_str();
    image.children.iter().find(listed).context("it lists what is not there")
}

/// The payload of schema 1, signed or not.
fn payload(manifest: &[u8]) -> anyhow::Result<Vec<u8>> {
    let parsed = jws::parse(manifest, &Limits::default());
    Ok(parsed.map_or_else(|_| manifest.to_vec(), |document| document.payload))
}

/// What went wrong in one case.
#[derive(Default)]
struct Problems(Vec<String>);

impl Problems {
    fn note(&mut self, what: impl Display, result: anyhow::Result<()>) {
        self.0.extend(result.err().map(|error| format!("{what}: {error:#}")));
    }

    fn into_result(self) -> anyhow::Result<()> {
        let told = &self.0[..self.0.len().min(TOLD)];
        ensure!(self.0.is_empty(), "{} problems\n{}", self.0.len(), told.join("\n"));
        Ok(())
    }
}
