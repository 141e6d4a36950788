//! The signals that a server hears.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// `SIGINT` and `SIGTERM`, which stop a server, and `SIGHUP`, at which it reads its settings again.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens for the signals from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Said {
        tokio::select! {
            _ = self.interrupt.recv() => Said::End,
            _ = self.terminate.recv() => Said::End,
            _ = self.hangup.recv() => Said::Reload,
        }
    }
}

/// What a signal says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    /// To stop.
    End,
    /// To read the settings again.
    Reload,
}
