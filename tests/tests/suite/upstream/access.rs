//! Who may pull: the users of a file, or whoever the registry behind lets.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::Response;
use downshift_tests::front::{Engine, Front, manifest_path};
use downshift_tests::programs::{DOCKER_REGISTRY, SKOPEO, case_with};
use downshift_tests::registry::{Registry, htpasswd};
use downshift_tests::tokens::{TokenService, User};
use libtest_mimic::Trial;

use crate::Named;

const ALICE: User = ("alice", "wonder land", &["*"]);
/// May pull, and something else.
const BOB: User = ("bob", "builder", &["library/open"]);

pub(crate) fn trials(engine: Engine) -> Vec<Trial> {
    let trial = |(name, run): Named<fn(Engine) -> anyhow::Result<()>>| {
        let name = format!("{}::upstream::access::{name}", engine.name);
        case_with(engine.programs(&[DOCKER_REGISTRY, SKOPEO]), name, move || run(engine))
    };
    vec![
        trial(named!(tokens_are_passed_through)),
        trial(named!(passwords_are_passed_through)),
        trial(named!(users_of_a_file)),
        trial(named!(wrong_credentials_of_the_server)),
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
            ensure!(error["code"] == "DENIED" && error["detail"]["remedy"].is_string(), "{error}");
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
