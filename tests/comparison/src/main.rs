//! The comparison, as `tests/bench` runs it.

mod cli;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use comparison::load::LOADS;
use comparison::plot;
use comparison::report::{How, Results};
use comparison::rival::Language;
use comparison::round::Rounds;
use comparison::sample::Windows;
use comparison::tools::Tools;
use e2e::binaries::workspace;

use crate::cli::{Cli, typed};

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let output = cli.output.clone().unwrap_or_else(|| workspace().join("docs"));
    let rivals = cli.chosen()?;
    let windows =
        Windows { warm: Duration::from_millis(400), window: Duration::from_secs(cli.window) };
    let runs: Vec<_> = cli.run.iter().copied().map(Duration::from_secs).collect();
    let exe = std::env::current_exe()?;
    let mut tools = Tools::with(exe.with_file_name("app"));
    if rivals.iter().any(|rival| rival.language == Language::Go) {
        tools = tools.with_go()?;
    }
    let rounds = Rounds { rivals: &rivals, loads: &LOADS, turns: cli.rounds, windows };
    let mut results = Results { seen: rounds.run(&tools), ..Results::default() };
    if cli.rivals.is_empty() {
        results.stand_beside(cli.pairs, &tools);
        for &run in &runs {
            results.deploy(cli.deploy_pairs, run, &tools);
        }
    }
    if cli.full {
        results.swap_many(cli.swaps, windows, &tools);
    }
    let how = How { command: typed(), rivals: &rivals, turns: cli.rounds, windows, runs };
    write(&output, &results, &how)?;
    println!("{}", output.join("comparison.md").display());
    let lost = results.lost();
    if lost > 0 {
        eprintln!("ours lost {lost} requests and connections");
    }
    let well = lost == 0 && results.seen.broken.is_empty();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The text, its plots, and, where nothing is kept, all measurements.
fn write(folder: &Path, results: &Results, how: &How) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(folder.join("comparison.md"), results.markdown(how)?)?;
    if !how.rivals.is_empty() {
        plot::all(folder, results, how.rivals)?;
    }
    let all = workspace().join("target/comparison.json");
    std::fs::write(&all, serde_json::to_vec(results)?)?;
    eprintln!("every measurement: {}", all.display());
    Ok(())
}
