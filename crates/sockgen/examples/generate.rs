//! How long it takes to generate the units of many applications, and to start at all:
//!
//!     cargo build --release -p sockgen && cargo run --release -p sockgen --example generate -- 1000

use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sockgen::{App, UnitFile, render};

const LISTENERS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let many: usize = std::env::args().nth(1).as_deref().unwrap_or("1000").parse()?;
    let folder = tempfile::tempdir()?;
    for number in 0..many {
        fs::write(folder.path().join(format!("{number}.toml")), manifest(number))?;
    }
    let once = generate(folder.path(), many)?;
    let took = median(|| generate(folder.path(), many).map(drop))?;
    let units: usize = once.iter().map(Vec::len).sum();
    let bytes: usize = once.iter().flatten().map(|unit| unit.text.len()).sum();
    println!(
        "{many} applications of {LISTENERS} listeners: read, validated and rendered to {units} units \
         ({:.1} MB) in {took:.1?}, on one core",
        bytes as f64 / 1e6
    );
    let same = generate(folder.path(), many)? == once;
    println!("the same bytes again: {}", if same { "yes" } else { "NO" });

    let program = Path::new("target/release/sockgen");
    let (ours, nothing) = (starts(program)?, starts(Path::new("/bin/true"))?);
    println!("cold start: sockgen --version {ours:.2?}, /bin/true {nothing:.2?}");
    Ok(())
}

/// From the files on the disk to the texts of the units, one after the other.
fn generate(folder: &Path, many: usize) -> Result<Vec<Vec<UnitFile>>, Box<dyn Error>> {
    (0..many)
        .map(|number| {
            let text = fs::read_to_string(folder.join(format!("{number}.toml")))?;
            Ok(render(&App::parse(&text)?))
        })
        .collect()
}

fn manifest(number: usize) -> String {
    let mut text = format!("name = \"app-{number}\"\nexec = \"bin/app\"\n");
    for listener in 0..LISTENERS {
        let port = 1024 + number * LISTENERS + listener;
        text += &format!("[listeners.l{listener}]\nlisten = \"127.0.0.1:{port}\"\n");
    }
    text
}

/// From the fork to the end of the process.
fn starts(program: &Path) -> Result<Duration, Box<dyn Error>> {
    median(|| {
        let arg = OsStr::new("--version");
        let status = Command::new(program).arg(arg).stdout(Stdio::null()).status()?;
        status.success().then_some(()).ok_or_else(|| format!("{} failed", program.display()).into())
    })
}

/// Of 101, or of as many as fit into ten seconds.
fn median(
    mut task: impl FnMut() -> Result<(), Box<dyn Error>>,
) -> Result<Duration, Box<dyn Error>> {
    let (began, mut took) = (Instant::now(), Vec::new());
    while took.is_empty() || (took.len() < 101 && began.elapsed() < Duration::from_secs(10)) {
        let began = Instant::now();
        task()?;
        took.push(began.elapsed());
    }
    took.sort();
    Ok(took[took.len() / 2])
}
