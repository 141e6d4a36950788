//! `downshift`: serves and converts container image manifests.

use std::process::ExitCode;

fn main() -> ExitCode {
    downshift_host::run()
}
