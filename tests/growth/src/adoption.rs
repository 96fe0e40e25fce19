//! Taking over the listeners of a start: `sockact::listeners` in a process of its own, as `rivals`' `adoption` measures it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::series::{Figure, Series};

const COUNTS: [usize; 7] = [1, 3, 10, 30, 100, 300, 1000];

/// Processes for each measurement that is asked for: one is over in a moment.
const EACH: usize = 9;

pub(crate) fn figure(points: usize, times: usize) -> Result<Figure> {
    let mut all = Vec::new();
    for count in COUNTS.into_iter().take(points) {
        eprintln!("adoption of {count} listeners");
        all.push((count, adopted(count, times * EACH)?));
    }
    Ok(Figure {
        file: "growth-adoption.svg",
        title: "Adoption",
        of: "listeners",
        unit: "microseconds",
        each: None,
        how: "From the first call to the last owned `TcpListener`, all checked, each by its name; a process for each measurement.",
        series: vec![Series { name: "adoption", points: all, is_proportional: false }],
    })
}

/// Microseconds, the median of so many processes.
fn adopted(count: usize, processes: usize) -> Result<f64> {
    let program = beside("adoption")?;
    let output = Command::new(&program)
        .args(["median", "sockact", &count.to_string(), &processes.to_string()])
        .output();
    let output = output.with_context(|| {
        format!("{}: cargo build --release --package rivals", program.display())
    })?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let nanoseconds: f64 = String::from_utf8(output.stdout)?.trim_end().parse()?;
    Ok(nanoseconds / 1e3)
}

/// A program that was built beside this one.
fn beside(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
