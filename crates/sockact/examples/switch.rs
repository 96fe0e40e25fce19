//! Switches between two slots under load and prints what the load generator saw.
//!
//! `cargo run --release -p sockact --example switch -- 8 wrk -c64 -t2 -d8 http://{addr}/`
//! makes 8 switches while wrk runs; `{addr}` becomes the public address.

#[path = "../tests/support/mod.rs"]
mod support;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use support::{Slot, Start, public, requests};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let switches = args.next().and_then(|n| n.parse::<u32>().ok());
    let (Some(switches), Some(program)) = (switches, args.next()) else {
        eprintln!("usage: switch SWITCHES GENERATOR [ARGUMENT…], {{addr}} is the address");
        return ExitCode::from(2);
    };
    let (listener, address) = public();
    let mut live: Slot = Start::new("blue", &listener).ready();
    let args = args.map(|a| a.replace("{addr}", &address.to_string()));
    let generator = Command::new(&program).args(args).stdout(Stdio::inherit()).spawn();
    let Ok(mut generator) = generator else {
        eprintln!("cannot start {program}");
        return ExitCode::FAILURE;
    };
    let mut served = 0;
    for nth in 1..=switches {
        // The load is to be under way between two switches.
        std::thread::park_timeout(Duration::from_millis(700));
        let name = if nth % 2 == 1 { "green" } else { "blue" };
        let next = Start::new(name, &listener).env("SOCKACT_GATE", "closed").ready();
        next.gate(1.0);
        live.gate(0.0);
        let mut old = std::mem::replace(&mut live, next);
        old.term();
        let report = old.ends();
        served += requests(&report);
        eprintln!("{report}");
    }
    let ended = generator.wait();
    eprintln!("{} requests reached the slots", served + live.requests());
    match ended {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        other => {
            eprintln!("{program}: {other:?}");
            ExitCode::FAILURE
        }
    }
}
