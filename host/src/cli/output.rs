//! Writing results and errors of a command, for people and for programs.

use core::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Facts};
use crate::log::{self, printable};

/// Writes an error for people: code, cause and remedy.
pub(super) fn explain(error: &Error) {
    let (red, reset) = if log::has_colour() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    let Facts { code, remedy, .. } = error.facts();
    log::notice(format_args!("{red}error:{reset}  {code}"));
    log::notice(format_args!("cause:  {}", printable(&error.to_string())));
    log::notice(format_args!("remedy: {remedy}"));
}

/// Writes exactly `bytes` to a file, or to standard output if there is none.
pub(super) fn write_document(path: Option<&Path>, bytes: &[u8]) -> Result<(), Error> {
    let written = match path {
        Some(path) => fs::write(path, bytes),
        None => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
    };
    written.map_err(|error| Error::unwritable(path.unwrap_or(Path::new("-")), error))
}

/// `value` as indented JSON, for people and programs.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut json =
        serde_json::to_vec_pretty(value).map_err(|error| Error::unwritable(Path::new("-"), error.into()))?;
    json.push(b'\n');
    Ok(json)
}

/// Writes lines to standard output.
pub(super) fn print(lines: impl IntoIterator<Item = impl Display>) -> Result<(), Error> {
    let text: String = lines.into_iter().map(|line| printable(&line.to_string()) + "\n").collect();
    write_document(None, text.as_bytes())
}
