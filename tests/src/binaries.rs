//! The programs under test, built once for each test process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

/// Where the built programs are.
#[derive(Debug)]
pub struct Binaries {
    /// The generator.
    pub sockgen: PathBuf,
    /// The controller.
    pub sockctl: PathBuf,
    /// The example application, of which releases are made.
    pub shop: PathBuf,
}

/// Builds them as users would get them, optimized, when that has not been done yet.
///
/// # Panics
/// When they cannot be built; the compiler's messages are on standard error.
pub fn get() -> &'static Binaries {
    static BUILT: OnceLock<Binaries> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut built = build(&["--package=sockgen", "--package=sockctl", "--package=e2e"]);
        let mut take = |name: &str| {
            let path = built.remove(name);
            path.unwrap_or_else(|| panic!("cargo built no program {name:?}, only {built:?}"))
        };
        Binaries { sockgen: take("sockgen"), sockctl: take("sockctl"), shop: take("shop") }
    })
}

/// A line of cargo's: see "External tools, JSON messages" in the Cargo book.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

fn build(packages: &[&str]) -> BTreeMap<String, PathBuf> {
    // Set by cargo for the tests that it runs: the same toolchain.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let output = Command::new(&cargo)
        .args(["build", "--release", "--bins", "--quiet"])
        .arg("--message-format=json-render-diagnostics")
        .arg("--manifest-path")
        .arg(manifest)
        .args(packages)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|e| panic!("cannot start {}: {e}", cargo.display()));
    assert!(output.status.success(), "cargo build failed: {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(|line| {
        let message: Message = serde_json::from_str(line)
            .unwrap_or_else(|e| panic!("not a message of cargo's: {line:?}: {e}"));
        Some((message.target?.name, message.executable?))
    });
    programs.collect()
}
