//! How long `sockgen check` takes on many units, without and with systemd-analyze:
//!
//!     cargo run --release -p sockgen --example check -- 1000

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use sockgen::check::{Loader, check, exposure, verify};
use sockgen::{App, render};

fn main() -> Result<(), Box<dyn Error>> {
    let many: usize = std::env::args().nth(1).as_deref().unwrap_or("1000").parse()?;
    let folder = tempfile::tempdir()?;
    let mut written = 0;
    for number in 0.. {
        if written >= many {
            break;
        }
        let text = format!(
            "name = \"app-{number}\"\nexec = \"bin/app\"\n[listeners.http]\nlisten = \"127.0.0.1:{}\"",
            1024 + number
        );
        for unit in render(&App::parse(&text)?).iter().take(many - written) {
            fs::write(folder.path().join(unit.name.as_ref()), &unit.text)?;
            written += 1;
        }
    }
    let mut took: Vec<Duration> = Vec::new();
    for _ in 0..11 {
        let began = Instant::now();
        let mut loader = Loader::default();
        loader.ask(folder.path())?;
        std::hint::black_box(check(&loader.load()?));
        took.push(began.elapsed());
    }
    took.sort();
    println!("{written} units: read and checked in {:.1?} (median of 11)", took[5]);
    let mut loader = Loader::default();
    loader.ask(folder.path())?;
    let units = loader.load()?;
    let began = Instant::now();
    verify(&units)?;
    println!("systemd-analyze verify: {:.1?}", began.elapsed());
    let began = Instant::now();
    exposure(&units)?;
    println!("systemd-analyze security: {:.1?}", began.elapsed());
    Ok(())
}
