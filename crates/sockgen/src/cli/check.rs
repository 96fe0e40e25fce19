//! `sockgen check`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::args::Check;
use super::{Failure, Report};
use crate::check::{Finding, Units, check, verify};
use crate::model::App;
use crate::names::MANIFEST_FILE;
use crate::{ManifestError, render};

/// Files that systemd reads as units of the kinds we check.
const SUFFIXES: [&str; 3] = ["socket", "service", "target"];

pub(super) fn run(args: &Check) -> Result<Report, Failure> {
    let mut texts = BTreeMap::new();
    let mut units = Units::default();
    for path in &args.paths {
        collect(path, &mut texts, &mut units)?;
    }
    if texts.is_empty() {
        let names: Vec<String> = args.paths.iter().map(|p| p.display().to_string()).collect();
        let message = format!("there are no units in {}", names.join(", "));
        return Err(Failure::typed(message, "name a folder with units, or a sockact.toml"));
    }
    let mut findings = check(&units);
    let own =
        verify(&texts).map_err(|error| Failure::new(&error, error.hint().map(str::to_owned)))?;
    findings.extend(own);
    let stdout = if args.json { json(&findings) } else { plain(&findings, texts.len()) };
    Ok(Report { stdout: stdout.into_bytes(), status: u8::from(!findings.is_empty()) })
}

fn collect(
    path: &Path,
    texts: &mut BTreeMap<String, String>,
    units: &mut Units,
) -> Result<(), Failure> {
    let folder = path.is_dir();
    let files = if folder { unit_files(path)? } else { Vec::new() };
    if is_unit(path) && !folder {
        return add(path, texts, units);
    }
    let manifest = if folder { path.join(MANIFEST_FILE) } else { path.to_owned() };
    if !folder || manifest.exists() {
        let text = read(&manifest)?;
        let app = App::parse(&text).map_err(|source| {
            let path = manifest.clone();
            let error = ManifestError::InFile { path, source: Box::new(source) };
            Failure::new(&error, error.hint())
        })?;
        let generated = render(&app);
        if files.is_empty() {
            for unit in generated {
                units.add(unit.name.as_ref(), &unit.text);
                texts.insert(unit.name.to_string(), unit.text);
            }
            return Ok(());
        }
        units.expect(generated);
    }
    files.iter().try_for_each(|file| add(file, texts, units))
}

fn is_unit(path: &Path) -> bool {
    path.extension().and_then(|suffix| suffix.to_str()).is_some_and(|s| SUFFIXES.contains(&s))
}

/// The units in a folder, sorted; links are aliases or masks, not units.
fn unit_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_unit(path) && path.is_file() && !path.is_symlink())
        .collect();
    files.sort();
    Ok(files)
}

/// Reads a unit and its drop-ins (systemd.unit(5)).
fn add(
    path: &Path,
    texts: &mut BTreeMap<String, String>,
    units: &mut Units,
) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = read(path)?;
    units.add(&name, &text);
    texts.insert(name.clone(), text);
    let folder = path.with_file_name(format!("{name}.d"));
    let mut drop_ins: Vec<PathBuf> =
        fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    drop_ins.retain(|path| path.extension().is_some_and(|suffix| suffix == "conf"));
    drop_ins.sort();
    for drop_in in drop_ins {
        units.add_drop_in(&name, &read(&drop_in)?);
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => "try again with sudo",
        _ => "name a folder with units, a manifest or a unit file",
    };
    let message = io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()));
    Failure::new(&message, Some(hint.to_owned()))
}

fn plain(findings: &[Finding], units: usize) -> String {
    let mut text = String::new();
    for finding in findings {
        let line = finding.line.map_or(String::new(), |line| format!(":{line}"));
        let Finding { unit, rule, message, fix, .. } = finding;
        writeln!(text, "{unit}{line}: {rule}: {message}\n    fix: {fix}").expect("memory");
    }
    match findings.len() {
        0 => writeln!(text, "{units} units checked, nothing found"),
        1 => writeln!(text, "{units} units checked, 1 finding"),
        n => writeln!(text, "{units} units checked, {n} findings"),
    }
    .expect("memory");
    text
}

fn json(findings: &[Finding]) -> String {
    let mut text = serde_json::to_string_pretty(findings).expect("strings and numbers");
    text.push('\n');
    text
}
