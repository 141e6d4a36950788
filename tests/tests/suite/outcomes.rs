//! What every client gets of every stored image, by tag and by digest: the tables of `tests/cases/outcomes.md`, put to
//! our server, alone and in front of the reference, and to the reference.

use core::fmt::Display;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use anyhow::{Context, anyhow, ensure};
use downshift::answer::Record;
use downshift::{Digest, Form, Platform, Policy};
use downshift_cases::expectations::{self, Answer, Expectations, Expected, child, column, is_head_of};
use downshift_cases::images::{Image, Manifest, REPOSITORY, digest_of};
use downshift_cases::outcomes::{Cell, Client, Outcomes, title};
use downshift_cases::response::Response;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http::Connection;
use downshift_tests::key_file;
use downshift_tests::programs::{DOCKER_REGISTRY, case, case_with};
use downshift_tests::registry::Registry;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;

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

/// How often a digest may be reported for another source while it is checked.
const REPORTED_MEANWHILE: usize = 5;

/// How long to wait before checking again.
const PAUSE: Duration = Duration::from_millis(100);

/// A check of one client.
type Check = fn(&Running, &Client, &Case<'_>) -> anyhow::Result<Problems>;

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
    let trial = |(name, run): Named<Check>, client: &Client| {
        let name = format!("{prefix}::{name}::{}", client.name);
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
        trials.push(trial(named!(by_tag), client));
        if outcomes.find(&[title::BY_STORED_DIGEST], &client.name, "schema2").is_some() {
            trials.push(trial(named!(by_digest), client));
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
    /// What is reported of each of them, by tag.
    reported: OnceLock<Result<ReportsByTag, String>>,
    /// Idle connections.
    connections: Mutex<Vec<Connection>>,
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

impl Bench {
    fn running(&self) -> anyhow::Result<&Running> {
        let start = || Running::start(self.site, &self.outcomes).map_err(|error| format!("{error:#}"));
        self.running.get_or_init(start).as_ref().map_err(|error| anyhow::anyhow!("{error}"))
    }
}

impl Running {
    fn start(site: Site, outcomes: &Outcomes) -> anyhow::Result<Self> {
        let mut images = expectations::images()?;
        ensure!(
            images.keys().eq(outcomes.images.iter().collect::<BTreeSet<_>>()),
            "the file lists other images"
        );
        let (address, server) = match site {
            Site::Store(engine, policy) => {
                let (key, file) = key_file::write()?;
                let policy = policy.to_string();
                let tagged: Vec<_> =
                    images.iter().map(|(tag, image)| (tag.as_str(), image.clone())).collect();
                let front = Front::start_with(engine, &["--policy", &policy, "--key", &file], &tagged)?;
                (front.address(), Server::Ours { _front: Box::new(front), _key: key })
            }
            Site::Upstream(engine, policy) => {
                let registry = distribution(&mut images)?;
                if !engine.reads_layers {
                    images.retain(|_, image| !takes_facts(image));
                }
                let (key, file) = key_file::write()?;
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
        let (reported, connections) = (OnceLock::new(), Mutex::default());
        let running = Self { address, images, reported, connections, _server: server };
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
        let kept = lock(&self.connections).pop();
        let mut connection = kept.unwrap_or_else(|| Connection::to(self.address));
        let response = connection.send(method, &manifest_path(reference), &headers)?;
        lock(&self.connections).push(connection);
        Ok(response)
    }

    /// What any client is told of each image, by tag.
    fn reported(&self, expectations: &Expectations<'_>) -> anyhow::Result<&ReportsByTag> {
        let of_all = || {
            let of_one =
                |(tag, image): (&String, &Image)| Ok((tag.clone(), expectations.reported(tag, image)?));
            let of_all: anyhow::Result<_> = self.images.iter().map(of_one).collect();
            of_all.map_err(|error| format!("{error:#}"))
        };
        self.reported.get_or_init(of_all).as_ref().map_err(|error| anyhow!("{error}"))
    }
}

fn lock(connections: &Mutex<Vec<Connection>>) -> MutexGuard<'_, Vec<Connection>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether some client gets what takes facts of layers to make.
fn takes_facts(image: &Image) -> bool {
    let mut manifests = core::iter::once(&image.manifest).chain(&image.children);
    manifests.any(|manifest| manifest.has_zstd() || manifest.form.is_schema1())
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

fn by_tag(running: &Running, client: &Client, case: &Case<'_>) -> anyhow::Result<Problems> {
    let mut problems = Problems::default();
    for (tag, image) in &running.images {
        let cell = &case.by_tag(client, tag, image)?;
        let answer = case.expectations().by_tag(tag, image, cell).with_context(|| tag.clone())?;
        problems.note(tag, case.check(running, client, "tag", tag, &answer));
    }
    Ok(problems)
}

fn by_digest(running: &Running, client: &Client, case: &Case<'_>) -> anyhow::Result<Problems> {
    let mut problems = Problems::default();
    let expectations = case.expectations();
    let reported = running.reported(&expectations)?;
    // One manifest may be made of several.
    let mut sources: BTreeMap<Digest, Vec<Digest>> = BTreeMap::new();
    let mut made: BTreeMap<Digest, Vec<Reported<'_>>> = BTreeMap::new();
    for (tag, image) in &running.images {
        for (digest, (record, body)) in &reported[tag] {
            // What an index in an index gives is the same, whichever of the two was asked for.
            let inner = image.children.iter().filter(|child| child.form.is_index()).map(Manifest::digest);
            let stored = expectations::sources_of(image, record.source.clone());
            sources.entry(digest.clone()).or_default().extend(inner.chain(stored));
            made.entry(digest.clone()).or_default().push((tag, image, record, body.as_slice()));
        }
    }
    for (tag, image) in &running.images {
        let cell = &case.by_stored_digest(client, tag, &image.manifest)?;
        for digest in case.stored_digests(&image.manifest)? {
            let answer = expectations.by_digest(image, &image.manifest, cell, &digest)?;
            let check = || case.check(running, client, "digest", digest.as_str(), &answer);
            problems.note(tag, settled(check));
        }
        for child in &image.children {
            let cell = &case.by_stored_digest(client, column(child), child)?;
            let answer = expectations.by_digest(image, child, cell, &child.digest())?;
            let check = || case.check(running, client, "digest", child.digest().as_str(), &answer);
            problems.note(tag, settled(check));
        }
        for digest in reported[tag].keys() {
            let of = made.get(digest).map(Vec::as_slice).unwrap_or_default();
            let sources = sources.get(digest).map(Vec::as_slice).unwrap_or_default();
            problems.note(tag, settled(|| by_reported_digest(running, client, case, digest, of, sources)));
        }
    }
    Ok(problems)
}

/// What comes of a check once nothing is reported between its requests. The cases of other clients run beside it, and may have
/// another digest reported: for another source, or as the one that a refusal tells an old engine to pull.
fn settled(check: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<()> {
    (0..REPORTED_MEANWHILE).fold(check(), |checked, _| {
        checked.or_else(|_| {
            thread::sleep(PAUSE);
            check()
        })
    })
}

/// What is reported of each image, by its tag: by digest, the record and the document.
type ReportsByTag = BTreeMap<String, BTreeMap<Digest, (Record, Vec<u8>)>>;

/// A manifest that was converted from an image, which has the tag.
type Reported<'i> = (&'i String, &'i Image, &'i Record, &'i [u8]);

/// Asks for a digest that was reported for any of `of`.
fn by_reported_digest(
    running: &Running,
    client: &Client,
    case: &Case<'_>,
    digest: &Digest,
    of: &[Reported<'_>],
    sources: &[Digest],
) -> anyhow::Result<()> {
    let expectations = case.expectations();
    let check = |answer: &Answer| case.check(running, client, "digest", digest.as_str(), answer);
    // It forgets what it has reported.
    if let Site::Distribution = case.site {
        return check(&Answer::Refusal(404, None));
    }
    let mut checked = Err(anyhow!("nothing reports `{digest}`"));
    // Which source counts of several that were reported under one digest is the server's to say.
    for (tag, image, record, body) in of {
        if checked.is_ok() {
            break;
        }
        let (record, body, sources) = (Record::clone(record), body.to_vec(), sources.to_vec());
        checked = check(&expectations.by_reported_digest(client, tag, image, record, body, sources)?);
        for inner in image.children.iter().filter(|child| child.form.is_index()) {
            let cell = &case.by_stored_digest(client, column(inner), inner)?;
            let answer = expectations.by_digest(image, inner, cell, &inner.digest())?;
            if checked.is_err() && matches!(answer, Answer::Refusal(..)) {
                checked = check(&answer);
            }
        }
    }
    checked
}

impl Case<'_> {
    fn expectations(&self) -> Expectations<'_> {
        let policy = match self.site {
            Site::Store(_, policy) | Site::Upstream(_, policy) => policy,
            Site::Distribution => Policy::Reference,
        };
        Expectations { outcomes: self.outcomes, policy }
    }

    fn by_tag(&self, client: &Client, tag: &str, image: &Image) -> anyhow::Result<Cell> {
        let expectations = self.expectations();
        let cell = expectations.find(title::BY_TAG, &client.name, tag)?;
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
            _ => self.expectations().find(title::BY_STORED_DIGEST, &client.name, name).cloned(),
        }
    }

    /// What Distribution 2.8 has for a tag, by its own rules: parameters of media types, wildcards and User-Agent are
    /// nothing to it, OCI is for those alone who name it, and all others are expected to have one platform.
    fn distribution_by_tag(&self, client: &Client, tag: &str, image: &Image) -> anyhow::Result<Cell> {
        let amd64 = Platform::linux_amd64();
        // What it converts, it converts for everybody in the same way.
        let converted = || self.expectations().find(title::BY_TAG, "no-headers", tag).cloned();
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

    /// The digests that a stored manifest has: of signed schema 1 that of its payload, and with us that of its file.
    fn stored_digests(&self, manifest: &Manifest) -> anyhow::Result<Vec<Digest>> {
        let mut digests = vec![digest_of(manifest.form, &manifest.bytes)?];
        if manifest.form == Form::Schema1 && matches!(self.site, Site::Store(..)) {
            digests.push(manifest.digest());
        }
        Ok(digests)
    }

    /// Whether a manifest has another signature each time.
    fn is_signed_anew(&self, expected: &Expected) -> bool {
        let is_anew = match self.site {
            Site::Store(..) => false,
            Site::Upstream(..) => expected.is_stored,
            Site::Distribution => true,
        };
        expected.form == Form::Schema1 && is_anew
    }

    fn check(
        &self,
        running: &Running,
        client: &Client,
        kind: &str,
        reference: &str,
        answer: &Answer,
    ) -> anyhow::Result<()> {
        let is_anew = matches!(answer, Answer::Manifest(expected) if self.is_signed_anew(expected));
        if !matches!(self.site, Site::Distribution) {
            let ask =
                |method: &str, condition: Option<&str>| running.ask(method, reference, client, condition);
            return self.expectations().check(kind, answer, is_anew, &ask);
        }
        let get = running.ask("GET", reference, client, None)?;
        match answer {
            Answer::Manifest(expected) => expected.check(&get, is_anew)?,
            Answer::Refusal(status, _) => {
                ensure!(get.status == *status, "the status is not {status}: {get:?}");
            }
        }
        is_head_of(&running.ask("HEAD", reference, client, None)?, &get)
    }
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
