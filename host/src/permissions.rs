//! Warnings about secrets that others on this machine may read or change.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::log;

/// The bits of a mode that are not the owner's.
const OTHERS: u32 = 0o077;

/// Those by which others may write. In a folder, that is to put a file into the place of another.
const OTHERS_WRITE: u32 = 0o022;

/// The bit of a folder in which everybody may replace their own files only.
const STICKY: u32 = 0o1000;

/// Warns about a signing key and a data folder that are not for their owner alone, with the command that mends it.
pub(crate) fn warn(key: Option<&Path>, data: Option<&Path>) {
    for warning in warnings(key, data) {
        log::warn(warning);
    }
}

fn warnings(key: Option<&Path>, data: Option<&Path>) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |what: &str, path: &Path, mode: u32, command: &str| {
        let (shown, word) = (path.display(), word(path));
        let mode = mode & 0o7777;
        warnings
            .push(format!("{what} `{shown}` is open to others (mode `{mode:o}`): run `{command} {word}`"));
    };
    if let Some(mode) = data.and_then(mode)
        && let Some(path) = data.filter(|_| mode & OTHERS != 0)
    {
        warn("the data folder", path, mode, "chmod 700");
    }
    let Some(key) = key else { return warnings };
    if let Some(mode) = mode(key).filter(|mode| mode & OTHERS != 0) {
        warn("the signing key", key, mode, "chmod 600");
    }
    let folder = match key.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return warnings,
    };
    if let Some(mode) = mode(folder)
        && mode & OTHERS_WRITE != 0
        && mode & STICKY == 0
        && data != Some(folder)
    {
        warn("the folder of the signing key", folder, mode, "chmod go-w");
    }
    warnings
}

/// The mode of what is at `path`, if that can be told. Where a secret cannot be read, that is told elsewhere.
fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|metadata| metadata.permissions().mode())
}

/// A path as one word for a shell.
fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:,".contains(&byte);
    if path.bytes().all(is_plain) && !path.starts_with('-') {
        return path;
    }
    let option = if path.starts_with('-') { "./" } else { "" };
    format!("{option}'{}'", path.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_open_to_others_is_told_with_what_to_do() {
        let outside = tempfile::tempdir().unwrap();
        let (data, keys) = (outside.path().join("data"), outside.path().join("my keys"));
        fs::create_dir(&data).unwrap();
        fs::create_dir(&keys).unwrap();
        let key = keys.join("key.pem");
        fs::write(&key, "").unwrap();
        let told = |of_data, of_keys, of_key| {
            set(&data, of_data);
            set(&keys, of_keys);
            set(&key, of_key);
            warnings(Some(&key), Some(&data)).join("\n").replace(&outside.path().display().to_string(), "")
        };
        for (of_data, of_keys, of_key) in
            [(0o700, 0o700, 0o600), (0o700, 0o755, 0o400), (0o700, 0o1777, 0o600)]
        {
            assert_eq!(told(of_data, of_keys, of_key), "");
        }
        assert_eq!(
            told(0o750, 0o777, 0o666),
            "the data folder `/data` is open to others (mode `750`): run `chmod 700 /data`\n\
             the signing key `/my keys/key.pem` is open to others (mode `666`): run `chmod 600 '/my keys/key.pem'`\n\
             the folder of the signing key `/my keys` is open to others (mode `777`): run `chmod go-w '/my keys'`"
        );
        assert_eq!(told(0o700, 0o700, 0o640).lines().count(), 1);
        // The key that the server makes for itself: its folder is told of once.
        let own = data.join("key");
        fs::write(&own, "").unwrap();
        set(&own, 0o600);
        set(&data, 0o777);
        assert_eq!(warnings(Some(&own), Some(&data)).len(), 1);
        assert_eq!(warnings(Some(&data.join("none")), None).len(), 1, "of the folder");
        assert!(warnings(None, None).is_empty());
    }

    #[test]
    fn paths_are_one_word() {
        for (path, expected) in
            [("/a/b-c.d", "/a/b-c.d"), ("/a b", "'/a b'"), ("it's", r"'it'\''s'"), ("-r", "./'-r'")]
        {
            assert_eq!(word(Path::new(path)), expected);
        }
    }
}
