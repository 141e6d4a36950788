//! Writing results and errors of a command, for people and for programs.

use core::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use downshift_text::escape_in_json;
use serde::Serialize;

use crate::error::Error;
use crate::log::printable;

/// Writes exactly `bytes` to a file, or to standard output if there is none.
pub(super) fn write_document(path: Option<&Path>, bytes: &[u8]) -> Result<(), Error> {
    let written = match path {
        Some(path) => fs::write(path, bytes),
        None => io::stdout().write_all(bytes).and_then(|()| io::stdout().flush()),
    };
    written.map_err(|error| Error::unwritable(path.unwrap_or(Path::new("-")), error))
}

/// `value` as indented JSON, for people and programs. What a terminal would obey, or nobody sees, is escaped.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_string_pretty(value);
    let json = json.map_err(|error| Error::unwritable(Path::new("-"), error.into()))?;
    Ok(format!("{}\n", escape_in_json(&json)).into_bytes())
}

/// Writes lines to standard output.
pub(super) fn print(lines: impl IntoIterator<Item = impl Display>) -> Result<(), Error> {
    let text: String = lines.into_iter().map(|line| printable(&line.to_string()) + "\n").collect();
    write_document(None, text.as_bytes())
}
