//! What became of the tests, over all test programs.

use core::fmt::Write as _;
use core::time::Duration;
use std::collections::BTreeMap;
use std::process::ExitStatus;

/// How many tests passed, failed, and were left out.
#[derive(Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Why tests were left out, and how many for each reason.
    reasons: BTreeMap<String, u64>,
    has_failed: bool,
}

impl Tally {
    /// Reads a line of what a test program prints, in the format of Rust's own test harness.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            for (number, what) in result.split([';', '.']).filter_map(|part| part.trim().split_once(' ')) {
                let number = number.parse().unwrap_or(0);
                match what {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.ignored += number,
                    _ => {}
                }
            }
        } else if let Some((_, reason)) = line.split_once(" ... ignored") {
            // Rust's own harness has a comma before it, and the suite's has it in brackets.
            let reason = reason.trim_matches([',', ' ', '(', ')']);
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
        }
    }

    /// Notes how the tests ended: cargo fails, too, where a test program does not compile.
    pub(super) fn ended(&mut self, status: ExitStatus) {
        self.has_failed |= !status.success();
    }

    /// Whether everything that was to run did, and passed.
    pub(super) fn is_success(&self) -> bool {
        !self.has_failed && self.failed == 0
    }

    /// The verdict in one line, after the reasons for which tests were left out.
    pub(super) fn line(&self, time: Duration) -> String {
        let mut text = String::new();
        for (reason, number) in &self.reasons {
            let _ = writeln!(text, "left out {number}: {reason}");
        }
        let verdict = if self.is_success() { "Everything passed" } else { "Something failed" };
        let Self { passed, failed, ignored, .. } = self;
        let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
        let _ = write!(
            text,
            "{verdict}: {passed} tests passed, {failed} failed, {ignored} were left out, in {minutes} min {seconds} s."
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_over_all_test_programs() {
        let mut tally = Tally::default();
        for line in [
            "test native::a ... ok",
            "test native::b   ... ignored (`podman` is not installed)",
            "test tests::c ... ignored, `podman` is not installed",
            "test result: ok. 2 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            tally.read(line);
        }
        let text = tally.line(Duration::from_secs(61));
        assert_eq!(
            text,
            "left out 2: `podman` is not installed\n\
             Something failed: 5 tests passed, 1 failed, 2 were left out, in 1 min 1 s."
        );
    }
}
