//! `cargo xtask soak`

mod client;
mod flap;
mod load;
mod process;

use core::time::Duration;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use downshift_cases::images::{built, sample};
use downshift_tests::faults::FaultyRegistry;
use downshift_tests::registry::Registry;
use downshift_tests::server::Server;

use self::flap::Flap;
use self::load::{Load, Question, Tally};
use self::process::Process;
use xtask::command;
use xtask::program::{self, Build};

/// How much of what the clients can ask for at the most they ask for.
const SHARE: f64 = 0.8;

/// How long it is measured what that is.
const MEASURED: Duration = Duration::from_secs(5);

/// The time at the beginning and at the end of which the memory is compared.
const COMPARED: Duration = Duration::from_secs(300);

/// By how much the memory at the end may be more, in hundredths: what is kept for a while comes and goes.
const TOLERANCE: u64 = 5;

/// How often the server is told to read its settings again.
const RELOAD: Duration = Duration::from_secs(60);

/// Images beside the sample, with as many layers.
const IMAGES: usize = 40;
const LAYERS: usize = 5;

/// The repository that is served.
const REPOSITORY: &str = "library/soak";

/// Lets clients ask a server for a long time, and checks every byte: with 80 % of the load that it can bear, clients
/// that break off, an upstream registry that comes and goes, and settings that are read again every minute.
///
/// It fails if a byte was wrong, there was an error that was not provoked, or the memory has grown by more than 5 %
/// between the first five minutes and the last ones. Takes the program of `cargo xtask build --release` if it is there.
/// Needs docker-registry.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How long, in minutes
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: u64,
}

impl Arguments {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let program = program()?;
        let registry = Registry::start()?;
        let questions = push(&registry)?;
        let upstream = Arc::new(FaultyRegistry::start(&registry)?);
        let data = tempfile::tempdir()?;
        let mut command = Command::new(&program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--tag-ttl", "1", "--upstream-timeout", "2"]);
        let server = Server::start(command.args(["--upstream", &upstream.url(), "--data"]).arg(data.path()))?;
        println!("{} on {}, pid {}", program.display(), server.address(), server.pid());

        let load = Arc::new(Load::learn(server.address(), questions)?);
        let most = load.measure(MEASURED)?;
        let rate = most * SHARE;
        println!("{most:.0} requests a second at the most, {rate:.0} from now on");
        let time = Duration::from_secs(self.minutes * 60);
        let flap = Flap::start(upstream);
        let asking = load.start(rate, time, &flap.calm());
        let memory = watch(&server, time)?;
        let tally = asking.join();
        flap.stop();
        report(&tally, &memory, time)
    }
}

/// The program as it is shipped, if it was built so; else the one for tests.
fn program() -> anyhow::Result<PathBuf> {
    let release = command::target_folder()?.join("release/downshift");
    if release.is_file() { Ok(release) } else { program::build(Build::Plain) }
}

/// Pushes images, and says what is asked for.
fn push(registry: &Registry) -> anyhow::Result<Vec<Question>> {
    let mut questions = Vec::new();
    for (tag, image) in sample::in_every_form() {
        registry.push(REPOSITORY, tag, &image)?;
        questions.extend(Question::about(REPOSITORY, tag, &image));
    }
    for number in 0..IMAGES {
        let (tag, image) = (format!("built-{number}"), built::layers(LAYERS, number));
        registry.push(REPOSITORY, &tag, &image)?;
        questions.extend(Question::about(REPOSITORY, &tag, &image));
    }
    Ok(questions)
}

/// Watches the server's memory, and tells it to read its settings again. Gives bytes by time.
fn watch(server: &Server, time: Duration) -> anyhow::Result<Vec<(Duration, u64)>> {
    let process = Process::of(server);
    let start = Instant::now();
    let mut reloads = 0;
    let mut memory = Vec::new();
    if !process.reloads()? {
        println!("this program does not read its settings again: it is not told to");
    }
    while start.elapsed() < time {
        memory.push((start.elapsed(), process.resident_bytes().context("the server is gone")?));
        let due = u32::try_from(start.elapsed().as_secs() / RELOAD.as_secs())?;
        if due > reloads && process.reloads()? {
            process.reload()?;
            reloads = due;
        }
        thread::sleep(Duration::from_secs(1));
    }
    println!("{reloads} reloads");
    Ok(memory)
}

fn report(tally: &Tally, memory: &[(Duration, u64)], time: Duration) -> anyhow::Result<()> {
    println!("{tally}");
    let compared = COMPARED.min(time / 3);
    let most = |is_meant: &dyn Fn(Duration) -> bool| {
        memory.iter().filter(|(at, _)| is_meant(*at)).map(|(_, bytes)| *bytes).max().unwrap_or(0)
    };
    let (first, last) = (most(&|at| at < compared), most(&|at| at + compared >= time));
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "memory: {:.1} MiB at the most in the first {} s, {:.1} MiB in the last",
        mebibytes(first),
        compared.as_secs(),
        mebibytes(last)
    );
    ensure!(tally.wrong == 0, "`{}` answers were wrong", tally.wrong);
    ensure!(tally.unprovoked == 0, "`{}` errors were not provoked", tally.unprovoked);
    let has_grown = last * 100 > first * (100 + TOLERANCE);
    // In less time it is not yet clear what it keeps.
    ensure!(!has_grown || time < COMPARED * 2, "the memory has grown");
    Ok(())
}
