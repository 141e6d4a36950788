//! What Cloudflare's own tool makes of the worker, as far as that goes without an account.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use downshift_tests::front::{Front, WORKERD};
use downshift_tests::javascript::built;
use downshift_tests::programs::{NODE, case_with};
use libtest_mimic::Trial;

use crate::Named;

pub(super) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([NODE], format!("workerd::edge::deploying::{name}"), run)
    };
    vec![
        trial(named!(wrangler_finds_all_that_is_to_be_deployed)),
        trial(named!(a_wrong_setting_is_an_error_whose_cause_is_in_the_log_only)),
        trial(named!(its_options_are_listed)),
    ]
}

fn a_wrong_setting_is_an_error_whose_cause_is_in_the_log_only() -> anyhow::Result<()> {
    for (option, value) in [
        ("--blobs", "nowhere"),
        ("--limit", "layer=1"),
        ("--signer", "rsa"),
        ("--tag-ttl", "never"),
        ("--upstream-timeout", "soon"),
        ("--upstreams", "[]"),
        ("--upstreams", "[{\"url\":\"http://127.0.0.1:1\",\"prefix\":\"No\"}]"),
        ("--upstreams", "[{\"url\":\"http://127.0.0.1:1\",\"username\":\"a\"}]"),
        ("--upstream-username", "alice"),
    ] {
        let front = Front::start_before_url(WORKERD, &[option, value], "http://127.0.0.1:1")?;
        for target in ["/v2/", "/v2/library/sample/manifests/latest"] {
            let response = front.send("GET", target, &[])?;
            ensure!(response.status == 500, "{option} {value}: {response:?}");
            ensure!(response.json()?["errors"][0]["code"] == "UNKNOWN", "{option} {value}: {response:?}");
            ensure!(!String::from_utf8_lossy(&response.body).contains(value), "{response:?}");
        }
        let refused = front.send("PUT", "/v2/library/sample/manifests/latest", &[])?;
        ensure!(refused.status == 405, "what needs no setting: {refused:?}");
    }
    Ok(())
}

/// What `local.mjs` takes is in its help, which is that of `cargo xtask worker`.
fn its_options_are_listed() -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/edge-cloudflare");
    let output = Command::new(NODE).arg(folder.join("local.mjs")).arg("--help").output()?;
    ensure!(output.status.success(), "{output:?}");
    let help = String::from_utf8(output.stdout)?;
    let script = fs::read_to_string(folder.join("serve.mjs"))?;
    let (_, options) = script.split_once("options: {").context("it takes no options")?;
    let (options, _) = options.split_once("\n    },").context("its options have no end")?;
    let names = options.lines().filter_map(|line| line.trim().split_once(':'));
    for option in names.map(|(name, _)| name.trim_matches('"')).filter(|option| *option != "help") {
        ensure!(help.contains(&format!("  --{option} ")), "`--{option}` is not in the help: {help}");
    }
    Ok(())
}

fn wrangler_finds_all_that_is_to_be_deployed() -> anyhow::Result<()> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the suite has no project")?;
    let (output, home) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let script = built("DOWNSHIFT_WORKER")?.join("worker.mjs");
    let said = Command::new(NODE)
        .arg(project.join("node_modules/wrangler/bin/wrangler.js"))
        .arg("deploy")
        .arg(&script)
        .args(["--dry-run", "--outdir", &output.path().display().to_string(), "--config"])
        .arg(project.join("crates/edge-cloudflare/wrangler.toml"))
        // It writes logs and settings, and tells its makers who uses it.
        .envs([("HOME", home.path()), ("XDG_CONFIG_HOME", home.path())])
        .envs([("WRANGLER_SEND_METRICS", "false"), ("CI", "true")])
        .output()?;
    let text = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    ensure!(said.status.success(), "wrangler fails: {text}");
    for part in ["layer.wasm", "pull.wasm", "env.RECORDS (downshift-records)", "env.UPSTREAM"] {
        ensure!(text.contains(part), "there is nothing about `{part}`: {text}");
    }
    ensure!(!text.contains("WARNING"), "it warns: {text}");
    ensure!(output.path().join("pull.wasm").is_file(), "{text}");
    Ok(())
}
