//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines of a change.

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{EXPOSURE, Finding, RULES, Severity, VERIFY};

/// What needs no escape in the path of a URI (RFC 3986, section 3.3).
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// The findings as a SARIF log of one run.
#[must_use]
pub fn sarif(findings: &[Finding]) -> Value {
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).chain([VERIFY, EXPOSURE]).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "sockgen",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules(),
            }},
            "results": findings.iter().map(|finding| result(finding, &ids)).collect::<Vec<_>>(),
        }],
    })
}

fn rules() -> Vec<Value> {
    let ours = RULES.iter().map(|rule| {
        json!({
            "id": rule.id,
            "shortDescription": { "text": rule.title() },
            "fullDescription": { "text": rule.why() },
            "help": {
                "text": format!("{}\n\nFix: {}\nSee: {}", rule.why(), rule.fix(), rule.see()),
                "markdown": rule.markdown(),
            },
            "defaultConfiguration": { "level": rule.severity.as_str() },
        })
    });
    let theirs = [
        (VERIFY, "What systemd-analyze verify says"),
        (EXPOSURE, "The exposure that systemd-analyze security reckons is above the threshold"),
    ];
    ours.chain(theirs.map(|(id, text)| {
        json!({
            "id": id,
            "shortDescription": { "text": text },
            "defaultConfiguration": { "level": Severity::Warning.as_str() },
        })
    }))
    .collect()
}

fn result(finding: &Finding, ids: &[&str]) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(&finding.file) } });
    if let Some(line) = finding.line {
        place["region"] = json!({ "startLine": line });
    }
    json!({
        "ruleId": finding.rule,
        "ruleIndex": ids.iter().position(|id| *id == finding.rule),
        "level": finding.severity.as_str(),
        "message": { "text": format!("{}; fix: {}", finding.message, finding.fix) },
        "locations": [{
            "physicalLocation": place,
            "logicalLocations": [{ "name": finding.unit, "kind": "resource" }],
        }],
    })
}

/// A path as a URI; a relative one stays relative, to where the command was typed.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let encoded = utf8_percent_encode(path, PATH);
    if Path::new(path).is_absolute() { format!("file://{encoded}") } else { encoded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_uris() {
        for (path, expected) in [
            ("/etc/systemd/system/a@.socket", "file:///etc/systemd/system/a@.socket"),
            ("./units/a.socket", "units/a.socket"),
            ("a b/ü#?%.socket", "a%20b/%C3%BC%23%3F%25.socket"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
