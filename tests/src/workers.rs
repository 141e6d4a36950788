//! Workers that run beside tests, many in one process: starting Node and Miniflare takes longer than most tests do.

use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::javascript;
use crate::server::LOGGED_LINES;

/// How long a worker may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(180);

/// A worker that runs for as long as this value lives.
#[derive(Debug)]
pub struct Worker {
    id: u64,
    host: &'static Host,
    address: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
    ended: Mutex<Receiver<()>>,
}

/// The process that they run in. It ends when its input does, which is with the tests.
#[derive(Debug)]
struct Host {
    input: Mutex<ChildStdin>,
    /// Who is told about a worker.
    told: Mutex<HashMap<u64, Told>>,
}

#[derive(Debug)]
struct Told {
    started: Sender<Result<SocketAddr, String>>,
    ended: Sender<()>,
    log: Arc<Mutex<Vec<String>>>,
}

/// What the process says about a worker: one of the members beside its number.
#[derive(Deserialize)]
struct Said {
    id: u64,
    url: Option<String>,
    error: Option<String>,
    line: Option<String>,
}

impl Worker {
    /// Starts the worker that `cargo xtask test` has built, with `arguments`, on a free port.
    ///
    /// # Errors
    /// If it was not built, or does not start.
    pub fn start(arguments: &[String]) -> anyhow::Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let worker = javascript::built("DOWNSHIFT_WORKER")?.display().to_string();
        let own = ["--worker", &worker, "--listen", "127.0.0.1:0"].map(ToOwned::to_owned);
        let (host, id) = (Host::get()?, NEXT.fetch_add(1, Ordering::Relaxed));
        let ((started, address), (told_end, ended)) = (mpsc::channel(), mpsc::channel());
        let log = Arc::<Mutex<Vec<String>>>::default();
        lock(&host.told).insert(id, Told { started, ended: told_end, log: Arc::clone(&log) });
        let arguments = [&own, arguments].concat();
        host.tell(&json!({ "id": id, "arguments": arguments }))?;
        let address = match address.recv_timeout(PATIENCE) {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => bail!("the worker does not start: {error}"),
            Err(_) => bail!("the worker does not say where it listens; it said:\n{}", lock(&log).join("\n")),
        };
        Ok(Self { id, host, address, log, ended: Mutex::new(ended) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has written so far.
    #[must_use]
    pub fn said(&self) -> String {
        lock(&self.log).join("\n")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Whoever starts another one with its folder waits until it lets go of that.
        if self.host.tell(&json!({ "id": self.id })).is_ok() {
            let _ = lock(&self.ended).recv_timeout(PATIENCE);
        }
    }
}

impl Host {
    fn get() -> anyhow::Result<&'static Self> {
        static HOST: OnceLock<Result<&'static Host, String>> = OnceLock::new();
        let host = HOST.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        host.clone().map_err(|error| anyhow!("the workers have no process: {error}"))
    }

    fn start() -> anyhow::Result<&'static Self> {
        let mut node = javascript::script("workers.mjs");
        let mut child = node.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("it has no input")?;
        let output = child.stdout.take().context("it has no output")?;
        let host: &'static Self =
            Box::leak(Box::new(Self { input: Mutex::new(input), told: Mutex::default() }));
        thread::spawn(move || host.listen(output));
        Ok(host)
    }

    fn tell(&self, message: &Value) -> anyhow::Result<()> {
        Ok(writeln!(lock(&self.input), "{message}")?)
    }

    /// Passes on what the process says.
    fn listen(&self, output: ChildStdout) {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let Ok(Said { id, url, error, line }) = serde_json::from_str(&line) else { continue };
            let mut told = lock(&self.told);
            let Some(worker) = told.get(&id) else { continue };
            // Nobody may listen any more.
            if let Some(line) = line {
                let mut log = lock(&worker.log);
                if log.len() < LOGGED_LINES {
                    log.push(line);
                }
            } else if let Some(url) = url {
                let address = url.trim_start_matches("http://").parse();
                let _ = worker.started.send(address.map_err(|_| format!("it listens on `{url}`")));
            } else if let Some(error) = error {
                let _ = worker.started.send(Err(error));
                told.remove(&id);
            } else {
                let _ = worker.ended.send(());
                told.remove(&id);
            }
        }
        // Nothing more is said to those who wait.
        lock(&self.told).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
