//! wrk's command line and what it prints, its own words and those of `wrk.lua`.

use super::event::{Account, Summary};
use super::report::LoadReport;
use super::{Generator, Load, Scratch, THREADS};

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

/// The report from all that wrk printed; panics when it is not understood or contradicts itself.
pub(super) fn report(load: &Load, command: &str, lines: &[String]) -> LoadReport {
    let account = Account::read(lines);
    let told = lines.join("\n");
    let threads = account.parked.len();
    assert_eq!(threads, THREADS as usize, "wrk.lua did not hear of each thread:\n{told}");
    agrees_with_itself(&account.summary, lines);
    let each = u64::from(load.connections / THREADS);
    let missing = account.parked.iter().map(|parked| each.saturating_sub(*parked)).sum();
    account.report(command, missing)
}

/// Two accounts of one load: wrk's text, and its summary as Lua has it.
fn agrees_with_itself(summary: &Summary, lines: &[String]) {
    let told = lines.join("\n");
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
