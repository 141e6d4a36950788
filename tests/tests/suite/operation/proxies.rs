//! A server whose only way to its registry is a proxy: the variables that say so, and the settings.

use std::fs;

use anyhow::ensure;
use downshift::Digest;
use downshift_cases::images::{REPOSITORY, sample};
use downshift_cases::response::Response;
use downshift_tests::front::manifest_path;
use downshift_tests::http;
use downshift_tests::patience::await_true;
use downshift_tests::program;
use downshift_tests::programs::{DOCKER_REGISTRY, TINYPROXY, case_with};
use downshift_tests::registry::Registry;
use downshift_tests::server::{Server, free_address};
use downshift_tests::tinyproxy::Tinyproxy;
use libtest_mimic::Trial;

use crate::Named;

/// Whom the proxy knows.
const USER: (&str, &str) = ("operator", "hunter2-of-a-proxy");

/// A registry that nobody but the proxy finds.
const HIDDEN: &str = "http://registry.test";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([DOCKER_REGISTRY, TINYPROXY], format!("operation::proxies::{name}"), run)
    };
    vec![
        trial(named!(plain_http_goes_through_the_proxy_of_the_environment)),
        trial(named!(https_goes_through_a_tunnel_of_the_proxy_in_the_settings)),
        trial(named!(this_machine_and_direct_hosts_are_asked_without_a_proxy)),
        trial(named!(a_proxy_that_fails_is_named_and_its_password_is_not)),
    ]
}

/// A registry with one image.
fn filled(registry: Registry) -> anyhow::Result<Registry> {
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    Ok(registry)
}

/// The proxy that finds `registry` under the name [`HIDDEN`].
fn in_front_of(registry: &Registry) -> anyhow::Result<Tinyproxy> {
    // docker-registry takes whole URLs, as a proxy does.
    Tinyproxy::start(Some(USER), &format!("Upstream http {} \"registry.test\"", registry.host()))
}

fn serve(arguments: &[&str], variables: &[(&str, &str)]) -> anyhow::Result<Server> {
    let mut command = program::command()?;
    command.args(["serve", "--engine", "native", "--listen", "127.0.0.1:0"]);
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    Server::start(command.args(arguments).envs(variables.iter().copied()))
}

fn manifest(server: &Server) -> anyhow::Result<Response> {
    http::send(server.address(), "GET", &manifest_path("latest"), &[])
}

/// Pulls the image, its layers too.
fn pulls(server: &Server) -> anyhow::Result<()> {
    let converted = manifest(server)?;
    ensure!(converted.status == 200, "{converted:?}");
    for layer in &sample::schema2().layers {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", Digest::of(layer));
        let blob = http::send(server.address(), "GET", &path, &[])?;
        ensure!(blob.status == 200 && blob.body == *layer, "{blob:?}");
    }
    Ok(())
}

fn plain_http_goes_through_the_proxy_of_the_environment() -> anyhow::Result<()> {
    let registry = filled(Registry::start()?)?;
    let proxy = in_front_of(&registry)?;
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let server = serve(&["--upstream", HIDDEN], &[(variable, &proxy.url(Some(USER)))])?;
        pulls(&server)?;
        // The environment is for its owner; what everybody sees of a process has no password.
        let command_line = fs::read_to_string(format!("/proc/{}/cmdline", server.pid()))?;
        ensure!(!command_line.contains(USER.1) && !server.said().contains(USER.1), "the password is shown");
    }
    Ok(())
}

fn https_goes_through_a_tunnel_of_the_proxy_in_the_settings() -> anyhow::Result<()> {
    let (registry, certificate) = Registry::start_with_tls()?;
    let proxy = Tinyproxy::start(Some(USER), "")?;
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("password"), format!("{}\n", USER.1))?;
    // This machine, by an address that is not of the loopback network, so that a proxy leads there.
    let url = registry.url().replace("127.0.0.1", "0.0.0.0");
    let file = folder.path().join("downshift.toml");
    let toml = format!(
        "[[upstream]]\nurl = \"{url}\"\nca = \"{}\"\nproxy = \"{}\"\nproxy-username = \"{}\"\n\
         proxy-password-file = \"password\"\n",
        certificate.path().display(),
        proxy.url(None),
        USER.0
    );
    fs::write(&file, toml)?;
    // What is said of one registry counts before the environment.
    let nowhere = format!("http://{}", free_address()?);
    let server = serve(&["--config", &file.display().to_string()], &[("HTTPS_PROXY", &nowhere)])?;
    let missing = manifest(&server)?;
    ensure!(missing.status == 404, "the registry is not reached: {missing:?}");
    let connect = format!("CONNECT {}", url.trim_start_matches("https://"));
    await_true("the tunnel", || Ok(proxy.was_asked(&connect)))
}

fn this_machine_and_direct_hosts_are_asked_without_a_proxy() -> anyhow::Result<()> {
    let registry = filled(Registry::start()?)?;
    let nowhere = format!("http://{}", free_address()?);
    pulls(&serve(&["--upstream", registry.url()], &[("ALL_PROXY", &nowhere)])?)?;
    let other = registry.url().replace("127.0.0.1", "0.0.0.0");
    for direct in ["0.0.0.0", "example.org,0.0.0.0/8", "*"] {
        for (name, proxy) in [("HTTP_PROXY", nowhere.as_str()), ("http_proxy", &nowhere)] {
            let server = serve(&["--upstream", &other], &[(name, proxy), ("no_proxy", direct)])?;
            pulls(&server)?;
        }
    }
    pulls(&serve(&["--upstream", &other, "--upstream-proxy", "none"], &[("ALL_PROXY", &nowhere)])?)
}

fn a_proxy_that_fails_is_named_and_its_password_is_not() -> anyhow::Result<()> {
    let registry = filled(Registry::start()?)?;
    let proxy = in_front_of(&registry)?;
    let nowhere = free_address()?;
    let wrong = proxy.url(Some((USER.0, "hunter2-that-is-wrong")));
    let (own, nobody) = (proxy.url(None), format!("http://operator:hunter2@{nowhere}"));
    for (upstream, given, shown, what) in [
        // Where the password is wrong, tinyproxy answers 401, which nobody can tell from the registry's in plain HTTP.
        ("https://registry.test:5000", &wrong, &own, "made no connection to it"),
        (HIDDEN, &own, &own, "requires a user name and password, or different ones"),
        ("https://registry.test:5000", &own, &own, "requires a user name and password, or different ones"),
        (HIDDEN, &nobody, &format!("http://{nowhere}"), "cannot be reached: "),
        ("https://registry.test:5000", &nobody, &format!("http://{nowhere}"), "cannot be reached: "),
    ] {
        let server = serve(&["--upstream", upstream], &[("ALL_PROXY", given)])?;
        let failed = manifest(&server)?;
        let error = &failed.json()?["errors"][0];
        ensure!(failed.status == 502 && error["detail"]["reason"] == "upstream-proxy", "{failed:?}");
        let host = upstream.split_once("//").map_or(upstream, |(_, host)| host);
        let expected = format!("the upstream registry `{host}` cannot be asked: the proxy `{shown}` {what}");
        let cause = error["message"].as_str().unwrap_or_default();
        ensure!(cause.starts_with(&expected), "{expected}: {failed:?}");
        let shown = format!("{failed:?}{}", server.said());
        ensure!(!shown.contains("hunter2"), "the password is shown: {shown}");
    }
    // Nor is one shown that stands where it would be seen.
    let url = format!("http://operator:hunter2@{nowhere}");
    for (arguments, variables) in [
        (&["--upstream", HIDDEN, "--upstream-proxy", &url] as &[&str], &[] as &[(&str, &str)]),
        (&["--upstream", HIDDEN, "--print-config", "--upstream-proxy", &url], &[]),
        (&["--upstream", HIDDEN], &[("HTTP_PROXY", "socks5://operator:hunter2@127.0.0.1")]),
    ] {
        let output = program::command()?
            .args(["serve", "--engine", "native"])
            .args(arguments)
            .envs(variables.iter().copied())
            .output()?;
        let said = String::from_utf8([output.stdout, output.stderr].concat())?;
        ensure!(output.status.code() == Some(2) && said.contains("invalid-settings"), "{said}");
        ensure!(!said.contains("hunter2"), "the password is shown: {said}");
    }
    Ok(())
}
