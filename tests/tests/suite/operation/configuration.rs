//! Flags, environment and file: one meaning, and errors that say where to look.

use std::fs;

use anyhow::ensure;
use downshift_tests::operated::run;
use downshift_tests::program;
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;
use crate::convert::fails;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn(&TempDir) -> anyhow::Result<()>>| {
        case(format!("operation::configuration::{name}"), move || run(&tempfile::tempdir()?))
    };
    vec![
        trial(named!(flags_environment_and_file_mean_the_same)),
        trial(named!(flags_count_before_the_environment_and_that_before_the_file)),
        trial(named!(what_is_printed_is_read_again)),
        trial(named!(unknown_keys_are_told_with_the_nearest_known_one)),
        trial(named!(check_config_reads_every_file_that_is_named)),
    ]
}

/// What `--print-config` says.
fn printed(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<String> {
    let mut command = program::command()?;
    command.args(["serve", "--print-config"]).args(arguments).envs(environment.iter().copied());
    Ok(String::from_utf8(run(&mut command)?)?)
}

/// The verdict of `check-config`, and what it says.
fn checked(text: &str, folder: &TempDir) -> anyhow::Result<(Option<i32>, String)> {
    let file = folder.path().join("downshift.toml");
    fs::write(&file, text)?;
    let output = program::command()?.arg("check-config").arg("--config").arg(&file).output()?;
    Ok((output.status.code(), String::from_utf8([output.stdout, output.stderr].concat())?))
}

fn flags_environment_and_file_mean_the_same(folder: &TempDir) -> anyhow::Result<()> {
    let file = folder.path().join("downshift.toml");
    fs::write(
        &file,
        "listen = \"127.0.0.1:7000\"\ntag-ttl = 3\npolicy = \"reference\"\nplatform = \"linux/arm64\"\naccess-log = true\n\
         auth = \"htpasswd:/users\"\ntrusted-proxy = [\"10.0.0.0/8\", \"127.0.0.1/32\"]\nlog-format = \"json\"\n\
         limit = { layers = 7 }\nupstream = [{ url = \"registry.example.org\", blobs = \"redirect\", timeout = 5 }]\n",
    )?;
    let by_file = printed(&["--config", &file.display().to_string()], &[])?;
    let said = [
        ("listen", "127.0.0.1:7000"),
        ("tag-ttl", "3"),
        ("policy", "reference"),
        ("platform", "linux/arm64"),
        ("access-log", "true"),
        ("auth", "htpasswd:/users"),
        ("trusted-proxy", "10.0.0.0/8,127.0.0.1"),
        ("log-format", "json"),
        ("limit", "layers=7"),
        ("upstream", "registry.example.org"),
        ("blobs", "redirect"),
        ("upstream-timeout", "5"),
    ];
    let flags: Vec<_> = said.iter().map(|(name, value)| format!("--{name}={value}")).collect();
    let by_flags = printed(&flags.iter().map(String::as_str).collect::<Vec<_>>(), &[])?;
    ensure!(by_flags == by_file, "flags say:\n{by_flags}\nthe file says:\n{by_file}");
    let variables: Vec<_> = said
        .iter()
        .map(|(name, value)| (format!("DOWNSHIFT_{}", name.to_uppercase().replace('-', "_")), *value))
        .collect();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let by_environment = printed(&[], &variables)?;
    ensure!(by_environment == by_file, "the environment says:\n{by_environment}\nthe file says:\n{by_file}");
    for line in ["tag-ttl = 3", "platform = \"linux/arm64\"", "idle-timeout = 60", "blobs = \"redirect\""] {
        ensure!(by_file.lines().any(|printed| printed == line), "`{line}` is not printed:\n{by_file}");
    }
    Ok(())
}

fn flags_count_before_the_environment_and_that_before_the_file(folder: &TempDir) -> anyhow::Result<()> {
    let file = folder.path().join("downshift.toml");
    fs::write(
        &file,
        "tag-ttl = 1\nstale-for = 1\nidle-timeout = 1\n[[upstream]]\nurl = \"a.example.org\"\n",
    )?;
    let environment = [
        ("DOWNSHIFT_TAG_TTL", "2"),
        ("DOWNSHIFT_STALE_FOR", "2"),
        // As systemd and compose leave them behind.
        ("DOWNSHIFT_IDLE_TIMEOUT", ""),
        ("DOWNSHIFT_CONFIG", &*file.display().to_string()),
    ];
    let said = printed(&["--tag-ttl", "3", "--upstream", "b.example.org"], &environment)?;
    for line in ["tag-ttl = 3", "stale-for = 2", "idle-timeout = 1", "url = \"b.example.org\""] {
        ensure!(said.lines().any(|printed| printed == line), "`{line}` is not printed:\n{said}");
    }
    ensure!(!said.contains("a.example.org"), "the file's registry is there, too:\n{said}");
    Ok(())
}

fn what_is_printed_is_read_again(folder: &TempDir) -> anyhow::Result<()> {
    let first = printed(&["--store", "images", "--limit", "layers=7", "--client-requests", "9"], &[])?;
    let file = folder.path().join("printed.toml");
    fs::write(&file, first.replace("\"images\"", "\"/images\""))?;
    let second = printed(&["--config", &file.display().to_string()], &[])?;
    ensure!(second == first.replace("\"images\"", "\"/images\""), "{first}\nis read as\n{second}");
    Ok(())
}

fn unknown_keys_are_told_with_the_nearest_known_one(folder: &TempDir) -> anyhow::Result<()> {
    for (text, expected) in [
        ("store = \"/\"\ntag_ttl = 3", "line 2: there is no key `tag_ttl`; the nearest is `tag-ttl`"),
        (
            "[[upstream]]\nurl = \"a\"\npasswordfile = \"b\"",
            "line 3: there is no key `passwordfile`; the nearest is `password-file`",
        ),
        ("store = \"/\"\n[limit]\nlayer = 3", "layer"),
        ("store = \"/\"\ntag-ttl = -3", "line 2: "),
        ("store = \"/\"\npolicy = \"lax\"", "lax"),
        ("tag-ttl = 3", "none of `store`, `pulp` and `upstream`"),
    ] {
        let (code, said) = checked(text, folder)?;
        ensure!(code == Some(1) && said.contains(expected), "{text}: {code:?} {said}");
    }
    Ok(())
}

fn check_config_reads_every_file_that_is_named(folder: &TempDir) -> anyhow::Result<()> {
    let (code, said) = checked("store = \".\"\ndata = \"data\"", folder)?;
    ensure!(code == Some(0), "{said}");
    ensure!(!folder.path().join("data").exists(), "it makes the data folder");
    for (text, expected) in [
        ("store = \"none\"", "unreadable-file"),
        ("store = \".\"\nkey = \"none\"", "unreadable-file"),
        ("store = \".\"\nauth = \"htpasswd:none\"", "unreadable-file"),
        ("store = \".\"\nauth = \"upstream\"", "not-one-upstream"),
        ("store = \".\"\ntls-certificate = \"none\"\ntls-key = \"none\"", "unreadable-file"),
        (
            "store = \".\"\ntls-certificate = \"downshift.toml\"\ntls-key = \"downshift.toml\"",
            "unusable-certificate",
        ),
        ("[[upstream]]\nurl = \"ftp://a\"", "invalid-upstream"),
        ("[[upstream]]\nurl = \"a\"\nca = \"none\"", "unreadable-file"),
        ("[[upstream]]\nurl = \"a\"\nusername = \"b\"\npassword-file = \"none\"", "unreadable-file"),
    ] {
        let (code, said) = checked(text, folder)?;
        ensure!(
            code == Some(1) && said.contains(&format!("error:  {expected}\n")),
            "{text}: {code:?} {said}"
        );
    }
    let past = program::run(["serve", "--store", ".", "--tag-ttl", "18446744073709551615"])?;
    fails(&past, 2, "invalid-settings")
}
