//! What an instance says at the end, line by line.

use downshift::Fault;
use downshift_layer::{Error, Unpacked};

/// The compression, the size, the plain size, and the window or nothing.
pub(crate) fn unpacked(unpacked: &Unpacked) -> String {
    let Unpacked { compression, size, plain_size, zstd_window } = unpacked;
    match zstd_window {
        Some(window) => format!("unpacked\n{compression}\n{size}\n{plain_size}\n{window}"),
        None => format!("unpacked\n{compression}\n{size}\n{plain_size}\n"),
    }
}

/// The fault, the code, the cause and the remedy, each of which is one line.
pub(crate) fn refused(error: &Error) -> String {
    let fault = match error.fault() {
        Fault::Caller => "caller",
        Fault::Client => "client",
        Fault::Document => "document",
        Fault::Image => "image",
        Fault::Limit => "limit",
    };
    format!("refused\n{fault}\n{}\n{error}\n{}", error.code(), error.remedy())
}
