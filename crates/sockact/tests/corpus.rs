//! What the fuzzers found worth keeping (`fuzz/corpus`), each once: it needs neither nightly nor a
//! fuzzer.

use std::path::Path;

/// Runs `target` on every file of its corpus.
fn replay(name: &str, target: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut count = 0;
    for file in files {
        let path = file.expect("an entry").path();
        println!("{}", path.display());
        target(&std::fs::read(&path).expect("a file"));
        count += 1;
    }
    assert!(count >= 10, "{} has {count} files", folder.display());
}

#[test]
fn vars() {
    replay("vars", |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            sockact::fuzz_vars(text);
        }
    });
}

#[cfg(feature = "serve")]
#[test]
fn admin() {
    replay("admin", sockact::fuzz_admin);
}
