//! The lost requests of fifteen switches, for each server and each kind of client by itself.
//!
//! `cargo run --release -p sockact --features axum --examples && cargo run --release -p sockact
//! --features axum --example lossless`: about two minutes.

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use support::load::CROWDS;
use support::switches::{SWITCHES, Server, switches};

fn main() {
    println!("{SWITCHES} switches; answered / lost");
    for crowd in CROWDS {
        println!("{} {}", crowd.clients, crowd.name);
        for server in Server::ALL {
            let counts = switches(server, &[crowd], Duration::from_millis(200));
            let (answered, lost) = (counts[0].answered.load(Relaxed), counts[0].lost.load(Relaxed));
            let how = counts[0].how.get().map_or("", String::as_str);
            println!("  {:36} {answered:>9} / {lost} {how}", server.name());
        }
    }
}
