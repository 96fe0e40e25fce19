//! Levels and relaxations: each does something, systemd takes it, and its exposure is what HARDENING.md says.
//! `UPDATE=1 cargo test -p sockgen --test hardening` writes the tables of that document anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sockgen::check::{Units, check, exposure, verify};
use sockgen::{App, Level, Place, RELAXATIONS, RelaxationKind, Scope, Target, render};

/// What a slot of the strict level is exposed at most (systemd calls this "OK").
const MOST: f64 = 1.5;

fn app(name: &str, rest: &str) -> App {
    let text = format!(
        "name = \"{name}\"\nexec = \"bin/x\"\nlisteners.http.listen = \"127.0.0.1:8080\"\n{rest}\n"
    );
    App::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn of_level(level: Level) -> App {
    app(&format!("level-{level}"), &format!("hardening.level = \"{level}\""))
}

fn relaxed(kind: &RelaxationKind) -> App {
    let user = if kind.needs_static_user() { "user = \"www-data\"\n" } else { "" };
    let allow = kind.example();
    app(&format!("allow-{}", kind.name), &format!("{user}hardening.allow = [\"{allow}\"]"))
}

fn blue(app: &App) -> String {
    let name = app.slot_unit(&app.slots()[0]);
    render(app).into_iter().find(|unit| unit.name == name).expect("the slot").text
}

/// The exposure of the slot of each.
fn exposures(apps: &[App]) -> BTreeMap<String, f64> {
    let mut units = Units::default();
    for app in apps {
        units.add(app.slot_unit(&app.slots()[0]).as_ref(), &blue(app));
    }
    let found = exposure(&units).expect("systemd-analyze runs");
    let found: BTreeMap<_, _> = found.into_iter().map(|one| (one.unit, one.score)).collect();
    assert_eq!(found.len(), apps.len(), "{found:?}");
    found
}

#[test]
fn every_relaxation_changes_what_it_says_and_systemd_takes_it() {
    let mut units = Units::default();
    for kind in RELAXATIONS {
        let user = if kind.needs_static_user() { "user = \"www-data\"" } else { "" };
        let strict = app(&format!("allow-{}", kind.name), user);
        let relaxed = relaxed(kind);
        let directives = |app: &App| app.hardening().directives(Scope::System, Target::NEWEST);
        let (before, after) = (directives(&strict), directives(&relaxed));
        assert_ne!(before, after, "{} changes nothing", kind.name);
        for (key, _) in before.iter().filter(|line| !after.contains(line)) {
            assert!(kind.effect().contains(&format!("{key}=")), "{} changes {key}=", kind.name);
        }
        let text = blue(&relaxed);
        let comment = format!("\n# {}: ", kind.example());
        assert!(text.contains(&comment), "{} does not show itself in the unit", kind.name);
        assert!(kind.needed_for.len() > 10, "{}: nobody needs it", kind.name);
        let mut own = Units::default();
        for unit in render(&relaxed) {
            own.add(unit.name.as_ref(), &unit.text);
            units.add(unit.name.as_ref(), &unit.text);
        }
        assert_eq!(check(&own), [], "{}", kind.name);
    }
    assert_eq!(verify(&units).expect("systemd-analyze runs"), []);
}

#[test]
fn names_are_sorted_and_read_back() {
    assert!(RELAXATIONS.is_sorted_by_key(|kind| kind.name));
    for kind in RELAXATIONS {
        let relaxation: sockgen::Relaxation = kind.example().parse().expect("its own example");
        assert_eq!(relaxation.to_string(), kind.example());
        assert_eq!(relaxation.kind(), kind);
    }
}

/// A user's own systemd would refuse to start a slot with these.
#[test]
fn what_a_users_systemd_cannot_do_is_left_out() {
    let vars = |_: &str| Some("/home/ann".into());
    let place = Place::user(vars).unwrap();
    let text = "name = \"shop\"\nexec = \"bin/x\"\nlisteners.http.listen = \"127.0.0.1:8080\"\n";
    let refused = ["capability", "raw-network", "kernel-logs", "realtime"];
    for kind in RELAXATIONS {
        let text = format!("{text}hardening.allow = [\"{}\"]", kind.example());
        match App::parse_for(&place, &text) {
            Ok(app) => {
                assert!(!refused.contains(&kind.name), "{} is taken", kind.name);
                let has = |key: &str| blue(&app).lines().any(|line| line.starts_with(key));
                assert!(!has("Protect") && !has("Private") && !has("CapabilityBoundingSet"));
            }
            Err(error) => assert!(refused.contains(&kind.name), "{}: {error}", kind.name),
        }
    }
}

#[test]
fn a_generated_slot_is_hardly_exposed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../units");
    let mut sockgen = Command::new(env!("CARGO_BIN_EXE_sockgen"));
    let output = sockgen.args(["check", "--json"]).arg(folder).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let slots = ["shop-blue.service", "shop-green.service"];
    for slot in slots {
        let all = found["exposure"].as_array().expect("a list");
        let one = all.iter().find(|one| one["unit"] == slot).expect("the slot");
        let score = one["score"].as_f64().expect("a score");
        assert!(score <= MOST, "{slot}: {score} is above {MOST}");
    }
}

fn systemd() -> String {
    let output = Command::new("systemd-analyze").arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(1).expect("a version").to_owned()
}

/// Both tables; without the scores when they are another systemd's.
fn tables(scores: bool) -> (String, String) {
    let all: Vec<App> =
        Level::ALL.map(of_level).into_iter().chain(RELAXATIONS.iter().map(relaxed)).collect();
    let found = exposures(&all);
    let score = |app: &App| {
        let score = found[app.slot_unit(&app.slots()[0]).as_ref()];
        if scores { format!("{score:.1}") } else { "-".to_owned() }
    };
    let mut levels = String::from("| level | exposure |\n|---|---|\n");
    for level in Level::ALL {
        writeln!(levels, "| `{level}` | {} |", score(&of_level(level))).unwrap();
    }
    let mut relaxations =
        String::from("| `allow` | exposure | what changes | who needs it |\n|---|---|---|---|\n");
    for kind in RELAXATIONS {
        let star = if kind.needs_static_user() { " *" } else { "" };
        let (name, effect) = (kind.example(), kind.effect());
        let score = score(&relaxed(kind));
        writeln!(relaxations, "| `{name}`{star} | {score} | {effect} | {} |", kind.needed_for)
            .unwrap();
    }
    (levels, relaxations)
}

/// The lines of a document's table that begins with this word.
fn table(text: &str, head: &str) -> String {
    let lines = text.lines().skip_while(|line| !line.starts_with(head));
    lines.take_while(|line| line.starts_with('|')).map(|line| format!("{line}\n")).collect()
}

/// Without the second column.
fn unscored(table: &str) -> String {
    let line = |line: &str| {
        let mut cells: Vec<_> = line.split('|').collect();
        cells[2] = " - ";
        cells.join("|") + "\n"
    };
    table.lines().map(line).collect()
}

#[test]
fn the_document_has_every_level_and_relaxation_with_its_exposure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("HARDENING.md");
    let mut text = fs::read_to_string(&path).unwrap();
    // The scores are those of one systemd: on another the rest is compared.
    let same = text.contains(&format!("`systemd-analyze security` of systemd {}", systemd()));
    let (levels, relaxations) = tables(true);
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        for (head, new) in [("| level |", &levels), ("| `allow` |", &relaxations)] {
            text = text.replace(&table(&text, head), new);
        }
        fs::write(&path, &text).unwrap();
    }
    for (head, expected) in [("| level |", levels), ("| `allow` |", relaxations)] {
        let found = table(&text, head);
        if same {
            assert_eq!(found, expected);
        } else {
            assert_eq!(unscored(&found), unscored(&expected));
        }
    }
}
