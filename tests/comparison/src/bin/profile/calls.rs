//! System calls: what adoption and a request cost the kernel, as strace(1) sees it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use comparison::machine::{Machine, URL};
use comparison::rival::{BARE, OURS, Rival};
use comparison::table::Table;
use comparison::tools::Tools;
use rustix::process::Signal;
use serde_json::Value;

/// How often each call is made.
type Calls = BTreeMap<String, f64>;

/// Rarer than once in so many requests is a timer's, or the end of the trace.
const RARE: f64 = 0.01;

pub(crate) fn section(tools: &Tools) -> Result<String> {
    let mut text = format!(
        "## Adoption, in system calls\n\nOf `sockact::listeners` for each listener more: those of a process with 11 without those of one with 1, from execve(2) to the end. \
         A `close`, where there is one, is the measured program's own end.\n\n{}\n## A request, in system calls\n\nOf each request, 8 clients at full speed, in the same application on axum alone and on sockact.\n",
        adoption()?.markdown()
    );
    let machines = [BARE, OURS].map(|name| {
        let rival = Rival::named(name).map_err(anyhow::Error::msg);
        rival.and_then(|rival| Machine::boot(rival, tools))
    });
    let [bare, ours] = machines;
    let (bare, ours) = (bare?, ours?);
    for kind in ["keep-alive", "one-shot"] {
        let (bare, ours) = (requests(&bare, kind)?, requests(&ours, kind)?);
        text += &format!("\n### {kind}\n\n{}", beside(&bare, &ours).markdown());
    }
    Ok(text)
}

fn adoption() -> Result<Table> {
    let (one, many) = (adopted(1)?, adopted(11)?);
    let mut table = Table::new(["call", "times"]);
    for (call, count) in &many {
        let more = (count - one.get(call).copied().unwrap_or(0.0)) / 10.0;
        if more > 0.0 {
            table.row([format!("`{call}`"), format!("{more:.1}")]);
        }
    }
    Ok(table)
}

fn adopted(listeners: u32) -> Result<Calls> {
    let program = std::env::current_exe()?.with_file_name("adoption");
    let traced = Command::new("strace")
        .args(["-f", "-qq"])
        .arg(&program)
        .args(["median", "sockact", &listeners.to_string(), "1"])
        .output()
        .context("strace")?;
    ensure!(traced.status.success(), "{}", String::from_utf8_lossy(&traced.stderr));
    let text = String::from_utf8_lossy(&traced.stderr);
    // A child opens the listeners, and becomes the process that takes them.
    let (before, taking) = text.rsplit_once("execve(").context("no execve(2)")?;
    let child = before.lines().last().context("strace(1) says whose call it is")?;
    let mut calls = Calls::new();
    for line in taking.lines().skip(1) {
        if let Some((call, _)) = line.strip_prefix(child).and_then(|line| line.split_once('(')) {
            *calls.entry(call.trim().to_owned()).or_default() += 1.0;
        }
    }
    Ok(calls)
}

/// Calls of the application for each request.
fn requests(machine: &Machine, kind: &str) -> Result<Calls> {
    let sandbox = &machine.sandbox;
    let pid = sandbox.run(["systemctl", "show", "--property=MainPID", "--value", "app.service"]);
    let mut command = sandbox.command("strace");
    command.args(["-f", "-c", "-o", "/tmp/calls", "-p", pid.ok().stdout.trim()]);
    let mut strace = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stderr = strace.stderr.take().context("it is piped")?;
    // It says so when it has attached itself.
    BufReader::new(stderr).lines().next().context("strace(1) ended")??;
    let load = [
        "sockprove",
        "load",
        URL,
        "--json",
        "--no-probe",
        "--duration=1s",
        "--connections=8",
        "--kind",
        kind,
    ];
    let told = sandbox.run(load).ok().stdout;
    sandbox.signal(&strace, Signal::INT);
    strace.wait()?;
    let end: Value = serde_json::from_str(told.lines().last().context("no account")?)?;
    let answered = end["answered"].as_f64().context("no requests")?;
    let counts = fs::read_to_string(sandbox.root().join("tmp/calls"))?;
    let rows = counts.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        // Per cent, seconds, microseconds for each, calls, errors where there were any, and the name.
        let count: f64 = fields.get(3)?.parse().ok()?;
        Some(((*fields.last()?).to_owned(), count / answered))
    });
    Ok(rows.filter(|(call, _)| call != "total").collect())
}

fn beside(bare: &Calls, ours: &Calls) -> Table {
    let mut table = Table::new(["call", "bare", "sockact"]);
    let names = bare.keys().chain(ours.keys().filter(|call| !bare.contains_key(*call)));
    for call in names {
        let [bare, ours] = [bare, ours].map(|calls| calls.get(call).copied().unwrap_or(0.0));
        if bare.max(ours) >= RARE {
            table.row([format!("`{call}`"), format!("{bare:.2}"), format!("{ours:.2}")]);
        }
    }
    table
}
