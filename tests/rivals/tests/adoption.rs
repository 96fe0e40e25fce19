//! The benchmark of adoption runs, by every way, and what `sockact` needs grows with the number of
//! descriptors and no faster. How it compares is for the long run of the benchmark itself.

use std::process::Command;

#[test]
fn every_way_takes_every_listener_in_linear_time() {
    let output = Command::new(env!("CARGO_BIN_EXE_adoption")).arg("--short").output();
    let output = output.expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
    let rows: Vec<&str> = text.lines().filter(|l| l.contains(" (")).skip(1).collect();
    assert_eq!(rows.len(), 7, "{text}");
    let ours = rows.iter().find_map(|r| r.strip_prefix("sockact ")).expect("a row of ours");
    let cells = ours.split_whitespace().filter(|cell| !cell.starts_with('('));
    let nanos: Vec<u64> = cells.map(|n| n.parse().expect("a number")).collect();
    // For each descriptor; a quadratic cost would be ten times as much.
    assert!(nanos[3] < nanos[2] * 3, "100: {} ns each, 1000: {} ns each", nanos[2], nanos[3]);
}
