//! The core brings no async runtime: a program on plain threads compiles none.

use std::process::Command;

#[test]
fn without_default_features_there_is_no_runtime() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--no-default-features", "-e", "normal"])
        .args(["--prefix", "none", "--format", "{p}", "--manifest-path", manifest])
        .output()
        .expect("cargo starts");
    let tree = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(tree.contains("rustix "), "not the tree: {tree}");
    for runtime in ["tokio", "hyper", "http", "futures", "mio", "serde"] {
        assert!(!tree.lines().any(|l| l.starts_with(runtime)), "{runtime} is in the tree:\n{tree}");
    }
}
