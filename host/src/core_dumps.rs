//! Core dumps are off: keys, passwords and tokens are in memory while they are used, and in no file that the system
//! makes of it.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Tells the system to keep nothing of this process should it crash.
///
/// A limit of one byte is too little for any file, and the one for which Linux does not start a program that takes core
/// dumps either (`core(5)`: with 0 it does). That the process cannot be dumped at all (`PR_SET_DUMPABLE`) would be more,
/// but then it could not look at its own memory map, with which the sandbox is reset.
pub(crate) fn forbid() {
    // Where that is not allowed, the limit is lower already.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(1), maximum: Some(1) });
}
