//! How long a rollback takes, from the command to the first response of the old release: `rollback [ROUNDS]`.
//!
//! Warm: to a standby, by its gate. Cold: with a start; what counts is the time beside the start itself, which is the release's own.

use std::io::{Read as _, Write as _};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::shop::Shop;
use serde_json::Value;

const WARM_AT_MOST: Duration = Duration::from_millis(50);
const COLD_AT_MOST: Duration = Duration::from_millis(150);

fn main() -> Result<ExitCode> {
    let rounds = std::env::args().nth(1).map_or(Ok(20), |n| n.parse()).context("ROUNDS")?;
    let shop = Shop::deployed();
    shop.install_more("", "keep_warm = \"1h\"");
    let warm = measure(&shop, rounds, "warm")?;
    shop.install_more("", "");
    let cold = measure(&shop, rounds, "cold, without the start")?;
    let kept = warm <= WARM_AT_MOST && cold <= COLD_AT_MOST;
    println!("promised: {WARM_AT_MOST:?} warm, {COLD_AT_MOST:?} beside the start cold");
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The slowest round.
fn measure(shop: &Shop, rounds: usize, what: &str) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..rounds {
        shop.deploy(&shop.release("v2", None)).ok();
        ensure!(shop.get() == "v2", "v2 is not live");
        times.push(rollback(shop)?);
    }
    times.sort();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: median {median:.1?}, slowest {slowest:.1?} of {rounds}");
    Ok(slowest)
}

/// From the command to the first `v1`, less what the release's own start took.
fn rollback(shop: &Shop) -> Result<Duration> {
    let mut command = shop.sandbox.command("sockctl");
    command.args(["rollback", "shop", "--json"]).stdout(Stdio::piped());
    let began = Instant::now();
    let child = command.spawn().context("nsenter does not start")?;
    while ask(shop)? != "v1" {
        ensure!(began.elapsed() < Duration::from_secs(30), "v1 does not answer");
    }
    let took = began.elapsed();
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the rollback failed");
    let lines = String::from_utf8(output.stdout)?;
    let events = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let starts = events.filter(|event| event["event"] == "step" && event["step"] == "start");
    let start = starts.filter_map(|event| event["took_us"].as_u64()).sum();
    Ok(took.saturating_sub(Duration::from_micros(start)))
}

/// One request on a connection of its own.
fn ask(shop: &Shop) -> Result<String> {
    let mut stream = shop.sandbox.connect("127.0.0.1:8080")?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    Ok(body.to_owned())
}
