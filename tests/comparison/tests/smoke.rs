//! That the comparison still runs: two rivals and ours, with windows too short for numbers. What counts is what is lost.

use std::time::Duration;

use comparison::load::{KEEP_ALIVE, ONE_SHOT_1000};
use comparison::report::{How, Results};
use comparison::rival::Rival;
use comparison::round::Rounds;
use comparison::sample::Windows;
use comparison::summary::Summary;
use comparison::tools::Tools;

#[test]
fn a_restart_loses_requests_and_ours_does_not() {
    let tools = Tools::with(env!("CARGO_BIN_EXE_app").into());
    let windows = Windows { warm: Duration::from_millis(200), window: Duration::from_millis(400) };
    let rivals = ["bare", "restart", "sockact"].map(|name| Rival::named(name).unwrap());
    let loads = [&KEEP_ALIVE, &ONE_SHOT_1000];
    let seen = Rounds { rivals: &rivals, loads: &loads, turns: 1, windows }.run(&tools);
    assert!(seen.broken.is_empty(), "{:#?}", seen.broken);
    let [bare, restart, ours] =
        rivals.map(|rival| Summary::of(&seen.samples, rival, &loads).failures());
    assert!(bare.is_empty() && ours.is_empty(), "bare {bare:?}, ours {ours:?}");
    assert!(restart.values().sum::<u64>() > 0, "what loses is not seen to lose");

    let results = Results { seen, pairs: Vec::new(), many: Vec::new() };
    let how = How { command: "tests/bench".into(), rivals: &rivals, turns: 1, windows };
    let text = results.markdown(&how).expect("this machine says what it is");
    assert!(text.contains("| **sockact** | 0 | 2 |"), "{text}");
}
