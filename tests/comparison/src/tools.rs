//! The programs that are compared, as the machine has them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use e2e::binaries::workspace;

use crate::rival::Language;

/// Where the programs are.
#[derive(Debug)]
pub struct Tools {
    app: PathBuf,
    /// The application in Go, when it was built.
    app_go: Option<PathBuf>,
}

impl Tools {
    /// With this build of the application.
    #[must_use]
    pub fn with(app: PathBuf) -> Self {
        Self { app, app_go: None }
    }

    /// Builds the application in Go too.
    ///
    /// # Errors
    /// When Go says so; its own words are on standard error.
    pub fn with_go(self) -> Result<Self> {
        let program = folder().join("app-go");
        let mut build = Command::new("go");
        // Debian's packages of Go are folders below GOPATH; these are unpacked, or installed.
        let path = format!("{}:/usr/share/gocode", folder().join("usr/share/gocode").display());
        build.envs([("GO111MODULE", "off"), ("GOPATH", path.as_str())]);
        build.args(["build", "-o"]).arg(&program).arg("tests/comparison/go/main.go");
        let status = build.current_dir(workspace()).stdin(Stdio::null()).status();
        let status = status.context("cannot start go (package golang-go)")?;
        ensure!(status.success(), "{build:?}: {status}");
        Ok(Self { app_go: Some(program), ..self })
    }

    /// The application in this language.
    ///
    /// # Errors
    /// When it was not built.
    pub fn application(&self, language: Language) -> Result<&Path> {
        match language {
            Language::Rust => Ok(&self.app),
            Language::Go => self.app_go.as_deref().context("the application in Go was not built"),
        }
    }
}

/// What `tests/bench` has downloaded and unpacked.
fn folder() -> PathBuf {
    workspace().join("target/tools/comparison")
}

/// The packages whose programs are not installed on this machine: they are unpacked inside the sandbox alone.
///
/// # Errors
/// When the folder cannot be read.
pub fn packages() -> Result<Vec<PathBuf>> {
    let folder = folder().join("packages");
    let files = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}: tests/bench downloads them", folder.display()))?;
    let paths = files.map(|entry| entry.map(|entry| entry.path()));
    let mut packages = paths.collect::<Result<Vec<_>, _>>()?;
    packages.retain(|path| path.extension().is_some_and(|extension| extension == "deb"));
    Ok(packages)
}

/// Caddy of Debian 14.
#[must_use]
pub fn caddy() -> PathBuf {
    workspace().join("target/tools/caddy/usr/bin/caddy")
}

/// The version of a library that the application was built with, or of what it is without any.
///
/// # Errors
/// When it cannot be found out.
pub fn library_version(rival: &str) -> Result<String> {
    match rival {
        "tableflip" => tableflip(),
        "bare-go" => {
            let said = Command::new("go").arg("version").output().context("go version")?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            Ok(said.split(' ').nth(2).unwrap_or("?").trim_start_matches("go").to_owned())
        }
        "ecdysis" => locked("ecdysis"),
        _ => locked("axum"),
    }
}

/// The version of a crate in Cargo.lock.
fn locked(name: &str) -> Result<String> {
    let lock = std::fs::read_to_string(workspace().join("Cargo.lock"))?;
    let of = format!("name = \"{name}\"\nversion = \"");
    let found = lock.split_once(&of).and_then(|(_, rest)| rest.split('"').next());
    Ok(found.with_context(|| format!("Cargo.lock has no {name}"))?.to_owned())
}

/// The version of the package: of the one that was unpacked, or of the one that is installed.
fn tableflip() -> Result<String> {
    const PACKAGE: &str = "golang-github-cloudflare-tableflip-dev";
    let packages = packages()?;
    let names = packages.iter().filter_map(|path| path.file_name()?.to_str());
    let mut versions = names.filter_map(|name| name.strip_prefix(PACKAGE)?.split('_').nth(1));
    if let Some(version) = versions.next() {
        return Ok(version.to_owned());
    }
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Version}", PACKAGE]);
    let said = query.output().context("cannot start dpkg-query")?;
    ensure!(said.status.success(), "{PACKAGE} is neither unpacked nor installed");
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}
