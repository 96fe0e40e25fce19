//! Servers of other languages that know `LISTEN_FDS` and nothing of ours, packed as releases: their sources are in `tests/foreign`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::binaries::workspace;
use crate::shop::{SWAP, Shop};

/// A server, and how its manifest differs from that of a program on `sockact`.
#[derive(Debug)]
pub struct Foreign {
    /// Its name, which is that of its folder.
    pub name: &'static str,
    manifest: &'static str,
    build: fn(&Path, &Path),
}

/// Addresses that the slots themselves open, in the directory that is theirs.
const OWN_HEALTH: &str = r#"
gate = false
[start]
ready = "exec"
[health]
path = "/health"
interval = "50ms"
[health.at]
blue = "/var/lib/sockact-shop/blue.sock"
green = "/var/lib/sockact-shop/green.sock"
"#;

/// net/http of Go's own library.
pub const GO: Foreign = Foreign { name: "go", manifest: OWN_HEALTH, build: go };

/// The same with a third slot.
pub const GO_IN_THREE: Foreign = Foreign { name: "go", manifest: THREE, build: go };

const THREE: &str = r#"
gate = false
slots = ["blue", "green", "amber"]
[start]
ready = "exec"
[health]
path = "/health"
interval = "50ms"
[health.at]
blue = "/var/lib/sockact-shop/blue.sock"
green = "/var/lib/sockact-shop/green.sock"
amber = "/var/lib/sockact-shop/amber.sock"
"#;

/// Node's own http.
pub const NODE: Foreign = Foreign { name: "node", manifest: WITH_JIT, build: node };

/// V8 makes machine code while it runs.
const WITH_JIT: &str = r#"
gate = false
hardening.allow = ["jit"]
[start]
ready = "exec"
[health]
path = "/health"
interval = "50ms"
[health.at]
blue = "/var/lib/sockact-shop/blue.sock"
green = "/var/lib/sockact-shop/green.sock"
"#;

/// gunicorn, which says `READY=1` itself.
pub const GUNICORN: Foreign = Foreign {
    name: "gunicorn",
    manifest: r#"
gate = false
[health]
exec = ["bin/healthy"]
interval = "50ms"
"#,
    build: gunicorn,
};

const GUNICORN_VERSION: &str = "gunicorn==23.0.0";

impl Foreign {
    /// A machine with it installed and enabled; nothing is deployed yet.
    ///
    /// # Panics
    /// When any of it fails.
    #[must_use]
    pub fn enabled(&self) -> Shop {
        Shop::enabled_with(&format!("{}{SWAP}", self.manifest))
    }

    /// Makes a release directory of it, and gives its path.
    ///
    /// # Panics
    /// When it cannot be built, with what the builder says.
    #[must_use]
    pub fn release(&self, shop: &Shop, version: &str, fault: Option<&str>) -> String {
        let built = self.built();
        let home = format!("/srv/releases/{version}");
        let tar = call(Command::new("tar").args(["--create", "--directory"]).arg(&built).arg("."));
        shop.sandbox.install_file("/srv/release.tar", tar, 0o644);
        shop.sandbox.run(["mkdir", "--parents", &home]).ok();
        shop.sandbox
            .run(["tar", "--extract", "--file=/srv/release.tar", "--directory", &home])
            .ok();
        shop.sandbox.install_file(&format!("{home}/VERSION"), version, 0o644);
        if let Some(fault) = fault {
            shop.sandbox.install_file(&format!("{home}/FAULT"), fault, 0o644);
        }
        home
    }

    /// Built once for each test process; the compilers have caches of their own.
    fn built(&self) -> PathBuf {
        static BUILDING: Mutex<()> = Mutex::new(());
        let sources = workspace().join("tests/foreign").join(self.name);
        let target = workspace().join("target/tools/foreign").join(self.name);
        let _one_at_a_time = BUILDING.lock();
        fs::create_dir_all(target.join("bin")).expect("the target directory can be written");
        (self.build)(&sources, &target);
        target
    }
}

/// Runs it and gives its standard output.
fn call(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    assert!(output.status.success(), "{command:?} failed: {}", output.status);
    output.stdout
}

fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap_or_else(|e| panic!("cannot copy {}: {e}", from.display()));
}

fn go(sources: &Path, target: &Path) {
    // Not with cgo: the program runs without a C library, and needs no compiler for one.
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(target.join("bin/shop")).current_dir(sources);
    call(go.env("CGO_ENABLED", "0").env("GOCACHE", target.with_extension("cache")));
}

fn node(sources: &Path, target: &Path) {
    copy(&sources.join("shop"), &target.join("bin/shop"));
}

fn gunicorn(sources: &Path, target: &Path) {
    let venv = target.with_extension("venv");
    let (lib, pip) = (target.join("lib"), venv.join("bin/pip"));
    if !lib.join("gunicorn").is_dir() {
        call(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv));
        let mut install = Command::new(pip);
        call(install.args(["install", "--quiet", "--target"]).arg(lib).arg(GUNICORN_VERSION));
    }
    for program in ["shop", "healthy"] {
        copy(&sources.join(program), &target.join("bin").join(program));
    }
    copy(&sources.join("wsgi.py"), &target.join("wsgi.py"));
}
