//! That the comparison still runs: two rivals and ours, with windows too few for numbers. What counts is what is lost.

use std::time::Duration;

use comparison::load::{KEEP_ALIVE, KEEP_ALIVE_2000, ONE_SHOT_1000};
use comparison::machine::Machine;
use comparison::report::{How, Results};
use comparison::rival::Rival;
use comparison::round::Rounds;
use comparison::sample::Windows;
use comparison::summary::Summary;
use comparison::tools::Tools;
use comparison::{beside, deployed};

/// Long enough for the deploy in it, on a busy machine too.
const RUN: Duration = Duration::from_secs(5);

#[test]
fn a_restart_loses_requests_and_ours_does_not() {
    let tools = Tools::with(env!("CARGO_BIN_EXE_app").into());
    // What is left of a window after the swap is time enough for the new release to be seen.
    let windows = Windows { warm: Duration::from_millis(200), window: Duration::from_secs(3) };
    let rivals = ["bare", "restart", "sockact"].map(|name| Rival::named(name).unwrap());
    let loads = [&KEEP_ALIVE, &ONE_SHOT_1000];
    let seen = Rounds { rivals: &rivals, loads: &loads, turns: 1, windows }.run(&tools);
    assert!(seen.broken.is_empty(), "{:#?}", seen.broken);
    let [bare, restart, ours] =
        rivals.map(|rival| Summary::of(&seen.samples, rival, &loads).lost());
    assert_eq!((bare.count(), ours.count()), (0, 0), "bare {bare}, ours {ours}");
    assert!(restart.requests() > 0, "what loses is not seen to lose");

    let results = Results { seen, ..Results::default() };
    let how = How {
        command: "tests/bench".into(),
        rivals: &rivals,
        turns: 1,
        windows,
        runs: vec![windows.window],
    };
    let text = results.markdown(&how).expect("this machine says what it is");
    assert!(text.contains("| **sockact** | 0 | 2 |"), "{text}");
}

/// As `sockgen` makes the sandbox of a slot today: what it adds tomorrow is in both.
#[test]
fn beside_ours_the_bare_application_has_the_same_sandbox_and_the_same_queue() {
    let tools = Tools::with(env!("CARGO_BIN_EXE_app").into());
    let machines = beside::machines(&tools).expect("all programs are there");
    let [bare, sandboxed, ours] = machines.each_ref().map(allowed);
    assert_eq!(sandboxed, ours);
    assert_ne!(bare, ours);
    for machine in &machines {
        let sockets = machine.sandbox.run(["ss", "-Hltn", "sport = :8080"]).ok().stdout;
        assert_eq!(sockets.split_whitespace().nth(2), Some("4096"), "{sockets}");
    }
}

/// What the kernel lets the application's process do: proc_pid_status(5), proc_pid_limits(5).
fn allowed(machine: &Machine) -> String {
    let files =
        "cd /proc/$(systemctl show --property=MainPID --value app.service) && cat status limits";
    let told = machine.sandbox.run(["sh", "-c", files]).ok().stdout;
    let says = ["Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Max "];
    let lines = told.lines().filter(|line| says.iter().any(|start| line.starts_with(start)));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_run_with_a_deploy_in_it_is_as_long_as_one_without() {
    let tools = Tools::with(env!("CARGO_BIN_EXE_app").into());
    let pairs = deployed::pairs(1, RUN, &[&KEEP_ALIVE_2000], &tools);
    let deployed = deployed::of(&pairs.expect("a pair"), &KEEP_ALIVE_2000, RUN).expect("a pair");
    assert_eq!(deployed.lost.count(), 0, "{deployed:?}");
    assert!(deployed.p99_9.ratio.median > 0.0 && deployed.gap.is_some(), "{deployed:?}");
}
