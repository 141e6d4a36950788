//! An upstream registry that comes and goes.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use downshift_tests::faults::{Fault, FaultyRegistry};

/// How long nothing goes wrong, and then something.
const GOOD: Duration = Duration::from_secs(20);
const BAD: Duration = Duration::from_secs(5);

/// How long something may still go wrong afterwards: as long as a request waits for the registry, and tries again.
const AFTER: Duration = Duration::from_secs(8);

/// The registry, which somebody disturbs.
pub(super) struct Flap {
    calm: Calm,
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Since when nothing goes wrong.
#[derive(Clone)]
pub(super) struct Calm(Arc<Mutex<Option<Instant>>>);

impl Calm {
    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Whether an error of a request that began at `start` was provoked.
    pub(super) fn is_provoked(&self, start: Instant) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_none_or(|since| start < since + AFTER)
    }
}

impl Flap {
    pub(super) fn start(registry: Arc<FaultyRegistry>) -> Self {
        let calm = Calm(Arc::new(Mutex::new(Instant::now().checked_sub(AFTER))));
        let ends = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (calm, ends) = (calm.clone(), Arc::clone(&ends));
            move || disturb(&registry, &calm, &ends)
        });
        Self { calm, ends, thread }
    }

    pub(super) fn calm(&self) -> Calm {
        self.calm.clone()
    }

    pub(super) fn stop(self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.join();
    }
}

fn disturb(registry: &FaultyRegistry, calm: &Calm, ends: &AtomicBool) {
    let faults = [
        Fault::Close,
        Fault::Status(503, Vec::new()),
        Fault::Hang,
        Fault::Cut,
        Fault::WrongByte,
        Fault::NotHttp,
    ];
    for fault in faults.iter().cycle() {
        if pause(GOOD, ends) {
            return;
        }
        calm.set(None);
        registry.set("/", fault.clone());
        let is_over = pause(BAD, ends);
        registry.clear();
        calm.set(Some(Instant::now()));
        if is_over {
            return;
        }
    }
}

/// Waits, and says whether it is over.
fn pause(time: Duration, ends: &AtomicBool) -> bool {
    let start = Instant::now();
    while start.elapsed() < time && !ends.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
    }
    ends.load(Ordering::Relaxed)
}
