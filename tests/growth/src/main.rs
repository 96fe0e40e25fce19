//! How what we do grows with what there is of it, as tables and plots: `tests/grow`, which writes `docs/growth.md`.
//!
//! `growth --short` measures the two smallest of each and writes nothing, to see that all of it runs.

mod adoption;
mod drain;
mod machine;
mod report;
mod series;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use series::Figure;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => full(),
        ["--short"] => short(),
        ["serve", kind] => drain::serve(kind).map(|()| ExitCode::SUCCESS),
        _ => bail!("usage: growth [--short]"),
    }
}

fn full() -> Result<ExitCode> {
    let figures = measure(usize::MAX, 5)?;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    report::write(&docs, &figures)?;
    let steep: Vec<_> = figures
        .iter()
        .flat_map(|figure| &figure.series)
        .filter(|s| !s.is_linear_or_better())
        .collect();
    for series in &steep {
        eprintln!(
            "{} grows faster than what it is measured against: {:.2}",
            series.name,
            series.exponent()
        );
    }
    Ok(if steep.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn short() -> Result<ExitCode> {
    measure(2, 1).map(|_| ExitCode::SUCCESS)
}

/// All figures, of so many points each; each point the median of so many measurements.
fn measure(points: usize, times: usize) -> Result<Vec<Figure>> {
    let said = |figure: Figure| {
        eprint!("{figure}");
        figure
    };
    Ok(vec![
        said(adoption::figure(points, times)?),
        said(machine::units(points, times)?),
        said(machine::applications(points, times)?),
        said(drain::time(points, times)?),
        said(drain::memory(points, times)?),
    ])
}
