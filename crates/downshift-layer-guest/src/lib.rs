//! The reader of layers as a WebAssembly module. There is no logic here, and there are no imports: what runs in the sandbox
//! is `downshift_layer::Unpacker` and nothing else.
//!
//! It is a plain module and no component, for all that crosses its boundary are bytes, and these have to be fast: the host
//! writes compressed bytes to where `input` says and reads plain ones from where `output` says, in this module's memory.
//! A component would return a new list at each step, which is made in here, copied to the host and freed again; like this
//! the host hashes plain bytes where they are, and copies only those that go on.
//!
//! An instance reads one layer: `open`, then `step` until all of it is read, then `finish`. What comes of it, and a
//! refusal, are text in the output, whose length they give.
#![cfg(target_arch = "wasm32")]

mod report;

use core::cell::RefCell;
use core::ptr;

use downshift_layer::{Error, Limits, Progress, Unpacker};

/// Compressed bytes of a step.
const INPUT_BYTES: usize = 128 * 1024;

/// Plain bytes of a step: few enough to be in the processor's cache still when they are hashed.
const OUTPUT_BYTES: usize = 128 * 1024;

/// What [`step`] gives for a layer that is refused.
const REFUSED: u64 = u64::MAX;

thread_local! {
    /// The layer of this instance, which has one thread.
    static LAYER: RefCell<Option<Layer>> = const { RefCell::new(None) };
}

struct Layer {
    unpacker: Unpacker,
    input: Box<[u8]>,
    output: Box<[u8]>,
    error: Option<Error>,
}

impl Layer {
    fn step(&mut self, start: usize, end: usize) -> Result<Progress, Error> {
        let input = self.input.get(start..end).unwrap_or_default();
        self.unpacker.step(input, &mut self.output)
    }

    /// Writes `text` to the output, as far as there is room.
    fn say(&mut self, text: &str) -> usize {
        let len = text.len().min(self.output.len());
        for (to, from) in self.output.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        len
    }
}

/// What `ask` makes of the layer; there is none before [`open`].
fn with_layer<T>(ask: impl FnOnce(&mut Layer) -> T) -> Option<T> {
    LAYER.with_borrow_mut(|layer| layer.as_mut().map(ask))
}

/// Begins with a layer of these limits.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn open(layer_bytes: u64, plain_bytes: u64, ratio: u64, window_bytes: u64, work: u64) {
    let mut limits = Limits::host();
    limits.layer_bytes = layer_bytes;
    limits.plain_bytes = plain_bytes;
    limits.ratio = ratio;
    limits.window_bytes = window_bytes;
    limits.work = work;
    LAYER.set(Some(Layer {
        unpacker: Unpacker::new(&limits),
        input: vec![0; INPUT_BYTES].into_boxed_slice(),
        output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
        error: None,
    }));
}

/// Where the input is.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn input() -> *const u8 {
    with_layer(|layer| layer.input.as_ptr()).unwrap_or(ptr::null())
}

/// How many bytes it has.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn input_bytes() -> usize {
    INPUT_BYTES
}

/// Where the output is.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn output() -> *const u8 {
    with_layer(|layer| layer.output.as_ptr()).unwrap_or(ptr::null())
}

/// How many bytes it has.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn output_bytes() -> usize {
    OUTPUT_BYTES
}

/// Takes a step with the input from `start` to `end`: how many bytes of it were read in the upper half, and how many were
/// written to the output in the lower one; or [`REFUSED`], and [`finish`] says why.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn step(start: usize, end: usize) -> u64 {
    let step = |layer: &mut Layer| match layer.step(start, end) {
        Ok(Progress { read, written }) => (read as u64) << 32 | written as u64,
        Err(error) => {
            layer.error = Some(error);
            REFUSED
        }
    };
    with_layer(step).unwrap_or(REFUSED)
}

/// Says in the output what the layer has come to, or why it is refused, and how long that is.
#[expect(unsafe_code, reason = "it is exported")]
#[unsafe(no_mangle)]
extern "C" fn finish() -> usize {
    let finish = |layer: &mut Layer| {
        // Beside it there is nothing that could be finished twice.
        let unpacker = core::mem::replace(&mut layer.unpacker, Unpacker::new(&Limits::host()));
        let finished = layer.error.take().map_or_else(|| unpacker.finish(), Err);
        let text = match finished {
            Ok(unpacked) => report::unpacked(&unpacked),
            Err(error) => report::refused(&error),
        };
        layer.say(&text)
    };
    with_layer(finish).unwrap_or_default()
}
