//! Who may pull: the users of a file, or everybody who may pull from the registry behind.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::Response;
use downshift_tests::faults::{Fault, FaultyRegistry};
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::http;
use downshift_tests::nginx::Nginx;
use downshift_tests::patience::await_true;
use downshift_tests::programs::{DOCKER_REGISTRY, NGINX, SKOPEO, case_with};
use downshift_tests::registry::{Registry, htpasswd};
use downshift_tests::server::free_address;
use downshift_tests::tokens::{TokenService, User};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;

const ALICE: User = ("alice", "wonder land", &["*"]);
/// May pull, and something else.
const BOB: User = ("bob", "builder", &["library/open"]);

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        let name = format!("{}::upstream::access::{name}", engine.name);
        case_with(engine.programs(&[DOCKER_REGISTRY, SKOPEO]), name, move || run(engine))
    };
    let behind_nginx: Named<fn(Engine) -> anyhow::Result<()>> =
        named!(a_shared_cache_gives_nobody_what_another_one_was_let_in_for);
    let (name, run) = behind_nginx;
    let programs = engine.programs(&[DOCKER_REGISTRY, NGINX]);
    vec![
        trial(named!(tokens_are_passed_through)),
        trial(named!(passwords_are_passed_through)),
        trial(named!(users_of_a_file)),
        trial(named!(wrong_credentials_of_the_server)),
        trial(named!(a_no_forgets_the_yes_at_once)),
        trial(named!(what_somebody_was_let_in_for_is_private)),
        case_with(programs, format!("{}::upstream::access::{name}", engine.name), move || run(engine)),
    ]
}

fn basic((name, password, _): &User) -> String {
    format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
}

fn tokens_are_passed_through(engine: Engine) -> anyhow::Result<()> {
    let service = Arc::new(TokenService::start(&[ALICE, BOB])?);
    let registry = Registry::start_with_tokens(&service, ALICE)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    registry.push("library/open", "latest", &sample::schema2())?;
    let front = Front::start_before(engine, &["--auth", "upstream"], &registry)?;
    let hidden = [registry.host().to_string(), service.realm()];
    for target in ["/v2/", &manifest_path("latest"), "/v2/library/sample/tags/list"] {
        let refused = front.send("GET", target, &[])?;
        is_challenged(&refused, &front, "Bearer", &hidden).with_context(|| target.to_string())?;
    }

    let token = |user: Option<&User>| -> anyhow::Result<Response> {
        let target = format!("/_downshift/token?service=downshift&scope=repository:{REPOSITORY}:pull");
        let authorization = user.map(basic);
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        front.send("GET", &target, &headers)
    };
    let bearer = |response: &Response| -> anyhow::Result<String> {
        Ok(format!("Bearer {}", response.json()?["token"].as_str().context("no token")?))
    };
    let (alice, bob, nobody) =
        (bearer(&token(Some(&ALICE))?)?, bearer(&token(Some(&BOB))?)?, bearer(&token(None)?)?);
    ensure!(token(Some(&("alice", "guess", &[])))?.status == 401, "a wrong password gives a token");

    // Now that everything is there for one.
    let path = manifest_path("latest");
    let pulled = front.send("GET", &path, &[("Authorization", &alice)])?;
    ensure!(pulled.status == 200, "{pulled:?}");
    let reported = pulled.header("docker-content-digest").context("no digest")?.to_string();
    let layer = Digest::of(&sample::schema2().layers[0]);
    let targets = [
        path,
        manifest_path(&reported),
        manifest_path(sample::schema2().manifest.digest().as_str()),
        format!("/v2/{REPOSITORY}/blobs/{layer}"),
        format!("/v2/{REPOSITORY}/tags/list"),
    ];
    for target in &targets {
        let allowed = front.send("GET", target, &[("Authorization", &alice)])?;
        ensure!(allowed.status == 200, "{target}: {allowed:?}");
        for authorization in [Some(&bob), Some(&nobody), None] {
            let headers: Vec<_> =
                authorization.map(|value| ("Authorization", value.as_str())).into_iter().collect();
            for method in ["GET", "HEAD"] {
                let refused = front.send(method, target, &headers)?;
                ensure!(matches!(refused.status, 401 | 403), "{target} is given away: {refused:?}");
                ensure!(refused.header("docker-content-digest").is_none(), "{target}: {refused:?}");
                tells_nothing(&refused, &hidden)?;
            }
        }
    }
    for (user, repository, is_allowed) in [
        (&ALICE, REPOSITORY, true),
        (&BOB, REPOSITORY, false),
        (&BOB, "library/open", true),
        (&ALICE, "library/open", true),
    ] {
        ensure!(skopeo_inspects(&front, user, repository)? == is_allowed, "{} and {repository}", user.0);
    }
    Ok(())
}

fn passwords_are_passed_through(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start_with_password(ALICE.0, ALICE.1)?;
    registry.push(REPOSITORY, "latest", &sample::oci())?;
    let front = Front::start_before(engine, &["--auth", "upstream"], &registry)?;
    let hidden = [registry.host().to_string(), "realm=\"test\"".to_string()];
    let path = manifest_path("latest");
    let alice = basic(&ALICE);
    let pulled = front.send("GET", &path, &[("Authorization", &alice)])?;
    ensure!(pulled.status == 200, "{pulled:?}");
    let reported = manifest_path(pulled.header("docker-content-digest").context("no digest")?);
    for target in ["/v2/", &path, &reported] {
        for authorization in [None, Some(basic(&BOB))] {
            let headers: Vec<_> =
                authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
            let refused = front.send("GET", target, &headers)?;
            is_challenged(&refused, &front, "Basic", &hidden).with_context(|| target.to_string())?;
        }
        ensure!(front.send("GET", target, &[("Authorization", &alice)])?.status == 200, "{target}");
    }
    ensure!(skopeo_inspects(&front, &ALICE, REPOSITORY)?, "skopeo does not pull");
    ensure!(!skopeo_inspects(&front, &BOB, REPOSITORY)?, "skopeo pulls for anybody");
    Ok(())
}

/// A registry that turns away somebody whom it has let in: from then on nothing that is at hand is given to them.
fn a_no_forgets_the_yes_at_once(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start_with_password(ALICE.0, ALICE.1)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let faulty = FaultyRegistry::start(&registry)?;
    let arguments = ["--auth", "upstream", "--tag-ttl", "0"];
    let front = Front::start_before_url(engine, &arguments, &faulty.url())?;
    let alice = basic(&ALICE);
    let ask = |method: &str, target: &str| front.send(method, target, &[("Authorization", &alice)]);
    let tag = manifest_path("latest");
    let demand = || vec![("WWW-Authenticate", "Basic realm=\"test\"".to_string())];
    let layer = Digest::of(&sample::schema2().layers[0]);
    let mut refused = vec![("GET", tag.clone()), ("HEAD", tag.clone())];
    if engine.is_worker {
        // The server forgets when it is asked for a tag.
        refused.extend([
            ("GET", format!("/v2/{REPOSITORY}/blobs/{layer}")),
            ("HEAD", format!("/v2/{REPOSITORY}/blobs/{layer}")),
            ("GET", format!("/v2/{REPOSITORY}/tags/list")),
            ("GET", format!("/v2/{REPOSITORY}/referrers/{layer}")),
            ("GET", "/v2/".to_string()),
        ]);
    }
    for (method, target) in &refused {
        for (status, headers) in [(401, demand()), (403, Vec::new())] {
            let pulled = ask("GET", &tag)?;
            ensure!(pulled.status == 200, "{pulled:?}");
            let reported = manifest_path(pulled.header("docker-content-digest").context("no digest")?);
            ensure!(ask("GET", &reported)?.status == 200, "it is not given by digest");
            faulty.set("/", Fault::Status(status, headers));
            // A server that was stopped for seconds may take the first one for silence, and say what it was told last.
            await_true("the denial", || Ok(ask(method, target)?.status == status)).context(target.clone())?;
            let given = ask("GET", &reported)?;
            ensure!(given.status == status, "given after {status} for {method} {target}: {given:?}");
            faulty.clear();
        }
    }
    Ok(())
}

/// A file of users with Alice in it, the folder that has it, and the option that names it.
fn users_file() -> anyhow::Result<(TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("users");
    fs::write(&file, htpasswd(ALICE.0, ALICE.1)?)?;
    let option = format!("htpasswd:{}", file.display());
    Ok((folder, option))
}

/// What a client gets where it had to be let in is for no shared cache; where everybody may pull, it is.
fn what_somebody_was_let_in_for_is_private(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start_with_password(ALICE.0, ALICE.1)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let (_password_folder, password) = password_file(ALICE.1)?;
    let own = ["--upstream-username", ALICE.0, "--upstream-password-file", &password];
    let (_users_folder, users) = users_file()?;
    let alice = basic(&ALICE);
    let stored = sample::schema2().manifest.digest();
    let layer = Digest::of(&sample::schema2().layers[0]);
    // The reference knows no referrers; a store does.
    let targets = |reported: &str, referrers: u16| {
        [
            ("/v2".to_string(), 301, None),
            ("/v2/_catalog".to_string(), 200, None),
            ("/v2/".to_string(), 200, None),
            (manifest_path("latest"), 200, None),
            (manifest_path("none"), 404, None),
            (manifest_path(stored.as_str()), 200, Some("max-age=31536000, immutable")),
            (manifest_path(reported), 200, Some("max-age=31536000, immutable")),
            (format!("/v2/{REPOSITORY}/blobs/{layer}"), 200, Some("max-age=31536000")),
            (format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(b"none")), 404, None),
            (format!("/v2/{REPOSITORY}/tags/list"), 200, None),
            (format!("/v2/{REPOSITORY}/referrers/{stored}"), referrers, None),
            (format!("/v2/{REPOSITORY}/none"), 404, None),
        ]
    };
    let mut fronts = vec![
        (Front::start_before(engine, &["--auth", "upstream"], &registry)?, true, 404),
        (Front::start_before(engine, &own, &registry)?, false, 404),
    ];
    if !engine.is_worker {
        let with_users = ["--auth", users.as_str()];
        let images = [("latest", sample::schema2())];
        let all = [&own as &[_], &with_users].concat();
        fronts.push((Front::start_before(engine, &all, &registry)?, true, 404));
        fronts.push((Front::start_with(engine, &with_users, &images)?, true, 200));
        fronts.push((Front::start_with(engine, &[], &images)?, false, 200));
    }
    for (front, is_private, referrers) in fronts {
        let authorization = [("Authorization", alice.as_str())];
        let pulled = front.send("GET", &manifest_path("latest"), &authorization)?;
        let reported = pulled.header("docker-content-digest").context("no digest")?.to_string();
        for (target, status, shared) in targets(&reported, referrers) {
            for method in ["GET", "HEAD"] {
                for more in [&[] as &[_], &[("Range", "bytes=0-1")], &[("If-None-Match", "*")]] {
                    let given = front.send(method, &target, &[&authorization, more].concat())?;
                    let is_less = matches!(given.status, 206 | 304);
                    ensure!(given.status == status || status == 200 && is_less, "{target}: {given:?}");
                    let control = given.header("cache-control").unwrap_or_default();
                    if target.contains("/manifests/") {
                        ensure!(given.header("vary") == Some("Accept, User-Agent"), "{target}: {given:?}");
                    }
                    match shared {
                        Some(shared) if !is_private => ensure!(control == shared, "{target}: {given:?}"),
                        _ if is_private => ensure!(
                            matches!(control, "private, no-cache" | "no-store"),
                            "{method} {target} is for everybody: {given:?}"
                        ),
                        _ => ensure!(!control.contains("private"), "{target} is for nobody: {given:?}"),
                    }
                }
            }
        }
        for (target, user) in [("/v2/", None), (manifest_path("latest").as_str(), Some(basic(&BOB)))] {
            let headers: Vec<_> = user.iter().map(|value| ("Authorization", value.as_str())).collect();
            let given = front.send("GET", target, &headers)?;
            ensure!((given.status == 401) == is_private, "{given:?}");
            ensure!(!is_private || given.header("cache-control") == Some("no-store"), "{given:?}");
        }
        let root = front.send("GET", "/", &[])?;
        ensure!(root.header("cache-control") == Some("no-cache"), "{root:?}");
    }
    Ok(())
}

/// nginx with a cache before a server, and what it gives to whom.
fn a_shared_cache_gives_nobody_what_another_one_was_let_in_for(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start_with_password(ALICE.0, ALICE.1)?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let (_password_folder, password) = password_file(ALICE.1)?;
    let own = ["--upstream-username", ALICE.0, "--upstream-password-file", &password];
    let (_users_folder, users) = users_file()?;
    let (alice, bob) = (basic(&ALICE), basic(&BOB));
    let stored = manifest_path(sample::schema2().manifest.digest().as_str());
    let layer = Digest::of(&sample::schema2().layers[0]);
    let mut fronts = vec![
        (Front::start_before(engine, &["--auth", "upstream"], &registry)?, true),
        (Front::start_before(engine, &own, &registry)?, false),
    ];
    if !engine.is_worker {
        let with_users = [&own as &[_], &["--auth", users.as_str()]].concat();
        fronts.push((Front::start_before(engine, &with_users, &registry)?, true));
    }
    for (front, is_private) in fronts {
        let address = free_address()?;
        let _nginx = Nginx::start(address, |folder| {
            Ok(format!(
                "proxy_cache_path {}/cache keys_zone=shared:1m;\nserver {{ listen {address}; location / {{\n\
                 proxy_pass http://{}; proxy_http_version 1.1; proxy_set_header Host $http_host;\n\
                 proxy_set_header Connection \"\"; proxy_cache shared;\n\
                 add_header X-Cache $upstream_cache_status always;\n}} }}\n",
                folder.display(),
                front.address()
            ))
        })?;
        let ask = |target: &str, headers: &[(&str, &str)]| http::send(address, "GET", target, headers);
        let curl = ("User-Agent", "curl/7.88.1");
        let as_alice = [("Authorization", alice.as_str()), curl];
        let pulled = ask(&manifest_path("latest"), &as_alice)?;
        ensure!(pulled.status == 200, "{pulled:?}");
        let reported = manifest_path(pulled.header("docker-content-digest").context("no digest")?);
        let layer = format!("/v2/{REPOSITORY}/blobs/{layer}");
        for target in [&manifest_path("latest"), &reported, &stored, &layer] {
            for time in 0..2 {
                let given = ask(target, &as_alice)?;
                ensure!(given.status == 200, "{target}: {given:?}");
                let is_kept = given.header("x-cache") == Some("HIT");
                ensure!(!is_private || !is_kept, "{target} comes out of the cache: {given:?}");
                // A cache that keeps nothing would show nothing.
                let is_fixed = *target == stored || *target == layer;
                ensure!(is_private || is_kept || time == 0 || !is_fixed, "{target} is not kept: {given:?}");
            }
            for other in [&[curl] as &[_], &[("Authorization", bob.as_str()), curl]] {
                let given = ask(target, other)?;
                ensure!(given.status == if is_private { 401 } else { 200 }, "{target}: {given:?}");
            }
        }
        // By digest the User-Agent decides as well.
        let old =
            ask(&stored, &[("Authorization", alice.as_str()), ("User-Agent", "docker/1.9.1 os/linux")])?;
        ensure!(old.status == 400, "an old engine gets what was for another client: {old:?}");
    }
    Ok(())
}

fn password_file(password: &str) -> anyhow::Result<(TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("password");
    fs::write(&file, password)?;
    let path = file.display().to_string();
    Ok((folder, path))
}

fn users_of_a_file(engine: Engine) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("users");
    fs::write(&file, format!("# users\n{}", htpasswd(ALICE.0, ALICE.1)?))?;
    let auth = format!("htpasswd:{}", file.display());
    let front = Front::start_before(engine, &["--auth", &auth], &registry)?;
    let status = |user: Option<&User>| -> anyhow::Result<u16> {
        let authorization = user.map(basic);
        let headers: Vec<_> = authorization.iter().map(|value| ("Authorization", value.as_str())).collect();
        Ok(front.send("GET", &manifest_path("latest"), &headers)?.status)
    };
    is_challenged(&front.send("GET", "/v2/", &[])?, &front, "Basic", &[])?;
    ensure!(status(None)? == 401 && status(Some(&BOB))? == 401, "everybody is let in");
    ensure!(status(Some(&("alice", "guess", &[])))? == 401, "any password is right");
    ensure!(status(Some(&ALICE))? == 200 && status(Some(&ALICE))? == 200, "a user is not let in");
    ensure!(front.send("GET", "/", &[])?.status == 200, "a load balancer is not let in");
    ensure!(skopeo_inspects(&front, &ALICE, REPOSITORY)?, "skopeo does not pull");
    // Another file in its place, with another time.
    let other = folder.path().join("other");
    fs::write(&other, htpasswd(BOB.0, BOB.1)?)?;
    fs::rename(&other, &file)?;
    ensure!(status(Some(&BOB))? == 200 && status(Some(&ALICE))? == 401, "a change does not count");
    Ok(())
}

fn wrong_credentials_of_the_server(engine: Engine) -> anyhow::Result<()> {
    let service = Arc::new(TokenService::start(&[ALICE, BOB])?);
    for registry in
        [Registry::start_with_tokens(&service, ALICE)?, Registry::start_with_password(ALICE.0, ALICE.1)?]
    {
        registry.push(REPOSITORY, "latest", &sample::schema2())?;
        let folder = tempfile::tempdir()?;
        let password = folder.path().join("password");
        fs::write(&password, "guess")?;
        let password = password.display().to_string();
        let arguments = ["--upstream-username", "alice", "--upstream-password-file", &password];
        for arguments in [&arguments as &[&str], &[]] {
            let front = Front::start_before(engine, arguments, &registry)?;
            let refused = front.manifest("latest", &[])?;
            ensure!(refused.status == 403, "{refused:?}");
            let error = &refused.json()?["errors"][0];
            ensure!(error["code"] == "UNAVAILABLE" && error["detail"]["remedy"].is_string(), "{error}");
            tells_nothing(&refused, &["guess".to_string()])?;
        }
    }
    Ok(())
}

/// Checks a 401: one challenge, of `scheme`, in the front's own name.
fn is_challenged(response: &Response, front: &Front, scheme: &str, hidden: &[String]) -> anyhow::Result<()> {
    ensure!(response.status == 401, "the status is not 401: {response:?}");
    ensure!(response.header("docker-distribution-api-version") == Some("registry/2.0"), "{response:?}");
    let challenge = response.header("www-authenticate").context("there is not one challenge")?;
    let expected = match scheme {
        "Bearer" => {
            format!("Bearer realm=\"http://{}/_downshift/token\",service=\"downshift\"", front.address())
        }
        _ => "Basic realm=\"downshift\"".to_string(),
    };
    ensure!(challenge.starts_with(&expected), "the challenge is `{challenge}`");
    ensure!(response.json()?["errors"][0]["code"] == "UNAUTHORIZED", "{response:?}");
    tells_nothing(response, hidden)
}

/// Checks that nothing in a response is `hidden`.
fn tells_nothing(response: &Response, hidden: &[String]) -> anyhow::Result<()> {
    let shown = format!("{response:?}");
    for secret in hidden {
        ensure!(!shown.contains(secret.as_str()), "`{secret}` is shown: {shown}");
    }
    Ok(())
}

/// Whether skopeo gets an image with a user's name and password.
fn skopeo_inspects(front: &Front, (name, password, _): &User, repository: &str) -> anyhow::Result<bool> {
    let output = Command::new(SKOPEO)
        .args(["inspect", "--raw", "--tls-verify=false", "--creds", &format!("{name}:{password}")])
        .arg(format!("docker://{}/{repository}:latest", front.address()))
        .output()?;
    Ok(output.status.success())
}
