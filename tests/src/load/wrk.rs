//! wrk's command line and what it prints, its own words and those of `wrk.lua`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::report::{Errors, Latency, LoadReport, Seen};
use super::{Generator, Load, Scratch};

/// wrk's threads; connections are spread evenly over them.
pub(super) const THREADS: u32 = 2;

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Event {
    Release { release: String },
    Status,
    Parked,
    Responses { release: String, count: u64, first_ns: u64 },
    Statuses { status: u16, count: u64 },
    Thread { parked: u64 },
    Summary(Summary),
    Latency(Latency),
}

#[derive(Debug, Deserialize, Clone, Copy)]
pub(super) struct Summary {
    requests: u64,
    duration_us: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
    status: u64,
}

pub(super) fn argv(load: &Load, scratch: &Scratch) -> Vec<String> {
    assert_eq!(
        load.connections % THREADS,
        0,
        "wrk spreads connections evenly over {THREADS} threads"
    );
    let mut argv: Vec<String> = vec![
        "wrk".into(),
        format!("--threads={THREADS}"),
        format!("--connections={}", load.connections),
        // wrk parses whole seconds only.
        format!("--duration={}s", load.at_most.as_secs()),
        format!("--timeout={}s", load.timeout.as_secs()),
        format!("--script={}", scratch.script),
    ];
    if load.generator == Generator::OneShot {
        argv.push("--header=Connection: close".into());
    }
    argv.extend([load.url.clone(), "--".into(), scratch.stop.clone()]);
    argv.push((load.connections / THREADS).to_string());
    argv
}

/// A line of the script's, or none when it is one of wrk's own.
pub(super) fn event(line: &str) -> Option<Event> {
    let json = line.strip_prefix('@')?;
    Some(
        serde_json::from_str(json)
            .unwrap_or_else(|e| panic!("not an event of wrk.lua: {line:?}: {e}")),
    )
}

/// The report from all that wrk printed; panics when it is not understood or contradicts itself.
pub(super) fn report(load: &Load, command: &str, lines: &[String]) -> LoadReport {
    let (mut missing, mut threads) = (0, 0);
    let (mut by_release, mut by_status) = (BTreeMap::<String, Seen>::new(), BTreeMap::new());
    let (mut summary, mut latency) = (None, None);
    for event in lines.iter().filter_map(|line| event(line)) {
        match event {
            Event::Release { .. } | Event::Status | Event::Parked => {}
            Event::Responses { release, count, first_ns } => {
                let first = Duration::from_nanos(first_ns);
                let seen = by_release.entry(release).or_insert(Seen { count: 0, first });
                *seen = Seen { count: seen.count + count, first: seen.first.min(first) };
            }
            Event::Statuses { status, count } => *by_status.entry(status).or_default() += count,
            Event::Thread { parked } => {
                missing += u64::from(load.connections / THREADS).saturating_sub(parked);
                threads += 1;
            }
            Event::Summary(found) => summary = Some(found),
            Event::Latency(found) => latency = Some(found),
        }
    }
    let told = lines.join("\n");
    let (Some(summary), Some(latency)) = (summary, latency) else {
        panic!("wrk printed no summary:\n{told}");
    };
    assert_eq!(threads, THREADS, "wrk.lua did not hear of each thread:\n{told}");
    agrees_with_itself(&summary, &by_release, &by_status, lines);
    let Summary { connect, read, write, timeout, .. } = summary;
    LoadReport {
        command: command.into(),
        requests: summary.requests,
        unsent: 0,
        errors: Errors {
            connect,
            read,
            write,
            timeout,
            unanswered: missing,
            status: by_status,
            other: BTreeMap::new(),
        },
        by_release,
        latency,
        duration: Duration::from_micros(summary.duration_us),
    }
}

/// Three accounts of one load: wrk's text, its summary as Lua has it, and what the script counted itself.
fn agrees_with_itself(
    summary: &Summary,
    by_release: &BTreeMap<String, Seen>,
    by_status: &BTreeMap<u16, u64>,
    lines: &[String],
) {
    let told = lines.join("\n");
    let counted =
        by_release.values().map(|seen| seen.count).sum::<u64>() + by_status.values().sum::<u64>();
    assert_eq!(summary.requests, counted, "wrk and its script count different responses:\n{told}");
    let text =
        |needle: &str| lines.iter().find_map(|line| line.trim().strip_prefix(needle)).map(numbers);
    let errors = text("Socket errors: ").unwrap_or(vec![0; 4]);
    let Summary { connect, read, write, timeout, .. } = *summary;
    assert_eq!(errors, [connect, read, write, timeout], "wrk's text is not its summary:\n{told}");
    let status = text("Non-2xx or 3xx responses: ").unwrap_or(vec![0]);
    assert_eq!(status, [summary.status], "wrk's text is not its summary:\n{told}");
    let requests =
        lines.iter().find(|line| line.contains(" requests in ")).map(|line| numbers(line)[0]);
    assert_eq!(requests, Some(summary.requests), "wrk's text is not its summary:\n{told}");
}

/// The numbers in a text such as "connect 0, read 1, write 2, timeout 3".
fn numbers(text: &str) -> Vec<u64> {
    text.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect()
}
