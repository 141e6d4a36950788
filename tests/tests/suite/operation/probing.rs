//! Registries that are asked before anybody pulls from them: at the start of a server, and by `check-config --online`.

use std::fs;

use anyhow::{Context as _, ensure};
use downshift_cases::images::{REPOSITORY, sample};
use downshift_tests::front::manifest_path;
use downshift_tests::http;
use downshift_tests::patience::await_true;
use downshift_tests::program::{self, PROBE_UPSTREAMS};
use downshift_tests::programs::{DOCKER_REGISTRY, case_with};
use downshift_tests::registry::{Registry, Validity};
use downshift_tests::server::{Server, free_address};
use downshift_tests::web::{Web, hang, respond};
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;

pub(crate) fn trials() -> Vec<Trial> {
    let trial =
        |(name, run): Named<fn(&TempDir) -> anyhow::Result<()>>| {
            case_with([DOCKER_REGISTRY], format!("operation::probing::{name}"), move || {
                run(&tempfile::tempdir()?)
            })
        };
    vec![
        trial(named!(what_is_wrong_with_a_registry_is_told_before_anybody_pulls)),
        trial(named!(tls_that_fails_is_told_in_words)),
        trial(named!(a_registry_that_answers_is_sound)),
        trial(named!(a_silent_registry_delays_nobody)),
    ]
}

/// What a server logs of the registry that `toml` describes, as soon as it says `expected`; and what `check-config` says.
fn told(folder: &TempDir, toml: &str, expected: &str) -> anyhow::Result<()> {
    let file = folder.path().join("downshift.toml");
    fs::write(
        &file,
        format!("listen = \"127.0.0.1:0\"\nengine = \"native\"\n[[upstream]]\ntimeout = 5\n{toml}"),
    )?;
    let mut command = program::command()?;
    let server = Server::start(command.env_remove(PROBE_UPSTREAMS).args(["serve", "--config"]).arg(&file))?;
    await_true(expected, || Ok(server.said().contains(expected))).with_context(|| server.said())?;
    let (code, said) = checked(folder, &["--online"])?;
    ensure!(code == Some(1) && said.contains(expected) && said.contains("remedy: "), "{code:?}: {said}");
    let (code, said) = checked(folder, &[])?;
    ensure!(code == Some(0), "it is asked for nothing: {said}");
    Ok(())
}

fn checked(folder: &TempDir, arguments: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    let file = folder.path().join("downshift.toml");
    let mut command = program::command()?;
    let output = command.args(["check-config", "--config"]).arg(file).args(arguments).output()?;
    Ok((output.status.code(), String::from_utf8([output.stdout, output.stderr].concat())?))
}

fn what_is_wrong_with_a_registry_is_told_before_anybody_pulls(folder: &TempDir) -> anyhow::Result<()> {
    let nobody = free_address()?;
    told(folder, &format!("url = \"http://{nobody}\""), &format!("`{nobody}` cannot be reached"))?;
    let open = Registry::start()?;
    told(folder, &format!("url = \"{}/registry\"", open.url()), "there is no `/v2/` below its URL")?;
    let page = Web::start(|_, client| {
        respond(client, 200, &[("Content-Type", "text/html")], b"<html>Log in</html>")
    })?;
    told(folder, &format!("url = \"{}\"", page.url()), "`/v2/` is a web page")?;
    let closed = Registry::start_with_password("alice", "right")?;
    told(folder, &format!("url = \"{}\"", closed.url()), "requires a user name and a password")?;
    fs::write(folder.path().join("password"), "hunter2\n")?;
    let toml = format!("url = \"{}\"\nusername = \"alice\"\npassword-file = \"password\"", closed.url());
    told(folder, &toml, "does not accept the user name and password")
}

fn tls_that_fails_is_told_in_words(folder: &TempDir) -> anyhow::Result<()> {
    let plain = Registry::start()?;
    let url = plain.url().replace("http:", "https:");
    told(folder, &format!("url = \"{url}\""), "does not speak TLS: it may speak plain HTTP")?;
    for (name, validity, is_trusted, expected) in [
        ("127.0.0.1", Validity::Now, false, "has a certificate from an authority that is not trusted"),
        ("127.0.0.1", Validity::Past, true, "has a certificate that has expired"),
        ("127.0.0.1", Validity::Future, true, "has a certificate that is not valid yet"),
        ("other.test", Validity::Now, true, "has a certificate for other names"),
    ] {
        let (registry, certificate) = Registry::start_with_certificate(&[name], validity)?;
        let ca = format!("ca = \"{}\"", certificate.path().display());
        let toml = format!("url = \"{}\"\n{}", registry.url(), if is_trusted { &ca } else { "" });
        told(folder, &toml, expected)?;
    }
    Ok(())
}

fn a_registry_that_answers_is_sound(folder: &TempDir) -> anyhow::Result<()> {
    let open = Registry::start()?;
    let closed = Registry::start_with_password("alice", "right")?;
    fs::write(folder.path().join("password"), "right\n")?;
    let closed = format!("url = \"{}\"\nusername = \"alice\"\npassword-file = \"password\"", closed.url());
    let file = folder.path().join("downshift.toml");
    fs::write(
        &file,
        format!("[[upstream]]\nurl = \"{}\"\n[[upstream]]\nprefix = \"b\"\n{closed}", open.url()),
    )?;
    let (code, said) = checked(folder, &["--online"])?;
    ensure!(code == Some(0) && said == "the configuration is sound\n", "{code:?}: {said}");
    Ok(())
}

fn a_silent_registry_delays_nobody(folder: &TempDir) -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let silent = Web::start(|_, client| {
        hang(client);
        Ok(())
    })?;
    let file = folder.path().join("downshift.toml");
    let toml = format!(
        "listen = \"127.0.0.1:0\"\nengine = \"native\"\n[[upstream]]\nurl = \"{}\"\n\
         [[upstream]]\nprefix = \"b\"\nurl = \"{}\"\n",
        registry.url(),
        silent.url()
    );
    fs::write(&file, toml)?;
    let mut command = program::command()?;
    let server = Server::start(command.env_remove(PROBE_UPSTREAMS).args(["serve", "--config"]).arg(&file))?;
    await_true("the look at the registry", || Ok(!silent.seen().is_empty()))?;
    let answered = http::send(server.address(), "GET", &manifest_path("latest"), &[])?;
    ensure!(answered.status == 200, "{answered:?}");
    server.stop()
}
