//! What doctor says is in the documentation, word by word.

use sockctl::doctor::hazard::table;

#[test]
fn the_table_of_the_documentation_is_the_code_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/DOCTOR.md");
    let text = std::fs::read_to_string(path).expect("DOCTOR.md");
    assert!(
        text.contains(&table()),
        "DOCTOR.md is not what the code says; it should have\n{}",
        table()
    );
}
