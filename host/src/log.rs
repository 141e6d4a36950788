//! What is said on standard error: by commands as plain lines, by a server as a log.

use core::fmt::{self, Display};
use core::sync::atomic::{AtomicU64, Ordering};
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use clap::ValueEnum;
use downshift::Failure;
use downshift_text::Printable;
use serde::{Deserialize, Serialize};
use tokio::task_local;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt as lines, reload};

use crate::error::{Error, Facts};
use crate::time;

/// How a server's log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// Lines for people.
    Human,
    /// An object in JSON on each line.
    Json,
}

/// How much a server logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// What went wrong.
    Error,
    /// What may become wrong, too.
    Warn,
    /// What the server does, too.
    Info,
}

/// The number of a request, by which what is logged about it is found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId(u64);

task_local! {
    /// The request that a task works on.
    pub(crate) static REQUEST: RequestId;
}

/// How to change the level of the log, once there is one.
static LOG: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

impl RequestId {
    /// One that no other request of this server has, nor is likely to have had before it was started again.
    pub(crate) fn next() -> Self {
        static NEXT: OnceLock<AtomicU64> = OnceLock::new();
        let next = NEXT.get_or_init(|| {
            // Room for a billion requests in each second since 1970, until they come round.
            AtomicU64::new(time::now() << 30)
        });
        Self(next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Makes what is said from now on a log.
pub(crate) fn start(format: Format, level: Level) {
    let (targets, handle) = reload::Layer::new(targets(level));
    // That nobody reads it any more is no reason to stop, which the library's own complaint about it would be.
    let lines = lines::layer().with_writer(io::stderr).with_target(false).log_internal_errors(false);
    let lines = match format {
        Format::Human => lines.with_ansi(has_colour()).boxed(),
        Format::Json => {
            lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    };
    if tracing_subscriber::registry().with(targets).with(lines).try_init().is_ok() {
        let _ = LOG.set(handle);
    }
}

/// Changes how much is logged.
pub(crate) fn set_level(level: Level) {
    if let Some(log) = LOG.get() {
        let _ = log.reload(targets(level));
    }
}

/// Writes a line to standard error.
pub(crate) fn notice(text: impl Display) {
    line(printable(&text.to_string()));
}

/// Writes an error for people: code, cause and remedy.
pub(crate) fn explain(error: &Error) {
    let (red, reset) = if has_colour() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let Facts { code, remedy, .. } = error.facts();
    line(format_args!("{red}error:{reset}  {}", printable(code)));
    notice(format_args!("cause:  {error}"));
    notice(format_args!("remedy: {remedy}"));
}

/// Unlike `eprintln!` this does not stop the program when nobody reads any more.
fn line(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Logs what a server does.
pub(crate) fn info(text: impl Display) {
    let text = printable(&text.to_string());
    match LOG.get() {
        Some(_) => tracing::info!(target: "downshift", "{text}"),
        None => notice(text),
    }
}

/// Logs what may become wrong.
pub(crate) fn warn(text: impl Display) {
    let text = printable(&text.to_string());
    match LOG.get() {
        Some(_) => tracing::warn!(target: "downshift", "{text}"),
        None => notice(format_args!("downshift: {text}")),
    }
}

/// Says what went wrong behind a request, on one line.
pub(crate) fn error(error: &Error) {
    let Facts { code, remedy, .. } = error.facts();
    write([code, &error.to_string(), remedy]);
}

/// The same of what was refused elsewhere.
pub(crate) fn failure(failure: &Failure) {
    write([&failure.code, &failure.cause, &failure.remedy]);
}

fn write(facts: [&str; 3]) {
    let [code, cause, remedy] = facts.map(printable);
    match (LOG.get(), REQUEST.try_with(|request| *request)) {
        (None, _) => notice(format_args!("downshift: {code}: {cause}; {remedy}")),
        (_, Ok(request)) => tracing::error!(target: "downshift", %request, code, remedy, "{cause}"),
        _ => tracing::error!(target: "downshift", code, remedy, "{cause}"),
    }
}

/// `text` on one line, in which the characters that a terminal would obey, or that nobody sees, are escaped: documents,
/// headers and file names may have brought them in.
pub(crate) fn printable(text: &str) -> String {
    Printable::new(text).to_string()
}

/// Whether standard error is read by somebody who sees colours.
pub(crate) fn has_colour() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What is logged: this program's own. Its libraries may speak of errors, and of nothing else: some would show headers,
/// and tokens with them.
fn targets(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
    };
    Targets::new().with_default(LevelFilter::ERROR).with_target("downshift", level)
}
