//! Requests a second of `sockact::serve`, and of stock `axum::serve` with the drain, beside bare
//! `axum::serve`: medians of paired runs of wrk.
//!
//! `cargo run --release -p sockact --features axum --example cost`, about 45 seconds.

#[path = "../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::process::Command;

use support::servers;

const PAIRS: usize = 15;

fn wrk(address: SocketAddr) -> f64 {
    let output = Command::new("wrk")
        .args(["-t1", "-c32", "-d1s", &format!("http://{address}/")])
        .output()
        .expect("wrk is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|l| l.strip_prefix("Requests/sec:")).expect("a rate");
    line.trim().parse().expect("a number")
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn main() {
    let bare = servers::bare();
    let others =
        [("sockact::serve", servers::ours()), ("axum::serve with the drain", servers::stock())];
    let mut ratios = [Vec::new(), Vec::new()];
    let mut rates = Vec::new();
    wrk(bare);
    for nth in 0..PAIRS {
        // Who goes first changes, so that neither has the warmer machine.
        for ((_, address), ratios) in others.iter().zip(&mut ratios) {
            let (ours, theirs) = if nth % 2 == 0 {
                let theirs = wrk(bare);
                (wrk(*address), theirs)
            } else {
                (wrk(*address), wrk(bare))
            };
            ratios.push(ours / theirs);
            rates.push(theirs);
        }
    }
    println!("bare axum::serve: {:.0} requests/s (median)", median(rates));
    for ((name, _), ratios) in others.iter().zip(ratios) {
        println!("{name}: {:.3} of it (median of {PAIRS} pairs)", median(ratios));
    }
}
