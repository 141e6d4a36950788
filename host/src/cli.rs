//! The command line.

mod arguments;
mod bar;
mod check;
mod check_config;
mod clients;
mod compile_guest;
mod completions;
mod contents;
mod convert;
mod failures;
mod input;
mod inspect;
mod key;
mod layer;
mod man;
mod options;
mod output;
mod pages;
mod publish;
mod reference;
mod refusal;
mod runtime;
mod serve;
mod setup;
mod sync;
mod verdict;
mod verify;
mod warm;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use downshift_text::is_hidden;

use self::verdict::Verdict;
use crate::core_dumps;
use crate::engine::COMPILE_GUEST;
use crate::log;

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
    #[command(subcommand)]
    Setup(setup::Setup),
    Clients(clients::Clients),
    Warm(Box<warm::Warm>),
    Publish(Box<publish::Publish>),
    Sync(Box<sync::Sync>),
    #[command(name = COMPILE_GUEST, hide = true)]
    CompileGuest(compile_guest::CompileGuest),
    Convert(Box<convert::Convert>),
    Verify(verify::Verify),
    Inspect(inspect::Inspect),
    Check(check::Check),
    Layer(layer::Layer),
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
  0  the command succeeded, and its answer is yes
  1  its answer is no: a conversion was refused, a signature is invalid, a rule is broken, a layer is damaged,
     an image is not warm, not in step with its registry, or could not be published
  2  the command failed: wrong usage, an unreadable file, a broken document";

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
    core_dumps::forbid();
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    // clap takes what looks like its own colours out of what it repeats, and then nobody sees what it was about.
    let hides = arguments.iter().any(|argument| argument.to_string_lossy().chars().any(is_hidden));
    let command_line = if hides { command().styles(Styles::plain()) } else { command() };
    let matches = command_line.try_get_matches_from(&arguments);
    let cli = matches
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .unwrap_or_else(|error| end(&error, hides));
    let verdict = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::CheckConfig(check_config) => check_config.run(),
        Command::Setup(setup) => setup.run(),
        Command::Clients(clients) => clients.run(),
        Command::Warm(warm) => warm.run(),
        Command::Publish(publish) => publish.run(),
        Command::Sync(sync) => sync.run(),
        Command::CompileGuest(compile_guest) => compile_guest.run(),
        Command::Convert(convert) => convert.run(),
        Command::Verify(verify) => verify.run(),
        Command::Inspect(inspect) => inspect.run(),
        Command::Check(check) => check.run(),
        Command::Layer(layer) => layer.run(),
        Command::Key(key) => key.run(),
        Command::Completions(completions) => completions.run(command()),
        Command::Man(man) => man.run(command()),
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
/// Where these hide something, that is shown.
fn end(error: &clap::Error, hides: bool) -> ! {
    if !hides {
        error.exit();
    }
    error.render().ansi().to_string().lines().for_each(log::notice);
    std::process::exit(error.exit_code());
}
