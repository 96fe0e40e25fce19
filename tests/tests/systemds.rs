//! The real systemd of each version that units are written for: this machine's, and those of the roots that `tests/roots` makes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::load::{Generator, Load};
use e2e::shop::{SWAP, Shop, URL, manifest};
use sockgen::versions::NOVELTIES;
use sockgen::{App, Level, Target, render_for};

/// The worst that a slot may be exposed (systemd-analyze(1), `security`).
const EXPOSURE: f64 = 1.5;

/// Every manifest of the tests of sockgen: cases, presets, and what services were converted to; each with a name of its own.
fn cases() -> Vec<(String, PathBuf)> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sockgen/tests");
    let mut cases = Vec::new();
    for (kind, inside) in [("cases", ""), ("presets", ""), ("from", "made")] {
        let folders = fs::read_dir(tests.join(kind)).expect("a folder of cases").flatten();
        let found: Vec<_> = folders
            .map(|folder| (folder.file_name(), folder.path().join(inside).join("sockact.toml")))
            .filter(|(_, manifest)| manifest.exists())
            .map(|(name, manifest)| (format!("{kind}-{}", name.to_string_lossy()), manifest))
            .collect();
        assert!(found.len() > 2, "{kind}: {found:?}");
        cases.extend(found);
    }
    cases.sort();
    cases
}

/// All of it on the systemd of this root.
fn every_unit_and_a_deploy(root: &Path, least: &str) {
    let target = Target::of_root(root).unwrap_or_else(|e| panic!("{}: {e}", root.display()));
    assert!(target >= least.parse().expect("a version"), "{} has systemd {target}", root.display());
    let shop = Shop::machine_on(root);
    let said = shop.sandbox.run(["systemctl", "--version"]).ok().stdout;
    assert!(said.starts_with(&format!("systemd {target} ")), "{target} is not that of\n{said}");
    directives(&shop, target);
    let mut wrong = Vec::new();
    for (case, manifest) in cases() {
        let text = fs::read_to_string(&manifest).expect("a manifest");
        let app = App::parse(&text).unwrap_or_else(|e| panic!("{case}: {e}"));
        wrong.extend(verify(&shop, &case, &app, target));
    }
    assert!(wrong.is_empty(), "systemd {target} says:\n{}", wrong.join("\n"));
    deploy(&shop, target);
}

/// What a systemd lacks is what our table says that it lacks.
fn directives(shop: &Shop, target: Target) {
    let dump = shop.sandbox.run(["/lib/systemd/systemd", "--dump-configuration-items"]).ok().stdout;
    let mut known = BTreeSet::new();
    let mut section = String::new();
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        } else if let Some((key, _)) = line.split_once('=') {
            known.insert((section.clone(), key.to_owned()));
        }
    }
    // What it knows, a manifest may have; so many are obsolete in a newer one that the other way does not hold.
    for section in ["Unit", "Service", "Socket"] {
        let ours: BTreeSet<_> = sockgen::directives(section).collect();
        let of_section = known.iter().filter(|(one, key)| one == section && !key.starts_with("X-"));
        // 257 knows that one, and neither 252 nor 262 does.
        let of_section = of_section.filter(|(_, key)| key != "DefaultStartupMemoryLow");
        let missing: Vec<_> = of_section.filter(|(_, key)| !ours.contains(key.as_str())).collect();
        assert!(missing.is_empty(), "not in our table for systemd {target}: {missing:?}");
    }
    for novelty in NOVELTIES.iter().filter(|novelty| novelty.value.is_none()) {
        let since: Target = novelty.since.to_string().parse().expect("a version");
        for section in novelty.sections {
            let has = known.contains(&((*section).to_owned(), novelty.key.to_owned()));
            assert_eq!(has, since <= target, "[{section}] {}= on systemd {target}", novelty.key);
        }
    }
}

/// What `systemd-analyze verify` has against the units of a case, but for programs inside of releases that are not there.
fn verify(shop: &Shop, case: &str, app: &App, target: Target) -> Vec<String> {
    let folder = format!("/srv/cases/{case}");
    let mut paths = Vec::new();
    for unit in render_for(app, target).units {
        let path = format!("{folder}/{}", unit.name);
        shop.sandbox.install_file(&path, unit.text, 0o644);
        paths.push(path);
    }
    let path = format!("SYSTEMD_UNIT_PATH={folder}:");
    let verify = ["env", &path, "systemd-analyze", "verify", "--man=no"];
    let said = shop.sandbox.run(verify.into_iter().chain(paths.iter().map(String::as_str)));
    let slot = format!("{folder}/{}", app.slot_unit(&app.slots()[0]));
    let exposed =
        shop.sandbox.run(["systemd-analyze", "security", "--offline=true", "--no-pager", &slot]);
    let level = exposed
        .stdout
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for ")?.1.split_once(": "));
    let level = level.unwrap_or_else(|| panic!("no score of {case}:\n{exposed}")).1;
    println!("systemd {target}, {case}: exposure {level}");
    let score: f64 = level.split(' ').next().and_then(|score| score.parse().ok()).expect("a score");
    let mut wrong: Vec<String> = said
        .stderr
        .lines()
        .filter(|line| !line.contains("is not executable: No such file or directory"))
        // Nor are the services that a converted one needed.
        .filter(|line| {
            !["redis", "postgresql"]
                .iter()
                .any(|name| line.ends_with(&format!("Unit {name}.service not found.")))
        })
        // The machine's own units.
        .filter(|line| {
            paths.iter().any(|path| line.contains(path.rsplit('/').next().unwrap_or(path)))
        })
        .map(|line| format!("{case}: {line}"))
        .collect();
    let hardening = app.hardening();
    let loosened = hardening.level() != Level::Strict || !hardening.allow().is_empty();
    if score > EXPOSURE && !loosened {
        wrong.push(format!("{case}: exposed {score}"));
    }
    wrong
}

/// Users see nothing of a deploy, a rollback and a reload.
fn deploy(shop: &Shop, target: Target) {
    shop.install(&manifest(&format!("[health]\ninterval = \"50ms\"\n{SWAP}")));
    shop.enable();
    shop.deploy(&shop.release("v1", None)).ok();
    let inode = shop.socket_inode();
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    shop.deploy(&shop.release("v2", None)).ok();
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    shop.sandbox.run(["systemctl", "daemon-reexec"]).ok();
    shop.sockctl(["rollback", "shop"]).ok();
    let report = load.finish();
    println!("systemd {target}: {report}");
    report.assert_clean();
    assert_eq!((shop.socket_inode(), shop.get()), (inode, "v1".into()));
    shop.one_live_slot();
    // Of what a newer one has, each gets what it knows.
    let show = [
        "systemctl",
        "show",
        "--property=ProtectControlGroups,ProtectControlGroupsEx",
        "shop-blue.service",
    ];
    let shown = shop.sandbox.run(show).ok().stdout;
    let strict = target >= "257".parse().expect("a version");
    assert_eq!(shown.contains("strict"), strict, "systemd {target}: {shown}");
    let journal = shop.sandbox.run(["sh", "-c", "journalctl --sync; journalctl --quiet --output=cat _PID=1 | grep 'shop.*\\(Unknown\\|Failed to parse\\)'"]);
    assert_eq!(journal.stdout, "", "systemd {target}");
    shop.sandbox.run(["sockgen", "remove", "shop"]).ok();
}

/// Made by `tests/roots`.
fn made(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/roots").join(name);
    assert!(
        root.join("usr/bin/systemctl").exists(),
        "{} is not there; type:\n    tests/roots",
        root.display()
    );
    root.canonicalize().expect("a path")
}

#[test]
fn this_machine() {
    every_unit_and_a_deploy(Path::new("/"), "252");
}

#[test]
fn debian_13() {
    every_unit_and_a_deploy(&made("trixie"), "257");
}

#[test]
fn debian_14() {
    every_unit_and_a_deploy(&made("forky"), "262");
}
