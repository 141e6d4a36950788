//! The core in the native server's sandbox: as an implementation, what it costs there, and guests that misbehave.

use core::fmt::Write as _;
use std::collections::BTreeMap;
use std::env;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow, bail, ensure};
use downshift::answer::{Request, Root};
use downshift::{Digest, Limits, Policy};
use downshift_cases::images::{built, sample};
use downshift_cases::implementation::{self, Implementation, Outcome, schema1_request};
use downshift_cases::response::is_refused;
use downshift_cases::vectors::{self, Vector};
use downshift_host::engine::wasm::{MEMORY_BYTES, Sandbox};
use downshift_host::engine::{GUEST, LAYER_GUEST};
use downshift_tests::front::{ENGINES, Front};
use downshift_tests::programs::case;
use libtest_mimic::Trial;

use crate::Named;

/// The guest component in wasmtime, with a new instance for each request.
pub(crate) struct Wasmtime {
    sandbox: Arc<Sandbox>,
}

impl Wasmtime {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::of(GUEST)
    }

    fn of(component: &[u8]) -> anyhow::Result<Self> {
        // What has been compiled once is there for all other trials, and for the next run.
        static COMPILING: Mutex<()> = Mutex::new(());
        let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let _compiling = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
        // One of the trials has a few threads more.
        let threads = crate::THREADS.get().copied().unwrap_or(1);
        let sandbox = Sandbox::new(component, u32::try_from(threads)?.saturating_add(8), Some(&compiled))?;
        Ok(Self { sandbox })
    }
}

impl Implementation for Wasmtime {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn answer(&self, request: &Request, documents: &BTreeMap<Digest, Vec<u8>>) -> Outcome {
        match self.sandbox.open() {
            Ok(mut session) => {
                implementation::run(request, documents, |fetched| session.step(request, fetched))
            }
            Err(failure) => Outcome::refused(failure),
        }
    }
}

/// A check of one guest, by its name and the code of its error.
type Check = fn(&str, &str, &Vector) -> anyhow::Result<()>;

pub(crate) fn trials() -> anyhow::Result<Vec<Trial>> {
    let vector = vectors::read_all()?.into_iter().next().context("there are no vectors")?;
    let vector = Arc::new(vector);
    let trial = |(name, run): Named<fn() -> anyhow::Result<()>>| case(format!("wasmtime::{name}"), run);
    let mut trials = vec![
        trial(named!(the_guest_imports_nothing)),
        trial(named!(budgets)),
        trial(named!(a_guest_that_asks_for_ever_costs_one_request)),
    ];
    let (name, run): Named<Check> = named!(a_guest_that_misbehaves_costs_one_request);
    for (guest, code) in [
        ("loops", "guest-time"),
        ("grows", "guest-memory"),
        ("traps", "guest-trap"),
        ("floods", "guest-answer"),
        ("floods-layers", "guest-answer"),
        ("lies", "guest-answer"),
        ("records", "guest-answer"),
        ("names-layers", "guest-answer"),
    ] {
        let vector = Arc::clone(&vector);
        trials.push(case(format!("wasmtime::{name}::{guest}"), move || run(guest, code, &vector)));
    }
    Ok(trials)
}

fn the_guest_imports_nothing() -> anyhow::Result<()> {
    let engine = wasmtime::Engine::default();
    let component =
        wasmtime::component::Component::new(&engine, GUEST).map_err(|error| anyhow!("{error:#}"))?;
    let imports: Vec<String> =
        component.component_type().imports(&engine).map(|(name, _)| name.to_string()).collect();
    // Types are no code: the interface that defines them is named, and is empty of functions.
    ensure!(
        imports.iter().all(|name| name.starts_with("downshift:convert/types@")),
        "it imports {imports:?}"
    );
    Ok(())
}

/// The bad guest fails with `code`, as often as it is asked; beside it the good one goes on.
fn a_guest_that_misbehaves_costs_one_request(guest: &str, code: &str, vector: &Vector) -> anyhow::Result<()> {
    let path = artifact("bad_guest.component.wasm")?;
    let component = fs::read(&path).with_context(|| {
        format!("`{}` cannot be read: run the tests with `cargo xtask test`, which builds it", path.display())
    })?;
    let (bad, good) = (Wasmtime::of(&component)?, Wasmtime::new()?);
    let (request, documents) = (vector.request(Policy::Reference)?, vector.documents()?);
    let mut bad_request = request.clone();
    if let Root::Tag { tag, .. } = &mut bad_request.root {
        guest.clone_into(tag);
    }
    for attempt in 1..=2 {
        match bad.answer(&bad_request, &documents) {
            Outcome::Refused { failure, .. } => {
                ensure!(failure.code == code, "it fails with `{}`: {failure}", failure.code);
            }
            outcome => bail!("it does not fail: {outcome:?}"),
        }
        ensure!(bad.sandbox.traps() == attempt, "`{}` traps are counted", bad.sandbox.traps());
        vector.expected()?.check(&good.answer(&request, &documents))?;
    }
    ensure!(good.sandbox.traps() == 0, "the good guest trapped");
    Ok(())
}

/// A guest that needs the same document again and again.
fn a_guest_that_asks_for_ever_costs_one_request() -> anyhow::Result<()> {
    let guest = artifact("bad_guest.component.wasm")?.display().to_string();
    let engine =
        ENGINES.iter().find(|engine| engine.name == "wasmtime").context("there is no such engine")?;
    let front = Front::start_with(*engine, &["--guest", &guest], &[("asks", sample::schema2())])?;
    for _ in 0..2 {
        is_refused(&front.manifest("asks", &[])?, 500, "guest-answer")?;
        ensure!(front.send("GET", "/v2/", &[])?.status == 200, "the server does not go on");
    }
    let said = front.said();
    ensure!(!said.contains("panicked"), "a thread panicked: {said}");
    Ok(())
}

/// What the guest may cost: its size, and for each vector and the largest config its instructions and memory.
///
/// With `DOWNSHIFT_BLESS=1` the budgets are written anew, to be reviewed as a difference.
fn budgets() -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("budgets/guest.tsv");
    let costs = measure()?;
    ensure!(GUEST.len() <= MAX_GUEST_BYTES, "the guest has `{}` bytes", GUEST.len());
    ensure!(LAYER_GUEST.len() <= MAX_LAYER_GUEST_BYTES, "that of layers has `{}` bytes", LAYER_GUEST.len());
    if env::var_os("DOWNSHIFT_BLESS").is_some() {
        let mut table = String::new();
        for (name, cost) in &costs {
            writeln!(table, "{name}\t{}", cost.next_multiple_of(granularity(name)))?;
        }
        return fs::write(&path, table).with_context(|| format!("`{}` cannot be written", path.display()));
    }
    let table = fs::read_to_string(&path)
        .with_context(|| format!("`{}` cannot be read: make it with `cargo xtask bless`", path.display()))?;
    let mut budgets = BTreeMap::new();
    for line in table.lines() {
        let (name, budget) = line.split_once('\t').with_context(|| format!("`{line}` is no budget"))?;
        budgets.insert(name, budget.parse::<u64>()?);
    }
    let over: Vec<String> = costs
        .iter()
        .filter_map(|(name, cost)| match budgets.get(name.as_str()) {
            Some(budget) if cost <= &(budget + budget / TOLERANCE) => None,
            Some(budget) => Some(format!("{name}: {cost} instead of {budget}")),
            None => Some(format!("{name}: {cost}, and there is no budget")),
        })
        .collect();
    ensure!(over.is_empty(), "over budget; if that is meant, run `cargo xtask bless`:\n{}", over.join("\n"));
    Ok(())
}

/// Bytes of the guest, whatever its budget says: it is a part of every server.
const MAX_GUEST_BYTES: usize = 330_000;

/// The same of the module that reads layers, which is made for speed.
const MAX_LAYER_GUEST_BYTES: usize = 245_000;

/// A twentieth more is no regression: another version of the compiler makes other code.
const TOLERANCE: u64 = 20;

fn granularity(name: &str) -> u64 {
    if name.ends_with("fuel") { 1000 } else { 1024 }
}

fn measure() -> anyhow::Result<BTreeMap<String, u64>> {
    let sandbox = Sandbox::with_fuel(GUEST)?;
    let mut costs = BTreeMap::from([
        ("guest bytes".to_string(), GUEST.len() as u64),
        ("layer guest bytes".to_string(), LAYER_GUEST.len() as u64),
    ]);
    let mut add =
        |id: &str, request: &Request, documents: &BTreeMap<Digest, Vec<u8>>| -> anyhow::Result<()> {
            let mut session = sandbox.open()?;
            implementation::run(request, documents, |fetched| session.step(request, fetched));
            costs.insert(format!("{id} fuel"), session.fuel_used().context("fuel is not counted")?);
            costs.insert(format!("{id} memory"), session.peak_memory() as u64);
            Ok(())
        };
    for vector in vectors::read_all()? {
        add(&vector.id, &vector.request(Policy::Reference)?, &vector.documents()?)?;
    }
    let largest = built::text(Limits::default().document_bytes);
    let request = schema1_request("library/sample", "latest", largest.manifest.digest(), Policy::Strict);
    add("config of 4 MiB", &request, &largest.documents())?;
    let fits = |(name, &cost): (&String, &u64)| !name.ends_with("memory") || cost <= MEMORY_BYTES as u64 / 2;
    ensure!(costs.iter().all(fits), "half of the sandbox's memory is not enough: {costs:?}");
    Ok(costs)
}

/// A file that `cargo xtask` made in cargo's target folder, beside the profile that this test is in.
pub(crate) fn artifact(name: &str) -> anyhow::Result<PathBuf> {
    let test = env::current_exe()?;
    let target = test.ancestors().nth(3).context("the running test is in no target folder")?;
    Ok(target.join("artifacts").join(name))
}
