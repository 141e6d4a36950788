//! What is said on standard error.

use core::fmt::Display;
use std::io::{self, Write};

use crate::error::Error;

/// Says something to whoever started the program.
///
/// That nobody listens any more is no reason to stop, which `eprintln!` would do.
pub(crate) fn notice(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Says what went wrong behind a request, on one line.
pub(crate) fn error(error: &Error) {
    notice(format_args!(
        "downshift: {}: {}; {}",
        error.code(),
        printable(&error.to_string()),
        error.remedy()
    ));
}

/// `text` without the control characters that a document may have brought in.
pub(crate) fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() { printable.extend(char.escape_default()) } else { printable.push(char) }
    }
    printable
}
