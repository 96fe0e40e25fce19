//! The comparison, as `tests/bench` runs it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use comparison::load::LOADS;
use comparison::plot;
use comparison::report::{How, Results};
use comparison::rival::{RIVALS, Rival};
use comparison::round::Rounds;
use comparison::sample::Windows;
use comparison::tools::Tools;
use e2e::binaries::workspace;

/// A deploy beside what one would pick instead: writes docs/comparison.md and its plots
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
struct Cli {
    /// Only these, and nothing beside the table
    rivals: Vec<String>,
    /// Swap ours many times under each kind of load too
    #[arg(long)]
    full: bool,
    /// How many times that is
    #[arg(long, value_name = "N", default_value_t = 50)]
    swaps: usize,
    /// How often each is measured, under each load
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each steady state, and of each swap at least
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    window: u64,
    /// Pairs of runs of sockact and of the bare application
    #[arg(long, default_value_t = 15)]
    pairs: usize,
    /// Write into this folder
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let output = cli.output.clone().unwrap_or_else(|| workspace().join("docs"));
    let rivals = chosen(&cli.rivals)?;
    let windows =
        Windows { warm: Duration::from_millis(400), window: Duration::from_secs(cli.window) };
    let exe = std::env::current_exe()?;
    let tools = Tools::with(exe.with_file_name("app"));
    let tools = tools.with_go()?;
    let rounds = Rounds { rivals: &rivals, loads: &LOADS, turns: cli.rounds, windows };
    let mut results = Results { seen: rounds.run(&tools), pairs: Vec::new(), many: Vec::new() };
    if cli.rivals.is_empty() {
        results.pair(cli.pairs, &tools);
    }
    if cli.full {
        results.swap_many(cli.swaps, windows, &tools);
    }
    let how = How { command: typed(), rivals: &rivals, turns: cli.rounds, windows };
    write(&output, &results, &how)?;
    println!("{}", output.join("comparison.md").display());
    let lost = results.lost();
    if lost > 0 {
        eprintln!("ours lost {lost} requests");
    }
    let well = lost == 0 && results.seen.broken.is_empty();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All, or those that were named.
fn chosen(names: &[String]) -> Result<Vec<&'static Rival>> {
    if names.is_empty() {
        return Ok(RIVALS.iter().collect());
    }
    let named = names.iter().map(|name| Rival::named(name).map_err(anyhow::Error::msg));
    named.collect()
}

/// The command as it was typed.
fn typed() -> String {
    let words = std::iter::once("tests/bench".to_owned()).chain(std::env::args().skip(1));
    words.collect::<Vec<_>>().join(" ")
}

/// The text, its plots, and, where nothing is kept, all measurements.
fn write(folder: &Path, results: &Results, how: &How) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    std::fs::write(folder.join("comparison.md"), results.markdown(how)?)?;
    plot::all(folder, results, how.rivals)?;
    let all = workspace().join("target/comparison.json");
    std::fs::write(&all, serde_json::to_vec(results)?)?;
    eprintln!("every measurement: {}", all.display());
    Ok(())
}
