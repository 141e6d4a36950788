//! Where commands keep the guest as machine code: in the user's own cache, as the XDG Base Directory Specification has it.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::data;

/// Who else may write to a folder, by its mode: the group, and everybody.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The folder, which is made if there is none. There is none where the user has no cache, or where somebody else may write to
/// it: what is in it is run.
pub(super) fn folder() -> Option<PathBuf> {
    folder_in(&base()?)
}

/// `$XDG_CACHE_HOME`, or `.cache` in `$HOME`. Relative paths do not count.
fn base() -> Option<PathBuf> {
    let of = |variable| env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    of("XDG_CACHE_HOME").or_else(|| of("HOME").map(|home| home.join(".cache")))
}

fn folder_in(base: &Path) -> Option<PathBuf> {
    let own = base.join("downshift");
    let folder = own.join("compiled");
    data::make_folder(&folder).ok()?;
    let are_private = [base, &own, &folder].into_iter().all(is_private);
    are_private.then_some(folder)
}

/// Whether nobody but the user may change what is in a folder.
fn is_private(folder: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_own = |folder: fs::Metadata| {
        folder.is_dir() && folder.uid() == user && folder.mode() & WRITABLE_BY_OTHERS == 0
    };
    fs::symlink_metadata(folder).is_ok_and(is_own)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn it_is_nowhere_where_somebody_else_may_write() {
        let base = tempfile::tempdir().unwrap();
        let folder = folder_in(base.path()).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(folder_in(base.path()), Some(folder.clone()));
        for open in [folder.as_path(), folder.parent().unwrap(), base.path()] {
            let before = fs::metadata(open).unwrap().permissions();
            for mode in [0o720, 0o702] {
                fs::set_permissions(open, Permissions::from_mode(mode)).unwrap();
                assert_eq!(folder_in(base.path()), None, "{} with {mode:o}", open.display());
            }
            fs::set_permissions(open, before).unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        fs::remove_dir(&folder).unwrap();
        symlink(elsewhere.path(), &folder).unwrap();
        assert_eq!(folder_in(base.path()), None);
    }
}
