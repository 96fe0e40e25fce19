//! Every `tests/errors/x.toml` is a manifest that is refused, and `x.err` what is said of it.
//! `UPDATE=1 cargo test -p sockgen --test errors` writes what is said anew.

use std::fs;
use std::path::{Path, PathBuf};

use sockgen::{App, ManifestError};

fn said(error: &ManifestError) -> String {
    let hint = error.hint().unwrap_or_else(|| "NO HINT".into());
    format!("error: {error}\nhint: {hint}\n")
}

#[track_caller]
fn check(manifest: &Path) {
    let text = fs::read_to_string(manifest).unwrap();
    let error = match App::parse(&text) {
        Ok(_) => panic!("{} is accepted", manifest.display()),
        Err(error) => error,
    };
    let said = said(&error);
    let expected = manifest.with_extension("err");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&expected, &said).unwrap();
    }
    let expected = fs::read_to_string(&expected).expect("every x.toml has its x.err");
    assert_eq!(said, expected, "{}", manifest.display());
    assert!(!said.contains("NO HINT"), "{} has no hint", manifest.display());
    let shown = said.chars().filter(|c| c.is_control() && *c != '\n').count();
    assert_eq!(shown, 0, "{}: control characters reach the terminal", manifest.display());
}

#[test]
fn every_bad_manifest_is_refused_in_plain_words() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut manifests: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "toml"))
        .collect();
    manifests.sort();
    assert!(manifests.len() > 50, "the cases are not found");
    manifests.iter().for_each(|manifest| check(manifest));
}
