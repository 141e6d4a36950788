//! The guests as machine code: compiled by a process of its own, and kept.
//!
//! What the compiler takes of memory, some 20 MB, the process that it ran in never gives back. So a server has its guest
//! compiled by another one, and reads from a folder what came of it.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use downshift::Digest;
use tempfile::TempDir;

use crate::data;

/// The command of this program that compiles a component: it reads that from standard input.
pub(crate) const COMMAND: &str = "compile-guest";

/// The option of that command for a module that reads layers.
pub(crate) const LAYER_READER: &str = "layer-reader";

/// What is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guest {
    /// The component that converts.
    Converter,
    /// The module that reads layers.
    LayerReader,
}

impl Guest {
    /// The folder with what was compiled, in a server's data folder.
    const fn folder(self) -> &'static str {
        match self {
            Self::Converter => "compiled",
            Self::LayerReader => "compiled-layer-reader",
        }
    }
}

/// A folder from which a [`Sandbox`](super::wasm::Sandbox), or that of layers, has a guest as machine code.
pub(super) enum Compiled {
    /// In the data folder.
    InData(PathBuf),
    /// For this start.
    Passing(TempDir),
}

impl Compiled {
    /// The folder for `component`, which is compiled now if it was not before. `data_folder` is private;
    /// without one, the component is compiled at each start.
    ///
    /// There is none where files cannot be written. And it may be missing, where no process could be started or the
    /// component cannot be compiled: then the sandbox compiles it, or says what is wrong.
    pub(super) fn find(guest: Guest, component: &[u8], data_folder: Option<&Path>) -> Option<Self> {
        let Some(data_folder) = data_folder else {
            let folder = tempfile::tempdir().ok()?;
            let _ = compile(guest, component, folder.path());
            return Some(Self::Passing(folder));
        };
        let all = data_folder.join(guest.folder());
        let folder = all.join(Digest::of(component).hex());
        if !folder.is_dir() {
            // What is there is that of other versions.
            let _ = fs::remove_dir_all(&all);
            let _ = data::make_filled_folder(&folder, |draft| compile(guest, component, draft));
        }
        Some(Self::InData(folder))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::InData(folder) => folder,
            Self::Passing(folder) => folder.path(),
        }
    }
}

/// Has `component` compiled into a folder, by this program as another process.
fn compile(guest: Guest, component: &[u8], folder: &Path) -> io::Result<()> {
    let mut command = Command::new(env::current_exe()?);
    if guest == Guest::LayerReader {
        command.arg(COMMAND).arg(format!("--{LAYER_READER}"));
    } else {
        command.arg(COMMAND);
    }
    command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // What is in the environment of a server may be secret.
    let mut compiler = command.env_clear().spawn()?;
    let written = compiler.stdin.take().map_or(Ok(()), |mut input| input.write_all(component));
    let status = compiler.wait()?;
    written?;
    if status.success() { Ok(()) } else { Err(io::Error::other("the compiler failed")) }
}
