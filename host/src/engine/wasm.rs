//! The core in a sandbox: the guest component, run by wasmtime.
//!
//! Manifests come from strangers. Here they are parsed in an instance that is made for one request and thrown away
//! with it, that has a limit on memory and on time, and that can call nothing. A trap costs that one request.

mod bindings;
mod decode;
mod encode;
pub(crate) mod layers;

use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::path::{self, Path};
use std::sync::Arc;
use std::time::Instant;

use downshift::answer::{Documents, Request, Step};
use downshift::{Failure, Fault};
use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig, ResourceLimiter, Store, Trap, UpdateDeadline,
};

use self::bindings::downshift::convert::types as wit;
use self::bindings::{Converter, ConverterPre};
use crate::log::{self, printable};

/// Bytes of memory that one instance may have. A config of 4 MiB takes 15 MiB if it is plain text, and 85 MiB if every
/// byte of it has to be escaped (measured).
pub const MEMORY_BYTES: usize = 128 * 1024 * 1024;
/// Elements of a table. The guest's only table holds its functions that are called indirectly, some 30.
const TABLE_ELEMENTS: usize = 1024;
/// How often the clock ticks at which instances are looked at that run long.
const TICK: Duration = Duration::from_millis(10);
/// How long a processor may work at one step. The slowest honest one, a config of 4 MiB, takes about a tenth of that.
const PROCESSOR_TIME_PER_STEP: Duration = Duration::from_secs(2);
/// How long one step may take on the clock: that is no fault of the document, but of a machine with 30 times too much to
/// do.
const TIME_PER_STEP: Duration = Duration::from_secs(60);
/// Ticks that one step may take where others wait for the thread: one that has begun, and one whole.
const TICKS_PER_SHORT_STEP: u64 = 2;
/// Bytes of an instance's memory that stay mapped between requests: about what an ordinary conversion touches.
const KEEP_RESIDENT_BYTES: usize = 1024 * 1024;

/// Bytes of compiled components that are kept on disk. One takes half a megabyte.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// The guest component, compiled and ready to be instantiated.
pub struct Sandbox {
    engine: Engine,
    guest: ConverterPre<State>,
    counts_fuel: bool,
    traps: AtomicU64,
}

/// Why a component cannot be run.
#[derive(Debug)]
pub struct UnusableGuest(wasmtime::Error);

impl fmt::Display for UnusableGuest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl core::error::Error for UnusableGuest {}

impl From<wasmtime::Error> for UnusableGuest {
    fn from(error: wasmtime::Error) -> Self {
        Self(error)
    }
}

/// What a store carries.
struct State {
    memory: Memory,
    step: StepTime,
}

/// How much memory an instance has.
struct Memory {
    /// The most that it may have.
    limit: usize,
    /// What has to find room for more first.
    make_room: Option<MakeRoom>,
    /// The most that it had.
    peak_bytes: usize,
    /// Whether it asked for more than it may have.
    is_exhausted: bool,
}

/// Finds room for an instance with so many bytes of memory, and may wait for it; false if there is none.
pub(crate) type MakeRoom = Box<dyn FnMut(usize) -> bool + Send>;

impl Memory {
    fn with_limit(limit: usize) -> Self {
        Self { limit, make_room: None, peak_bytes: 0, is_exhausted: false }
    }
}

/// Tells whether anybody still waits for a step.
pub(crate) type IsAbandoned = Box<dyn Fn() -> bool + Send + Sync>;

/// The time of the step that is taken.
#[derive(Default)]
struct StepTime {
    is_short: bool,
    /// When it was first looked at, and the processor time of its thread then: within a tick of its begin. To look at the
    /// clocks takes longer than many a step.
    first: Option<(Instant, Duration)>,
    is_abandoned: Option<IsAbandoned>,
}

/// Why a step was stopped that has done nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// The machine has too much to do.
    Overloaded,
    /// Nobody waits for it any more.
    Abandoned,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "the machine is too busy",
            Self::Abandoned => "nobody waits for the conversion any more",
        })
    }
}

impl core::error::Error for Stopped {}

/// Why a step has no result.
#[derive(Debug)]
pub(crate) enum NoStep {
    /// The guest failed, or the document is past its limits.
    Failed(Failure),
    /// Another time it may have one: the machine is too busy, or nobody waits any more.
    Stopped,
}

impl StepTime {
    fn begin(&mut self, is_short: bool) {
        self.is_short = is_short;
        self.first = None;
    }

    /// How a step goes on whose epoch is over.
    fn look(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if self.is_short {
            return Ok(UpdateDeadline::Interrupt);
        }
        if self.is_abandoned.as_ref().is_some_and(|is_abandoned| is_abandoned()) {
            return Err(Stopped::Abandoned.into());
        }
        let processor = processor_time();
        let (begun, begun_processor) = *self.first.get_or_insert_with(|| (Instant::now(), processor));
        judge(processor.saturating_sub(begun_processor), begun.elapsed())
    }
}

/// How a step goes on that has taken so long, of a processor and on the clock.
fn judge(processor: Duration, clock: Duration) -> wasmtime::Result<UpdateDeadline> {
    if processor >= PROCESSOR_TIME_PER_STEP {
        return Ok(UpdateDeadline::Interrupt);
    }
    if clock >= TIME_PER_STEP {
        return Err(Stopped::Overloaded.into());
    }
    Ok(UpdateDeadline::Continue(1))
}

/// How long processors have worked for this thread.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.limit;
        if fits {
            if self.make_room.as_mut().is_some_and(|make_room| !make_room(desired)) {
                return Err(Stopped::Overloaded.into());
            }
            self.peak_bytes = self.peak_bytes.max(desired);
        }
        self.is_exhausted |= !fits;
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}

impl Sandbox {
    /// Compiles `component`, for at most `instances` at a time. What comes of it is kept in the folder `cache`, if
    /// there is one, and taken from there the next time: so nobody else may write there.
    ///
    /// # Errors
    /// If the bytes are no component of the world `downshift:convert/converter`.
    pub fn new(component: &[u8], instances: u32, cache: Option<&Path>) -> Result<Arc<Self>, UnusableGuest> {
        let engine = engine(instances, cache.and_then(self::cache))?;
        let sandbox = Arc::new(Self::with_engine(engine, component, false)?);
        start_clock("guest-clock", &sandbox, |sandbox| &sandbox.engine).map_err(wasmtime::Error::from)?;
        Ok(sandbox)
    }

    /// Compiles `component` so that each of its instructions counts, for [`Session::fuel_used`].
    ///
    /// # Errors
    /// As [`Sandbox::new`].
    pub fn with_fuel(component: &[u8]) -> Result<Arc<Self>, UnusableGuest> {
        let engine = Engine::new(config().consume_fuel(true))?;
        Ok(Arc::new(Self::with_engine(engine, component, true)?))
    }

    fn with_engine(engine: Engine, component: &[u8], counts_fuel: bool) -> wasmtime::Result<Self> {
        let component = Component::new(&engine, component)?;
        let guest = ConverterPre::new(Linker::new(&engine).instantiate_pre(&component)?)?;
        Ok(Self { engine, guest, counts_fuel, traps: AtomicU64::new(0) })
    }

    /// Traps since the start. Each is a bug of the guest, or a document at its limits.
    pub fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// Makes an instance for one request.
    ///
    /// # Errors
    /// A [`Failure`] if there is no room for one more.
    pub fn open(&self) -> Result<Session<'_>, Failure> {
        let mut store = store(&self.engine, Memory::with_limit(MEMORY_BYTES));
        let fuelled = if self.counts_fuel { store.set_fuel(u64::MAX) } else { Ok(()) };
        match fuelled.and_then(|()| self.guest.instantiate(&mut store)) {
            Ok(guest) => Ok(Session { sandbox: self, store, guest }),
            Err(error) => Err(self.trapped(&error, &store.data().memory)),
        }
    }

    /// Counts an answer that cannot be true as a trap, for it is the same kind of bug.
    fn lied(&self, failure: &Failure) {
        self.traps.fetch_add(1, Ordering::Relaxed);
        log::notice(format_args!("downshift: {}", printable(&failure.cause)));
    }

    /// What a trap means to the client.
    fn trapped(&self, error: &wasmtime::Error, memory: &Memory) -> Failure {
        self.traps.fetch_add(1, Ordering::Relaxed);
        log::warn(format_args!("the guest trapped: {error:#}"));
        CONVERSION.failure(error, memory)
    }
}

/// What is done in a sandbox, in the words of its failures.
struct Task {
    name: &'static str,
    /// What goes into it.
    input: &'static str,
}

const CONVERSION: Task = Task { name: "the conversion", input: "the manifest and its config" };

impl Task {
    /// What a trap means to the client. Its details are for the log, not for clients.
    fn failure(&self, error: &wasmtime::Error, memory: &Memory) -> Failure {
        let Self { name, input } = self;
        let native = "use the native engine if you trust the image";
        let (code, fault, cause, remedy) = match error.downcast_ref::<Trap>() {
            _ if memory.is_exhausted => (
                "guest-memory",
                Fault::Limit,
                format!("{name} needs more memory than its sandbox allows"),
                native.into(),
            ),
            Some(Trap::Interrupt) => (
                "guest-time",
                Fault::Limit,
                format!("{name} takes more time than its sandbox allows"),
                native.into(),
            ),
            _ => (
                "guest-trap",
                Fault::Caller,
                format!("{name} failed in its sandbox"),
                format!("report it, with {input}").into(),
            ),
        };
        Failure { code: code.into(), fault, cause, remedy }
    }
}

/// A store whose memory is limited, and whose steps have an end.
fn store(engine: &Engine, memory: Memory) -> Store<State> {
    let mut store = Store::new(engine, State { memory, step: StepTime::default() });
    store.limiter(|state| &mut state.memory);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut store| store.data_mut().step.look());
    store
}

/// An instance, for the steps of one request.
pub struct Session<'s> {
    sandbox: &'s Sandbox,
    store: Store<State>,
    guest: Converter,
}

impl Session<'_> {
    /// Takes a step, as [`downshift::answer()`] does.
    ///
    /// # Errors
    /// A [`Failure`] if the guest trapped, or the machine is too busy. The session is of no use after that.
    pub fn step<'a>(&mut self, request: &Request, documents: &Documents<'a>) -> Result<Step<'a>, Failure> {
        self.long_step(request, documents).map_err(|no_step| match no_step {
            NoStep::Failed(failure) => failure,
            NoStep::Stopped => Failure {
                code: "busy".into(),
                fault: Fault::Limit,
                cause: Stopped::Overloaded.to_string(),
                remedy: "try again".into(),
            },
        })
    }

    /// Has the steps of this session stopped when nobody waits for them any more.
    pub(crate) fn stop_when(&mut self, is_abandoned: Option<IsAbandoned>) {
        self.store.data_mut().step.is_abandoned = is_abandoned;
    }

    /// Takes a step, however long it takes within the limits. The session is of no use after an error.
    pub(crate) fn long_step<'a>(
        &mut self,
        request: &Request,
        documents: &Documents<'a>,
    ) -> Result<Step<'a>, NoStep> {
        match self.call(request, documents, false) {
            Ok(step) => self.decoded(step, request, documents).map_err(NoStep::Failed),
            Err(error) if error.downcast_ref::<Stopped>().is_some() => Err(NoStep::Stopped),
            Err(error) => Err(NoStep::Failed(self.sandbox.trapped(&error, &self.store.data().memory))),
        }
    }

    /// Takes a step if that takes little time. Otherwise there is none, and the session is of no use any more.
    ///
    /// # Errors
    /// As [`Session::step`].
    pub(crate) fn short_step<'a>(
        &mut self,
        request: &Request,
        documents: &Documents<'a>,
    ) -> Result<Option<Step<'a>>, Failure> {
        match self.call(request, documents, true) {
            Ok(step) => self.decoded(step, request, documents).map(Some),
            Err(error) if matches!(error.downcast_ref(), Some(Trap::Interrupt)) => Ok(None),
            Err(error) => Err(self.sandbox.trapped(&error, &self.store.data().memory)),
        }
    }

    fn decoded<'a>(
        &self,
        step: wit::Step,
        request: &Request,
        documents: &Documents<'a>,
    ) -> Result<Step<'a>, Failure> {
        decode::step(step, request, documents).inspect_err(|failure| self.sandbox.lied(failure))
    }

    fn call(
        &mut self,
        request: &Request,
        documents: &Documents<'_>,
        is_short: bool,
    ) -> wasmtime::Result<wit::Step> {
        self.store.data_mut().step.begin(is_short);
        self.store.set_epoch_deadline(if is_short { TICKS_PER_SHORT_STEP } else { 1 });
        let (encoded, layers) = (encode::documents(documents), encode::layers(documents));
        let signatures = encode::signatures(documents);
        self.guest.call_answer(&mut self.store, &encode::request(request), &encoded, &layers, &signatures)
    }

    /// The most memory in bytes that the steps of this session took.
    pub fn peak_memory(&self) -> usize {
        self.store.data().memory.peak_bytes
    }

    /// Instructions that the steps of this session took, if its sandbox counts them.
    pub fn fuel_used(&self) -> Option<u64> {
        self.store.get_fuel().ok().map(|left| u64::MAX - left)
    }
}

/// An engine whose instances come from a pool; from the kernel, each time, where there is no room for a pool.
fn engine(instances: u32, cache: Option<Cache>) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(instances)
        .total_core_instances(instances)
        .total_memories(instances)
        .total_tables(instances)
        .max_memory_size(MEMORY_BYTES)
        .table_elements(TABLE_ELEMENTS)
        // Tables are given back to the kernel otherwise, which has every other processor forget them: measured, that
        // alone takes a fifth of a busy server's conversions.
        .table_keep_resident(TABLE_ELEMENTS * size_of::<usize>())
        .max_unused_warm_slots(instances);
    // Keeping memory pays only where the kernel can tell which of its pages were touched (Linux 6.7): measured, a
    // fresh instance costs 10 µs with both, 24 µs with neither, 30 µs with the first alone.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES).pagemap_scan(Enabled::Yes);
    }
    let mut config = config();
    config.cache(cache);
    let pooled = config.clone().allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).clone();
    Engine::new(&pooled).or_else(|error| {
        log::warn(format_args!("no instance pool, so each request takes longer: {error:#}"));
        Engine::new(&config)
    })
}

/// A cache in this folder, where it can be written.
fn cache(folder: &Path) -> Option<Cache> {
    let mut config = CacheConfig::new();
    config.with_files_total_size_soft_limit(CACHE_BYTES);
    let cache = path::absolute(folder).map_err(wasmtime::Error::from).and_then(|folder| {
        config.with_directory(folder);
        Cache::new(config)
    });
    cache.inspect_err(|error| log::warn(format_args!("the guest is compiled at each start: {error:#}"))).ok()
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .concurrency_support(false)
        .epoch_interruption(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false);
    config
}

/// Starts the clock by which instances are ended. It stops when the sandbox is gone.
fn start_clock<S: Send + Sync + 'static>(
    name: &str,
    sandbox: &Arc<S>,
    engine: fn(&S) -> &Engine,
) -> std::io::Result<()> {
    let sandbox = Arc::downgrade(sandbox);
    let tick = move || {
        while let Some(sandbox) = sandbox.upgrade() {
            engine(&sandbox).increment_epoch();
            drop(sandbox);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(tick)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_to_blame_for_what_a_processor_does_and_not_for_what_it_waits() {
        let judge = |processor: Duration, clock: Duration| match judge(processor, clock) {
            Ok(UpdateDeadline::Interrupt) => "interrupted",
            Ok(_) => "goes on",
            Err(error) if error.downcast_ref() == Some(&Stopped::Overloaded) => "overloaded",
            Err(_) => "failed",
        };
        let almost = Duration::from_nanos(1);
        let (processor, clock) = (PROCESSOR_TIME_PER_STEP, TIME_PER_STEP);
        assert_eq!(judge(Duration::ZERO, Duration::ZERO), "goes on");
        assert_eq!(judge(processor - almost, clock - almost), "goes on");
        assert_eq!(judge(processor, processor), "interrupted");
        assert_eq!(judge(processor, clock), "interrupted");
        assert_eq!(judge(processor - almost, clock), "overloaded");
    }

    #[test]
    fn a_thread_that_sleeps_takes_no_processor_time() {
        let before = processor_time();
        std::thread::sleep(Duration::from_millis(300));
        assert!(processor_time().saturating_sub(before) < Duration::from_millis(100));
    }

    #[test]
    fn a_step_that_nobody_waits_for_is_stopped() {
        let mut time = StepTime::default();
        assert!(matches!(time.look(), Ok(UpdateDeadline::Continue(1))));
        time.is_abandoned = Some(Box::new(|| true));
        assert_eq!(time.look().err().unwrap().downcast_ref(), Some(&Stopped::Abandoned));
        time.begin(true);
        assert!(matches!(time.look(), Ok(UpdateDeadline::Interrupt)));
    }
}
