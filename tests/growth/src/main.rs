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
use series::{Figure, Series};

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
    let series = figures.iter().flat_map(|figure| &figure.series);
    let faults: Vec<_> = series.filter_map(Series::fault).collect();
    for fault in &faults {
        eprintln!("{fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
    let mut figures = vec![
        said(adoption::figure(points, times)?),
        said(machine::units(points, times)?),
        said(machine::applications(points, times)?),
    ];
    figures.extend(drain::figures(points, times)?.map(said));
    Ok(figures)
}
