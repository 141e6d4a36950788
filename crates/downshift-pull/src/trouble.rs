//! Trouble of a shell.

use downshift::{Digest, Failure};

/// Why a shell could not do what it was asked for.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// There is more to do than it can; it may go better in a second.
    Busy,
    /// A stored document is broken. The shell has not logged it.
    Document(Failure),
    /// A stored manifest that was asked for, or that a tag points to, is not there.
    Missing(Digest),
    /// A record could not be written or read. The shell has logged why.
    NotRecorded,
    /// Something else. The shell has logged what.
    Internal,
}
