//! Logins against a file of users: whoever guesses is stopped, told of in the log, and in nobody's way.

use core::time::Duration;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift_cases::images::sample;
use downshift_cases::response::{Response, is_refused};
use downshift_tests::http;
use downshift_tests::operated::Operated;
use downshift_tests::programs::case;
use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::Named;

/// How many wrong logins come at once.
const WRONG: usize = 100;

/// The cost of the passwords, as it is in files that are made with care.
const COST: u32 = 10;

const GUESSER: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

pub(crate) fn trials() -> Vec<Trial> {
    let trial =
        |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("operation::logins::{name}"), run);
    vec![
        trial(named!(a_client_that_guesses_keeps_no_other_one_waiting)),
        trial(named!(nor_does_one_with_http_2)),
        trial(named!(failed_logins_are_logged_once_for_each_client)),
        trial(named!(passwords_that_bcrypt_would_cut_are_refused)),
    ]
}

/// A server with the users Alice and Bob, which believes what it is told of clients' addresses.
fn serve() -> anyhow::Result<(TempDir, Operated)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("users");
    let users = [("alice", "wonder land".to_owned()), ("bob", "x".repeat(72))];
    let lines = users.iter().map(|(name, password)| {
        let hash = bcrypt::hash_with_result(password, COST)?.format_for_version(bcrypt::Version::TwoY);
        Ok(format!("{name}:{hash}\n"))
    });
    fs::write(&file, lines.collect::<anyhow::Result<String>>()?)?;
    let auth = format!("htpasswd:{}", file.display());
    let arguments = ["--auth", &auth, "--trusted-proxy", "127.0.0.1"];
    Ok((folder, Operated::start_with(&[("latest", sample::schema2())], &arguments)?))
}

fn log_in(server: &Operated, client: &str, name: &str, password: &str) -> anyhow::Result<Response> {
    let authorization = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    let headers = [("Authorization", authorization.as_str()), ("X-Forwarded-For", client)];
    http::send(server.address(), "GET", "/v2/", &headers)
}

/// Checks what a client got that guesses: most of it is refused before it is checked.
fn is_stopped(statuses: &[u16]) -> anyhow::Result<()> {
    let count = |status| statuses.iter().filter(|is| **is == status).count();
    let (checked, refused) = (count(401), count(429));
    ensure!(statuses.len() == WRONG && checked + refused == WRONG, "there is something else: {statuses:?}");
    ensure!(checked > 0 && refused >= WRONG / 2, "{checked} are checked, and {refused} refused");
    Ok(())
}

fn a_client_that_guesses_keeps_no_other_one_waiting() -> anyhow::Result<()> {
    let (_folder, server) = serve()?;
    let responses = thread::scope(|scope| -> anyhow::Result<Vec<Response>> {
        let guess = |number| log_in(&server, GUESSER, "alice", &format!("guess {number}"));
        let guesses: Vec<_> = (0..WRONG).map(|number| scope.spawn(move || guess(number))).collect();
        let other = log_in(&server, OTHER, "alice", "wonder land")?;
        ensure!(other.status == 200, "another client is not let in: {other:?}");
        let joined = guesses.into_iter().map(|guess| guess.join().ok().context("a thread panicked")?);
        joined.collect()
    })?;
    is_stopped(&responses.iter().map(|response| response.status).collect::<Vec<_>>())?;
    for refused in responses.iter().filter(|response| response.status == 429) {
        is_refused(refused, 429, "too-many-logins")?;
        ensure!(
            refused.header("retry-after") == Some("1"),
            "it does not say when to come again: {refused:?}"
        );
    }
    ensure!(server.figure("downshift_refused_total{reason=\"logins\"}")? > 0.0, "they are not counted");
    // The right password is let in from there as well, once it is its turn.
    ensure!(log_in(&server, GUESSER, "alice", "wonder land")?.status == 200, "it is shut out");
    Ok(())
}

/// One connection with all of them at once is still one client.
fn nor_does_one_with_http_2() -> anyhow::Result<()> {
    let (_folder, server) = serve()?;
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // The preface, empty settings, and a stream with a HEAD for each (RFC 9113, 3.4 and 6.2).
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for number in 0..WRONG {
        let headers = headers(&format!("alice:guess {number}"))?;
        sent.extend([0, 0, u8::try_from(headers.len())?, 1, 5]);
        sent.extend(u32::try_from(2 * number + 1)?.to_be_bytes());
        sent.extend(headers);
    }
    stream.write_all(&sent)?;
    let other = log_in(&server, OTHER, "alice", "wonder land")?;
    ensure!(other.status == 200, "another client is not let in: {other:?}");
    let mut answered = 0;
    while answered < WRONG {
        let mut frame = [0; 9];
        stream.read_exact(&mut frame)?;
        let [high, middle, low, kind, flags, ..] = frame;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        stream.read_exact(&mut payload)?;
        ensure!(!matches!(kind, 3 | 7), "the server ends it: {frame:?} {}", payload.escape_ascii());
        answered += usize::from(kind == 1 && flags & 1 == 1);
    }
    let refused = server.figure("downshift_refused_total{reason=\"logins\"}")?;
    ensure!(refused >= (WRONG / 2) as f64, "only {refused} are refused before they are checked");
    Ok(())
}

/// The headers of a request for `/v2/` with a name and password, as HPACK has them without a table (RFC 7541, 6).
fn headers(user: &str) -> anyhow::Result<Vec<u8>> {
    // `:scheme` is `http`, and the other names but the last are of the static table.
    let mut headers = vec![0x86];
    let authorization = format!("Basic {}", STANDARD.encode(user));
    let forwarded = [b"\0\x0f".as_slice(), b"x-forwarded-for"].concat();
    for (name, value) in [
        (b"\x02".as_slice(), "HEAD"),
        (b"\x04", "/v2/"),
        (b"\x01", "a"),
        (b"\x0f\x08", &authorization),
        (&forwarded, GUESSER),
    ] {
        headers.extend(name);
        headers.push(u8::try_from(value.len())?);
        headers.extend(value.as_bytes());
    }
    Ok(headers)
}

fn failed_logins_are_logged_once_for_each_client() -> anyhow::Result<()> {
    let (_folder, server) = serve()?;
    let name = "mallory\u{1b}[31m";
    for number in 0..20 {
        for client in [GUESSER, OTHER] {
            let refused = log_in(&server, client, name, &format!("guess-{}", number % 3))?;
            ensure!(refused.status == 401, "{refused:?}");
        }
    }
    server.await_log(&format!("from {OTHER} failed: the user name or the password is wrong"))?;
    let log = server.server().log();
    for client in [GUESSER, OTHER] {
        let lines: Vec<_> =
            log.iter().filter(|line| line.contains(&format!("from {client} failed"))).collect();
        ensure!(lines.len() == 1, "{client} is told of in {} lines: {lines:?}", lines.len());
        ensure!(lines[0].contains("`mallory") && !lines[0].contains('\u{1b}'), "{lines:?}");
    }
    ensure!(!server.server().said().contains("guess-"), "a password is in the log");
    Ok(())
}

fn passwords_that_bcrypt_would_cut_are_refused() -> anyhow::Result<()> {
    let (_folder, server) = serve()?;
    let longest = "x".repeat(72);
    ensure!(log_in(&server, OTHER, "bob", &longest)?.status == 200, "the longest password is not let in");
    for password in [format!("{longest}x"), format!("{longest}\0"), "wonder land\0wonder land".to_owned()] {
        for name in ["alice", "bob", "nobody"] {
            let refused = log_in(&server, OTHER, name, &password)?;
            ensure!(refused.status == 401, "{name} with {password:?}: {refused:?}");
        }
    }
    server.await_log("the password has more than 72 bytes or a NUL")
}
