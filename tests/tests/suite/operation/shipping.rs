//! What is shipped beside the program: a unit for systemd, settings for proxies, completions and manuals.

use core::net::SocketAddr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use downshift_cases::images::{REPOSITORY, layout, sample};
use downshift_tests::container::Podman;
use downshift_tests::front::manifest_path;
use downshift_tests::http;
use downshift_tests::nginx::Nginx;
use downshift_tests::operated::{Operated, run};
use downshift_tests::program;
use downshift_tests::programs::{
    HAPROXY, NGINX, OPENSSL, PODMAN, SKOPEO, STRIP, SYSTEMD_ANALYZE, case_after, case_with, locate,
};
use downshift_tests::server::{Server, free_address};
use downshift_tests::skopeo;
use libtest_mimic::Trial;
use tempfile::TempDir;

use super::tls::make_certificate;
use crate::Named;

/// The exposure that the service may have, in tenths of systemd's scale from 0 to 10.
const EXPOSURE: &str = "20";

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |programs: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs, format!("operation::shipping::{name}"), run)
    };
    let (name, run): Named<fn(Podman) -> anyhow::Result<()>> =
        named!(podman_builds_the_container_and_skopeo_pulls_from_it);
    vec![
        trial(&[SYSTEMD_ANALYZE], named!(systemd_takes_the_unit_and_finds_it_hardened)),
        trial(&[], named!(the_settings_that_come_with_it_are_sound)),
        trial(&["bash"], named!(shells_take_the_completions)),
        trial(&[], named!(there_is_a_manual_for_each_command)),
        trial(&[NGINX, OPENSSL, SKOPEO], named!(skopeo_pulls_through_nginx)),
        trial(&[HAPROXY, OPENSSL, SKOPEO], named!(skopeo_pulls_through_haproxy)),
        case_after([PODMAN, SKOPEO, STRIP], format!("operation::shipping::{name}"), Podman::start, run),
    ]
}

/// A file of those that are shipped.
fn shipped(name: &str) -> anyhow::Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

fn systemd_takes_the_unit_and_finds_it_hardened() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let units = ["downshift.service", "downshift-sync.service", "downshift-sync.timer"];
    for name in units {
        // It is verified as well that there is such a program.
        let unit = shipped(name)?.replace("/usr/bin/downshift", &program::path()?.display().to_string());
        fs::write(folder.path().join(name), unit)?;
    }
    for path in units.map(|name| folder.path().join(name)) {
        let verified = Command::new(SYSTEMD_ANALYZE).args(["verify", "--man=no"]).arg(&path).output()?;
        let said = String::from_utf8_lossy(&verified.stderr);
        let own: Vec<_> = said.lines().filter(|line| line.contains("downshift")).collect();
        ensure!(own.is_empty(), "systemd says: {said}");
        if path.extension().is_some_and(|kind| kind == "service") {
            run(Command::new(SYSTEMD_ANALYZE)
                .args(["security", "--offline=true", "--threshold", EXPOSURE])
                .arg(&path))?;
        }
    }
    Ok(())
}

fn the_settings_that_come_with_it_are_sound() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("downshift.toml");
    fs::write(&path, shipped("downshift.toml")?)?;
    program::succeed(["check-config", "--config", &path.display().to_string()])?;
    Ok(())
}

fn shells_take_the_completions() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program::succeed(["completions", shell])?;
        let path = folder.path().join(shell);
        fs::write(&path, &script)?;
        let script = String::from_utf8(script)?;
        ensure!(script.contains("check-config") && script.contains("tag-ttl"), "{shell}: {script}");
        if locate(shell).is_some() {
            run(Command::new(shell).arg("-n").arg(&path))?;
        }
    }
    let complete = "source \"$0\"; COMP_WORDS=(downshift serve --tag); COMP_CWORD=2; \
                    _downshift downshift --tag serve; echo \"${COMPREPLY[@]}\"";
    let said = run(Command::new("bash").args(["-c", complete]).arg(folder.path().join("bash")))?;
    ensure!(said == b"--tag-ttl\n", "bash completes with: {}", said.escape_ascii());
    Ok(())
}

fn there_is_a_manual_for_each_command() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    program::succeed(["man", &folder.path().display().to_string()])?;
    for page in [
        "downshift",
        "downshift-serve",
        "downshift-check-config",
        "downshift-clients",
        "downshift-warm",
        "downshift-publish",
        "downshift-sync",
        "downshift-key",
    ] {
        let path = folder.path().join(format!("{page}.1"));
        let text = fs::read_to_string(&path).with_context(|| page.to_string())?;
        ensure!(text.contains(&format!(".TH {page} 1")), "{page} is no manual: {text}");
        if locate("man").is_some() {
            run(Command::new("man").args(["--warnings", "--local-file"]).arg(&path))?;
        }
    }
    let serve = fs::read_to_string(folder.path().join("downshift-serve.1"))?;
    ensure!(serve.contains("\\-\\-tls\\-certificate") && serve.contains("[default: 10]"), "{serve}");
    Ok(())
}

/// A server behind a proxy with a certificate, and the folder of that.
struct Proxied {
    server: Operated,
    folder: TempDir,
    address: SocketAddr,
}

impl Proxied {
    fn start() -> anyhow::Result<Self> {
        let images = sample::in_every_form();
        let server = Operated::start_with(&images, &["--trusted-proxy", "127.0.0.1", "--access-log"])?;
        let folder = tempfile::tempdir()?;
        make_certificate(folder.path(), "proxy", &["-newkey", "rsa:2048"])?;
        Ok(Self { server, folder, address: free_address()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is shipped, for this place.
    fn configuration(&self, name: &str, replacements: &[(&str, &str)]) -> anyhow::Result<String> {
        let mut text = shipped(name)?;
        for (from, to) in replacements {
            ensure!(text.contains(from), "there is no `{from}` in {name}");
            text = text.replace(from, to);
        }
        Ok(text)
    }

    fn pulls(&self) -> anyhow::Result<()> {
        for (tag, image) in sample::in_every_form() {
            let pulled = skopeo::pull(self.address, &format!(":{tag}"), &["--all"])?;
            ensure!(pulled.manifest == image.manifest.bytes, "`{tag}` is something else: {REPOSITORY}");
        }
        let old =
            ["s_client", "-ign_eof", "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-groups", "P-256"];
        let request = format!(
            "printf 'GET /v2/{REPOSITORY}/manifests/oci HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n'"
        );
        let command = format!("{request} | {OPENSSL} {} -connect {} 2>&1", old.join(" "), self.address);
        let said = String::from_utf8_lossy(&run(Command::new("sh").args(["-c", &command]))?).into_owned();
        ensure!(said.contains("\"schemaVersion\": 1"), "old engines get: {said}");
        self.server.await_log("client=127.0.0.1")
    }
}

fn skopeo_pulls_through_nginx() -> anyhow::Result<()> {
    let proxied = Proxied::start()?;
    let text = proxied.configuration(
        "nginx.conf",
        &[
            ("443 ssl", &format!("{} ssl", proxied.address)),
            ("/etc/ssl/certs/images.example.org.pem", &proxied.path("certificate.pem").display().to_string()),
            ("/etc/ssl/private/images.example.org.key", &proxied.path("key.pem").display().to_string()),
            ("http://127.0.0.1:5000", &format!("http://{}", proxied.server.address())),
        ],
    )?;
    let _nginx = Nginx::start(proxied.address, |_| Ok(text))?;
    proxied.pulls()
}

fn skopeo_pulls_through_haproxy() -> anyhow::Result<()> {
    let proxied = Proxied::start()?;
    let [certificate, key] =
        ["certificate.pem", "key.pem"].map(|name| fs::read_to_string(proxied.path(name)));
    fs::write(proxied.path("both.pem"), [certificate?, key?].concat())?;
    let text = proxied.configuration(
        "haproxy.cfg",
        &[
            ("bind :443", &format!("bind {}", proxied.address)),
            ("/etc/haproxy/images.example.org.pem", &proxied.path("both.pem").display().to_string()),
            ("127.0.0.1:5000", &proxied.server.address().to_string()),
            ("port 5001", &format!("port {}", proxied.server.admin_address().port())),
        ],
    )?;
    let path = proxied.path("haproxy.cfg");
    fs::write(&path, text)?;
    let program = locate(HAPROXY).context("it is not installed")?;
    let _haproxy = Server::start_at(proxied.address, Command::new(program).arg("-db").arg("-f").arg(&path))?;
    proxied.pulls()
}

fn podman_builds_the_container_and_skopeo_pulls_from_it(podman: Podman) -> anyhow::Result<()> {
    let images = sample::in_every_form();
    let folder = tempfile::tempdir()?;
    layout::write(&folder.path().join(REPOSITORY), &images)?;
    // The server there is somebody else.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let image = podman.build()?;
    let container = image.serve(folder.path())?;
    for (tag, image) in &images {
        let pulled = skopeo::pull(container.address(), &format!(":{tag}"), &["--all"])?;
        ensure!(pulled.manifest == image.manifest.bytes, "`{tag}` is something else");
    }
    let schema1 = http::send(container.address(), "GET", &manifest_path("oci"), &[])?;
    ensure!(schema1.status == 200 && schema1.json()?["schemaVersion"] == 1, "old engines get: {schema1:?}");
    let owners = container.run(&["stat", "-c", "%u %a %n", "/var/lib/downshift/signing-key.json"])?;
    ensure!(owners == "65532 600 /var/lib/downshift/signing-key.json\n", "the key is: {owners}");
    container.stop()
}
