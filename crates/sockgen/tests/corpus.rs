//! What the fuzzer found worth keeping (`fuzz/corpus`), and all manifests of the tests, each once: it needs neither nightly nor a fuzzer.

use std::fs;
use std::path::Path;

#[path = "../fuzz/property.rs"]
mod property;

/// Looks at every manifest in the folder, whatever the file is called.
fn replay(folder: &Path) {
    let files = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("an entry").path();
        let path = if path.is_dir() { path.join("sockact.toml") } else { path };
        if let Ok(text) = fs::read_to_string(&path) {
            println!("{}", path.display());
            property::holds(&text);
            count += 1;
        }
    }
    assert!(count >= 6, "{} has {count} manifests", folder.display());
}

#[test]
fn what_the_fuzzer_kept() {
    replay(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/manifest"));
}

#[test]
fn manifests_of_the_tests() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    replay(&tests.join("cases"));
    replay(&tests.join("errors"));
}
