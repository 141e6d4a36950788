//! A reader of one layer, in this program or in a sandbox.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use downshift_layer::{Limits, Unpacked, Unpacker};

use super::error::{LayerError, Take};
use crate::engine::compiled::{Compiled, Guest};
use crate::engine::wasm::layers::{LayerSandbox, LayerSession};
use crate::engine::wasm::{IsAbandoned, MakeRoom};
use crate::engine::{EngineName, LAYER_GUEST, user_cache};
use crate::error::Error;

/// Plain bytes that are made at a time: few enough to be in the processor's cache still when they are hashed.
const OUTPUT_BYTES: usize = 128 * 1024;

/// Where layers are read.
pub(crate) enum LayerEngine {
    /// In this program.
    Native,
    /// In a sandbox.
    Wasm(LazySandbox),
}

/// A sandbox that is made when there is a layer for it: many servers never read one.
pub(crate) struct LazySandbox {
    pub(super) module: &'static [u8],
    /// Whether the module is compiled by another process, and kept in a data folder if there is one: what a command compiles is
    /// in the user's cache.
    pub(super) is_of_server: bool,
    pub(super) data: Option<PathBuf>,
    pub(super) made: OnceLock<Result<Arc<LayerSandbox>, String>>,
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
            let sandbox = if self.is_of_server {
                let compiled = Compiled::find(Guest::LayerReader, self.module, self.data.as_deref());
                LayerSandbox::new(self.module, compiled.as_ref().map(Compiled::path))
            } else {
                LayerSandbox::new(self.module, user_cache::folder().as_deref())
            };
            sandbox.map_err(|error| error.to_string())
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
