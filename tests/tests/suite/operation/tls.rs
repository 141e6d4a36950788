//! TLS, with OpenSSL's own client restricted to what old engines know, and certificates that change.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use downshift_cases::images::sample;
use downshift_cases::response::is_refused;
use downshift_tests::front::manifest_path;
use downshift_tests::operated::{Operated, run};
use downshift_tests::patience::await_true;
use downshift_tests::programs::{CURL, OPENSSL, case_with};
use libtest_mimic::Trial;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::Named;

/// Kinds of keys, the cipher suite that Docker 1.6 to 1.9 have for them, and how OpenSSL makes one.
const KINDS: [(&str, &str, &[&str]); 2] = [
    ("RSA", "ECDHE-RSA-AES128-GCM-SHA256", &["-newkey", "rsa:2048"]),
    ("ECDSA", "ECDHE-ECDSA-AES128-GCM-SHA256", &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
];

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| {
        case_with([OPENSSL, CURL], format!("operation::tls::{name}"), run)
    };
    vec![
        trial(named!(the_handshakes_of_docker_1_6_to_1_9_work)),
        trial(named!(clients_choose_between_http_1_1_and_2)),
        trial(named!(a_changed_certificate_is_noticed)),
        trial(named!(what_is_no_tls_is_no_request)),
    ]
}

/// Makes a certificate for `localhost` and its key, which replace former ones in a folder.
pub(crate) fn make_certificate(folder: &Path, name: &str, key: &[&str]) -> anyhow::Result<()> {
    let path = |name: &str| folder.join(name).display().to_string();
    run(Command::new(OPENSSL)
        .args(["req", "-x509", "-nodes", "-days", "2"])
        .args(key)
        .args(["-subj", &format!("/CN={name}"), "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        .args(["-keyout", &path("key.draft"), "-out", &path("certificate.draft")]))?;
    // One after the other, as it happens.
    fs::rename(path("certificate.draft"), path("certificate.pem"))?;
    fs::rename(path("key.draft"), path("key.pem"))?;
    Ok(())
}

/// A server with a certificate of this kind of key, made out to `one`.
pub(crate) fn with_certificate(key: &[&str], arguments: &[&str]) -> anyhow::Result<(Operated, TempDir)> {
    let folder = tempfile::tempdir()?;
    make_certificate(folder.path(), "one", key)?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let tls = ["--tls-certificate", &certificate, "--tls-key", &key];
    let images = [("latest", sample::schema2())];
    Ok((Operated::start_with(&images, &[&tls, arguments].concat())?, folder))
}

/// What OpenSSL's client says of a connection, and gets as the answer to a request.
fn s_client(server: &Operated, arguments: &[&str], request: &str) -> anyhow::Result<String> {
    let mut child = Command::new(OPENSSL)
        .args(["s_client", "-ign_eof", "-connect", &server.address().to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("it has no input")?.write_all(request.as_bytes())?;
    let output = child.wait_with_output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

fn the_handshakes_of_docker_1_6_to_1_9_work() -> anyhow::Result<()> {
    for (kind, suite, key) in KINDS {
        let (server, _folder) = with_certificate(key, &[])?;
        let old = ["-tls1_2", "-cipher", suite, "-groups", "P-256", "-sigalgs", "RSA+SHA256:ECDSA+SHA256"];
        let said = s_client(&server, &old, &get(&manifest_path("latest")))?;
        for expected in [
            &format!("Cipher is {suite}"),
            "Protocol  : TLSv1.2",
            "Server Temp Key: ECDH, prime256v1, 256 bits",
            "No ALPN negotiated",
            "HTTP/1.1 200 OK",
            "content-type: application/vnd.docker.distribution.manifest.v1+prettyjws",
            "\"schemaVersion\": 1",
        ] {
            ensure!(said.contains(expected), "{kind}: there is no `{expected}` in:\n{said}");
        }
        let said = s_client(&server, &["-tls1_3"], &get("/v2/"))?;
        ensure!(said.contains("TLSv1.3") && said.contains("HTTP/1.1 200 OK"), "{kind}: {said}");
    }
    Ok(())
}

fn clients_choose_between_http_1_1_and_2() -> anyhow::Result<()> {
    let (server, folder) = with_certificate(KINDS[1].2, &[])?;
    let certificate = folder.path().join("certificate.pem").display().to_string();
    let url = format!("https://localhost:{}{}", server.address().port(), manifest_path("latest"));
    for (protocol, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let mut curl = Command::new(CURL);
        curl.args(["-sS", "--cacert", &certificate, protocol, "-o", "-", "-w", "%{http_version}", &url]);
        let said = String::from_utf8(run(&mut curl)?)?;
        ensure!(said.contains("\"schemaVersion\": 1") && said.ends_with(version), "{protocol}: {said}");
    }
    let said = s_client(&server, &["-alpn", "h2"], "")?;
    ensure!(said.contains("ALPN protocol: h2"), "{said}");
    Ok(())
}

/// To whom the certificate of a server is made out.
fn subject(server: &Operated) -> anyhow::Result<String> {
    let said = s_client(server, &[], &get("/v2/"))?;
    let subject = said.lines().find_map(|line| line.trim().strip_prefix("subject=CN = "));
    Ok(subject.with_context(|| said.clone())?.to_string())
}

fn a_changed_certificate_is_noticed() -> anyhow::Result<()> {
    let (server, folder) = with_certificate(KINDS[1].2, &[])?;
    ensure!(subject(&server)? == "one", "it begins with another certificate");
    make_certificate(folder.path(), "two", KINDS[0].2)?;
    await_true("the second certificate", || Ok(subject(&server)? == "two"))?;
    // A key that belongs to another one is not used.
    fs::copy(folder.path().join("key.pem"), folder.path().join("key-of-two.pem"))?;
    make_certificate(folder.path(), "three", KINDS[1].2)?;
    await_true("the third certificate", || Ok(subject(&server)? == "three"))?;
    fs::rename(folder.path().join("key-of-two.pem"), folder.path().join("key.pem"))?;
    server.await_log("the certificate stays as it was")?;
    ensure!(subject(&server)? == "three", "a certificate is used without its key");
    server.server().signal(Signal::HUP)?;
    server.await_log("the settings stay as they were")?;
    make_certificate(folder.path(), "four", KINDS[1].2)?;
    server.server().signal(Signal::HUP)?;
    await_true("the fourth certificate", || Ok(subject(&server)? == "four"))
}

fn what_is_no_tls_is_no_request() -> anyhow::Result<()> {
    let (server, _folder) = with_certificate(KINDS[1].2, &["--request-timeout", "4"])?;
    // The very request that would be answered over TLS is told why it is not.
    for path in ["/v2/".to_owned(), manifest_path("latest")] {
        let plain = downshift_tests::http::send(server.address(), "GET", &path, &[])?;
        is_refused(&plain, 400, "tls-required")?;
        ensure!(plain.header("connection") == Some("close"), "{plain:?}");
    }
    server.await_figure("downshift_refused_total{reason=\"tls\"}", 2.0)?;
    // What is neither gets no word.
    let mut mail = std::net::TcpStream::connect(server.address())?;
    mail.write_all(b"ehlo a\r\n")?;
    server.await_figure("downshift_refused_total{reason=\"tls\"}", 3.0)?;
    // And who says nothing is not waited for.
    let silent = std::net::TcpStream::connect(server.address())?;
    server.await_figure("downshift_refused_total{reason=\"slow\"}", 1.0)?;
    drop(silent);
    Ok(())
}
