//! The programs under test, built once for each test process.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write as _};
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
    /// What makes the load of `sockctl prove`.
    pub sockprove: PathBuf,
    /// The example application, of which releases are made.
    pub shop: PathBuf,
    /// The same on plain threads.
    pub threaded: PathBuf,
    /// A load generator.
    pub http2_client: PathBuf,
}

/// Builds them as users would get them, optimized, when that has not been done yet.
///
/// # Panics
/// When they cannot be built; the compiler's messages are on standard error.
pub fn get() -> &'static Binaries {
    static BUILT: OnceLock<Binaries> = OnceLock::new();
    BUILT.get_or_init(|| {
        let packages = ["sockgen", "sockctl", "sockprove", "e2e"];
        let mut built = build(&packages.map(|name| format!("--package={name}")));
        let mut take = |name: &str| {
            let path = built.remove(name);
            path.unwrap_or_else(|| panic!("cargo built no program {name:?}, only {built:?}"))
        };
        Binaries {
            sockgen: take("sockgen"),
            sockctl: take("sockctl"),
            sockprove: take("sockprove"),
            shop: take("shop"),
            threaded: take("threaded"),
            http2_client: take("http2_client"),
        }
    })
}

/// oha, a load generator for HTTP/2, built from the package registry when it is not there yet.
///
/// Takes 5.3 minutes of processor time: 4.6 minutes on two cores that had other work too. It does not compile without its
/// default features, which are TLS.
///
/// # Panics
/// When it cannot be built; cargo's messages are on standard error.
pub fn oha() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| tool("oha", "1.16.0"))
}

/// systemfd, the companion of the listenfd crate, built from the package registry when it is not there yet: half a minute
/// of processor time.
///
/// # Panics
/// When it cannot be built; cargo's messages are on standard error.
pub fn systemfd() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| tool("systemfd", "0.4.6"))
}

/// Prometheus' node_exporter, which reads the files that `[metrics] textfile` asks for.
///
/// # Panics
/// When it is neither installed nor where `tests/prerequisites.sh` puts it.
#[must_use]
pub fn node_exporter() -> PathBuf {
    const NAME: &str = "prometheus-node-exporter";
    let unpacked = workspace().join("target/tools").join(NAME).join("usr/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(unpacked).chain(std::env::split_paths(&path));
    let mut programs = folders.map(|folder| folder.join(NAME));
    let found = programs.find(|program| program.is_file());
    found.unwrap_or_else(|| panic!("no {NAME}; tests/all unpacks it"))
}

fn tool(name: &str, version: &str) -> PathBuf {
    let root = workspace().join("target/tools");
    let program = root.join("bin").join(name);
    let is_it = || {
        // An error means that it is not there.
        let says = Command::new(&program).arg("--version").output();
        says.is_ok_and(|output| output.stdout == format!("{name} {version}\n").as_bytes())
    };
    if !is_it() {
        install(name, version, &root);
        assert!(is_it(), "cargo install {name} {version} made something else");
    }
    program
}

fn install(name: &str, version: &str, root: &Path) {
    // Not with eprintln, of which the test harness shows nothing before a test has failed.
    let _ =
        writeln!(io::stderr(), "building {name} {version} for the tests, once: this takes minutes");
    let mut install = cargo();
    install
        .args(["install", name, "--version", version, "--locked", "--force", "--root"])
        .arg(root);
    install.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")]);
    let status = install.arg("--quiet").stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.unwrap_or_else(|e| panic!("cannot start {install:?}: {e}"));
    assert!(status.success(), "{install:?} failed: {status}");
}

/// The folder of the whole repository.
#[must_use]
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package is a directory of the workspace")
}

pub(crate) fn cargo() -> Command {
    // Set by cargo for the tests that it runs: the same toolchain.
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")))
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

fn build(packages: &[String]) -> BTreeMap<String, PathBuf> {
    let mut build = cargo();
    build.args([
        "build",
        "--release",
        "--bins",
        "--quiet",
        "--message-format=json-render-diagnostics",
    ]);
    build.arg("--manifest-path").arg(workspace().join("Cargo.toml")).args(packages);
    let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("cannot start {build:?}: {e}"));
    assert!(output.status.success(), "{build:?} failed: {}", output.status);
    let messages = String::from_utf8_lossy(&output.stdout);
    let programs = messages.lines().filter_map(|line| {
        let message: Message = serde_json::from_str(line)
            .unwrap_or_else(|e| panic!("not a message of cargo's: {line:?}: {e}"));
        Some((message.target?.name, message.executable?))
    });
    programs.collect()
}
