//! `downshift`: serves and converts container image manifests.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The system's own asks the kernel for each page that the thread of the records writes. It is version 3, because in version 2
/// each thread keeps what its largest answers took.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    downshift_host::run()
}
