//! What may be typed.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use comparison::rival::{RIVALS, Rival};

/// A deploy beside what one would pick instead: writes docs/comparison.md and its plots
#[derive(Debug, Parser)]
#[command(name = "tests/bench")]
pub(crate) struct Cli {
    /// Only these, and nothing beside the table
    pub(crate) rivals: Vec<String>,
    /// Only what concerns ours alone: beside the bare application, with a deploy and without, and with --full many swaps
    #[arg(long, conflicts_with = "rivals", requires = "output")]
    pub(crate) only_ours: bool,
    /// Swap ours many times under each kind of load too
    #[arg(long)]
    pub(crate) full: bool,
    /// How many times that is
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) swaps: usize,
    /// How often each is measured, under each load
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of each steady state, and of each swap at least
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub(crate) window: u64,
    /// How often sockact and the bare application stand beside each other
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub(crate) pairs: usize,
    /// Pairs of runs of sockact, one with a deploy in it and one without
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) deploy_pairs: usize,
    /// Seconds of each of these runs; given twice, both are measured
    #[arg(long, value_name = "SECONDS", default_values_t = [8])]
    pub(crate) run: Vec<u64>,
    /// Write into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: Option<PathBuf>,
}

impl Cli {
    /// All, or those that were named.
    pub(crate) fn chosen(&self) -> Result<Vec<&'static Rival>> {
        if self.only_ours {
            return Ok(Vec::new());
        }
        if self.rivals.is_empty() {
            return Ok(RIVALS.iter().collect());
        }
        let named = self.rivals.iter().map(|name| Rival::named(name).map_err(anyhow::Error::msg));
        named.collect()
    }
}

/// The command as it was typed.
pub(crate) fn typed() -> String {
    let words = std::iter::once("tests/bench".to_owned()).chain(std::env::args().skip(1));
    words.collect::<Vec<_>>().join(" ")
}
