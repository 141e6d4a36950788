//! Programs that have to clean up behind themselves when they end.

use core::time::Duration;
use std::io;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

/// How long a daemon may take to end.
const STOP: Duration = Duration::from_secs(30);

/// A program that runs for as long as this value lives, and is then asked to end before it is made to.
#[derive(Debug)]
pub struct Daemon(Child);

impl Daemon {
    /// Starts `command`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child.map(Self).with_context(|| format!("`{}` does not start", command.get_program().display()))
    }

    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.0.try_wait()?.is_some())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself: there is nothing else to do about errors here.
        if let Ok(false) = self.has_ended() {
            let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        }
        let deadline = Instant::now() + STOP;
        while let Ok(false) = self.has_ended() {
            if Instant::now() > deadline {
                let _ = self.0.kill();
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}
