//! The reader of layers in a sandbox: a module of its own, run by wasmtime.
//!
//! Layers come from strangers, and what decodes them are libraries with unsafe code. Here they work in an instance that is made
//! for one layer and thrown away with it, that has a limit on memory and on time, and that can call nothing. A trap costs that
//! one layer. What the module exports is in `crates/downshift-layer-guest`.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use std::path::Path;
use std::sync::Arc;

use downshift::{Failure, Fault};
use downshift_layer::{Compression, Limits, Unpacked};
use wasmtime::{Engine, InstancePre, Linker, Memory as LinearMemory, Module, Store, TypedFunc};

use super::{IsAbandoned, MakeRoom, Memory, State, Stopped, Task, UnusableGuest};
use crate::engine::layers::{LayerError, Take};
use crate::engine::untrue;
use crate::error::Error;
use crate::log::{self, printable};

/// Bytes of memory that an instance may have beside the largest window of its limits. Those of zstd take less
/// than 8 MiB more than the window where this is a power of two, as encoders make it, and up to twice the window where it is not.
const MEMORY_BESIDE_WINDOW: u64 = 32 * 1024 * 1024;

/// What [`step`](LayerSession::feed) gives for a layer that is refused.
const REFUSED: u64 = u64::MAX;

const UNPACKING: Task = Task { name: "the unpacking of the layer", input: "the layer" };

/// The reader of layers, compiled and ready to be instantiated.
pub(crate) struct LayerSandbox {
    engine: Engine,
    reader: InstancePre<State>,
    traps: AtomicU64,
}

impl LayerSandbox {
    /// Compiles `module`. What comes of it is kept in the folder `cache`, if there is one, and taken from there the next time:
    /// so nobody else may write there.
    ///
    /// # Errors
    /// If the bytes are no module without imports.
    pub(crate) fn new(module: &[u8], cache: Option<&Path>) -> Result<Arc<Self>, UnusableGuest> {
        // Without a pool: beside what a layer takes, a fresh instance is nothing.
        let engine = Engine::new(super::config().cache(cache.and_then(super::cache)))?;
        let module = Module::new(&engine, module)?;
        let reader = Linker::new(&engine).instantiate_pre(&module)?;
        let sandbox = Arc::new(Self { engine, reader, traps: AtomicU64::new(0) });
        super::start_clock("layer-clock", &sandbox, |sandbox| &sandbox.engine)
            .map_err(wasmtime::Error::from)?;
        Ok(sandbox)
    }

    /// Traps since the start. Each is a bug of the reader, or a layer at its limits.
    pub(crate) fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// An instance for one layer. It gets memory as far as `make_room` has room for it, and is stopped soon after `is_abandoned`
    /// says so.
    pub(crate) fn open(
        self: &Arc<Self>,
        limits: &Limits,
        make_room: Option<MakeRoom>,
        is_abandoned: Option<IsAbandoned>,
    ) -> Result<LayerSession, LayerError> {
        let most = limits.window_bytes.saturating_add(MEMORY_BESIDE_WINDOW);
        self.open_within(usize::try_from(most).unwrap_or(usize::MAX), limits, make_room, is_abandoned)
    }

    /// The same, with at most so many bytes of memory.
    fn open_within(
        self: &Arc<Self>,
        most: usize,
        limits: &Limits,
        make_room: Option<MakeRoom>,
        is_abandoned: Option<IsAbandoned>,
    ) -> Result<LayerSession, LayerError> {
        let mut store = super::store(&self.engine, Memory { make_room, ..Memory::with_limit(most) });
        store.data_mut().step.is_abandoned = is_abandoned;
        let exports = self.instantiate(&mut store, limits);
        match exports {
            Ok(exports) => Ok(LayerSession {
                sandbox: Arc::clone(self),
                store,
                exports,
                plain_limit: limits.plain_bytes,
                size: 0,
                plain_size: 0,
                is_refused: false,
            }),
            Err(error) => Err(self.failed(&error, &store)),
        }
    }

    fn instantiate(&self, mut store: &mut Store<State>, limits: &Limits) -> wasmtime::Result<Exports> {
        let instance = self.reader.instantiate(&mut store)?;
        let Limits { layer_bytes, plain_bytes, ratio, window_bytes, work, .. } = *limits;
        store.data_mut().step.begin(false);
        let open = instance.get_typed_func::<(u64, u64, u64, u64, u64), ()>(&mut store, "open")?;
        open.call(&mut store, (layer_bytes, plain_bytes, ratio, window_bytes, work))?;
        let mut ask = |name: &str| -> wasmtime::Result<usize> {
            let answer = instance.get_typed_func::<(), u32>(&mut store, name)?.call(&mut store, ())?;
            Ok(usize::try_from(answer)?)
        };
        let (input, input_bytes) = (ask("input")?, ask("input_bytes")?);
        let (output, output_bytes) = (ask("output")?, ask("output_bytes")?);
        let memory = instance.get_memory(&mut store, "memory");
        Ok(Exports {
            memory: memory.ok_or_else(|| wasmtime::Error::msg("it exports no memory"))?,
            step: instance.get_typed_func(&mut store, "step")?,
            finish: instance.get_typed_func(&mut store, "finish")?,
            input: input..input.saturating_add(input_bytes),
            output: output..output.saturating_add(output_bytes),
        })
    }

    /// What it means to the client that a step has no result.
    fn failed(&self, error: &wasmtime::Error, store: &Store<State>) -> LayerError {
        match error.downcast_ref::<Stopped>() {
            Some(Stopped::Abandoned) => LayerError::Stopped,
            Some(Stopped::Overloaded) => Error::Busy.into(),
            None => {
                self.traps.fetch_add(1, Ordering::Relaxed);
                log::warn(format_args!("the reader of layers trapped: {error:#}"));
                Error::Core(UNPACKING.failure(error, &store.data().memory)).into()
            }
        }
    }

    /// Counts what cannot be true as a trap, for it is the same kind of bug.
    fn lied(&self, problem: &str) -> LayerError {
        let failure = untrue::layer(problem);
        self.traps.fetch_add(1, Ordering::Relaxed);
        log::notice(format_args!("downshift: {}", printable(&failure.cause)));
        Error::Core(failure).into()
    }
}

/// An instance, for one layer.
pub(crate) struct LayerSession {
    sandbox: Arc<LayerSandbox>,
    store: Store<State>,
    exports: Exports,
    plain_limit: u64,
    /// Bytes of the blob, and of the plain tar, so far.
    size: u64,
    plain_size: u64,
    is_refused: bool,
}

/// What an instance has for the host.
struct Exports {
    memory: LinearMemory,
    step: TypedFunc<(u32, u32), u64>,
    finish: TypedFunc<(), u32>,
    /// Where compressed bytes go to in its memory.
    input: Range<usize>,
    /// Where plain bytes come from.
    output: Range<usize>,
}

impl LayerSession {
    /// Reads the next bytes of the blob, and gives away the plain ones that come of them. The session is of no use after an
    /// error.
    pub(crate) fn feed(&mut self, input: &[u8], take: Take<'_>) -> Result<(), LayerError> {
        for chunk in input.chunks(self.exports.input.len().max(1)) {
            let room = self.exports.memory.data_mut(&mut self.store).get_mut(self.exports.input.clone());
            let Some(room) = room.and_then(|room| room.get_mut(..chunk.len())) else {
                return Err(self.sandbox.lied("its input is outside of its memory"));
            };
            room.copy_from_slice(chunk);
            self.unpack(chunk.len(), take)?;
        }
        Ok(())
    }

    /// Unpacks the first bytes of the input.
    fn unpack(&mut self, end: usize, take: Take<'_>) -> Result<(), LayerError> {
        let mut start = 0;
        loop {
            let Some((read, written)) = self.step(start, end)? else {
                self.is_refused = true;
                let finished = self.finish();
                return Err(finished.err().unwrap_or_else(|| self.sandbox.lied("it is and is not refused")));
            };
            let plain = self.exports.memory.data(&self.store).get(self.exports.output.clone());
            let (Some(plain), true) = (plain.and_then(|plain| plain.get(..written)), read <= end - start)
            else {
                return Err(self.sandbox.lied("it reads or writes more than there is"));
            };
            start += read;
            self.size = self.size.saturating_add(read as u64);
            self.plain_size = self.plain_size.saturating_add(written as u64);
            if self.plain_size > self.plain_limit {
                return Err(self.sandbox.lied("it has more plain bytes than it may"));
            }
            if written > 0 {
                take(plain)?;
            }
            if written < self.exports.output.len() {
                return if start == end { Ok(()) } else { Err(self.sandbox.lied("it does not read on")) };
            }
        }
    }

    /// Takes a step with the input from `start` to `end`: how much was read and written, or nothing where the layer is
    /// refused.
    fn step(&mut self, start: usize, end: usize) -> Result<Option<(usize, usize)>, LayerError> {
        let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(end)) else {
            return Err(self.sandbox.lied("its input is larger than its memory"));
        };
        self.begin();
        match self.exports.step.call(&mut self.store, (start, end)) {
            Ok(REFUSED) => Ok(None),
            Ok(progress) => Ok(Some(((progress >> 32) as usize, (progress & u64::from(u32::MAX)) as usize))),
            Err(error) => Err(self.sandbox.failed(&error, &self.store)),
        }
    }

    fn begin(&mut self) {
        self.store.data_mut().step.begin(false);
        self.store.set_epoch_deadline(1);
    }

    /// What the layer has come to, all of which has been read.
    pub(crate) fn finish(&mut self) -> Result<Unpacked, LayerError> {
        self.begin();
        let finished = self.exports.finish.call(&mut self.store, ());
        let len = finished.map_err(|error| self.sandbox.failed(&error, &self.store))? as usize;
        let said = self.exports.memory.data(&self.store).get(self.exports.output.clone());
        let said = said.and_then(|said| said.get(..len)).and_then(|said| str::from_utf8(said).ok());
        match said.and_then(report) {
            Some(Report::Unpacked(unpacked))
                if !self.is_refused
                    && (unpacked.size, unpacked.plain_size) == (self.size, self.plain_size) =>
            {
                Ok(unpacked)
            }
            Some(Report::Refused(failure)) => Err(Error::Core(failure).into()),
            _ => Err(self.sandbox.lied("it reports what is not so")),
        }
    }

    /// The most memory in bytes that the instance had.
    #[cfg(test)]
    pub(crate) fn peak_memory(&self) -> usize {
        self.store.data().memory.peak_bytes
    }
}

/// What an instance says at the end.
enum Report {
    Unpacked(Unpacked),
    Refused(Failure),
}

/// Reads what an instance says, line by line.
fn report(text: &str) -> Option<Report> {
    let mut lines = text.split('\n');
    let mut next = || lines.next();
    let report = match next()? {
        "unpacked" => {
            let compression = Compression::named(next()?)?;
            let (size, plain_size) = (next()?.parse().ok()?, next()?.parse().ok()?);
            let zstd_window = match next()? {
                "" => None,
                window => Some(window.parse().ok()?),
            };
            Report::Unpacked(Unpacked { compression, size, plain_size, zstd_window })
        }
        "refused" => {
            let fault = match next()? {
                "caller" => Fault::Caller,
                "client" => Fault::Client,
                "document" => Fault::Document,
                "image" => Fault::Image,
                "limit" => Fault::Limit,
                _ => return None,
            };
            let (code, cause, remedy) = (next()?.to_owned(), next()?.to_owned(), next()?.to_owned());
            let is_code =
                code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit());
            if !is_code {
                return None;
            }
            Report::Refused(Failure { code: code.into(), fault, cause, remedy: remedy.into() })
        }
        _ => return None,
    };
    next().is_none().then_some(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::LAYER_GUEST;
    use crate::engine::layers::tests::{MIB, blob, code, sandbox};

    /// Bytes of memory that zstd takes beside a window that is a power of two.
    const MEMORY_OF_ZSTD: u64 = 8 * 1024 * 1024;

    fn drain(
        session: &mut LayerSession,
        blob: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Unpacked, LayerError> {
        for chunk in blob {
            session.feed(&chunk, &mut |_| Ok(()))?;
        }
        session.finish()
    }

    #[test]
    fn the_reader_imports_nothing() {
        let module = Module::new(&sandbox().engine, LAYER_GUEST).unwrap();
        assert_eq!(module.imports().count(), 0);
    }

    #[test]
    fn memory_is_that_of_the_window_however_large_the_layer_is() {
        let sandbox = sandbox();
        for (window_log, plain) in [(23, 64 * MIB), (27, 160 * MIB)] {
            let mut session = sandbox.open(&Limits::host(), None, None).unwrap();
            let unpacked = drain(&mut session, blob(window_log, plain)).unwrap();
            assert_eq!((unpacked.plain_size, unpacked.zstd_window), (plain as u64, Some(1 << window_log)));
            let memory = session.peak_memory() as u64;
            let window = 1 << window_log;
            assert!((window..=window + MEMORY_OF_ZSTD).contains(&memory), "{memory}");
        }
    }

    /// A frame of repeated bytes, a quarter more than a window of 2^`log` bytes and so many eighths of that holds.
    fn frame(log: u8, eighths: u8) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (log - 10) << 3 | eighths];
        let blocks = ((8 + usize::from(eighths)) << (log - 3)) / (128 * 1024) * 5 / 4;
        for number in 1..=blocks {
            let header = (128 * 1024) << 3 | 1 << 1 | u32::from(number == blocks);
            frame.extend([&header.to_le_bytes()[..3], &[7]].concat());
        }
        frame
    }

    #[test]
    fn memory_is_that_of_the_largest_window_however_they_grow() {
        let sandbox = sandbox();
        let mut limits = Limits::host();
        limits.ratio = u64::MAX;
        let doubling: Vec<_> = (20..=27).map(|log| (log, 0)).collect();
        let by_eighths: Vec<_> = (20..27).flat_map(|log| (0..8).map(move |eighths| (log, eighths))).collect();
        let up_and_down = [23, 24, 23, 25, 20, 26, 21, 27].map(|log| (log, 0));
        for windows in [&doubling[..], &by_eighths, &up_and_down, &[(26, 0), (27, 0)], &[(27, 0), (26, 0)]] {
            let mut session = sandbox.open(&limits, None, None).unwrap();
            let frames = windows.iter().map(|&(log, eighths)| frame(log, eighths));
            drain(&mut session, frames).unwrap_or_else(|error| panic!("{windows:?}: {error}"));
            // A window that is no power of two has a buffer of the next one.
            let memory = session.peak_memory() as u64;
            assert!(memory <= (1 << 27) + MEMORY_OF_ZSTD, "{memory} with {windows:?}");
        }
    }

    #[test]
    fn a_reader_that_wants_more_memory_than_it_may_have_costs_one_layer() {
        // Another sandbox than that of the other tests: it counts.
        let sandbox = LayerSandbox::new(LAYER_GUEST, None).unwrap();
        let mut session = sandbox.open_within(8 * MIB, &Limits::host(), None, None).unwrap();
        assert_eq!(code(drain(&mut session, blob(23, MIB))), "guest-memory");
        assert_eq!(sandbox.traps(), 1);
        let mut session = sandbox.open(&Limits::host(), None, None).unwrap();
        assert!(drain(&mut session, blob(23, MIB)).is_ok());
        assert_eq!(sandbox.traps(), 1);
    }

    #[test]
    fn a_reader_whose_layer_nobody_waits_for_is_stopped() {
        // A tick of the clock comes in the course of it, or before there is a session.
        let stopped =
            sandbox().open(&Limits::host(), None, Some(Box::new(|| true))).and_then(|mut session| {
                loop {
                    session.feed(&[0; 64 * 1024], &mut |_| Ok(()))?;
                }
            });
        let stopped: Result<(), _> = stopped;
        assert!(matches!(stopped, Err(LayerError::Stopped)), "{stopped:?}");
    }

    #[test]
    fn what_a_reader_says_is_read_by_its_lines() {
        let is_read = |text: &str| match report(text) {
            None => "no",
            Some(Report::Unpacked(_)) => "unpacked",
            Some(Report::Refused(_)) => "refused",
        };
        for (text, expected) in [
            ("unpacked\nzstd\n1\n2\n3", "unpacked"),
            ("unpacked\ngzip\n1\n2\n", "unpacked"),
            ("refused\nlimit\na-code\ncause\nremedy", "refused"),
            ("unpacked\nlzma\n1\n2\n", "no"),
            ("unpacked\ngzip\n1\n-2\n", "no"),
            ("unpacked\ngzip\n1\n2", "no"),
            ("unpacked\ngzip\n1\n2\n\n", "no"),
            ("refused\nlimit\na code\ncause\nremedy", "no"),
            ("refused\nnobody\ncode\ncause\nremedy", "no"),
            ("refused\nlimit\ncode\ncause\nremedy\nmore", "no"),
            ("", "no"),
        ] {
            assert_eq!(is_read(text), expected, "{text:?}");
        }
    }
}
