//! Where the time goes, as `tests/profile` measures it: writes docs/profile.md.
//!
//! `profile --short` takes two deploys of each and writes nothing, to see that all of it runs.

mod calls;
mod deploys;
mod programs;
mod shop;
mod starts;
mod steps;
mod waits;

use std::fs;
use std::process::ExitCode;

use anyhow::{Result, bail};
use comparison::host;
use comparison::tools::Tools;
use e2e::binaries::workspace;

/// Of each kind, for the medians.
const DEPLOYS: usize = 11;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (deploys, whole) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (DEPLOYS, true),
        ["--short"] => (2, false),
        _ => bail!("usage: tests/profile [--short]"),
    };
    let tools = Tools::with(std::env::current_exe()?.with_file_name("app"));
    let sections = [
        deploys::section(deploys)?,
        steps::section(deploys)?,
        waits::section(deploys, &tools)?,
        starts::section(deploys.div_ceil(2))?,
        programs::section()?,
        calls::section(&tools)?,
    ];
    let text = format!(
        "# Where the time goes\n\nWritten by `tests/profile` on {}{}: {}. Medians of {deploys}, and the most.\n\n{}",
        host::date(),
        host::commit().map_or(String::new(), |commit| format!(", commit {commit}")),
        host::words()?,
        sections.join("\n")
    );
    println!("{text}");
    if whole {
        fs::write(workspace().join("docs/profile.md"), text)?;
    }
    Ok(ExitCode::SUCCESS)
}
