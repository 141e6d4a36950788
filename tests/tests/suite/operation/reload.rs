//! Settings and certificates that change while clients pull.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::fs;
use std::thread;

use anyhow::{Context, ensure};
use downshift_cases::images::{REPOSITORY, sample};
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::patience::await_true;
use downshift_tests::programs::{DOCKER_REGISTRY, OPENSSL, SKOPEO, case_with};
use downshift_tests::registry::Registry;
use downshift_tests::skopeo;
use libtest_mimic::Trial;
use rustix::process::Signal;
use tempfile::TempDir;

use super::tls::make_certificate;
use crate::Named;

/// How often the certificate and the settings change under load.
const CHANGES: usize = 10;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |programs: &[&'static str], (name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with(programs, format!("operation::reload::{name}"), run)
    };
    vec![
        trial(&[DOCKER_REGISTRY], named!(a_hangup_takes_over_what_the_file_says)),
        trial(
            &[DOCKER_REGISTRY, OPENSSL, SKOPEO],
            named!(no_pull_fails_while_certificate_and_settings_change),
        ),
        trial(&[DOCKER_REGISTRY], named!(a_server_that_is_told_to_stop_ends_what_runs)),
    ]
}

fn write(folder: &TempDir, text: &str) -> anyhow::Result<String> {
    let file = folder.path().join("downshift.toml");
    fs::write(&file, text)?;
    Ok(file.display().to_string())
}

fn a_hangup_takes_over_what_the_file_says() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let folder = tempfile::tempdir()?;
    let one = format!("[[upstream]]\nurl = \"{}\"\nprefix = \"one\"\n", registry.url());
    let file = write(&folder, &one)?;
    let server = Operated::start(&["--config", &file])?;
    let status = |prefix: &str| -> anyhow::Result<u16> {
        let target = format!("/v2/{prefix}/{REPOSITORY}/manifests/latest");
        Ok(http::send(server.address(), "GET", &target, &[])?.status)
    };
    ensure!(status("one")? == 200 && status("two")? == 404, "it begins with other names");

    let two = format!("access-log = true\n{one}\n{}", one.replace("one", "two"));
    write(&folder, &two)?;
    server.server().signal(Signal::HUP)?;
    await_true("the second name", || Ok(status("two")? == 200))?;
    ensure!(status("one")? == 200, "the first name is gone");
    server.await_log("/v2/one/")?;

    write(&folder, "acess-log = true\n")?;
    server.server().signal(Signal::HUP)?;
    server.await_log("the nearest is `access-log`")?;
    server.await_log("the settings stay as they were")?;
    ensure!(status("one")? == 200 && status("two")? == 200, "what was there is gone");

    write(&folder, &format!("records-bytes = 1000000\n{two}"))?;
    server.server().signal(Signal::HUP)?;
    server.await_log("`records-bytes` stays as it was until the server is started again")?;
    ensure!(status("two")? == 200, "it does not go on");
    ensure!(
        server.figure("downshift_reloads_total{result=\"failed\"}")? == 1.0,
        "the failure is not counted"
    );
    Ok(())
}

fn no_pull_fails_while_certificate_and_settings_change() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    for (tag, image) in sample::in_every_form() {
        registry.push(REPOSITORY, tag, &image)?;
    }
    let folder = tempfile::tempdir()?;
    make_certificate(folder.path(), "0", &["-newkey", "rsa:2048"])?;
    let settings = |number: usize| {
        format!(
            "tls-certificate = \"certificate.pem\"\ntls-key = \"key.pem\"\ntag-ttl = {number}\n\
             [[upstream]]\nurl = \"{}\"\n",
            registry.url()
        )
    };
    let file = write(&folder, &settings(0))?;
    let server = Operated::start(&["--config", &file])?;
    let (ends, pulls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let pull = || -> anyhow::Result<()> {
            while !ends.load(Ordering::Relaxed) {
                for (tag, image) in sample::in_every_form() {
                    let pulled = skopeo::pull(server.address(), &format!(":{tag}"), &["--all"])
                        .with_context(|| format!("after {} pulls", pulls.load(Ordering::Relaxed)))?;
                    ensure!(pulled.manifest == image.manifest.bytes, "`{tag}` is something else");
                    pulls.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        let pulling: Vec<_> = (0..2).map(|_| scope.spawn(pull)).collect();
        let change = || -> anyhow::Result<()> {
            for number in 1..=CHANGES {
                make_certificate(folder.path(), &number.to_string(), &["-newkey", "rsa:2048"])?;
                write(&folder, &settings(number))?;
                server.server().signal(Signal::HUP)?;
                let done = "downshift_reloads_total{result=\"done\"}";
                let before = pulls.load(Ordering::Relaxed);
                server.await_figure(done, number as f64)?;
                await_true("a pull during the change", || Ok(pulls.load(Ordering::Relaxed) > before))?;
            }
            Ok(())
        };
        let changed = change();
        ends.store(true, Ordering::Relaxed);
        for pulling in pulling {
            pulling.join().expect("a pull panicked")?;
        }
        changed
    })?;
    println!(
        "{} pulls while certificate and settings changed {CHANGES} times",
        pulls.load(Ordering::Relaxed)
    );
    Ok(())
}

fn a_server_that_is_told_to_stop_ends_what_runs() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push(REPOSITORY, "latest", &sample::schema2())?;
    let faulty = downshift_tests::faults::FaultyRegistry::start(&registry)?;
    // As slow as it gets without being given up: three attempts, with pauses.
    faulty.set("/manifests/", downshift_tests::faults::Fault::Times(2));
    let server = Operated::start(&["--upstream", &faulty.url()])?;
    let address = server.address();
    let pulling = thread::spawn(move || {
        http::send(address, "GET", &downshift_tests::front::manifest_path("latest"), &[])
    });
    server.await_figure("downshift_requests_under_way", 1.0).or_else(|error| {
        // It may be over already.
        if pulling.is_finished() { Ok(()) } else { Err(error) }
    })?;
    server.server().signal(Signal::TERM)?;
    let answer = pulling.join().map_err(|_| anyhow::anyhow!("the pull panicked"))??;
    ensure!(answer.status == 200, "it was cut off: {answer:?}");
    await_true("the end of the listener", || Ok(std::net::TcpStream::connect(address).is_err()))
}
