//! The package for JavaScript, wherever that runs.

mod json;

use core::time::Duration;
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::Digest;
use downshift::answer::Request;
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use ureq::Agent;

use self::json::question;
use crate::programs::{CHROMIUM, NODE, locate};
use crate::server::{self, Server};
use downshift_cases::fixed_key::FixedKey;
use downshift_cases::implementation::{Implementation, Outcome};

/// How long a process may take to end after its input.
const STOP: Duration = Duration::from_secs(10);

/// How long to wait before asking again whether it has.
const PAUSE: Duration = Duration::from_millis(10);

/// Where JavaScript runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In Node, with everything that is in the package.
    Node,
    /// In a browser, with everything, as a page loads it that was not bundled.
    Browser,
    /// In workerd, with what an edge needs.
    Workerd,
    /// In Node as well, from the one file that a bundler makes of it for browsers.
    Bundled,
    /// The same, made for Node, in the format of its modules.
    BundledForNode,
    /// The same in the format of CommonJS.
    BundledAsCommonJs,
}

/// The package, in a process that starts when the first case needs it.
#[derive(Debug)]
pub struct JavaScript {
    place: Place,
    /// A folder in which scripts find the package by its name; that of the one that was built, unless it is said.
    folder: Option<PathBuf>,
    running: OnceLock<Result<Running, String>>,
}

#[derive(Debug)]
struct Running {
    asked: Asked,
    _key: NamedTempFile,
}

#[derive(Debug)]
enum Asked {
    /// A request on each line.
    Lines(Box<Lines>),
    /// A request in each body.
    Server(Server, Agent),
}

/// A script that answers questions, each on a line.
#[derive(Debug)]
pub struct Lines {
    child: Child,
    /// No input once it has been told that there is no more.
    pipes: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

/// The package's own folder, which `cargo xtask test` has built.
///
/// # Errors
/// If it was not.
pub fn package() -> anyhow::Result<PathBuf> {
    built("DOWNSHIFT_JS")
}

/// What `cargo xtask test` has built of JavaScript, by the variable that says where.
///
/// # Errors
/// If it was not.
pub fn built(variable: &str) -> anyhow::Result<PathBuf> {
    let folder = env::var_os(variable).map(PathBuf::from);
    folder.with_context(|| format!("`{variable}` names nothing that was built: run `cargo xtask test`"))
}

/// Node with one of the suite's scripts, in `tests/js`. What it starts itself ends with it.
#[must_use]
pub fn script(name: &str) -> Command {
    node(&Path::new(env!("CARGO_MANIFEST_DIR")).join("js").join(name))
}

/// Starts the worker with `arguments` on a free port, as people run it on their machines.
///
/// # Errors
/// If it was not built, or does not start.
pub fn serve(arguments: &[String]) -> anyhow::Result<Server> {
    serve_worker(&built("DOWNSHIFT_WORKER")?, arguments)
}

/// The same for the worker in a folder.
///
/// # Errors
/// If it does not start.
pub fn serve_worker(worker: &Path, arguments: &[String]) -> anyhow::Result<Server> {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/edge-cloudflare/local.mjs");
    let mut command = node(&local);
    command.arg("--worker").arg(worker).args(["--listen", "127.0.0.1:0"]).args(arguments);
    Server::start(&mut command)
}

fn node(script: &Path) -> Command {
    let mut command = Command::new(NODE);
    command.arg(script).process_group(0);
    command
}

impl Place {
    /// The programs that it takes.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Browser => &[NODE, CHROMIUM],
            Self::Node | Self::Workerd | Self::Bundled | Self::BundledForNode | Self::BundledAsCommonJs => {
                &[NODE]
            }
        }
    }

    /// Its name, with which the names of its tests begin.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Browser => "browser",
            Self::Workerd => "workerd",
            Self::Bundled => "bundled",
            Self::BundledForNode => "bundled_for_node",
            Self::BundledAsCommonJs => "bundled_as_common_js",
        }
    }

    /// The script that answers questions there, and what it is told beside where the package and the key are.
    fn script(self) -> anyhow::Result<(&'static str, Vec<PathBuf>)> {
        Ok(match self {
            Self::Node => ("node.mjs", Vec::new()),
            Self::Browser => ("browser.mjs", vec![locate(CHROMIUM).context("there is no browser")?]),
            Self::Workerd => ("workerd.mjs", Vec::new()),
            Self::Bundled => ("bundled.mjs", Vec::new()),
            Self::BundledForNode => ("bundled.mjs", vec!["node".into(), "esm".into()]),
            Self::BundledAsCommonJs => ("bundled.mjs", vec!["node".into(), "cjs".into()]),
        })
    }

    /// What answers questions there, with the package that is found in `folder`.
    fn command(self, folder: &Path, key: &Path) -> anyhow::Result<Command> {
        let (name, more) = self.script()?;
        let mut command = script(name);
        command.arg(folder).arg(key).args(more);
        Ok(command)
    }
}

impl JavaScript {
    /// The package at `place`.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, folder: None, running: OnceLock::new() }
    }

    /// The package that was installed in `folder`, at `place`.
    #[must_use]
    pub fn installed(place: Place, folder: PathBuf) -> Self {
        Self { place, folder: Some(folder), running: OnceLock::new() }
    }

    /// How long one conversion takes there, on average of `count` that follow each other, signed by `signer`: `p256` or
    /// `webcrypto`.
    ///
    /// # Errors
    /// If the package does not answer.
    pub fn mean(
        &self,
        request: &Request,
        documents: &BTreeMap<Digest, Vec<u8>>,
        signer: &str,
        count: u32,
    ) -> anyhow::Result<Duration> {
        let mut question = question(request, documents);
        question["signer"] = signer.into();
        // Clocks stand still in workerd: they are read here, and what is for all of them alike is taken off.
        let mut took = |times: u32| -> anyhow::Result<Duration> {
            question["times"] = times.into();
            let start = Instant::now();
            let answer = self.ask(&question)?;
            let elapsed = start.elapsed();
            answer.get("answered").with_context(|| format!("it is not converted: {answer}"))?;
            Ok(elapsed)
        };
        let once = took(1)?;
        Ok(took(count + 1)?.saturating_sub(once) / count)
    }

    /// The report on documents: name, bytes, and the expected digest.
    ///
    /// # Errors
    /// If there is none.
    pub fn inspect(&self, documents: &[(&'static str, Vec<u8>, Option<String>)]) -> anyhow::Result<Value> {
        let documents = documents.iter().map(|(label, bytes, expected)| {
            json!({ "label": label, "bytes": STANDARD.encode(bytes), "expected": expected.as_deref().unwrap_or_default() })
        });
        self.ask(&json!({ "inspect": documents.collect::<Vec<_>>() }))
    }

    /// What becomes of the checks in `tests/js/reports.mjs`.
    ///
    /// # Errors
    /// If they do not run.
    pub fn run_script(&self) -> anyhow::Result<Value> {
        self.ask(&json!({ "others": true }))
    }

    fn ask(&self, question: &Value) -> anyhow::Result<Value> {
        let start = || self.start().map_err(|error| format!("{error:#}"));
        let running = self.running.get_or_init(start).as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
        match &running.asked {
            Asked::Lines(lines) => lines.ask(question),
            Asked::Server(server, agent) => {
                let mut answer = agent
                    .post(format!("http://{}/", server.address()))
                    .send(question.to_string().as_bytes())
                    .context("workerd does not answer")?;
                let body = answer.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
                serde_json::from_slice(&body).with_context(|| String::from_utf8_lossy(&body).into_owned())
            }
        }
    }

    fn start(&self) -> anyhow::Result<Running> {
        let mut key = NamedTempFile::new()?;
        key.write_all(FixedKey::read()?.pem().as_bytes())?;
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => package()?.ancestors().nth(2).context("the package is in no folder")?.to_path_buf(),
        };
        let mut command = self.place.command(&folder, key.path())?;
        let asked = match self.place {
            Place::Workerd => {
                let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
                Asked::Server(Server::start(&mut command)?, agent)
            }
            _ => Asked::Lines(Box::new(Lines::start(&mut command)?)),
        };
        Ok(Running { asked, _key: key })
    }
}

impl Lines {
    /// Starts the script, which `command` runs in a group of processes of its own.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("it has no output")?);
        Ok(Self { child, pipes: Mutex::new((input, output)) })
    }

    /// Asks a question, and waits for the answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn ask(&self, question: &Value) -> anyhow::Result<Value> {
        let mut pipes = self.pipes.lock().unwrap_or_else(PoisonError::into_inner);
        let (input, output) = &mut *pipes;
        writeln!(input.as_ref().context("it has no input")?, "{question}")?;
        let mut line = String::new();
        output.read_line(&mut line)?;
        serde_json::from_str(&line).with_context(|| format!("it answered `{line}`"))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // At the end of its input it ends what it has started, and then itself.
        let pipes = self.pipes.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(pipes.0.take());
        let deadline = Instant::now() + STOP;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
        server::kill(&mut self.child);
    }
}

impl Implementation for JavaScript {
    fn name(&self) -> &'static str {
        self.place.name()
    }

    fn programs(&self) -> &'static [&'static str] {
        self.place.programs()
    }

    fn answer(&self, request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> Outcome {
        let outcome = self.ask(&question(request, documents));
        let outcome = outcome.and_then(|answer| json::outcome(&answer).context(answer.to_string()));
        outcome.unwrap_or_else(|error| panic!("{} failed: {error:#}", self.name()))
    }
}
