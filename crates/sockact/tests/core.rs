//! The core brings no async runtime: a program on plain threads compiles none.

use std::process::Command;

/// What programs on plain threads build is free of these.
const RUNTIMES: [&str; 6] = ["tokio", "hyper", "http", "futures-core", "mio", "tower-service"];

#[track_caller]
fn check(features: &str, has: &str, not: &[&str]) {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--no-default-features", "-e", "normal"])
        .args(["--features", features, "--prefix", "none", "--format", "{p}"])
        .args(["--manifest-path", manifest])
        .output()
        .expect("cargo starts");
    let tree = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let packages: Vec<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains(&has), "not the tree: {tree}");
    for package in not {
        assert!(!packages.contains(package), "{package} is in the tree of {features:?}:\n{tree}");
    }
}

#[test]
fn without_default_features_there_is_no_runtime() {
    check("", "rustix", &[&RUNTIMES[..], &["serde", "httparse"]].concat());
}

#[test]
fn the_gate_of_threads_brings_no_runtime() {
    check("gate", "httparse", &RUNTIMES);
}
