//! `downshift`: serves and converts container image manifests.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The system's own asks the kernel for each page that the thread of the records writes.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    downshift_host::run()
}
