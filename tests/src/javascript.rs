//! The package for JavaScript, wherever that runs.

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

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use downshift::answer::{Record, Request, Root};
use downshift::{Capabilities, Digest, Failure, Fault, Form, Limits, Platform, Timestamp};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use ureq::Agent;

use crate::fixed_key::FixedKey;
use crate::implementation::{Answered, Implementation, Outcome};
use crate::programs::NODE;
use crate::server::Server;

/// How long a script may take to end.
const END: Duration = Duration::from_secs(10);

/// How long to wait before asking again whether it has.
const PAUSE: Duration = Duration::from_millis(10);

/// Where JavaScript runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In Node, with everything that is in the package.
    Node,
    /// In workerd, with what an edge needs.
    Workerd,
}

/// The package, in a process that starts when the first case needs it.
#[derive(Debug)]
pub struct JavaScript {
    place: Place,
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
    Lines(Lines),
    /// A request in each body.
    Server(Server, Agent),
}

/// A script that answers questions, each on a line.
#[derive(Debug)]
pub struct Lines {
    child: Child,
    pipes: Mutex<(Option<ChildStdin>, BufReader<ChildStdout>)>,
}

/// The folder of the package, which `cargo xtask test` has built.
///
/// # Errors
/// If it was not.
pub fn package() -> anyhow::Result<PathBuf> {
    env::var_os("DOWNSHIFT_JS").map(PathBuf::from).context("there is no package: run `cargo xtask test`")
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
    let worker = env::var_os("DOWNSHIFT_WORKER").context("there is no worker: run `cargo xtask test`")?;
    let mut command =
        node(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/edge-cloudflare/local.mjs"));
    Server::start(command.arg("--worker").arg(worker).args(["--listen", "127.0.0.1:0"]).args(arguments))
}

fn node(script: &Path) -> Command {
    let mut command = Command::new(NODE);
    command.arg(script).process_group(0);
    command
}

impl JavaScript {
    /// The package at `place`.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { place, running: OnceLock::new() }
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
        let start = || Running::start(self.place).map_err(|error| format!("{error:#}"));
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
}

impl Running {
    fn start(place: Place) -> anyhow::Result<Self> {
        let mut key = NamedTempFile::new()?;
        key.write_all(FixedKey::read()?.pem().as_bytes())?;
        let name = match place {
            Place::Node => "node.mjs",
            Place::Workerd => "workerd.mjs",
        };
        let mut command = script(name);
        command.arg(package()?).arg(key.path());
        let asked = match place {
            Place::Node => Asked::Lines(Lines::start(&mut command)?),
            Place::Workerd => {
                let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
                Asked::Server(Server::start(&mut command)?, agent)
            }
        };
        Ok(Self { asked, _key: key })
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
        let deadline = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(PAUSE);
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Implementation for JavaScript {
    fn name(&self) -> &'static str {
        match self.place {
            Place::Node => "node",
            Place::Workerd => "workerd",
        }
    }

    fn programs(&self) -> &'static [&'static str] {
        &[NODE]
    }

    fn answer(&self, request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> Outcome {
        let documents: BTreeMap<&str, String> =
            documents.iter().map(|(digest, bytes)| (digest.as_str(), STANDARD.encode(bytes))).collect();
        let question = json!({ "request": encoded(request), "documents": documents });
        let outcome = self.ask(&question).and_then(|answer| outcome(&answer).context(answer.to_string()));
        outcome.unwrap_or_else(|error| panic!("{} failed: {error:#}", self.name()))
    }
}

fn encoded(request: &Request) -> Value {
    let Request { root, client, policy, default_platform, time, limits } = request;
    let mut encoded = json!({
        "name": root.name(),
        "digest": root.digest().as_str(),
        "client": capabilities(client),
        "policy": policy.to_string(),
        "platform": default_platform.to_string(),
        "time": time.map(Timestamp::seconds),
        "limits": self::limits(limits),
    });
    match root {
        Root::Tag { tag, .. } => encoded["tag"] = tag.as_str().into(),
        Root::Digest { tag, record, .. } => {
            encoded["byDigest"] = true.into();
            encoded["tag"] = tag.as_deref().into();
            encoded["record"] = record.as_deref().map(self::record).into();
        }
    }
    encoded
}

fn capabilities(client: &Capabilities) -> Value {
    let forms: BTreeMap<&str, u16> = client.forms().map(|(form, weight)| (form.name(), weight)).collect();
    json!({
        "forms": forms,
        "any": client.takes_any(),
        "schema1Engine": client.is_schema1_engine(),
        "platform": client.platform().map(Platform::to_string),
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
        "document-bytes": limits.document_bytes,
        "depth": limits.depth,
        "layers": limits.layers,
        "history": limits.history,
        "entries": limits.entries,
        "converted-children": limits.converted_children,
        "string-bytes": limits.string_bytes,
        "output-bytes": limits.output_bytes,
    })
}

fn record(record: &Record) -> Value {
    json!({
        "name": record.name,
        "digest": record.digest.as_str(),
        "form": record.form.name(),
        "payload": STANDARD.encode(&record.payload),
        "source": record.source.as_str(),
        "tag": record.tag,
        "platform": record.platform.as_ref().map(Platform::to_string),
        "time": record.time.map(Timestamp::seconds),
    })
}

fn outcome(answer: &Value) -> anyhow::Result<Outcome> {
    if let Some(digest) = answer["missing"].as_str() {
        return Ok(Outcome::Missing(digest.parse()?));
    }
    let records = answer.get("records").map_or(Ok(Vec::new()), records)?;
    if let Some(refused) = answer.get("refused") {
        return Ok(Outcome::Refused { failure: failure(refused)?, records });
    }
    let answered = &answer["answered"];
    Ok(Outcome::Answered(Answered {
        form: form(&answered["form"])?,
        digest: text(&answered["digest"])?.parse()?,
        body: STANDARD.decode(text(&answered["body"])?)?,
        source: answered["source"].as_str().map(str::parse).transpose()?,
        by_platform: answered["byPlatform"] == true,
        records: self::records(&answered["records"])?,
        report: answered["report"].clone(),
    }))
}

fn failure(refused: &Value) -> anyhow::Result<Failure> {
    let fault = match text(&refused["fault"])? {
        "caller" => Fault::Caller,
        "client" => Fault::Client,
        "document" => Fault::Document,
        "image" => Fault::Image,
        "limit" => Fault::Limit,
        other => bail!("`{other}` is no fault"),
    };
    Ok(Failure {
        code: text(&refused["code"])?.to_string().into(),
        fault,
        cause: text(&refused["cause"])?.to_string(),
        remedy: text(&refused["remedy"])?.to_string().into(),
    })
}

fn records(records: &Value) -> anyhow::Result<Vec<Record>> {
    let record = |record: &Value| -> anyhow::Result<Record> {
        Ok(Record {
            name: text(&record["name"])?.to_string(),
            digest: text(&record["digest"])?.parse()?,
            form: form(&record["form"])?,
            payload: STANDARD.decode(text(&record["payload"])?)?,
            source: text(&record["source"])?.parse()?,
            tag: record["tag"].as_str().map(str::to_string),
            platform: record["platform"].as_str().map(str::parse).transpose()?,
            time: record["time"].as_u64().and_then(Timestamp::from_seconds),
        })
    };
    records.as_array().context("there are no records")?.iter().map(record).collect()
}

fn form(name: &Value) -> anyhow::Result<Form> {
    let form = Form::ALL.into_iter().find(|form| form.name() == name);
    form.with_context(|| format!("{name} is no form"))
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value.as_str().context("a text is missing")
}
