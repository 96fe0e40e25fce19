//! What holds for every text that may be given as a manifest. The fuzzer tries it, and `tests/corpus.rs`.

use sockgen::check::{Finding, Severity, Units, check};
use sockgen::{App, render};

/// It is refused in words that a person can read, or gives units that are whole: nothing but directives of known sections, one a line, in which
/// `sockgen check` finds nothing that the manifest did not ask for.
pub(crate) fn holds(text: &str) {
    let app = match App::parse(text) {
        Ok(app) => app,
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 2000, "a message of {} bytes", said.len());
            assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
            return;
        }
    };
    let units = render(&app);
    assert_eq!(units, render(&app), "the same manifest gives the same bytes");
    let mut checked = Units::default();
    for unit in &units {
        let mut sections: Vec<&str> = Vec::new();
        for line in unit.text.lines() {
            assert!(!line.ends_with('\\') && !line.chars().any(char::is_control), "{line:?}");
            assert!(line.len() < 1 << 20, "systemd reads no line of {} bytes", line.len());
            match line {
                "" => {}
                comment if comment.starts_with('#') => {}
                section if section.starts_with('[') => {
                    assert!(
                        SECTIONS.contains(&section) && !sections.contains(&section),
                        "{section}"
                    );
                    sections.push(section);
                }
                directive => {
                    let (key, _) = directive.split_once('=').expect("a directive");
                    let plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric());
                    assert!(plain && !sections.is_empty(), "{directive:?}");
                }
            }
        }
        checked.add(unit.name.as_ref(), &unit.text);
    }
    let findings = check(&checked);
    // A short queue (S34) is what the manifest may ask for.
    let heavy = |f: &&Finding| f.severity > Severity::Note && f.rule != "S34";
    let findings: Vec<_> = findings.iter().filter(heavy).collect();
    assert!(findings.is_empty(), "{findings:?}");
}

const SECTIONS: [&str; 5] = ["[Unit]", "[Service]", "[Socket]", "[Install]", "[X-Sockact]"];
