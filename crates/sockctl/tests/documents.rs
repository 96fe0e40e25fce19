//! Tables of the documentation are those of the code, word by word.

use sockctl::{doctor, journal};

#[track_caller]
fn check(document: &str, table: &str) {
    let path = format!("{}/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("a document of this crate");
    assert!(text.contains(table), "{document} is not what the code says; it should have\n{table}");
}

#[test]
fn doctor_s_findings() {
    check("DOCTOR.md", &doctor::hazard::table());
}

#[test]
fn messages_to_the_journal() {
    check("OBSERVABILITY.md", &journal::table());
}
