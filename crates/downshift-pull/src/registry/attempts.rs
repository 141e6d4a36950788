//! Asking again, after what may well have been an accident. Everything that is asked here is idempotent.

use core::time::Duration;

use downshift_registry::Fault;

use crate::failure::Failure;
use crate::shell::Shell;

/// How often something is asked at the most.
const MAX_ATTEMPTS: u32 = 3;

/// How long to wait before the second attempt; four times as long before each that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The attempts to have one thing.
pub(super) struct Attempts {
    made: u32,
    pause: Duration,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { made: 0, pause: FIRST_PAUSE }
    }

    /// Whether to try again after this `failure`, if it is one; if so, the pause before that is over.
    pub(super) async fn again(&mut self, shell: &Shell, failure: Option<&Failure>) -> bool {
        self.made = self.made.saturating_add(1);
        let is_transient = failure.and_then(Failure::upstream).is_some_and(Fault::is_transient);
        if self.made >= MAX_ATTEMPTS || !is_transient {
            return false;
        }
        shell.pause(self.pause).await;
        self.pause = self.pause.saturating_mul(4);
        true
    }
}
