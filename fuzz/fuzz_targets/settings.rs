//! The files that operators write: settings, Docker's `config.json`, users with passwords.
//!
//! The first byte says which the rest is.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use downshift_host::fuzzing;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
    folder.expect("there is a place for files")
});

/// A word that stands for a secret in the seeds: no error repeats it.
const SECRET: &str = "hunter2";

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let path = FOLDER.path().join("file");
    fs::write(&path, bytes).expect("the file can be written");
    let read = match choice % 4 {
        // What it names is read as well: let that be nothing that has no end.
        0 if bytes.windows(3).any(|window| window == b"dev" || window == b"pro" || window == b"sys") => {
            return;
        }
        0 => fuzzing::settings(&path),
        1 => fuzzing::docker_config(&path, "registry.example.org"),
        2 => fuzzing::htpasswd(&path),
        _ => fuzzing::password(&path),
    };
    if let Err(error) = read {
        assert!(!error.contains(SECRET), "a secret is shown: {error}");
        assert!(!error.is_empty() && error.lines().count() == 1, "{error:?} is not one line");
    }
});
