//! How long the slot that serves waits for a processor while its successor is deployed, and what would shorten that.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use comparison::load::{ONE_SHOT_1000, Running};
use comparison::machine::Machine;
use comparison::rival::{OURS, Rival};
use comparison::summary::{Spread, median};
use comparison::table::{Table, number};
use comparison::tools::Tools;
use serde_json::Value;

/// What a process is given before its successor is deployed.
#[derive(Clone, Copy)]
enum Way {
    Nothing,
    Nice,
    RealTime,
}

const WAYS: [(Way, &str); 3] = [
    (Way::Nothing, "as it is"),
    (Way::Nice, "a nice value of -10, its session's too (sched(7), autogroup)"),
    (Way::RealTime, "`CPUSchedulingPolicy=rr`"),
];

/// With no deploy.
const BEFORE: Duration = Duration::from_millis(200);

/// Milliseconds.
struct Waited {
    /// From the command to the end of systemd's reload.
    took: f64,
    /// In that time, all threads of the slot together.
    waited: f64,
    /// In as much time before it.
    before: f64,
}

pub(crate) fn section(deploys: usize, tools: &Tools) -> Result<String> {
    let machine = Machine::boot(Rival::named(OURS).map_err(anyhow::Error::msg)?, tools)?;
    let load = ONE_SHOT_1000.start(&machine)?;
    let mut seen = WAYS.map(|_| Vec::new());
    for _ in 0..deploys {
        for ((way, _), seen) in WAYS.iter().zip(&mut seen) {
            seen.push(deploy(&machine, &load, *way)?);
        }
    }
    let record = load.finish()?;
    ensure!(record.failed == 0, "{:?}", record.failures);
    let mut table = Table::new(["the slot has", "took, ms", "waited, ms", "before, ms"]);
    for ((_, name), seen) in WAYS.iter().zip(&seen) {
        let middle = |of: fn(&Waited) -> f64| number(median(seen.iter().map(of)), 1);
        let waited = Spread::of(seen.iter().map(|one| one.waited));
        let waited = waited.map_or(String::new(), |s| format!("{:.1} ({:.1})", s.median, s.most));
        table.row([(*name).into(), middle(|one| one.took), waited, middle(|one| one.before)]);
    }
    Ok(format!(
        "## What the slot that serves waits for a processor\n\nUnder {}: the time in which its threads could have run and did not (schedstat in proc(5)), all of them together, from the command \
         to the end of systemd's reload; a row for each scheduling that its process was given ahead of the deploy. The column `before` is what the same threads waited in as much time with no deploy. Medians of {deploys}, and the most.\n\n{}",
        ONE_SHOT_1000.title,
        table.markdown()
    ))
}

fn deploy(machine: &Machine, load: &Running, way: Way) -> Result<Waited> {
    let pid = serving(machine)?;
    give(&pid, way)?;
    let quiet = (waited(&pid)?, Instant::now());
    load.run_for(BEFORE)?;
    let (start, begun) = (waited(&pid)?, Instant::now());
    let idle = (start - quiet.0) / quiet.1.elapsed().as_secs_f64();
    let mut sockctl = machine.sandbox.command("sockctl");
    let mut sockctl = sockctl.args(["--json", "restart", "app"]).stdout(Stdio::piped()).spawn()?;
    let mut end = None;
    for line in BufReader::new(sockctl.stdout.take().context("stdout is piped")?).lines() {
        let event: Value = serde_json::from_str(&line?)?;
        if event["event"] == "step" && event["step"] == "commit" {
            end = Some((waited(&pid)?, begun.elapsed()));
        }
    }
    ensure!(sockctl.wait()?.success(), "the deploy failed");
    let (then, took) = end.context("no step commit")?;
    Ok(Waited {
        took: took.as_secs_f64() * 1e3,
        waited: then - start,
        before: idle * took.as_secs_f64(),
    })
}

/// The process of the slot at work.
fn serving(machine: &Machine) -> Result<String> {
    let slice = machine.sandbox.root().join("sys/fs/cgroup/system.slice");
    let slots = ["app-blue.service", "app-green.service"];
    let pids = slots.map(|slot| fs::read_to_string(slice.join(slot).join("cgroup.procs")));
    let mut pids = pids.iter().flatten().flat_map(|pids| pids.lines());
    let pid = pids.next().context("no slot runs")?.to_owned();
    ensure!(pids.next().is_none(), "two slots run");
    Ok(pid)
}

fn give(pid: &str, way: Way) -> Result<()> {
    let run = |words: &[&str]| -> Result<()> {
        let done = Command::new(words[0]).args(&words[1..]).output().context("util-linux")?;
        ensure!(done.status.success(), "{words:?}: {}", String::from_utf8_lossy(&done.stderr));
        Ok(())
    };
    match way {
        Way::Nothing => Ok(()),
        Way::RealTime => run(&["chrt", "--all-tasks", "--rr", "--pid", "1", pid]),
        Way::Nice => {
            let threads = threads(pid)?;
            let words = ["renice", "-n", "-10", "-p"].into_iter();
            run(&words.chain(threads.iter().map(String::as_str)).collect::<Vec<_>>())?;
            let session = Path::new("/proc").join(pid).join("autogroup");
            // A kernel without it has nice values alone.
            if session.exists() { Ok(fs::write(session, "-10")?) } else { Ok(()) }
        }
    }
}

fn threads(pid: &str) -> Result<Vec<String>> {
    let tasks = fs::read_dir(Path::new("/proc").join(pid).join("task"))?;
    tasks.map(|task| Ok(task?.file_name().to_string_lossy().into_owned())).collect()
}

/// Milliseconds since it started.
fn waited(pid: &str) -> Result<f64> {
    let mut sum = 0.0;
    for thread in threads(pid)? {
        let path = Path::new("/proc").join(pid).join("task").join(thread).join("schedstat");
        // A thread may have ended just now.
        let Ok(stat) = fs::read_to_string(path) else { continue };
        let nanos = stat.split_whitespace().nth(1).context("schedstat has no second number")?;
        sum += nanos.parse::<f64>()? / 1e6;
    }
    Ok(sum)
}
