//! `downshift sync`: a folder of images that is kept in step with registries, and served meanwhile.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, ensure};
use downshift::{Digest, Form};
use downshift_cases::images::{Family, Image, Manifest, REPOSITORY, digest_of, layout, sample};
use downshift_cases::vectors::Fetched;
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::patience::await_true;
use downshift_tests::program::{self, run, said};
use downshift_tests::programs::{DOCKER_REGISTRY, SKOPEO, case, case_after, case_with};
use downshift_tests::proxy::SeenRequest;
use downshift_tests::registry::Registry;
use downshift_tests::skopeo;
use downshift_tests::tokens::{TokenService, User};
use downshift_tests::web::{Web, hang, respond, write_head};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::Named;
use crate::convert::fails;
use crate::operation::staying_up::Disk;

pub(crate) fn trials() -> Vec<Trial> {
    let with = |programs: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs, format!("sync::{name}"), run)
    };
    let alone = |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("sync::{name}"), run);
    let (name, run): Named<fn(&Disk) -> anyhow::Result<()>> =
        named!(a_full_disk_ends_it_and_what_is_there_is_gone_on_with);
    vec![
        with(&[DOCKER_REGISTRY, SKOPEO], named!(every_form_is_copied_to_the_byte)),
        with(&[DOCKER_REGISTRY], named!(breaks_a_kill_and_a_moved_tag_cost_nothing_twice)),
        with(&[DOCKER_REGISTRY], named!(a_registry_with_tokens_is_asked_as_a_server_asks_it)),
        alone(named!(a_served_store_changes_at_once)),
        alone(named!(what_is_gone_stays_until_it_is_to_be_removed)),
        alone(named!(an_error_of_the_registry_removes_nothing)),
        alone(named!(what_was_copied_from_elsewhere_stays)),
        alone(named!(what_nothing_refers_to_goes_in_time)),
        alone(named!(what_refers_to_an_image_comes_with_it)),
        alone(named!(a_list_without_some_of_its_platforms_is_copied_as_it_is)),
        alone(named!(a_dry_run_says_what_would_be_done)),
        alone(named!(repositories_and_tags_fit_patterns)),
        alone(named!(damaged_blobs_are_found_and_never_put_in_place)),
        alone(named!(a_layer_of_another_repository_is_not_for_who_only_names_it)),
        alone(named!(one_writes_a_store_at_a_time)),
        alone(named!(usage_is_explained)),
        case_after([], format!("sync::{name}"), Disk::mount, move |disk: Disk| run(&disk)),
    ]
}

/// A registry that does what a test wants.
struct Source {
    web: Web,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Images by repository and tag.
    repositories: BTreeMap<String, BTreeMap<String, Image>>,
    /// What refers to what, if it says that.
    referrers: Option<BTreeMap<String, Vec<Image>>>,
    /// What it has no more.
    missing: BTreeSet<Digest>,
    /// The status that paths with this in them get.
    error: Option<(String, u16)>,
    /// The blob of which half is given and no more.
    held: Option<Digest>,
    is_holding: bool,
    /// The blob of which a byte is another one.
    damaged: Option<Digest>,
}

impl Source {
    fn start() -> anyhow::Result<Self> {
        let state = Arc::<Mutex<State>>::default();
        let web = Web::start({
            let state = Arc::clone(&state);
            move |request, client| answer(&state, request, client)
        })?;
        Ok(Self { web, state })
    }

    fn with(images: &[(&str, &str, Image)]) -> anyhow::Result<Self> {
        let source = Self::start()?;
        for (name, tag, image) in images {
            source.push(name, tag, image.clone());
        }
        Ok(source)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, name: &str, tag: &str, image: Image) {
        self.state().repositories.entry(name.to_owned()).or_default().insert(tag.to_owned(), image);
    }

    fn remove(&self, name: &str, tag: &str) {
        if let Some(tags) = self.state().repositories.get_mut(name) {
            tags.remove(tag);
        }
    }

    fn sync(&self, store: &Path, arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
        sync(&self.web.url(), store, arguments)
    }

    /// What was asked for since the last time, without lists.
    fn seen(&self) -> Vec<SeenRequest> {
        self.web.seen()
    }
}

fn answer(state: &Mutex<State>, request: &SeenRequest, client: &mut TcpStream) -> io::Result<()> {
    let path = request.path.split('?').next().unwrap_or_default();
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let not_found = |client: &mut TcpStream| respond(client, 404, &[], br#"{"errors":[]}"#);
    if let Some((part, status)) = &state.error
        && path.contains(part.as_str())
    {
        return respond(client, *status, &[], br#"{"errors":[]}"#);
    }
    let list = |member: &str, texts: Vec<&String>| json!({ member: texts }).to_string();
    if path == "/v2/_catalog" {
        return respond(
            client,
            200,
            &[],
            list("repositories", state.repositories.keys().collect()).as_bytes(),
        );
    }
    let words: Vec<&str> = path.rsplitn(3, '/').collect();
    let [last, kind, name] = words.as_slice() else { return respond(client, 200, &[], b"{}") };
    let name = name.strip_prefix("/v2/").unwrap_or_default();
    let Some(tags) = state.repositories.get(name) else { return not_found(client) };
    let referrers = state.referrers.as_ref();
    let images = tags.values().chain(referrers.iter().flat_map(|referrers| referrers.values().flatten()));
    let documents: BTreeMap<Digest, Vec<u8>> = images.flat_map(Image::documents).collect();
    let digest = Digest::parse(last).ok();
    let is_missing = digest.as_ref().is_some_and(|digest| state.missing.contains(digest));
    let found = digest.as_ref().filter(|_| !is_missing).and_then(|digest| documents.get(digest));
    match *kind {
        "tags" => respond(client, 200, &[], list("tags", tags.keys().collect()).as_bytes()),
        "manifests" => {
            let tagged = tags.get(*last).map(|image| &image.manifest);
            let Some(bytes) = found.or_else(|| Some(&tagged?.bytes)) else { return not_found(client) };
            let said = serde_json::from_slice::<Value>(bytes).ok();
            let said = said.as_ref().and_then(|manifest| manifest["mediaType"].as_str());
            let form = tagged.map_or(Form::Oci, |manifest| manifest.form);
            let media_type = said.unwrap_or(form.media_type());
            let digest = digest_of(form, bytes).map_err(io::Error::other)?.to_string();
            let headers = [("Content-Type", media_type), ("Docker-Content-Digest", digest.as_str())];
            if request.method == "HEAD" {
                let length = bytes.len().to_string();
                return write_head(client, 200, &[&headers[..], &[("Content-Length", &length)]].concat());
            }
            respond(client, 200, &headers, bytes)
        }
        "blobs" => {
            let Some(bytes) = found else { return not_found(client) };
            if request.method == "HEAD" {
                return write_head(client, 200, &[("Content-Length", &bytes.len().to_string())]);
            }
            let mut bytes = bytes.clone();
            if digest == state.damaged
                && let Some(first) = bytes.first_mut()
            {
                *first ^= 1;
            }
            if digest.is_some() && digest == state.held {
                state.is_holding = true;
                drop(state);
                write_head(client, 200, &[("Content-Length", &bytes.len().to_string())])?;
                client.write_all(&bytes[..bytes.len() / 2])?;
                hang(client);
                return Ok(());
            }
            let range = request.values("range").next().and_then(|range| range.strip_prefix("bytes="));
            let start = range.and_then(|range| range.split('-').next()?.parse::<usize>().ok());
            match start {
                Some(start) if start < bytes.len() => {
                    let part = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
                    respond(client, 206, &[("Content-Range", &part)], &bytes[start..])
                }
                _ => respond(client, 200, &[], &bytes),
            }
        }
        "referrers" => match referrers {
            Some(referrers) => {
                let own = referrers.get(*last).into_iter().flatten();
                let entries: Vec<Value> = own
                    .map(|image| {
                        json!({ "mediaType": Form::Oci.media_type(), "size": image.manifest.bytes.len(),
                                "digest": image.manifest.digest() })
                    })
                    .collect();
                let index = json!({ "schemaVersion": 2, "mediaType": Form::Index.media_type(), "manifests": entries });
                respond(
                    client,
                    200,
                    &[("Content-Type", Form::Index.media_type())],
                    index.to_string().as_bytes(),
                )
            }
            None => not_found(client),
        },
        _ => not_found(client),
    }
}

/// The command, whose summary is JSON.
fn command(upstream: &str, store: &Path, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = program::command()?;
    command.args(["sync", "--json", "--upstream", upstream, "--store"]).arg(store).args(arguments);
    Ok(command)
}

/// Runs the command, and gives its exit status and its summary.
fn sync(upstream: &str, store: &Path, arguments: &[&str]) -> anyhow::Result<(Option<i32>, Value)> {
    let output = command(upstream, store, arguments)?.output()?;
    let summary = serde_json::from_slice(&output.stdout).with_context(|| said(&output))?;
    Ok((output.status.code(), summary))
}

/// A running command, which ends with this value.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        Ok(Self(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The tags of a repository in a store, with their digests.
fn tags(store: &Path, name: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let Ok(index) = fs::read(store.join(name).join("index.json")) else { return Ok(BTreeMap::new()) };
    let index: Value = serde_json::from_slice(&index)?;
    let entries = index["manifests"].as_array().context("an index has entries")?;
    let tag = |entry: &Value| {
        let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str()?;
        Some((tag.to_owned(), entry["digest"].as_str()?.to_owned()))
    };
    Ok(entries.iter().filter_map(tag).collect())
}

/// The blobs that are in a repository of a store, each of which has to have its digest.
fn blobs(store: &Path, name: &str) -> anyhow::Result<BTreeSet<Digest>> {
    let mut blobs = BTreeSet::new();
    for entry in fs::read_dir(store.join(name).join("blobs/sha256"))? {
        let entry = entry?;
        let digest = Digest::of(&fs::read(entry.path())?);
        ensure!(entry.file_name().to_str() == Some(digest.hex()), "{entry:?} has another digest: {digest}");
        blobs.insert(digest);
    }
    Ok(blobs)
}

fn parts(store: &Path) -> Vec<PathBuf> {
    let parts = fs::read_dir(store.join(".downshift-sync/parts")).into_iter().flatten();
    parts.filter_map(Result::ok).map(|part| part.path()).collect()
}

fn reasons(summary: &Value) -> Vec<&str> {
    let failures = summary["failures"].as_array().into_iter().flatten();
    failures.filter_map(|failure| failure["reason"].as_str()).collect()
}

/// An image with these layers.
fn image(number: usize, layers: Vec<Vec<u8>>) -> Image {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "created": "2020-01-01T00:00:00Z",
                         "config": { "Labels": { "number": number.to_string() } },
                         "rootfs": { "type": "layers", "diff_ids": ids },
                         "history": ids.iter().map(|_| json!({ "created_by": "test" })).collect::<Vec<_>>() });
    Image::single(Family::Docker, config.to_string().into_bytes(), layers)
}

/// Bytes that no other number gives.
fn bytes(number: usize, length: usize) -> Vec<u8> {
    number.to_le_bytes().into_iter().cycle().take(length).collect()
}

/// More than is written at once.
const LARGE: usize = 3 * 1024 * 1024;

fn layer_of(image: &Image) -> anyhow::Result<Digest> {
    Ok(Digest::of(image.layers.last().context("it has layers")?))
}

fn every_form_is_copied_to_the_byte() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let mut images: Vec<(&str, Image)> = sample::in_every_form().into();
    images.extend([
        ("zstd", sample::zstd()),
        ("nested", sample::nested_index()),
        ("artifact", sample::artifact()),
    ]);
    for (tag, image) in &images {
        registry.push(REPOSITORY, tag, image)?;
    }
    // As Docker 1.9 has pushed it: under its own name, with its own signature.
    let Fetched::Answer { body, .. } = registry.fetch(REPOSITORY, "schema2", &[])? else {
        anyhow::bail!("it is not converted")
    };
    let manifest = Manifest { form: Form::Schema1, bytes: body };
    let schema1 = Image { manifest, children: Vec::new(), configs: Vec::new(), layers: Vec::new() };
    registry.push(REPOSITORY, "schema1", &schema1)?;
    images.push(("schema1", schema1));

    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let (code, summary) = sync(registry.url(), &store, &["--all"])?;
    ensure!(code == Some(0) && summary["tags"]["added"] == images.len(), "{summary}");
    blobs(&store, REPOSITORY)?;
    let server = Operated::start(&["--store", &store.display().to_string()])?;
    let served = Registry::at(&format!("http://{}", server.address()));
    let every = [Form::Oci, Form::Index, Form::Schema2, Form::List, Form::Schema1].map(Form::media_type);
    for (tag, image) in &images {
        let [theirs, ours] = [&registry, &served].map(|registry| registry.fetch(REPOSITORY, tag, &every));
        let (
            Fetched::Answer { body, digest, content_type, .. },
            Fetched::Answer { body: own, digest: own_digest, content_type: own_type, .. },
        ) = (theirs?, ours?)
        else {
            anyhow::bail!("`{tag}` is not answered")
        };
        // Distribution 2.8 signs anew whenever it is asked: the digest is that of the payload.
        ensure!(*tag == "schema1" || body == own && body == image.manifest.bytes, "`{tag}` has other bytes");
        ensure!((digest, content_type) == (own_digest, own_type), "`{tag}` is reported in another way");
        for (digest, bytes) in image.documents() {
            if digest == image.manifest.digest() {
                continue;
            }
            let file = store.join(REPOSITORY).join("blobs/sha256").join(digest.hex());
            ensure!(fs::read(file)? == bytes, "`{tag}` has another `{digest}`");
        }
    }
    // Where a registry keeps the signature, so does the store.
    let signed = images.pop().map(|(_, image)| image.manifest).context("it was the last")?;
    let layers = sample::schema2().layers;
    let image = Image { manifest: signed.clone(), children: Vec::new(), configs: Vec::new(), layers };
    let (code, summary) = Source::with(&[("signed", "1.0", image)])?.sync(&store, &["signed"])?;
    ensure!(code == Some(0), "{summary}");
    let path = "/v2/signed/manifests/1.0";
    let kept = http::send(server.address(), "GET", path, &[("Accept", Form::Schema1.media_type())])?;
    ensure!(kept.status == 200 && kept.body == signed.bytes, "it is another one: {kept:?}");
    let pulled = skopeo::pull(server.address(), ":list", &["--all"])?;
    ensure!(pulled.manifest == sample::list().manifest.bytes, "skopeo gets another list");
    // Once more there is nothing to do.
    let index = fs::metadata(store.join(REPOSITORY).join("index.json"))?.modified()?;
    let (code, again) = sync(registry.url(), &store, &["--all", "--delete"])?;
    ensure!(code == Some(0) && again["tags"]["unchanged"] == images.len() + 1, "{again}");
    ensure!(again["bytes"] == 0 && again["manifests"] == 0, "{again}");
    ensure!(
        fs::metadata(store.join(REPOSITORY).join("index.json"))?.modified()? == index,
        "it is written again"
    );
    Ok(())
}

/// What was sent of a blob at once.
#[derive(Clone, Debug)]
struct Delivery {
    path: String,
    start: usize,
    sent: usize,
}

/// A proxy that breaks off, and remembers what it has sent.
struct Breaking {
    web: Web,
    shared: Arc<Mutex<Breaks>>,
}

#[derive(Default)]
struct Breaks {
    deliveries: Vec<Delivery>,
    /// How many connections are still to break.
    left: usize,
    broken: BTreeSet<String>,
    /// Whether the next blob is to be held when no more are to break.
    holds: bool,
    held: Option<String>,
}

impl Breaking {
    fn start(registry: &Registry, left: usize) -> anyhow::Result<Self> {
        let server: SocketAddr = registry.host().parse()?;
        let shared = Arc::new(Mutex::new(Breaks { left, holds: true, ..Breaks::default() }));
        let web = Web::start({
            let shared = Arc::clone(&shared);
            move |request, client| pass_on(server, &shared, request, client)
        })?;
        Ok(Self { web, shared })
    }

    fn shared(&self) -> MutexGuard<'_, Breaks> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn pass_on(
    server: SocketAddr,
    shared: &Mutex<Breaks>,
    request: &SeenRequest,
    client: &mut TcpStream,
) -> io::Result<()> {
    let is_passed = |name: &str| matches!(name, "accept" | "range" | "authorization");
    let headers: Vec<(&str, &str)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| is_passed(name))
        .collect();
    let response = http::send(server, &request.method, &request.path, &headers).map_err(io::Error::other)?;
    let head: Vec<(&str, &str)> = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !matches!(*name, "connection" | "transfer-encoding"))
        .collect();
    write_head(client, response.status, &head)?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let body = &response.body;
    if !request.path.contains("/blobs/") || response.status >= 300 {
        return client.write_all(body);
    }
    let range =
        request.values("range").next().and_then(|range| range.strip_prefix("bytes=")?.split('-').next());
    let start = range.and_then(|start| start.parse().ok()).unwrap_or_default();
    let is_large = body.len() > LARGE / 2;
    let (sent, is_held) = {
        let mut breaks = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let is_broken = is_large && breaks.left > 0 && breaks.broken.insert(request.path.clone());
        let is_held = is_large && !is_broken && breaks.left == 0 && breaks.holds;
        breaks.left -= usize::from(is_broken);
        if is_held {
            breaks.holds = false;
        }
        let sent = if is_broken || is_held { body.len() / 2 } else { body.len() };
        breaks.deliveries.push(Delivery { path: request.path.clone(), start, sent });
        (sent, is_held)
    };
    client.write_all(&body[..sent])?;
    if is_held {
        shared.lock().unwrap_or_else(PoisonError::into_inner).held = Some(request.path.clone());
        hang(client);
    } else if sent < body.len() {
        client.shutdown(Shutdown::Both)?;
    }
    Ok(())
}

fn breaks_a_kill_and_a_moved_tag_cost_nothing_twice() -> anyhow::Result<()> {
    const IMAGES: usize = 50;
    const BREAKS: usize = 5;
    let registry = Registry::start()?;
    let mut pushed: BTreeMap<(String, String), Image> = BTreeMap::new();
    let push =
        |pushed: &mut BTreeMap<_, _>, number: usize, name: String, tag: String| -> anyhow::Result<()> {
            // Some are large, all have one in common.
            let own = bytes(number, if number.is_multiple_of(5) { LARGE } else { 4096 });
            let image = image(number, vec![bytes(1_000_000, 8192), own]);
            registry.push(&name, &tag, &image)?;
            pushed.insert((name, tag), image);
            Ok(())
        };
    for number in 0..IMAGES {
        push(&mut pushed, number, format!("team/app{}", number % 5), format!("v{}", number / 5))?;
    }
    let proxy = Breaking::start(&registry, BREAKS)?;
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    let url = proxy.web.url();

    let mut running = Running::start(command(&url, store, &["--all"])?)?;
    await_true("a blob to be held", || Ok(proxy.shared().held.is_some()))?;
    // What has come of it is on the disk before the program is killed.
    let held = proxy.shared().held.clone().unwrap_or_default();
    let part = Digest::parse(held.rsplit('/').next().unwrap_or_default())?;
    let part = store.join(".downshift-sync/parts").join(format!("sha256-{}", part.hex()));
    await_true("half of it to be written", || {
        Ok(fs::metadata(&part).is_ok_and(|part| part.len() >= 1024 * 1024))
    })?;
    running.0.kill()?;
    running.0.wait()?;
    // Its last requests are still being answered: they are not the next one's.
    proxy.web.await_idle()?;
    let there: BTreeMap<Digest, ()> = repositories()
        .filter(|name| store.join(name).is_dir())
        .map(|name| blobs(store, &name))
        .collect::<anyhow::Result<Vec<_>>>()?
        .into_iter()
        .flatten()
        .map(|digest| (digest, ()))
        .collect();
    let first = core::mem::take(&mut proxy.shared().deliveries);
    let begun: BTreeMap<String, usize> = parts(store)
        .iter()
        .map(|part| {
            let name = part.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            (name.replace('-', ":"), fs::metadata(part).map_or(0, |part| part.len() as usize))
        })
        .collect();
    let broken = proxy.shared().broken.clone();
    ensure!(broken.len() == BREAKS, "not all have broken off: {broken:?}");

    let moved = ("team/app0".to_owned(), "v0".to_owned());
    // What only the image has that the tag pointed to is wanted by nobody any more.
    let mut unreferred = pushed[&moved].documents();
    push(&mut pushed, IMAGES, moved.0, moved.1)?;
    unreferred.retain(|own, _| !pushed.values().any(|image| image.documents().contains_key(own)));
    let (code, summary) = sync(&url, store, &["--all"])?;
    ensure!(code == Some(0) && summary["failed"] == 0, "{summary}");
    let second = core::mem::take(&mut proxy.shared().deliveries);
    for delivery in &second {
        let digest = delivery.path.rsplit('/').next().unwrap_or_default();
        ensure!(
            !there.contains_key(&Digest::parse(digest)?),
            "what is there is asked for again: {delivery:?}"
        );
    }
    // What the kill has left is gone on with, byte by byte.
    for (digest, length) in &begun {
        let mut of_part = second.iter().filter(|delivery| delivery.path.ends_with(digest.as_str()));
        let whole = pushed.values().flat_map(Image::documents).find(|(own, _)| own.as_str() == digest);
        let is_unreferred = || unreferred.keys().any(|own| own.as_str() == digest);
        if whole.map_or_else(is_unreferred, |(_, whole)| whole.len() == *length) {
            continue;
        }
        let next = of_part.next().with_context(|| format!("`{digest}` is not gone on with"))?;
        ensure!(next.start == *length && of_part.next().is_none(), "{length}: {next:?}");
    }
    // And so is what broke off.
    for path in &broken {
        if begun.keys().any(|digest| path.ends_with(digest.as_str())) {
            continue;
        }
        let of_path: Vec<&Delivery> =
            first.iter().chain(&second).filter(|delivery| delivery.path == *path).collect();
        let [before, after] = of_path.as_slice() else { anyhow::bail!("{path}: {of_path:?}") };
        ensure!(before.start == 0 && after.start == before.sent, "{of_path:?}");
    }
    // Every blob has come once, but for those that were on their way when the program was killed.
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for delivery in first.iter().chain(&second) {
        let digest = delivery.path.rsplit('/').next().unwrap_or_default();
        if !begun.contains_key(digest) && !broken.contains(&delivery.path) {
            *counts.entry(digest).or_default() += 1;
        }
    }
    ensure!(counts.values().all(|count| *count == 1), "{counts:?}");

    for ((name, tag), image) in &pushed {
        let digest = tags(store, name)?.remove(tag);
        ensure!(digest.as_deref() == Some(image.manifest.digest().as_str()), "{name}:{tag}: {digest:?}");
        let stored = blobs(store, name)?;
        ensure!(image.documents().keys().all(|digest| stored.contains(digest)), "{name}:{tag} is not whole");
    }
    // The kill may leave a part of the layer that no tag names any more. It is kept for a week.
    let is_unreferred =
        |part: &PathBuf| unreferred.keys().any(|own| part.ends_with(own.as_str().replace(':', "-")));
    ensure!(parts(store).iter().all(is_unreferred), "{:?}", parts(store));
    // A blob that all have is one file.
    let common = Digest::of(&bytes(1_000_000, 8192));
    let inode = |name: String| -> anyhow::Result<u64> {
        let path = store.join(name).join("blobs/sha256").join(common.hex());
        Ok(std::os::unix::fs::MetadataExt::ino(&fs::metadata(path)?))
    };
    let inodes = repositories().map(inode).collect::<anyhow::Result<BTreeSet<_>>>()?;
    ensure!(inodes.len() == 1, "{inodes:?}");

    let before = proxy.web.seen().len();
    let (code, again) = sync(&url, store, &["--all"])?;
    ensure!(code == Some(0) && again["tags"]["unchanged"] == IMAGES, "{again}");
    for request in proxy.web.seen().into_iter().skip(before) {
        let is_cheap = request.method == "HEAD" || !request.path.contains("/manifests/");
        ensure!(is_cheap && !request.path.contains("/blobs/"), "{request:?}");
    }
    Ok(())
}

fn repositories() -> impl Iterator<Item = String> {
    (0..5).map(|number| format!("team/app{number}"))
}

const ALICE: User = ("alice", "sesame", &["*"]);

fn a_registry_with_tokens_is_asked_as_a_server_asks_it() -> anyhow::Result<()> {
    let service = Arc::new(TokenService::start(&[ALICE])?);
    let registry = Registry::start_with_tokens(&service, ALICE)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let folder = tempfile::tempdir()?;
    let password = folder.path().join("password");
    fs::write(&password, "sesame\n")?;
    let password = password.display().to_string();
    let store = folder.path().join("store");
    let (code, refused) = sync(registry.url(), &store, &[REPOSITORY])?;
    ensure!(code == Some(1) && refused["failed"] == 1, "{refused}");
    let user = ["--upstream-username", "alice", "--upstream-password-file", &password];
    let (code, summary) = sync(registry.url(), &store, &[&user[..], &[REPOSITORY]].concat())?;
    ensure!(code == Some(0) && summary["tags"]["added"] == 1, "{summary}");
    // The same in a file, with the names that it gives, and the list in another one.
    let file = folder.path().join("sync.toml");
    let text = format!(
        "store = \"store\"\n[[upstream]]\nurl = \"{}\"\nprefix = \"mirror\"\nusername = \"alice\"\npassword-file = \"password\"\n",
        registry.url()
    );
    fs::write(&file, text)?;
    let list = folder.path().join("images.txt");
    fs::write(&list, format!("# all of it\nmirror/{REPOSITORY}:lat*\n"))?;
    let [file, list] = [file, list].map(|path| path.display().to_string());
    let output = run(["sync", "--json", "--config", &file, "--images-from", &list])?;
    let summary: Value = serde_json::from_slice(&output.stdout).with_context(|| said(&output))?;
    ensure!(summary["tags"]["added"] == 1 && summary["bytes"] == 0, "{summary}");
    ensure!(tags(&store, &format!("mirror/{REPOSITORY}"))?.contains_key("latest"), "{summary}");
    Ok(())
}

fn a_served_store_changes_at_once() -> anyhow::Result<()> {
    let [old, new] = [1, 2].map(|number| image(number, vec![bytes(number, LARGE)]));
    let source = Source::with(&[(REPOSITORY, "v1", old.clone())])?;
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    source.sync(store, &[REPOSITORY])?;
    let server = Operated::start(&["--store", &store.display().to_string()])?;
    let types = [("Accept", Form::Schema2.media_type())];
    let served = || -> anyhow::Result<Option<String>> {
        Ok(server.manifest("v1", &types)?.header("docker-content-digest").map(str::to_owned))
    };
    ensure!(served()?.as_deref() == Some(old.manifest.digest().as_str()), "it is not served");

    source.push(REPOSITORY, "v1", new.clone());
    source.push(REPOSITORY, "v2", new.clone());
    source.state().held = Some(layer_of(&new)?);
    let running = Running::start(command(&source.web.url(), store, &[REPOSITORY])?)?;
    await_true("the layer to be held", || Ok(source.state().is_holding))?;
    ensure!(served()?.as_deref() == Some(old.manifest.digest().as_str()), "half of it is served");
    ensure!(server.manifest("v2", &types)?.status == 404, "half of it is served");
    let by_digest = server.manifest(new.manifest.digest().as_str(), &types)?;
    ensure!(by_digest.status == 404, "a manifest is there before its layers: {by_digest:?}");
    drop(running);

    source.state().held = None;
    let (code, summary) = source.sync(store, &[REPOSITORY])?;
    ensure!(code == Some(0) && summary["tags"]["moved"] == 1 && summary["tags"]["added"] == 1, "{summary}");
    ensure!(served()?.as_deref() == Some(new.manifest.digest().as_str()), "what is new is not served");
    let layer = format!("/v2/{REPOSITORY}/blobs/{}", layer_of(&new)?);
    let layer = http::send(server.address(), "GET", &layer, &[])?;
    ensure!(layer.body == bytes(2, LARGE), "the layer is not served");
    // Whoever pulls what was there goes on with that.
    let old = server.manifest(old.manifest.digest().as_str(), &types)?;
    ensure!(old.status == 200, "{old:?}");
    Ok(())
}

fn small(number: usize) -> Image {
    image(number, vec![bytes(number, 1000)])
}

fn what_is_gone_stays_until_it_is_to_be_removed() -> anyhow::Result<()> {
    let source = Source::with(&[("a", "1", small(1)), ("a", "2", small(2)), ("b/c", "1", small(1))])?;
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    source.sync(store, &["--all"])?;
    source.remove("a", "1");
    let (code, kept) = source.sync(store, &["--all"])?;
    ensure!(code == Some(0) && kept["tags"]["gone"] == 1 && tags(store, "a")?.len() == 2, "{kept}");
    // What is not meant is not removed.
    let (_, other) = source.sync(store, &["a:2", "--delete"])?;
    ensure!(other["tags"]["removed"] == 0 && tags(store, "a")?.len() == 2, "{other}");
    let (code, removed) = source.sync(store, &["--all", "--delete"])?;
    ensure!(code == Some(0) && removed["tags"]["removed"] == 1, "{removed}");
    ensure!(tags(store, "a")?.into_keys().eq(["2".to_owned()]), "{removed}");

    // All at once may be an accident.
    source.remove("a", "2");
    source.state().repositories.remove("b/c");
    for arguments in [&["a", "--delete"][..], &["--all", "--delete"]] {
        let (code, kept) = source.sync(store, arguments)?;
        ensure!(code == Some(1) && reasons(&kept).contains(&"all-tags-gone"), "{kept}");
        ensure!(tags(store, "a")?.len() == 1 && tags(store, "b/c")?.len() == 1, "{kept}");
    }
    let all = ["--all", "--delete", "--delete-repositories", "--keep-unreferenced", "0"];
    let (code, removed) = source.sync(store, &all)?;
    ensure!(code == Some(0) && removed["removed-repositories"] == 2, "{removed}");
    ensure!(!store.join("a").exists() && !store.join("b").exists(), "their folders stay");
    Ok(())
}

fn an_error_of_the_registry_removes_nothing() -> anyhow::Result<()> {
    let source = Source::with(&[("a", "1", small(1)), ("a", "2", small(2))])?;
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    source.sync(store, &["a"])?;
    source.remove("a", "1");
    let delete = ["--delete", "--delete-repositories", "--keep-unreferenced", "0", "--patience", "0"];
    let all = blobs(store, "a")?;
    for (path, status) in
        [("tags/list", 500), ("tags/list", 401), ("tags/list", 403), ("tags/list", 429), ("_catalog", 500)]
    {
        source.state().error = Some((path.to_owned(), status));
        let what = if path == "_catalog" { "--all" } else { "a" };
        let (code, failed) = source.sync(store, &[&delete[..], &[what]].concat())?;
        ensure!(code == Some(1) && failed["failed"] == 1, "{path} {status}: {failed}");
        ensure!(tags(store, "a")?.len() == 2 && blobs(store, "a")? == all, "{path} {status}: {failed}");
    }
    // That a manifest cannot be had says nothing of others, and its tag stays as it is.
    source.push("a", "2", small(3));
    source.push("a", "3", small(4));
    source.state().error = Some(("manifests/2".to_owned(), 500));
    let (code, failed) = source.sync(store, &[&delete[..], &["a"]].concat())?;
    ensure!(code == Some(1) && failed["tags"]["added"] == 1 && failed["failed"] == 1, "{failed}");
    let left = tags(store, "a")?;
    ensure!(left.get("2").map(String::as_str) == Some(small(2).manifest.digest().as_str()), "{left:?}");
    ensure!(blobs(store, "a")?.is_superset(&all), "blobs are removed after a failure");
    Ok(())
}

fn what_was_copied_from_elsewhere_stays() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    layout::write(&store.join("own"), &[("1", small(7))])?;
    layout::write(&store.join("a"), &[("own", small(8)), ("2", small(2))])?;
    let other = Source::with(&[("b", "1", small(9))])?;
    other.sync(store, &["--all"])?;
    let source = Source::with(&[("a", "1", small(1)), ("a", "2", small(2)), ("a", "3", small(3))])?;
    let all = ["--all", "--delete", "--delete-repositories", "--keep-unreferenced", "0"];
    let (code, summary) = source.sync(store, &all)?;
    ensure!(
        code == Some(0) && summary["tags"]["added"] == 2 && summary["tags"]["unchanged"] == 1,
        "{summary}"
    );
    source.remove("a", "2");
    let (code, summary) = source.sync(store, &all)?;
    ensure!(code == Some(0) && summary["tags"]["removed"] == 1, "{summary}");
    ensure!(
        tags(store, "a")?.into_keys().eq(["1", "3", "own"].map(str::to_owned)),
        "{:?}",
        tags(store, "a")?
    );
    for name in ["own", "b"] {
        ensure!(tags(store, name)?.len() == 1, "`{name}` is removed");
        let is_told = source.seen().iter().any(|request| request.path.contains(&format!("/v2/{name}/")));
        ensure!(!is_told, "the registry is asked for `{name}`");
    }
    ensure!(
        blobs(store, "a")?.is_superset(&small(8).documents().into_keys().collect()),
        "its blobs are gone"
    );
    Ok(())
}

fn what_nothing_refers_to_goes_in_time() -> anyhow::Result<()> {
    let source = Source::with(&[("a", "1", small(1)), ("b", "1", small(1))])?;
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    source.sync(store, &["--all"])?;
    source.push("a", "1", small(2));
    // Pulls of what was there are under way.
    let (_, kept) = source.sync(store, &["--all", "--delete"])?;
    ensure!(kept["removed-blobs"] == 0, "{kept}");
    let old: BTreeSet<Digest> = small(1).documents().into_keys().collect();
    ensure!(blobs(store, "a")?.is_superset(&old), "{kept}");
    let (_, removed) = source.sync(store, &["--all", "--delete", "--keep-unreferenced", "0"])?;
    ensure!(removed["removed-blobs"] == old.len(), "{removed}");
    ensure!(blobs(store, "a")? == small(2).documents().into_keys().collect(), "{removed}");
    ensure!(blobs(store, "b")? == old, "another repository has lost its blobs");
    Ok(())
}

/// A signature, or whatever, of a manifest.
fn referrer(subject: &Manifest, text: &str) -> Image {
    let (config, layer) = (b"{}".to_vec(), text.as_bytes().to_vec());
    let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "size": bytes.len(), "digest": Digest::of(bytes) });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": Form::Oci.media_type(), "artifactType": "application/vnd.example.signature",
        "config": descriptor("application/vnd.oci.empty.v1+json", &config),
        "layers": [descriptor("text/plain", &layer)],
        "subject": descriptor(subject.form.media_type(), &subject.bytes),
    });
    let manifest = Manifest { form: Form::Oci, bytes: manifest.to_string().into_bytes() };
    Image { manifest, children: Vec::new(), configs: vec![config], layers: vec![layer] }
}

fn what_refers_to_an_image_comes_with_it() -> anyhow::Result<()> {
    let index = sample::index();
    let child = index.children.first().context("it has children")?;
    let of_index = referrer(&index.manifest, "of the index");
    let of_child = referrer(child, "of its child");
    let of_other = referrer(&of_index.manifest, "of the other");
    let source = Source::with(&[(REPOSITORY, "1", index.clone())])?;
    let by_subject = [(&index.manifest, &of_index), (child, &of_child), (&of_index.manifest, &of_other)];
    source.state().referrers = Some(
        by_subject.map(|(subject, referrer)| (subject.digest().to_string(), vec![referrer.clone()])).into(),
    );
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    let (code, summary) = source.sync(store, &[REPOSITORY])?;
    ensure!(code == Some(0) && tags(store, REPOSITORY)?.len() == 1, "{summary}");
    let server = Operated::start(&["--store", &store.display().to_string()])?;
    for (subject, referrer) in by_subject {
        let path = format!("/v2/{REPOSITORY}/referrers/{}", subject.digest());
        let listed = http::send(server.address(), "GET", &path, &[])?.json()?;
        ensure!(listed["manifests"][0]["digest"] == referrer.manifest.digest().as_str(), "{listed}");
        let layer = format!("/v2/{REPOSITORY}/blobs/{}", layer_of(referrer)?);
        ensure!(http::send(server.address(), "GET", &layer, &[])?.status == 200, "{layer}");
    }
    // What is withdrawn goes, if that is wanted.
    source.state().referrers = Some(BTreeMap::new());
    let path = format!("/v2/{REPOSITORY}/referrers/{}", index.manifest.digest());
    for (arguments, count) in [(&[REPOSITORY][..], 1), (&[REPOSITORY, "--delete"][..], 0)] {
        source.sync(store, arguments)?;
        let listed = http::send(server.address(), "GET", &path, &[])?.json()?;
        ensure!(listed["manifests"].as_array().map(Vec::len) == Some(count), "{listed}");
    }

    // As cosign has it: a tag, also where another one is wanted.
    let source = Source::with(&[(REPOSITORY, "1", small(1)), (REPOSITORY, "2", small(2))])?;
    let signature = format!("{}.sig", small(1).manifest.digest().as_str().replace(':', "-"));
    source.push(REPOSITORY, &signature, small(3));
    let store = folder.path().join("cosign");
    let (code, summary) = source.sync(&store, &[&format!("{REPOSITORY}:1")])?;
    ensure!(
        code == Some(0) && tags(&store, REPOSITORY)?.into_keys().eq(["1".to_owned(), signature]),
        "{summary}"
    );
    let store = folder.path().join("plain");
    source.sync(&store, &[&format!("{REPOSITORY}:1"), "--no-referrers"])?;
    ensure!(tags(&store, REPOSITORY)?.len() == 1, "a signature is copied");
    Ok(())
}

fn a_list_without_some_of_its_platforms_is_copied_as_it_is() -> anyhow::Result<()> {
    let list = sample::list();
    let source = Source::with(&[(REPOSITORY, "1", list.clone()), (REPOSITORY, "2", small(1))])?;
    let child = list.children.first().context("it has children")?.digest();
    source.state().missing.insert(child.clone());
    let folder = tempfile::tempdir()?;
    let (code, summary) =
        source.sync(folder.path(), &[REPOSITORY, "--delete", "--keep-unreferenced", "0"])?;
    ensure!(code == Some(0) && summary["absent"][0]["digest"] == child.as_str(), "{summary}");
    // A layer that is not there is another thing: nobody could pull that.
    let layer = layer_of(&small(3))?;
    source.push(REPOSITORY, "2", small(3));
    source.state().missing.insert(layer);
    let (code, summary) = source.sync(folder.path(), &[REPOSITORY])?;
    ensure!(code == Some(1) && summary["failures"][0]["tag"] == "2", "{summary}");
    let kept = tags(folder.path(), REPOSITORY)?;
    ensure!(kept.get("2").map(String::as_str) == Some(small(1).manifest.digest().as_str()), "{kept:?}");
    Ok(())
}

fn a_dry_run_says_what_would_be_done() -> anyhow::Result<()> {
    let source = Source::with(&[("a", "1", small(1)), ("a", "2", small(2)), ("b", "1", small(1))])?;
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store");
    let all = ["--all", "--delete", "--delete-repositories"];
    let dry = [&all[..], &["--dry-run"]].concat();
    let (code, planned) = source.sync(&store, &dry)?;
    ensure!(code == Some(0) && !store.exists(), "it is written");
    let (_, done) = source.sync(&store, &all)?;
    for member in ["tags", "blobs", "bytes", "bytes-linked", "changes"] {
        ensure!(planned[member] == done[member], "{member}: {planned} and {done}");
    }
    source.push("a", "1", small(3));
    source.remove("a", "2");
    source.state().repositories.remove("b");
    let before = fs::read(store.join("a/index.json"))?;
    let (_, planned) = source.sync(&store, &dry)?;
    ensure!(
        fs::read(store.join("a/index.json"))? == before && store.join("b/index.json").exists(),
        "{planned}"
    );
    let (_, done) = source.sync(&store, &all)?;
    for member in ["tags", "blobs", "bytes", "bytes-linked", "changes", "removed-repositories"] {
        ensure!(planned[member] == done[member], "{member}: {planned} and {done}");
    }
    let (tags, repositories) = (&done["tags"], &done["removed-repositories"]);
    ensure!(tags["moved"] == 1 && tags["removed"] == 2 && *repositories == 1, "{done}");
    Ok(())
}

fn repositories_and_tags_fit_patterns() -> anyhow::Result<()> {
    let images: Vec<_> = [
        ("team/web", "1.0"),
        ("team/web", "1.1"),
        ("team/web", "2.0-rc1"),
        ("team/db/main", "1.0"),
        ("other", "1.0"),
    ]
    .into_iter()
    .map(|(name, tag)| (name, tag, small(1)))
    .collect();
    let source = Source::with(&images)?;
    let copied = |arguments: &[&str]| -> anyhow::Result<Vec<String>> {
        let folder = tempfile::tempdir()?;
        let (code, summary) = source.sync(folder.path(), arguments)?;
        ensure!(code == Some(0), "{summary}");
        let mut copied = Vec::new();
        for name in ["other", "team/db/main", "team/web"] {
            copied.extend(tags(folder.path(), name)?.into_keys().map(|tag| format!("{name}:{tag}")));
        }
        Ok(copied)
    };
    ensure!(copied(&["team/*"])? == ["team/web:1.0", "team/web:1.1", "team/web:2.0-rc1"]);
    ensure!(copied(&["team/**:1.0", "other:?.0"])? == ["other:1.0", "team/db/main:1.0", "team/web:1.0"]);
    ensure!(copied(&["team/web:1.*,2*", "--exclude", "team/web:*-rc?"])? == ["team/web:1.0", "team/web:1.1"]);
    ensure!(copied(&["--all", "--exclude", "team/**"])? == ["other:1.0"]);
    // By its digest it has no tag, and is pulled by that.
    let folder = tempfile::tempdir()?;
    let image = format!("other@{}", small(1).manifest.digest());
    let (code, summary) = source.sync(folder.path(), &[&image])?;
    ensure!(code == Some(0), "{summary}");
    let server = Operated::start(&["--store", &folder.path().display().to_string()])?;
    let types = [("Accept", Form::Schema2.media_type())];
    let path = |reference: &str| format!("/v2/other/manifests/{reference}");
    let by_digest = http::send(server.address(), "GET", &path(small(1).manifest.digest().as_str()), &types)?;
    ensure!(by_digest.body == small(1).manifest.bytes, "{by_digest:?}");
    ensure!(http::send(server.address(), "GET", &path("latest"), &types)?.status == 404, "it has a tag");
    // What is named and not there is a failure.
    let (code, summary) = source.sync(folder.path(), &["none", "other:none"])?;
    let mut reasons = reasons(&summary);
    reasons.sort_unstable();
    ensure!(code == Some(1) && reasons == ["no-manifest", "no-repository"], "{summary}");
    Ok(())
}

fn damaged_blobs_are_found_and_never_put_in_place() -> anyhow::Result<()> {
    let source = Source::with(&[("a", "1", small(1)), ("a", "2", small(2))])?;
    let layer = layer_of(&small(1))?;
    source.state().damaged = Some(layer.clone());
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    let (code, failed) = source.sync(store, &["a"])?;
    ensure!(code == Some(1) && failed["failed"] == 1 && failed["failures"][0]["tag"] == "1", "{failed}");
    ensure!(
        tags(store, "a")?.into_keys().eq(["2".to_owned()]) && !blobs(store, "a")?.contains(&layer),
        "{failed}"
    );
    source.state().damaged = None;
    let (code, mended) = source.sync(store, &["a"])?;
    ensure!(code == Some(0) && mended["tags"]["added"] == 1, "{mended}");
    // Another one of the same size on the disk.
    let file = store.join("a/blobs/sha256").join(layer.hex());
    fs::write(&file, bytes(9, 1000))?;
    let (_, unseen) = source.sync(store, &["a"])?;
    ensure!(unseen["blobs"]["fetched"] == 0, "{unseen}");
    let (code, seen) = source.sync(store, &["a", "--verify"])?;
    ensure!(code == Some(0) && seen["blobs"]["fetched"] == 1, "{seen}");
    ensure!(blobs(store, "a")?.contains(&layer), "it is not mended");
    ensure!(source.seen().iter().all(|request| !request.path.contains("..")), "{:?}", source.seen());
    Ok(())
}

fn a_layer_of_another_repository_is_not_for_who_only_names_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    let private = small(1);
    Source::with(&[("private", "1", private.clone())])?.sync(store, &["private"])?;
    let stranger = Source::with(&[("public", "1", image(2, private.layers.clone()))])?;
    let layer = layer_of(&private)?;
    stranger.state().missing.insert(layer.clone());
    let (code, refused) = stranger.sync(store, &["public"])?;
    ensure!(code == Some(1) && refused["failures"][0]["tag"] == "1", "{refused}");
    ensure!(!blobs(store, "public")?.contains(&layer), "it is given away");
    stranger.state().missing.clear();
    let (code, linked) = stranger.sync(store, &["public"])?;
    ensure!(code == Some(0) && linked["blobs"]["linked"] == 1 && linked["bytes"] == 0, "{linked}");
    ensure!(blobs(store, "public")?.contains(&layer), "it is not there");
    Ok(())
}

fn one_writes_a_store_at_a_time() -> anyhow::Result<()> {
    let image = image(1, vec![bytes(1, LARGE)]);
    let source = Source::with(&[("a", "1", image.clone())])?;
    source.state().held = Some(layer_of(&image)?);
    let folder = tempfile::tempdir()?;
    let store = folder.path();
    let running = Running::start(command(&source.web.url(), store, &["a"])?)?;
    await_true("the layer to be held", || Ok(source.state().is_holding))?;
    fails(&command(&source.web.url(), store, &["a"])?.output()?, 2, "store-in-use")?;
    // Whoever writes nothing may look.
    let (code, dry) = source.sync(store, &["a", "--dry-run"])?;
    ensure!(code == Some(0), "{dry}");
    drop(running);
    source.state().held = None;
    let (code, summary) = source.sync(store, &["a"])?;
    ensure!(code == Some(0), "{summary}");
    Ok(())
}

fn usage_is_explained() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let store = folder.path().join("store").display().to_string();
    let none = folder.path().join("none").display().to_string();
    for (arguments, reason) in [
        (&["sync", "a", "--store", &store][..], "invalid-settings"),
        (&["sync", "a", "--upstream", "http://127.0.0.1:1"][..], "invalid-settings"),
        (&["sync", "--store", &store, "--upstream", "http://127.0.0.1:1"][..], "invalid-settings"),
        (&["sync", "a", "--store", &store, "--upstream", "ftp://a"][..], "invalid-upstream"),
        (&["sync", "--images-from", &none, "--store", &store, "--upstream", "a"][..], "unreadable-file"),
    ] {
        fails(&run(arguments)?, 2, reason)?;
    }
    ensure!(!folder.path().join("store").exists(), "it is made");
    for (arguments, expected) in [
        (&["sync", "A"][..], "NAME[:TAG[,TAG...]]"),
        (&["sync", "a", "--jobs", "65"][..], "from 1 to"),
        (&["sync", "a", "--delete-repositories"][..], "--delete"),
    ] {
        let output = run(arguments)?;
        ensure!(output.status.code() == Some(2) && said(&output).contains(expected), "{output:?}");
    }
    Ok(())
}

fn a_full_disk_ends_it_and_what_is_there_is_gone_on_with(disk: &Disk) -> anyhow::Result<()> {
    let images: Vec<_> = (1..=3).map(|number| image(number, vec![bytes(number, LARGE)])).collect();
    let source = Source::start()?;
    let store = disk.path().join("store");
    source.push("a", "1", images[0].clone());
    source.sync(&store, &["a"])?;
    let server = Operated::start(&["--store", &store.display().to_string()])?;
    for (number, image) in images.iter().enumerate().skip(1) {
        source.push("a", &(number + 1).to_string(), image.clone());
    }
    // Eight megabytes are not nine.
    let output = command(&source.web.url(), &store, &["a", "--jobs", "1"])?.output()?;
    ensure!(
        output.status.code() == Some(2) && said(&output).contains("unwritable-file"),
        "{}",
        said(&output)
    );
    ensure!(said(&output).contains("room on the disk"), "{}", said(&output));
    ensure!(tags(&store, "a")?.len() == 1, "half of it is there");
    let types = [("Accept", Form::Schema2.media_type())];
    let served = http::send(server.address(), "GET", "/v2/a/manifests/1", &types)?;
    ensure!(served.body == images[0].manifest.bytes, "{served:?}");
    disk.remount("size=16m")?;
    let (code, summary) = source.sync(&store, &["a"])?;
    ensure!(code == Some(0) && summary["tags"]["added"] == 2, "{summary}");
    // What had come before is not fetched again.
    ensure!(summary["bytes"].as_u64().is_some_and(|bytes| bytes < 2 * LARGE as u64), "{summary}");
    ensure!(tags(&store, "a")?.len() == 3 && blobs(&store, "a")?.len() == 9, "{summary}");
    Ok(())
}
