//! The room on a disk, looked at before it is written to: a database that has met its end in the middle of a transaction
//! has to be opened again before it can even be read.

use std::path::Path;

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::data;

/// Bytes that have to be free beside what is to be written: for pages that are written anew beside the former ones.
const RESERVE: u64 = 1024 * 1024;

/// How much of the disk a payload may take, with the pages that lead to it.
const FACTOR: u64 = 8;

/// Checks that `bytes` more can be written where `path` is.
pub(super) fn check(path: &Path, bytes: u64) -> Result<(), String> {
    let disk = statvfs(path).map_err(|error| error.to_string())?;
    if disk.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err("the disk is read-only".to_owned());
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = bytes.saturating_mul(FACTOR).saturating_add(RESERVE);
    if free < needed {
        return Err(format!("the disk is full: `{free}` bytes are free, but `{needed}` may be needed"));
    }
    Ok(())
}

/// Checks that something can be written beside `path`, by doing it: after an error the kernel makes a file system
/// read-only without saying so.
pub(super) fn probe(path: &Path) -> Result<(), String> {
    data::probe(path.parent().unwrap_or(path)).map_err(|error| error.to_string())
}
