//! Every `tests/rules/S05.toml` has changes to good units, each of which rule S05 must find, and
//! no other rule but those in `also`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use sockgen::check::{Finding, RULES, Units, check, verify};
use sockgen::{App, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    unit: String,
    replace: String,
    with: String,
    #[serde(default)]
    also: BTreeSet<String>,
}

fn good() -> App {
    let text = r#"
        name = "shop"
        exec = "bin/shop"
        [listeners.http]
        listen = "127.0.0.1:8080"
        [listeners.api]
        listen = "/run/shop/api.sock"
    "#;
    App::parse(text).unwrap()
}

fn texts(app: &App) -> BTreeMap<String, String> {
    render(app).into_iter().map(|unit| (unit.name.to_string(), unit.text)).collect()
}

fn units(texts: &BTreeMap<String, String>) -> Units {
    let mut units = Units::default();
    texts.iter().for_each(|(name, text)| units.add(name, text));
    units
}

/// Replaces one whole line.
#[track_caller]
fn changed(case: &Case) -> BTreeMap<String, String> {
    let mut texts = texts(&good());
    let text = texts.get_mut(&case.unit).expect("a unit of the good ones");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.iter().filter(|line| **line == case.replace).count(), 1, "{}", case.replace);
    let new = lines.iter().map(|line| if *line == case.replace { &case.with } else { *line });
    let new: Vec<&str> = new.collect();
    *text = new.join("\n");
    texts
}

#[track_caller]
fn check_case(rule: &str, case: &Case) {
    let app = good();
    let mut units = units(&changed(case));
    if rule == "S27" {
        units.expect(render(&app));
    }
    let mut found: BTreeSet<String> =
        check(&units).iter().map(|finding| finding.rule.to_owned()).collect();
    let what = format!("{}: {} -> {:?}", case.unit, case.replace, case.with);
    assert!(found.remove(rule), "{rule} does not see {what}; found {found:?}");
    assert_eq!(found, case.also, "other rules than {rule} see {what}");
}

#[test]
fn every_rule_sees_its_cases_and_has_some() {
    for rule in RULES {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/rules")
            .join(format!("{}.toml", rule.id));
        let text = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("every rule has cases: {}: {error}", path.display()));
        let file: File = toml::from_str(&text).unwrap();
        assert!(!file.case.is_empty(), "{} has no case", rule.id);
        file.case.iter().for_each(|case| check_case(rule.id, case));
    }
}

#[test]
fn rules_are_numbered_in_order_and_explained() {
    for (index, rule) in RULES.iter().enumerate() {
        assert_eq!(rule.id, format!("S{:02}", index + 1));
        assert!(!rule.title.is_empty() && rule.why.len() > 40 && !rule.fix.is_empty());
        assert!(!rule.fix.contains('\n'));
    }
}

#[test]
fn a_drop_in_counts() {
    let mut units = units(&texts(&good()));
    units.add_drop_in("shop-green.service", "[Unit]\nStartLimitIntervalSec=10s\n");
    let found = check(&units);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].unit.as_str(), found[0].rule), ("shop-green.service", "S01"));
}

#[test]
fn plain_units_of_one_service_are_found_wanting() {
    let mut units = Units::default();
    units.add("web.socket", "[Socket]\nListenStream=80\n");
    units.add("web.service", "[Service]\nExecStart=/bin/true\n");
    let found: BTreeSet<&str> = check(&units).iter().map(|finding| finding.rule).collect();
    for rule in ["S01", "S02", "S05", "S07", "S08", "S12", "S16"] {
        assert!(found.contains(rule), "{rule} is not in {found:?}");
    }
}

/// systemd-analyze ends with status 0 on all of these but the last.
#[test]
fn what_systemd_says_of_our_units_is_found() {
    for (replace, with, says) in [
        ("NonBlocking=yes", "NonBlokking=yes", "NonBlokking"),
        ("RestartSec=200ms", "RestartSec=soon", "soon"),
        ("PrivateTmp=yes", "PrivateTmp=perhaps", "perhaps"),
        ("Type=notify", "Type=oneshot", "Restart="),
    ] {
        let case = Case {
            unit: "shop-blue.service".into(),
            replace: replace.into(),
            with: with.into(),
            also: BTreeSet::new(),
        };
        let found: Vec<Finding> = verify(&changed(&case)).expect("systemd-analyze runs");
        let seen = found.iter().any(|f| f.unit == "shop-blue.service" && f.message.contains(says));
        assert!(seen, "{with}: {found:?}");
    }
}
