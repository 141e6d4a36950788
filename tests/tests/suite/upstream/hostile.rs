//! Registries and clients that mean ill: the rows of `SECURITY.md` that need a registry behind the server.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::sync::{Arc, OnceLock};

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::{Digest, Form};
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::images::{Family, Image, Manifest, REPOSITORY, sample};
use downshift_cases::response::{Response, is_refused};
use downshift_tests::faults::{Fault, FaultyRegistry};
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http;
use downshift_tests::program;
use downshift_tests::programs::{DOCKER_REGISTRY, case_with};
use downshift_tests::registry::{Registry, htpasswd};
use downshift_tests::server::free_address;
use downshift_tests::tokens::{TokenService, User};
use downshift_tests::web::{Web, respond};
use flate2::Compression;
use flate2::write::GzEncoder;
use libtest_mimic::Trial;

use crate::Named;

/// Who the server is at the registry.
const SERVER: User = ("server", "hunter2-of-the-server", &["*"]);
/// Who pulls.
const ALICE: User = ("alice", "hunter2-of-alice", &["*"]);

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        let name = format!("{}::upstream::hostile::{name}", engine.name);
        case_with(engine.programs(&[DOCKER_REGISTRY]), name, move || run(engine))
    };
    vec![
        trial(named!(no_reference_leads_to_another_host)),
        trial(named!(no_redirect_gets_credentials)),
        trial(named!(no_redirect_brings_credentials_back)),
        trial(named!(what_is_compressed_is_not_unpacked)),
        trial(named!(the_name_of_a_host_cannot_break_a_challenge)),
        trial(named!(no_answer_is_given_to_who_asked_for_another)),
        trial(named!(no_secret_is_in_a_log_an_error_or_a_core_dump)),
    ]
}

/// Whatever names, targets, headers and documents say: only the registry is asked.
fn no_reference_leads_to_another_host(engine: Engine) -> anyhow::Result<()> {
    let elsewhere = Web::start(|_, client| respond(client, 200, &[], b"{}"))?;
    let (host, url) = (elsewhere.address().to_string(), elsewhere.url());
    let registry = Registry::start()?;
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let image = sample::with_layers(Family::Docker, foreign);
    let text = String::from_utf8(image.manifest.bytes.clone())?;
    let text = text.replace("\"size\"", &format!("\"urls\": [\"{url}/layer\"],\n\"size\""));
    let with_urls = Manifest { form: Form::Schema2, bytes: text.into_bytes() };
    // The config is no layer: a member `urls` is of no meaning there.
    registry.push(REPOSITORY, "foreign", &Image { manifest: with_urls, ..image.clone() })?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let recorded = FaultyRegistry::start(&registry)?;
    let front = Front::start_before_url(engine, &["--tag-ttl", "0"], &recorded.url())?;
    // What the registry itself would take for another path, another query or another request.
    for reference in ["..%2f..%2f..%2fx", "%2e%2e", "x%3fn=1", "x%23", "x%20HTTP%2f1.1%0d%0aX:%20y", "x%5c.."]
    {
        let refused = front.send("GET", &manifest_path(reference), &[])?;
        ensure!(refused.status == 404, "{reference}: {refused:?}");
    }
    ensure!(recorded.seen().is_empty(), "the registry is asked for what is no tag: {:?}", recorded.seen());
    for name in [&host, &format!("user@{host}/x"), &format!("http:%2f%2f{host}/x")] {
        let refused = front.send("GET", &format!("/v2/{name}/manifests/latest"), &[])?;
        is_refused(&refused, 400, "invalid-name").with_context(|| name.clone())?;
    }
    // A registry that the operator has not named.
    for target in [
        format!("/v2/{host}/library/sample/manifests/latest"),
        format!("{}?ns={host}", manifest_path("latest")),
    ] {
        let refused = front.send("GET", &target, &[])?;
        ensure!(refused.status == 404, "{target}: {refused:?}");
    }
    for (target, header) in [
        (manifest_path("latest"), ("Host", host.as_str())),
        (manifest_path("latest"), ("X-Forwarded-Host", host.as_str())),
        // As a client sends it to a proxy.
        (format!("{url}{}", manifest_path("latest")), ("Accept", "*/*")),
    ] {
        let sent = format!("GET {target} HTTP/1.1\r\n{}: {}\r\nConnection: close\r\n", header.0, header.1);
        let own = if header.0 == "Host" { String::new() } else { format!("Host: {}\r\n", front.address()) };
        let responses = http::converse_to_the_end(front.address(), format!("{sent}{own}\r\n").as_bytes())?;
        let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
        ensure!(statuses == [200], "{target}: {responses:?}");
    }
    let layer = Digest::of(&image.layers[0]);
    ensure!(front.manifest("foreign", &[Form::Oci.media_type()])?.status == 200, "it is not converted");
    ensure!(matches!(front.blob(layer.as_str())?.status, 200 | 404), "the layer is asked for elsewhere");
    let seen = elsewhere.seen();
    ensure!(seen.is_empty(), "another host was asked: {seen:?}");
    Ok(())
}

/// A registry with a password that sends whoever asks for a document to another host, and back.
fn no_redirect_gets_credentials(engine: Engine) -> anyhow::Result<()> {
    let image = sample::schema2();
    let documents: BTreeMap<String, Vec<u8>> =
        image.documents().into_iter().map(|(digest, bytes)| (digest.hex().to_owned(), bytes)).collect();
    let manifest = image.manifest.bytes.clone();
    let elsewhere = Web::start(move |request, client| {
        let document = documents.iter().find(|(hex, _)| request.path.contains(hex.as_str()));
        respond(client, 200, &[], document.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default())
    })?;
    let target = elsewhere.url();
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", SERVER.0, SERVER.1)));
    let registry = Web::start({
        move |request, client| {
            if !request.values("authorization").eq([expected.as_str()]) {
                return respond(client, 401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b"{}");
            }
            if request.path.contains("/manifests/") {
                let kind = ("Content-Type", Form::Schema2.media_type());
                return respond(client, 200, &[kind], &manifest);
            }
            respond(client, 307, &[("Location", &format!("{target}{}", request.path))], b"")
        }
    })?;
    let folder = tempfile::tempdir()?;
    let password = folder.path().join("password");
    fs::write(&password, SERVER.1)?;
    let password = password.display().to_string();
    let arguments = ["--upstream-username", SERVER.0, "--upstream-password-file", &password];
    let front = Front::start_before_url(engine, &arguments, &registry.url())?;
    let converted = front.manifest("latest", &[])?;
    ensure!(converted.status == 200, "{converted:?}");
    let layer = &image.layers[0];
    ensure!(front.blob(Digest::of(layer).as_str())?.body == *layer, "the layer does not come");
    let seen = elsewhere.seen();
    ensure!(seen.len() >= 2, "nobody follows: {seen:?}");
    let leak = seen.iter().find(|request| request.values("authorization").next().is_some());
    ensure!(leak.is_none(), "credentials go to another host: {leak:?}");
    Ok(())
}

/// A registry that sends whoever asks for a document to another host, which sends them back to where nobody is asked who
/// they are.
fn no_redirect_brings_credentials_back(engine: Engine) -> anyhow::Result<()> {
    let image = sample::schema2();
    let documents: BTreeMap<String, Vec<u8>> =
        image.documents().into_iter().map(|(digest, bytes)| (digest.hex().to_owned(), bytes)).collect();
    let manifest = image.manifest.bytes.clone();
    let home = Arc::new(OnceLock::<String>::new());
    let elsewhere = Web::start({
        let home = Arc::clone(&home);
        move |request, client| {
            let home = home.get().map(String::as_str).unwrap_or_default();
            respond(client, 307, &[("Location", &format!("{home}/back{}", request.path))], b"")
        }
    })?;
    let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", SERVER.0, SERVER.1)));
    let registry = Web::start({
        let (elsewhere, expected) = (elsewhere.url(), expected.clone());
        move |request, client| {
            if request.path.starts_with("/back/") {
                let document = documents.iter().find(|(hex, _)| request.path.contains(hex.as_str()));
                let document = document.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
                return respond(client, 200, &[], document);
            }
            if !request.values("authorization").eq([expected.as_str()]) {
                return respond(client, 401, &[("WWW-Authenticate", "Basic realm=\"x\"")], b"{}");
            }
            if request.path.contains("/manifests/") {
                let kind = ("Content-Type", Form::Schema2.media_type());
                return respond(client, 200, &[kind], &manifest);
            }
            respond(client, 307, &[("Location", &format!("{elsewhere}{}", request.path))], b"")
        }
    })?;
    home.get_or_init(|| registry.url());
    let folder = tempfile::tempdir()?;
    let password = folder.path().join("password");
    fs::write(&password, SERVER.1)?;
    let password = password.display().to_string();
    let arguments = ["--upstream-username", SERVER.0, "--upstream-password-file", &password];
    let layer = &image.layers[0];
    let path = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(layer));
    for (arguments, headers) in [
        (&arguments as &[&str], &[] as &[_]),
        (&["--auth", "upstream"], &[("Authorization", expected.as_str())]),
    ] {
        let front = Front::start_before_url(engine, arguments, &registry.url())?;
        let converted = front.send("GET", &manifest_path("latest"), headers)?;
        ensure!(converted.status == 200, "{converted:?}");
        ensure!(front.send("GET", &path, headers)?.body == *layer, "the layer does not come");
    }
    let seen = registry.seen();
    let back: Vec<_> = seen.iter().filter(|request| request.path.starts_with("/back/")).collect();
    ensure!(back.len() >= 4, "nobody comes back: {seen:?}");
    let leak = back.iter().find(|request| request.values("authorization").next().is_some());
    ensure!(leak.is_none(), "credentials come back: {leak:?}");
    Ok(())
}

/// The digest is of what is on the wire: whatever an upstream registry compresses, nobody has to unpack.
fn what_is_compressed_is_not_unpacked(engine: Engine) -> anyhow::Result<()> {
    let gzip = |bytes: &[u8]| -> anyhow::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes)?;
        Ok(encoder.finish()?)
    };
    let image = sample::schema2();
    let manifest = gzip(&image.manifest.bytes)?;
    let bomb = gzip(&vec![b' '; 64 << 20])?;
    let registry = Web::start(move |request, client| {
        let body = if request.path.ends_with("bomb") { &bomb } else { &manifest };
        let headers = [("Content-Type", Form::Schema2.media_type()), ("Content-Encoding", "gzip")];
        respond(client, 200, &headers, body)
    })?;
    let front = Front::start_before_url(engine, &[], &registry.url())?;
    let digest = image.manifest.digest();
    for reference in [digest.as_str(), "bomb"] {
        is_refused(&front.manifest(reference, &[])?, 502, "upstream-no-document")
            .context(reference.to_owned())?;
    }
    let seen = registry.seen();
    let asks =
        seen.iter().find(|request| request.values("accept-encoding").any(|value| value.contains("gzip")));
    ensure!(asks.is_none(), "compressed documents are asked for: {asks:?}");
    Ok(())
}

/// Under which name a client knows the server is what it says, and it stands in the challenge that it gets.
fn the_name_of_a_host_cannot_break_a_challenge(engine: Engine) -> anyhow::Result<()> {
    let service = Arc::new(TokenService::start(&[ALICE])?);
    let registry = Registry::start_with_tokens(&service, ALICE)?;
    let front = Front::start_before(engine, &["--auth", "upstream"], &registry)?;
    for host in
        ["a\" realm=\"http://evil", "evil.example.org/x", "evil@example.org", "a,Basic realm=evil", "evil b"]
    {
        let sent = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let responses = http::converse_to_the_end(front.address(), sent.as_bytes())?;
        let shown = format!("{responses:?}");
        ensure!(!shown.contains("evil"), "{host}: {shown}");
        if let [response] = responses.as_slice()
            && response.status == 401
        {
            let challenge = response.header("www-authenticate").context("there is not one challenge")?;
            ensure!(challenge == "Bearer realm=\"/_downshift/token\",service=\"downshift\"", "{challenge}");
        }
    }
    Ok(())
}

/// The same again and again, under two names and for clients that understand different things, in another order each
/// time: everybody gets their own.
fn no_answer_is_given_to_who_asked_for_another(engine: Engine) -> anyhow::Result<()> {
    let (index, schema2) = (sample::index(), sample::schema2());
    let registry = Registry::start()?;
    let names = ["library/one", "library/other"];
    for name in names {
        registry.push(name, "index", &index)?;
        registry.push(name, "schema2", &schema2)?;
        registry.push(name, "schema2-too", &schema2)?;
    }
    let front = Front::start_before(engine, &["--tag-ttl", "0"], &registry)?;
    let docker = |platform: &str| format!("docker/1.10.3 os/linux arch/{platform}");
    let with_oci = |platform: &str| format!("docker/20.10.24 os/linux arch/{platform}");
    let clients: Vec<(&str, String)> = vec![
        ("", docker("amd64")),
        ("", docker("arm64")),
        (Form::Schema1Unsigned.media_type(), docker("amd64")),
        (Form::Schema2.media_type(), docker("amd64")),
        (Form::Schema2.media_type(), docker("arm64")),
        (Form::Oci.media_type(), with_oci("amd64")),
        (Form::Oci.media_type(), with_oci("arm64")),
        (Form::Index.media_type(), with_oci("amd64")),
        (Form::List.media_type(), docker("amd64")),
    ];
    let mut asked = Vec::new();
    for name in names {
        for tag in ["index", "schema2", "schema2-too"] {
            asked.extend(clients.iter().map(|(accept, agent)| (name, tag, *accept, agent.as_str())));
        }
    }
    let ask = |(name, tag, accept, agent): (&str, &str, &str, &str)| {
        let mut headers = vec![("User-Agent", agent)];
        headers.extend((!accept.is_empty()).then_some(("Accept", accept)));
        front.send("GET", &format!("/v2/{name}/manifests/{tag}"), &headers)
    };
    let mut first = BTreeMap::new();
    for round in 0..4 {
        for &(name, tag, accept, agent) in &asked {
            let key = (name, tag, accept, agent);
            let got = ask(key)?;
            is_own(&got, name, tag, accept, agent, &index)
                .with_context(|| format!("{key:?} in round {round}"))?;
            let before = first.entry(key).or_insert_with(|| (got.status, got.body.clone()));
            ensure!(
                *before == (got.status, got.body.clone()),
                "{key:?} gets something else in round {round}"
            );
        }
        asked.reverse();
        asked.rotate_left(5);
    }
    // What a tag meant before is not what it means now.
    registry.push(names[0], "schema2", &sample::without_layers())?;
    for (key, before) in first {
        if (key.0, key.1) == (names[0], "schema2") && before.0 == 200 {
            let got = ask(key)?;
            ensure!(got.status == 200 && got.body != before.1, "{key:?} gets what was: {got:?}");
        }
    }
    Ok(())
}

/// Checks that an answer is for who asked.
fn is_own(
    got: &Response,
    name: &str,
    tag: &str,
    accept: &str,
    agent: &str,
    index: &Image,
) -> anyhow::Result<()> {
    if got.status != 200 {
        // A list is not made of an image for one platform.
        ensure!(got.status == 400 && tag != "index", "{got:?}");
        return Ok(());
    }
    let form = Form::from_media_type(got.header("content-type").context("no type")?).context("no form")?;
    // Caches in between tell them apart by that.
    let varies = got.header("vary").context("it is the same for all, caches are told")?;
    ensure!(varies == "Accept, User-Agent", "it varies on {varies}");
    if form.is_schema1() {
        ensure!(got.json()?["name"] == name && got.json()?["tag"] == tag, "it is for another: {got:?}");
        ensure!(accept.is_empty() || form == Form::Schema1Unsigned, "it is signed: {got:?}");
    } else {
        ensure!(form.media_type() == accept, "it is not what was asked for: {got:?}");
    }
    let architecture = if agent.ends_with("arm64") { "arm64" } else { "amd64" };
    if form.is_schema1() && tag == "index" {
        ensure!(got.json()?["architecture"] == architecture, "it is for another platform: {got:?}");
    }
    if form == Form::Oci && tag == "index" {
        let child = &index.children[usize::from(architecture == "amd64")];
        ensure!(got.body == child.bytes, "it is for another platform: {got:?}");
    }
    Ok(())
}

fn no_secret_is_in_a_log_an_error_or_a_core_dump(engine: Engine) -> anyhow::Result<()> {
    let service = Arc::new(TokenService::start(&[SERVER])?);
    let registry = Registry::start_with_tokens(&service, SERVER)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let faulty = FaultyRegistry::start(&registry)?;
    let folder = tempfile::tempdir()?;
    let file = |name: &str, text: &str| -> anyhow::Result<String> {
        let path = folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path.display().to_string())
    };
    let own = STANDARD.encode(format!("{}:{}", SERVER.0, SERVER.1));
    let host = faulty.url().replace("http://", "");
    let config = file("config.json", &format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{own}\"}}}}}}"))?;
    let users = file("users", &htpasswd(ALICE.0, ALICE.1)?)?;
    let pem = FixedKey::read()?.pem().to_owned();
    let key = file("key.pem", &pem)?;
    let auth = format!("htpasswd:{users}");
    let arguments = [
        "--upstream-docker-config",
        &config,
        "--auth",
        &auth,
        "--key",
        &key,
        "--upstream-timeout",
        "10",
        "--tag-ttl",
        "0",
        "--access-log",
    ];
    let front = Front::start_before_url(engine, &arguments, &faulty.url())?;

    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("{}:{password}", ALICE.0)));
    let (right, wrong) = (basic(ALICE.1), basic("hunter2-that-is-wrong"));
    let mut shown = String::new();
    // Where a registry redirects to is as good as a password. Nothing listens there.
    let signed = format!("http://{}/?signature=hunter2-of-a-url", free_address()?);
    for fault in [
        None,
        Some(Fault::Status(500, Vec::new())),
        Some(Fault::Close),
        Some(Fault::Status(403, Vec::new())),
        Some(Fault::Status(307, vec![("Location", signed)])),
    ] {
        match fault {
            Some(fault) => faulty.set("/", fault),
            None => faulty.clear(),
        }
        for authorization in [&right, &wrong, &format!("{right}x"), &right.replace("Basic", "Bearer")] {
            for path in [manifest_path("latest"), manifest_path("none"), "/v2/".to_owned()] {
                let response = front.send("GET", &path, &[("Authorization", authorization)])?;
                shown.push_str(&format!("{response:?}\n"));
            }
        }
    }
    ensure!(shown.starts_with("200"), "nothing comes at all: {shown}");
    shown.push_str(&front.said());

    let limits = fs::read_to_string(format!("/proc/{}/limits", front.pid()?))?;
    let cores =
        limits.lines().find(|line| line.starts_with("Max core file size")).context("no such limit")?;
    let numbers: Vec<&str> = cores.split_ascii_whitespace().skip(4).take(2).collect();
    ensure!(numbers == ["1", "1"], "the limit on core dumps is another: {cores}");

    // Files that operators got wrong.
    for (name, text, option) in [
        (
            "a.json",
            format!("{{\"auths\":{{\"{host}\":{{\"auth\":7,\"password\":\"{}\"}}}}}}", SERVER.1),
            "--upstream-docker-config",
        ),
        ("b.toml", format!("[[upstream]]\nurl = \"a\"\npassword = \"{}\"\n", SERVER.1), "--config"),
        ("c.toml", format!("[[upstream]]\nurl = \"https://{}:{}@a\"\n", SERVER.0, SERVER.1), "--config"),
        ("d.toml", format!("[[upstream]]\nurl = \"a\nb {}\n", SERVER.1), "--config"),
        ("e", format!("{}:{}\n", ALICE.0, ALICE.1), "--auth"),
        ("f.pem", pem.replace("-----END", "----END"), "--key"),
    ] {
        let path = file(name, &text)?;
        let path = if option == "--auth" { format!("htpasswd:{path}") } else { path };
        let url = faulty.url();
        let source: &[&str] = if option == "--config" { &[] } else { &["--upstream", &url] };
        let arguments = ["serve", "--engine", "native", "--listen", "127.0.0.1:0", option, &path];
        let output = program::run([&arguments, source].concat())?;
        ensure!(output.status.code() == Some(2), "`{name}` is taken: {output:?}");
        shown.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    let key_lines = pem.lines().filter(|line| !line.starts_with('-') && !line.is_empty());
    let secrets = ["hunter2", &own, right.trim_start_matches("Basic "), wrong.trim_start_matches("Basic ")];
    for secret in secrets.into_iter().chain(key_lines) {
        ensure!(!shown.contains(secret), "`{secret}` is shown: {shown}");
    }
    Ok(())
}
