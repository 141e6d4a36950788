//! Servers that run beside a test.

use core::fmt::{self, Display};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicU16, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(180);

/// How long to wait before asking again whether a server listens.
const PAUSE: Duration = Duration::from_millis(10);

/// How many of its last lines are told about a server that did not start.
const LAST_LINES: usize = 20;

/// How many lines of a server are kept.
pub const LOGGED_LINES: usize = 100_000;

/// A server that runs as a child process for as long as this value lives.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts `command`, a server told to listen on `127.0.0.1:0`, and waits for the line in which it says its port.
    ///
    /// # Errors
    /// If it does not start, or does not say within three minutes where it listens.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let (mut server, lines) = Self::spawn(command)?;
        server.address = await_address(&program(command), &lines)?;
        Ok(server)
    }

    /// Starts `command`, a server told to listen on `address`, and waits until it does: for servers that do not say
    /// their port.
    ///
    /// # Errors
    /// If it does not start, or does not listen within three minutes.
    pub fn start_at(address: SocketAddr, command: &mut Command) -> anyhow::Result<Self> {
        let (mut server, lines) = Self::spawn(command)?;
        server.address = address;
        server.await_connection(&program(command), &lines)?;
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The number of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The lines that it has said so far, the first [`LOGGED_LINES`] of them.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What it has said so far, as [`Server::log`].
    #[must_use]
    pub fn said(&self) -> String {
        self.log().join("\n")
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it is gone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Tells it to stop, and waits until it has.
    ///
    /// # Errors
    /// If it does not stop as one that was told to.
    pub fn stop(mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = self.child.wait()?;
        anyhow::ensure!(status.success(), "it stops with {status}");
        Ok(())
    }

    /// The same, and gives all that it has said, to the end.
    ///
    /// # Errors
    /// If it does not stop as one that was told to.
    pub fn last_words(mut self) -> anyhow::Result<String> {
        let (log, readers) = (Arc::clone(&self.log), core::mem::take(&mut self.readers));
        self.stop()?;
        for reader in readers {
            reader.join().map_err(|_| anyhow::anyhow!("what it says cannot be read"))?;
        }
        Ok(log.lock().unwrap_or_else(PoisonError::into_inner).join("\n"))
    }

    /// Starts `command`. What it says comes as lines.
    fn spawn(command: &mut Command) -> anyhow::Result<(Self, mpsc::Receiver<String>)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{}` does not start", program(command)))?;
        let (sender, lines) = mpsc::sync_channel(LAST_LINES);
        let log = Arc::<Mutex<Vec<String>>>::default();
        let mut readers = Vec::new();
        if let Some(output) = child.stdout.take() {
            readers.push(forward_lines(output, sender.clone(), Arc::clone(&log)));
        }
        if let Some(output) = child.stderr.take() {
            readers.push(forward_lines(output, sender, Arc::clone(&log)));
        }
        Ok((Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), log, readers }, lines))
    }

    fn await_connection(&mut self, program: &str, lines: &mpsc::Receiver<String>) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        let mut last = LastLines::default();
        loop {
            lines.try_iter().for_each(|line| last.push(line));
            if let Some(status) = self.child.try_wait()? {
                // The line that says why may still be on its way.
                lines.iter().for_each(|line| last.push(line));
                bail!("`{program}` ended ({status}) before it listened; it said:\n{last}");
            }
            if TcpStream::connect(self.address).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("`{program}` does not listen on {}; it said:\n{last}", self.address);
            }
            thread::sleep(PAUSE);
        }
    }
}

/// An address of this machine on which nothing listens: for a server that cannot pick a port, or for a test that wants nobody
/// there.
///
/// The port is outside the range that the system picks from, so no other test gets it first.
///
/// # Errors
/// If there is none.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    // Linux picks from 32768 up by default.
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Concurrent runs start at different ports.
    let own = std::process::id().wrapping_mul(7919) % u32::from(COUNT);
    for _ in 0..COUNT {
        let offset = (own + u32::from(GIVEN.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST + u16::try_from(offset)?));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free")
}

impl Drop for Server {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

/// Ends a process; if it was started with a group of its own, with all that it has started itself.
pub(crate) fn kill(child: &mut Child) {
    let pid = Pid::from_child(child);
    // It may have ended by itself: there is nothing else to do about errors here.
    if getpgid(Some(pid)).is_ok_and(|group| group == pid) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Sends each line of `output` until nobody listens any more, and reads on, so that the server never waits for a
/// reader.
fn forward_lines(
    output: impl Read + Send + 'static,
    sender: SyncSender<String>,
    log: Arc<Mutex<Vec<String>>>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut sender = Some(sender);
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.len() < LOGGED_LINES {
                log.push(line.clone());
            }
            drop(log);
            if sender.as_ref().is_some_and(|sender| sender.send(line).is_err()) {
                sender = None;
            }
        }
    })
}

fn await_address(program: &str, lines: &mpsc::Receiver<String>) -> anyhow::Result<SocketAddr> {
    let deadline = Instant::now() + START;
    let mut last = LastLines::default();
    loop {
        let problem = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => match address_in(&line) {
                Some(address) => return Ok(address),
                None => {
                    last.push(line);
                    continue;
                }
            },
            Err(RecvTimeoutError::Timeout) => "does not say where it listens",
            Err(RecvTimeoutError::Disconnected) => "ended before it listened",
        };
        bail!("`{program}` {problem}; it said:\n{last}");
    }
}

/// The last lines that a server said.
#[derive(Default)]
struct LastLines(VecDeque<String>);

impl LastLines {
    fn push(&mut self, line: String) {
        self.0.push_back(line);
        if self.0.len() > LAST_LINES {
            self.0.pop_front();
        }
    }
}

impl Display for LastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The first address of this machine in `line`.
fn address_in(line: &str) -> Option<SocketAddr> {
    let (_, port) = line.split_once("127.0.0.1:")?;
    let digits = port.bytes().take_while(u8::is_ascii_digit).count();
    match port[..digits].parse() {
        Ok(0) | Err(_) => None,
        Ok(port) => Some(SocketAddr::from(([127, 0, 0, 1], port))),
    }
}
