//! Every rule finds what it is there for, and nothing where that is mended.
//!
//! `tests/rules/S05.toml` has changes to good units, each of which rule S05 must find, and no other rule but those in `also`;
//! `tests/rules/S05/bad` are units in which the rule finds something, `good` the same mended. tests/tests/hazards.rs shows what they do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sockgen::check::{Finding, Loader, RULES, Severity, Units, check, verify};
use sockgen::{App, Place, render};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    case: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    unit: String,
    #[serde(default)]
    replace: String,
    #[serde(default)]
    with: String,
    /// In place of the other two: a drop-in.
    drop_in: Option<String>,
    #[serde(default)]
    also: BTreeSet<String>,
}

fn good() -> App {
    App::parse(&fs::read_to_string(folder().join("sockact.toml")).unwrap()).unwrap()
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
    if case.drop_in.is_some() {
        return texts;
    }
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
    if let Some(text) = &case.drop_in {
        units.add_drop_in(&case.unit, "a.conf", text);
    }
    if rule == "S27" {
        units.expect(render(&app));
    }
    let mut found: BTreeSet<String> =
        check(&units).iter().map(|finding| finding.rule.to_owned()).collect();
    let what = format!("{}: {} -> {:?}", case.unit, case.replace, case.with);
    assert!(found.remove(rule), "{rule} does not see {what}; found {found:?}");
    assert_eq!(found, case.also, "other rules than {rule} see {what}");
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rules")
}

/// The rules that find something.
fn rules_found(folder: &Path) -> BTreeSet<&'static str> {
    let machine = folder.join("etc/systemd/system");
    let mut loader = Loader::default();
    loader.ask(if machine.is_dir() { &machine } else { folder }).expect("a folder of units");
    let found = check(&loader.load().expect("each unit once"));
    found.iter().map(|finding| finding.rule).collect()
}

#[test]
fn every_rule_sees_its_cases_and_has_some() {
    for rule in RULES {
        let cases = folder().join(format!("{}.toml", rule.id));
        let units = folder().join(rule.id);
        assert!(cases.exists() || units.exists(), "{} has no case", rule.id);
        let harm = folder().join(format!("harm/{}.sh", rule.id));
        assert!(harm.exists(), "{} is shown by nothing: {}", rule.id, harm.display());
        if let Ok(text) = fs::read_to_string(&cases) {
            let file: File = toml::from_str(&text).unwrap();
            assert!(!file.case.is_empty(), "{} has no case", rule.id);
            file.case.iter().for_each(|case| check_case(rule.id, case));
        }
        if units.exists() {
            let (bad, good) = (rules_found(&units.join("bad")), rules_found(&units.join("good")));
            assert!(bad.contains(rule.id), "{} does not see its bad units: {bad:?}", rule.id);
            assert!(!good.contains(rule.id), "{} sees something in its good units", rule.id);
        }
    }
}

#[test]
fn rules_are_numbered_in_order_and_explained() {
    for (index, rule) in RULES.iter().enumerate() {
        assert_eq!(rule.id, format!("S{:02}", index + 1));
        let texts = [rule.title(), rule.shown(), rule.fix(), rule.see()];
        assert!(texts.iter().all(|text| text.len() > 10), "{}: {texts:?}", rule.id);
        assert!(rule.why().len() > 40 && !rule.why().contains("Shown:"), "{}", rule.why());
    }
}

#[test]
fn the_document_has_every_rule() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("CHECK.md");
    let text = fs::read_to_string(path).unwrap();
    for rule in RULES {
        let (id, severity) = (rule.id, rule.severity);
        let row =
            format!("| [{id}](rules/{id}.md) | {severity} | {} | {} |", rule.title(), rule.fix());
        assert!(text.lines().any(|line| line.replace("\\<", "<") == row), "no line {row:?}");
    }
}

#[test]
fn a_drop_in_counts() {
    let mut units = units(&texts(&good()));
    units.add_drop_in("shop-green.service", "a.conf", "[Unit]\n\nStartLimitIntervalSec=10s\n");
    let found = check(&units);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].unit.as_str(), found[0].rule), ("shop-green.service", "S01"));
    assert_eq!((found[0].file.as_str(), found[0].line), ("a.conf", Some(3)));
}

/// What most of a distribution's units are: they have systemd's defaults, which is worth no alarm.
#[test]
fn what_is_off_under_another_name_is_off() {
    for drop_in in [
        "[Unit]\nStartLimitIntervalSec=60s\n[Service]\nStartLimitInterval=0\n",
        "[Unit]\nStartLimitIntervalSec=60s\nStartLimitBurst=0\n",
        "[Service]\nTimeoutStopSec=0\n",
        "[Service]\nTimeoutStopSec=1s\nTimeoutSec=infinity\n",
    ] {
        let mut units = units(&texts(&good()));
        units.add_drop_in("shop-blue.service", "a.conf", drop_in);
        assert_eq!(check(&units), [], "{drop_in}");
    }
}

#[test]
fn a_users_own_units_are_good() {
    let place = Place::user(|name| match name {
        "XDG_RUNTIME_DIR" => Some("/run/user/1000".into()),
        _ => Some("/home/ann".into()),
    });
    let text = fs::read_to_string(folder().join("sockact.toml")).unwrap();
    let text = format!("{text}\n[directives.service]\nLogLevelMax = \"info\"\n");
    let app = App::parse_for(&place.unwrap(), &text).unwrap();
    assert_eq!(check(&units(&texts(&app))), []);
}

#[test]
fn units_of_one_service_get_notes() {
    let mut units = Units::default();
    units.add("web.socket", "[Socket]\nListenStream=80\n");
    units.add("web.service", "[Service]\nExecStart=/bin/true\n");
    let found: Vec<_> = check(&units).iter().map(|f| (f.rule, f.severity)).collect();
    assert_eq!(found, [("S01", Severity::Note), ("S02", Severity::Note)]);
}

/// A proxy gets the sockets, and the program behind it is the slot: each is looked at for what it is.
#[test]
fn a_slot_behind_a_proxy_is_held_to_the_rules() {
    let manifest = folder().parent().unwrap().join("cases/proxied/sockact.toml");
    let good = texts(&App::parse(&fs::read_to_string(manifest).unwrap()).unwrap());
    let (proxy, slot) = ("proxied-blue-proxy.service", "proxied-blue.service");
    for (unit, line, with, rules) in [
        (proxy, "NonBlocking=yes", "", &["S05"][..]),
        (proxy, "StartLimitIntervalSec=0", "", &["S01"]),
        (slot, "StartLimitIntervalSec=0", "", &["S01"]),
        (proxy, "Restart=always", "Restart=on-failure", &["S03"]),
        (proxy, "PartOf=proxied.target", "", &["S08"]),
        (proxy, "LimitNOFILE=65536", "", &["S33"]),
        (proxy, "Sockets=proxied-http.socket", "Sockets=other.socket", &["S15"]),
        (proxy, "After=proxied-blue.service", "Requires=proxied-http.socket", &["S09"]),
        (
            slot,
            "Environment=SOCKACT_DRAIN_USEC=30000000",
            "Environment=SOCKACT_DRAIN_USEC=40000000",
            &["S21"],
        ),
        (slot, "Alias=proxied.service", "", &["S18"]),
        // Alone with sockets it would be a slot, of which nobody knows which is live.
        (proxy, "BindsTo=proxied-blue.service", "", &["S18", "S19", "S24"]),
    ] {
        let mut texts = good.clone();
        let text = texts.get_mut(unit).unwrap();
        assert!(text.contains(&format!("{line}\n")), "{unit} has no {line}");
        *text = text.replace(&format!("{line}\n"), &format!("{with}\n"));
        let found: BTreeSet<_> = check(&units(&texts)).iter().map(|found| found.rule).collect();
        assert_eq!(found, rules.iter().copied().collect(), "{unit} without {line}");
    }
}

#[test]
fn two_services_with_one_socket_are_slots_whoever_wrote_them() {
    let mut units = Units::default();
    units.add("web.socket", "[Socket]\nListenStream=80\nService=a.service\n");
    for name in ["a.service", "b.service"] {
        units.add(name, "[Service]\nExecStart=/bin/true\nSockets=web.socket\n");
    }
    let found: BTreeSet<&str> = check(&units).iter().map(|finding| finding.rule).collect();
    for rule in ["S01", "S02", "S03", "S05", "S07", "S08", "S12", "S16", "S18", "S19"] {
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
            drop_in: None,
            also: BTreeSet::new(),
        };
        let found: Vec<Finding> = verify(&units(&changed(&case))).expect("systemd-analyze runs");
        let seen = found.iter().any(|f| f.unit == "shop-blue.service" && f.message.contains(says));
        assert!(seen, "{with}: {found:?}");
    }
}
