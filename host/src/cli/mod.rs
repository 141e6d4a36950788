//! The command line.

mod check;
mod check_config;
mod clients;
mod compile_guest;
mod completions;
mod convert;
mod inspect;
mod key;
mod man;
mod options;
mod serve;
mod verify;

use core::fmt::Display;
use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use downshift::Limits;
use downshift_text::{escape_in_json, is_hidden};
use serde::Serialize;

use crate::engine::{COMPILE_GUEST, Engine, EngineName};
use crate::error::Error;
use crate::layout::read_at_most;
use crate::log::{self, printable};
use crate::secrets;

/// Serves any container image to any container client, by converting its manifest between OCI, Docker schema 2 and
/// signed Docker schema 1
#[derive(Parser)]
#[command(name = "downshift", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(Box<serve::Serve>),
    CheckConfig(Box<check_config::CheckConfig>),
    Clients(clients::Clients),
    #[command(name = COMPILE_GUEST, hide = true)]
    CompileGuest(compile_guest::CompileGuest),
    Convert(Box<convert::Convert>),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Check(check::Check),
    #[command(subcommand)]
    Key(key::Key),
    Completions(completions::Completions),
    Man(man::Man),
}

const EXAMPLES: &str = "\
Examples:
  mkdir -p images/podman
  skopeo copy docker://quay.io/podman/hello oci:images/podman/hello:latest
  downshift serve --store images
  docker pull 127.0.0.1:5000/podman/hello

  downshift convert manifest.json --config config.json --to schema1 \\
    --name library/httpd --tag latest > schema1.json
  downshift verify schema1.json

Exit status:
  0  done, and the answer is yes
  1  the answer is no: a conversion was refused, a signature does not hold, a rule is broken
  2  nothing was decided: wrong usage, an unreadable file, a broken document";

/// What a command found out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Yes,
    No,
}

impl From<bool> for Verdict {
    fn from(is_yes: bool) -> Self {
        if is_yes { Self::Yes } else { Self::No }
    }
}

/// Limits on the command line.
#[derive(Args)]
struct LimitArgs {
    /// Change a limit: document-bytes, depth, layers, history, entries, converted-children, string-bytes or
    /// output-bytes
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = limit)]
    limits: Vec<(String, usize)>,
}

impl LimitArgs {
    fn limits(&self) -> Result<Limits, Error> {
        let mut limits = Limits::default();
        for (name, value) in &self.limits {
            limits.set(name, *value)?;
        }
        Ok(limits)
    }
}

/// The engine on the command line.
#[derive(Args)]
struct EngineArgs {
    /// Where manifests are read and converted: in a sandbox with limits on memory and time (wasm), or in this program
    /// itself, which takes less time (native)
    #[arg(long, value_name = "wasm|native", value_enum, default_value_t = EngineName::Wasm)]
    engine: EngineName,
    /// Another build of the component that the sandbox runs
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    guest: Option<PathBuf>,
}

impl EngineArgs {
    /// The engine, for one request.
    fn engine(&self) -> Result<Engine, Error> {
        self.engine.engine(self.guest.as_deref())
    }
}

/// The command line, with what the environment says.
fn command() -> clap::Command {
    options::complete(Cli::command())
}

/// Runs the command that the arguments of this process name.
pub fn run() -> ExitCode {
    run_with(env::args_os())
}

/// Runs the command that `arguments` name, the first of which is the program itself. It may end this process.
pub fn run_with(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    secrets::keep_out_of_core_dumps();
    let matches = command().try_get_matches_from(arguments);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches)).unwrap_or_else(|error| end(&error));
    let verdict = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::CheckConfig(check_config) => check_config.run(),
        Command::Clients(clients) => clients.run(),
        Command::CompileGuest(compile_guest) => compile_guest.run(),
        Command::Convert(convert) => convert.run(),
        Command::Verify(verify) => verify.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Check(check) => check.run(),
        Command::Key(key) => key.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    };
    match verdict {
        Ok(Verdict::Yes) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(error) => {
            log::explain(&error);
            ExitCode::from(if error.is_verdict() { 1 } else { 2 })
        }
    }
}

/// Ends this process as clap does: with what was asked for, such as the help, or with an error, which repeats arguments.
fn end(error: &clap::Error) -> ! {
    let text = error.render().to_string();
    if !text.chars().any(|c| is_hidden(c) && c != '\n') {
        error.exit();
    }
    text.lines().for_each(log::notice);
    std::process::exit(error.exit_code());
}

/// Reads a document from a file, or from standard input if that is called `-`.
fn read_document(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let limit = limits.document_bytes as u64;
    let read = |stream: &mut dyn Read| read_at_most(stream, limit);
    let bytes = match path.to_str() {
        Some("-") => read(&mut io::stdin().lock()),
        _ => File::open(path).and_then(|mut file| read(&mut file)),
    };
    let bytes = bytes.map_err(|error| Error::unreadable(path, error))?;
    bytes.ok_or_else(|| Error::document_too_large(limits, limit.saturating_add(1)))
}

/// Writes exactly `bytes` to a file, or to standard output if there is none.
fn write_document(path: Option<&Path>, bytes: &[u8]) -> Result<(), Error> {
    let written = match path {
        Some(path) => fs::write(path, bytes),
        None => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
    };
    written.map_err(|error| Error::unwritable(path.unwrap_or(Path::new("-")), error))
}

/// `value` as indented JSON, for people and programs. What a terminal would obey, or nobody sees, is escaped.
fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_string_pretty(value);
    let json = json.map_err(|error| Error::unwritable(Path::new("-"), error.into()))?;
    Ok(format!("{}\n", escape_in_json(&json)).into_bytes())
}

/// Writes lines to standard output.
fn print(lines: impl IntoIterator<Item = impl Display>) -> Result<(), Error> {
    let text: String = lines.into_iter().map(|line| printable(&line.to_string()) + "\n").collect();
    write_document(None, text.as_bytes())
}

fn limit(text: &str) -> Result<(String, usize), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    let value = value.parse().map_err(|_| format!("`{value}` is not a number"))?;
    Limits::default().set(name, value).map_err(|error| error.to_string())?;
    Ok((name.to_owned(), value))
}
