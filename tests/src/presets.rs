//! The starting programs of `sockgen init --preset`, each made by it, built as a person would, and packed as releases.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::binaries::{self, cargo, workspace};
use crate::shop::Shop;

/// A preset, and what makes its program.
#[derive(Debug)]
pub struct Program {
    /// The preset.
    pub preset: &'static str,
    /// The file in which a release says what it is.
    version: &'static str,
    build: fn(&Path),
    /// Puts onto the machine what is no part of a release.
    installed: fn(&Shop),
    /// More slots than two.
    third: Option<&'static str>,
}

const fn program(preset: &'static str, build: fn(&Path)) -> Program {
    Program { preset, version: "VERSION", build, installed: |_| (), third: None }
}

/// axum on `sockact::serve`.
pub const AXUM: Program = program("axum", rust);
/// hyper by hand.
pub const HYPER: Program = program("hyper", rust);
/// Plain threads of Rust.
pub const THREADS: Program = program("threads", rust);
/// gunicorn, from the Python package index.
pub const GUNICORN: Program = program("gunicorn", python);
/// uvicorn, from there too.
pub const UVICORN: Program = program("uvicorn", python);
/// Node's own http.
pub const NODE: Program = program("node", |_| ());
/// net/http of Go's own library.
pub const GO: Program = program("go", go);
/// The same with a third slot.
pub const GO_IN_THREE: Program = Program { third: Some("amber"), ..GO };
/// Caddy, as Debian has it.
pub const CADDY: Program =
    Program { version: "public/index.html", installed: caddy, ..program("caddy", |_| ()) };
/// Puma, as Debian has it.
pub const PUMA: Program = program("puma", |_| ());

/// Node on an address of its own, behind systemd-socket-proxyd.
pub const PROXYD: Program = program("proxyd", |_| ());

/// Times for a test in the place of those for people, which the generated manifest shows.
const SHORT: [(&str, &str); 5] = [
    ("# interval = \"250ms\"", "interval = \"100ms\""),
    ("# stable = \"10s\"", "stable = \"300ms\""),
    ("# deadline = \"5min\"", "deadline = \"10s\""),
    ("# watch = \"10s\"", "watch = \"300ms\""),
    ("# drain = \"30s\"", "drain = \"10s\""),
];

/// They share folders.
static BUILDING: Mutex<()> = Mutex::new(());

impl Program {
    /// A machine with it installed and enabled; nothing is deployed yet.
    ///
    /// # Panics
    /// When any of it fails.
    #[must_use]
    pub fn enabled(&self) -> Shop {
        let manifest = fs::read_to_string(self.built().join("sockact.toml"));
        let manifest = SHORT.iter().fold(manifest.expect("init wrote it"), replace);
        let manifest = match self.third {
            Some(slot) => with_slot(&manifest, slot),
            None => manifest,
        };
        let shop = Shop::machine();
        (self.installed)(&shop);
        shop.install(&manifest);
        shop.enable();
        shop
    }

    /// Makes a release directory of it, and gives its path. One without a version says that it is not well.
    ///
    /// # Panics
    /// When it cannot be built, with what the builder says.
    #[must_use]
    pub fn release(&self, shop: &Shop, name: &str, version: Option<&str>) -> String {
        let built = self.built();
        let home = format!("/srv/releases/{name}");
        let tar = call(Command::new("tar").args(["--create", "--directory"]).arg(&built).arg("."));
        shop.sandbox.install_file("/srv/release.tar", tar, 0o644);
        shop.sandbox.run(["mkdir", "--parents", &home]).ok();
        shop.sandbox
            .run(["tar", "--extract", "--file=/srv/release.tar", "--directory", &home])
            .ok();
        let file = format!("{home}/{}", self.version);
        match version {
            Some(version) => shop.sandbox.install_file(&file, version, 0o644),
            None => drop(shop.sandbox.run(["rm", &file]).ok()),
        }
        home
    }

    /// The folder that `sockgen init --preset --main` writes, with the program built in it.
    fn built(&self) -> PathBuf {
        let _one_at_a_time = BUILDING.lock();
        let folder = init(self.preset);
        (self.build)(&folder);
        folder
    }
}

/// Types what a person types, and gives the folder.
fn init(preset: &str) -> PathBuf {
    let folder = presets().join(preset);
    fs::create_dir_all(&folder).expect("the target directory can be written");
    let mut init = Command::new(&binaries::get().sockgen);
    init.args(["init", "--force", "--main", "--preset", preset, "--dir"]).arg(&folder);
    call(init.args(["--name", "shop", "--listen", "http=127.0.0.1:8080"]));
    folder
}

fn presets() -> PathBuf {
    workspace().join("target/tools/presets")
}

fn replace(text: String, (from, to): &(&str, &str)) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

fn with_slot(manifest: &str, slot: &str) -> String {
    let slots = format!("slots = [\"blue\", \"green\", \"{slot}\"]");
    let own = |slot: &str| format!("{slot} = \"/var/lib/sockact-shop/{slot}.sock\"");
    let more = [("# slots = [\"blue\", \"green\"]", slots.as_str())];
    let manifest = more.iter().fold(manifest.to_owned(), replace);
    let green = own("green");
    replace(manifest, &(&green, &format!("{green}\n{}", own(slot))))
}

/// Runs it and gives its standard output.
fn call(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    assert!(output.status.success(), "{command:?} failed: {}", output.status);
    output.stdout
}

fn go(folder: &Path) {
    // Not with cgo: the program runs without a C library, and needs no compiler for one.
    let mut go = Command::new("go");
    go.args(["build", "-o", "bin/shop"]).current_dir(folder);
    call(go.env("CGO_ENABLED", "0").env("GOCACHE", presets().join("go.cache")));
}

/// The packages of `requirements.txt` in a virtual environment inside the folder, without pip, which no release needs.
fn python(folder: &Path) {
    let (venv, done) = (folder.join("venv"), folder.join("venv/installed.txt"));
    let wanted = fs::read(folder.join("requirements.txt")).expect("init wrote it");
    // An error means that it is not there.
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return;
    }
    let pip = presets().join("pip");
    if !pip.join("bin/pip").exists() {
        call(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&pip));
    }
    let mut make = Command::new("/usr/bin/python3");
    call(make.args(["-m", "venv", "--clear", "--without-pip"]).arg(&venv));
    let mut install = Command::new(pip.join("bin/pip"));
    install.arg("--python").arg(venv.join("bin/python"));
    install.args(["install", "--quiet", "--requirement", "requirements.txt"]);
    call(install.current_dir(folder));
    fs::write(done, wanted).expect("the target directory can be written");
}

/// The presets that cargo builds.
const RUST: [&str; 3] = ["axum", "hyper", "threads"];

/// The three together, so that what they depend on is compiled once, with the `sockact` that is here.
fn rust(folder: &Path) {
    let root = presets();
    for preset in RUST {
        init(preset);
        let manifest = root.join(preset).join("Cargo.toml");
        let text = fs::read_to_string(&manifest).expect("init wrote it");
        // Their programs lie in one folder.
        let named = text.replace("name = \"shop\"", &format!("name = \"preset-{preset}\""));
        fs::write(&manifest, named).expect("the target directory can be written");
    }
    let name = folder.file_name().and_then(|name| name.to_str()).expect("a preset's name");
    let here = workspace().join("crates/sockact");
    let text = format!(
        "workspace.members = {RUST:?}\nworkspace.resolver = \"3\"\npatch.crates-io.sockact.path = {here:?}\n"
    );
    fs::write(root.join("Cargo.toml"), text).expect("the target directory can be written");
    // The versions that everything else here has.
    fs::copy(workspace().join("Cargo.lock"), root.join("Cargo.lock")).expect("a lock file");
    let mut build = cargo();
    build.args(["build", "--quiet", "--manifest-path"]).arg(root.join("Cargo.toml"));
    call(build.arg("--target-dir").arg(workspace().join("target")));
    fs::create_dir_all(folder.join("bin")).expect("the target directory can be written");
    let program = workspace().join(format!("target/debug/preset-{name}"));
    fs::copy(program, folder.join("bin/shop")).expect("cargo built it");
}

/// Where `tests/prerequisites.sh` unpacks the one that knows descriptors.
fn caddy(shop: &Shop) {
    shop.sandbox.install_program(&workspace().join("target/tools/caddy/usr/bin/caddy"));
}
