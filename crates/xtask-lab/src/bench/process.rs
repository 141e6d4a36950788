//! What a process takes of the machine, with those that it has started.

use core::time::Duration;
use std::fs;
use std::io::ErrorKind;

use anyhow::Context;

/// Memory in MiB.
#[derive(Clone, Copy, Default)]
pub(super) struct Memory {
    /// What is resident now.
    pub(super) resident: f64,
    /// The most that was.
    pub(super) peak: f64,
}

/// How long all threads of the process, and of those that it has started, were on a processor (Linux, "Scheduler
/// Statistics"). Threads that have ended do not count.
pub(super) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for process in with_children(process)? {
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let statistics = fs::read_to_string(thread?.path().join("schedstat"))?;
            let time = statistics.split(' ').next().context("a thread has no time")?;
            nanoseconds += time.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The same, with threads that have ended: those of the process itself, and with those of the others that it has started
/// and that still run (`proc_pid_stat(5)`), in steps of 10 ms.
pub(super) fn processor_time_of_all(process: u32) -> anyhow::Result<Duration> {
    /// What Linux counts in, whatever the machine, for whoever reads this file.
    const TICK: Duration = Duration::from_millis(10);
    let mut ticks = 0;
    for process in with_children(process)? {
        let statistics = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name of the program, in parentheses, may have anything in it.
        let (_, fields) = statistics.rsplit_once(") ").context("a process has no name")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // `utime` and `stime`, the fields 14 and 15 of all, and the state is the third.
        for field in fields.get(11..13).context("a process has no time")? {
            ticks += field.parse::<u32>()?;
        }
    }
    Ok(TICK * ticks)
}

/// The memory of the process and of those that it has started (`proc_pid_status(5)`).
pub(super) fn memory(process: u32) -> anyhow::Result<Memory> {
    let mut sum = Memory::default();
    for process in with_children(process)? {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let mebibytes = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kibibytes = line.and_then(|rest| rest.trim_start_matches(':').split_whitespace().next());
            Ok(kibibytes.with_context(|| format!("a process has no {name}"))?.parse::<f64>()? / 1024.0)
        };
        sum.resident += mebibytes("VmRSS")?;
        sum.peak += mebibytes("VmHWM")?;
    }
    Ok(sum)
}

/// The processes that a process has started.
pub(super) fn children(process: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may have ended by now.
        let children = match fs::read_to_string(thread?.path().join("children")) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            children => children?,
        };
        for child in children.split_whitespace() {
            found.push(child.parse()?);
        }
    }
    Ok(found)
}

fn with_children(process: u32) -> anyhow::Result<Vec<u32>> {
    let mut all = vec![process];
    all.extend(children(process)?);
    Ok(all)
}
