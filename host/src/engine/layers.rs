//! The engine for layers: from the bytes of a blob to those of the plain tar, one layer at a time.
//!
//! [`LayerReader`] is a step function: whoever calls it has a thread for that. [`LayerReaders`] is for the server: it has the
//! threads, and bounds what all layers take together.

mod pass;
mod readers;
mod unpacking;

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use downshift::Digest;
use downshift_layer::{Limits, Unpacked, Unpacker};

pub(crate) use self::pass::LayerPass;
pub(crate) use self::readers::LayerReaders;
pub(crate) use self::unpacking::Unpacking;
use super::compiled::{Compiled, Guest};
use super::wasm::layers::{LayerSandbox, LayerSession};
use super::wasm::{IsAbandoned, MakeRoom};
use super::{EngineName, LAYER_GUEST};
use crate::error::Error;

/// Plain bytes that are made at a time: few enough to be in the processor's cache still when they are hashed.
const OUTPUT_BYTES: usize = 128 * 1024;

/// Gets the plain bytes of a layer as they come, and may end that with an error.
pub(crate) type Take<'t> = &'t mut dyn FnMut(&[u8]) -> Result<(), LayerError>;

/// Why there is nothing more of a layer.
#[derive(Debug)]
pub(crate) enum LayerError {
    /// The bytes of the blob do not come.
    Blob(io::Error),
    /// The layer is refused, or cannot be read here and now.
    Failed(Error),
    /// All of the blob came, which has this digest, and it cannot be unpacked.
    Unreadable {
        /// Why.
        error: Error,
        /// The digest of the blob.
        digest: Digest,
    },
    /// Nobody wants more of it.
    Stopped,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(error) => error.fmt(f),
            Self::Failed(error) | Self::Unreadable { error, .. } => error.fmt(f),
            Self::Stopped => f.write_str("nobody waits for the layer any more"),
        }
    }
}

impl core::error::Error for LayerError {}

impl From<Error> for LayerError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<downshift_layer::Error> for LayerError {
    fn from(error: downshift_layer::Error) -> Self {
        Self::Failed(Error::Core(error.into()))
    }
}

/// Where layers are read.
pub(crate) enum LayerEngine {
    /// In this program.
    Native,
    /// In a sandbox.
    Wasm(LazySandbox),
}

/// A sandbox that is made when there is a layer for it: many servers never read one.
pub(crate) struct LazySandbox {
    module: &'static [u8],
    /// Whether the module is compiled by another process, and kept in a data folder if there is one.
    is_of_server: bool,
    data: Option<PathBuf>,
    made: OnceLock<Result<Arc<LayerSandbox>, String>>,
}

impl LayerEngine {
    /// The engine for a command.
    pub(crate) fn of_command(engine: EngineName) -> Self {
        Self::new(engine, false, None)
    }

    /// The engine of a server. With `data`, the compiled module is kept in that folder, which is private.
    pub(crate) fn of_server(engine: EngineName, data: Option<&Path>) -> Self {
        Self::new(engine, true, data)
    }

    fn new(engine: EngineName, is_of_server: bool, data: Option<&Path>) -> Self {
        match engine {
            EngineName::Native => Self::Native,
            EngineName::Wasm => Self::Wasm(LazySandbox {
                module: LAYER_GUEST,
                is_of_server,
                data: data.map(Path::to_path_buf),
                made: OnceLock::new(),
            }),
        }
    }

    /// How often a reader has trapped so far.
    pub(crate) fn traps(&self) -> u64 {
        match self {
            Self::Native => 0,
            Self::Wasm(sandbox) => {
                sandbox.made.get().map_or(0, |made| made.as_ref().map_or(0, |made| made.traps()))
            }
        }
    }

    /// A reader of one layer. It takes memory as far as `make_room` has room for it, and ends soon after `is_abandoned` says
    /// so where it is in a sandbox.
    pub(crate) fn open(
        &self,
        limits: &Limits,
        make_room: Option<MakeRoom>,
        is_abandoned: Option<IsAbandoned>,
    ) -> Result<LayerReader, LayerError> {
        match self {
            Self::Native => Ok(LayerReader::Native(Box::new(NativeReader {
                unpacker: Unpacker::with_libzstd(limits),
                output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
                make_room,
                window: 0,
            }))),
            Self::Wasm(sandbox) => {
                let session = sandbox.get()?.open(limits, make_room, is_abandoned)?;
                Ok(LayerReader::Wasm(Box::new(session)))
            }
        }
    }
}

impl LazySandbox {
    fn get(&self) -> Result<&Arc<LayerSandbox>, Error> {
        let made = self.made.get_or_init(|| {
            let compiled = if self.is_of_server {
                Compiled::find(Guest::LayerReader, self.module, self.data.as_deref())
            } else {
                None
            };
            LayerSandbox::new(self.module, compiled.as_ref().map(Compiled::path))
                .map_err(|error| error.to_string())
        });
        made.as_ref().map_err(|problem| Error::Guest { problem: problem.clone() })
    }
}

/// A reader of one layer.
pub(crate) enum LayerReader {
    Native(Box<NativeReader>),
    Wasm(Box<LayerSession>),
}

/// A reader in this program.
pub(crate) struct NativeReader {
    unpacker: Unpacker,
    output: Box<[u8]>,
    make_room: Option<MakeRoom>,
    /// Bytes of the largest window that there is room for.
    window: u64,
}

impl LayerReader {
    /// Reads the next bytes of the blob, and gives away the plain ones that come of them. It is of no use after an error.
    pub(crate) fn feed(&mut self, input: &[u8], take: Take<'_>) -> Result<(), LayerError> {
        match self {
            Self::Native(reader) => reader.feed(input, take),
            Self::Wasm(session) => session.feed(input, take),
        }
    }

    /// What the layer has come to, all of which has been read.
    pub(crate) fn finish(self) -> Result<Unpacked, LayerError> {
        match self {
            Self::Native(reader) => Ok(reader.unpacker.finish()?),
            Self::Wasm(mut session) => session.finish(),
        }
    }
}

impl NativeReader {
    fn feed(&mut self, mut input: &[u8], take: Take<'_>) -> Result<(), LayerError> {
        loop {
            let progress = self.unpacker.step(input, &mut self.output)?;
            self.find_room()?;
            let plain = self.output.get(..progress.written).unwrap_or_default();
            if !plain.is_empty() {
                take(plain)?;
            }
            input = input.get(progress.read..).unwrap_or_default();
            if progress.written < self.output.len() {
                return Ok(());
            }
        }
    }

    /// Finds room for the window. The library has asked the system for it by now, but it has no memory before there are bytes
    /// in it.
    fn find_room(&mut self) -> Result<(), LayerError> {
        let window = self.unpacker.window();
        if window <= self.window {
            return Ok(());
        }
        self.window = window;
        let bytes = usize::try_from(window).unwrap_or(usize::MAX);
        let has_room = self.make_room.as_mut().is_none_or(|make_room| make_room(bytes));
        if has_room { Ok(()) } else { Err(Error::Busy.into()) }
    }
}

#[cfg(test)]
pub(super) mod tests;
