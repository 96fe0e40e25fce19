//! Every fault at every step, or a sample of them, or those of one fault or of one step: `faults [COUNT [SEED] | FAULT | STEP]`. Prints a line for each
//! case and a table at the end.

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use e2e::binaries;
use e2e::faults::{Case, Fault, Row, cases, sample};
use sockctl::plan::Step;

fn main() -> Result<ExitCode> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let cases = match args[..] {
        [] => cases(),
        [one] if Fault::ALL.iter().any(|fault| fault.to_string() == one) => {
            cases().into_iter().filter(|case| case.fault.to_string() == one).collect()
        }
        [one] if Step::ALL.iter().any(|step| step.name() == one) => {
            cases().into_iter().filter(|case| case.step.name() == one).collect()
        }
        [count] => sample(0, count.parse().context("COUNT")?),
        [count, seed] => sample(seed.parse().context("SEED")?, count.parse().context("COUNT")?),
        _ => bail!("usage: faults [COUNT [SEED] | FAULT | STEP]"),
    };
    binaries::get();
    let began = Instant::now();
    let mut table = BTreeMap::new();
    let mut failed = 0;
    for (n, case) in cases.iter().enumerate() {
        let place = format!("{:>3}/{}", n + 1, cases.len());
        // What was wrong is on standard error.
        let row = catch_unwind(|| case.run()).ok();
        match &row {
            Some(row) => println!("{place} {row}"),
            None => println!("{place} FAILED: {case}"),
        }
        failed += u32::from(row.is_none());
        let cell = row.map_or("**failed**".into(), |row| cell(&row));
        table.insert((case.step.name(), case.fault.to_string()), cell);
    }
    print_table(&cases, &table);
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!("\n{} cases in {minutes:.0} minutes, {failed} failed", cases.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Exit status of the controller and of each `resume`, the release that serves, and what was lost with a slot that died.
fn cell(row: &Row) -> String {
    let first = row.exit.map(|exit| exit.to_string());
    let resumed = row.resumed.iter().map(i32::to_string);
    let exits: Vec<_> = first.into_iter().chain(resumed).collect();
    let live = row.live.as_deref().unwrap_or("none");
    let lost = if row.lost == 0 { String::new() } else { format!(" -{}", row.lost) };
    format!("{} {live}{lost}", exits.join("·"))
}

fn print_table(cases: &[Case], table: &BTreeMap<(&str, String), String>) {
    let faults = Fault::ALL.map(|fault| fault.to_string());
    println!("\n| after | {} |", faults.join(" | "));
    println!("|---|{}", "---|".repeat(faults.len()));
    for step in Step::ALL.iter().filter(|step| cases.iter().any(|case| case.step == **step)) {
        let cells = faults
            .iter()
            .map(|fault| table.get(&(step.name(), fault.clone())).map_or("", String::as_str));
        println!("| {} | {} |", step.name(), cells.collect::<Vec<_>>().join(" | "));
    }
}
