//! What it costs to take over 1, 10, 100 and 1000 listeners, by `sockact` and by others.
//!
//! `cargo run --release -p rivals --bin adoption` prints a table. Each measurement is a process of
//! its own, since descriptors are taken once: it opens listeners from descriptor 3 on, becomes
//! itself again by execve(2) as systemd would start it, takes a TCP listener for each name and
//! prints how long that took. The median of many is told.
//!
//! With *the same checks* everybody ends with an owned `TcpListener` under each name, of which is
//! known: family inet, type stream, protocol TCP, listening, non-blocking, close-on-exec. What
//! a crate does not check itself is checked after it, by the cheapest system call there is.

use std::error::Error;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

#[path = "adoption/inherited.rs"]
mod inherited;
#[path = "adoption/ways.rs"]
mod ways;

use ways::{SAME, WAYS, Way};

type Anyhow<T> = Result<T, Box<dyn Error>>;

const COUNTS: [usize; 4] = [1, 10, 100, 1000];
/// Processes for each entry of the table; `--short` makes it three, to see that all of it runs.
const PROCESSES: usize = 101;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [] => table(PROCESSES),
        ["--short"] => table(3),
        ["median", way, count, processes] => one_median(way, count, processes),
        ["prepare", way, count] => prepare(way, count),
        ["measure", way] => measure(way),
        _ => Err("usage: adoption [--short]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Opens the listeners and becomes the process that takes them.
fn prepare(way: &str, count: &str) -> Anyhow<()> {
    let mut listeners = Vec::new();
    for expected in (3..).take(count.parse()?) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        if listener.as_raw_fd() != expected {
            return Err(format!("descriptor {expected} is already open in this process").into());
        }
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty())?;
        listeners.push(listener);
    }
    let names: Vec<_> = (0..listeners.len()).map(name).collect();
    let mut again = Command::new(std::env::current_exe()?);
    again.args(["measure", way]).env("LISTEN_FDS", count).env("LISTEN_FDNAMES", names.join(":"));
    Err(again.env("LISTEN_PID", std::process::id().to_string()).exec().into())
}

fn name(nth: usize) -> String {
    format!("listener-{nth}")
}

fn measure(way: &str) -> Anyhow<()> {
    let way = WAYS.iter().find(|w| w.name == way).ok_or("no such way")?;
    let count: usize = std::env::var("LISTEN_FDS")?.parse()?;
    let names: Vec<_> = (0..count).map(name).collect();
    // Every page of the program is there: where the linker put a function is not measured.
    rustix::mm::mlockall(rustix::mm::MlockAllFlags::CURRENT)?;
    // The clock's own pages, which mlockall(2) leaves out, come with its first reading.
    let _ = Instant::now();
    let begin = Instant::now();
    let taken = (way.take)(&names)?;
    let time = begin.elapsed();
    if taken != count {
        return Err(format!("{taken} of {count} listeners were taken").into());
    }
    println!("{}", time.as_nanos());
    Ok(())
}

fn table(processes: usize) -> Anyhow<()> {
    inherited::keep()?;
    println!("{} TCP listeners taken by name, median of {processes} processes", list(&COUNTS));
    let all = medians(processes)?;
    for (same, title) in [
        (true, "the same checks, ns a descriptor (ratio to the fastest)"),
        (false, "what others do alone, with fewer checks"),
    ] {
        println!("\n{title}");
        let rows = WAYS.iter().zip(&all).filter(|(way, _)| way.lacks.is_empty() == same);
        for (way, medians) in rows.clone() {
            let cells = COUNTS.iter().zip(medians).enumerate().map(|(nth, (count, median))| {
                let fastest =
                    rows.clone().map(|(_, medians)| medians[nth]).min().unwrap_or(*median);
                let ratio = median.as_secs_f64() / fastest.as_secs_f64();
                format!("{:>8} ({ratio:.2})", median.as_nanos() / *count as u128)
            });
            let note = match way.lacks {
                SAME => String::new(),
                lacks => format!("  without: {lacks}"),
            };
            println!("{:<28}{}{note}", way.name, cells.collect::<Vec<_>>().join(" "));
        }
    }
    Ok(())
}

fn list(counts: &[usize]) -> String {
    counts.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// The medians of each way for each count. The ways take turns, so that what disturbs the machine
/// disturbs all alike.
fn medians(processes: usize) -> Anyhow<Vec<Vec<Duration>>> {
    let mut times = vec![vec![Vec::with_capacity(processes); COUNTS.len()]; WAYS.len()];
    for _ in 0..processes {
        for (way, times) in WAYS.iter().zip(&mut times) {
            for (count, times) in COUNTS.iter().zip(times) {
                times.push(one(way, *count)?);
            }
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times[times.len() / 2]
    };
    Ok(times.into_iter().map(|times| times.into_iter().map(median).collect()).collect())
}

/// Nanoseconds for one way and count, for whoever measures more than the table has.
fn one_median(way: &str, count: &str, processes: &str) -> Anyhow<()> {
    inherited::keep()?;
    let way = WAYS.iter().find(|w| w.name == way).ok_or("no such way")?;
    let (count, processes) = (count.parse()?, processes.parse::<usize>()?);
    let mut times = (0..processes).map(|_| one(way, count)).collect::<Anyhow<Vec<_>>>()?;
    times.sort();
    println!("{}", times.get(processes / 2).ok_or("no process")?.as_nanos());
    Ok(())
}

fn one(way: &Way, count: usize) -> Anyhow<Duration> {
    let mut process = Command::new(std::env::current_exe()?);
    let output = process.args(["prepare", way.name, &count.to_string()]).output()?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}, {count}: {}", way.name, error.trim_end()).into());
    }
    Ok(Duration::from_nanos(String::from_utf8(output.stdout)?.trim_end().parse()?))
}
