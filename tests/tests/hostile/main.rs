//! Every string of every manifest of the tests, with everything in its place that has a meaning to systemd: it is refused, or systemd reads units
//! in which nothing but the directives that are made of it has changed.
//!
//! The values are a list and, at each run, others made at random: `HOSTILE_SEED=7 cargo test -p e2e --test hostile` makes the same again.

mod manifests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use e2e::Sandbox;
use e2e::binaries::workspace;
use manifests::{document, leaves, pattern, with};
use serde_json::Value;
use sockgen::{App, render, shown};
use values::{forms, random};

/// A key of the manifest, what systemd shows of a unit that is made of it, and whether the first of those shows it letter by letter.
/// (Arguments and variables are shown in a form of systemctl's own; that a program gets them byte for byte is a test of `units`.)
type MadeOf = (&'static str, &'static [&'static str], bool);

/// All keys that are in a unit, and need not be of a few letters and digits.
const MADE_OF: &[MadeOf] = &[
    ("args.*", &["ExecStart", "ExecStartEx"], false),
    ("exec", &["ExecStart", "ExecStartEx", "WorkingDirectory"], true),
    ("environment.*", &["Environment"], false),
    ("proxy.args.*", &["ExecStart", "ExecStartEx"], false),
    ("proxy.environment.*", &["Environment"], false),
    // It is told to the program, looked for until somebody listens there, and what the proxy connects to.
    (
        "proxy.to.*",
        &["Environment", "ExecStart", "ExecStartEx", "ExecStartPost", "ExecStartPostEx"],
        true,
    ),
    ("health.at.*", &["Environment"], true),
    // A path is looked for below its mounts.
    ("listeners.*.listen", &["Listen", "RequiresMountsFor", "FreeBind", "BindIPv6Only"], true),
    ("listeners.*.user", &["SocketUser"], true),
    ("listeners.*.group", &["SocketGroup"], true),
    ("listeners.*.mode", &["SocketMode"], true),
    ("listeners.*.directory_mode", &["DirectoryMode"], true),
    ("listeners.*.interface", &["BindToDevice"], true),
    ("listeners.*.congestion", &["TCPCongestion"], true),
    ("listeners.*.symlinks.*", &["Symlinks"], true),
    ("user", &["User"], true),
    ("group", &["Group"], true),
    ("supplementary_groups.*", &["SupplementaryGroups"], true),
    ("secrets.*", &["LoadCredential", "LoadCredentialEncrypted"], false),
    ("storage.write.*", &["ReadWritePaths"], false),
    ("resources.memory_high", &["MemoryHigh"], false),
    ("resources.memory_max", &["MemoryMax"], false),
    ("resources.memory_swap_max", &["MemorySwapMax"], false),
    ("resources.cpu_quota", &["CPUQuotaPerSecUSec"], false),
    ("resources.tasks_max", &["TasksMax"], false),
];

/// A directive that the user wrote: what systemd thinks of its value is between the two of them. It changes the property of its own name.
fn raw(pattern: &str) -> Option<&str> {
    pattern.strip_prefix("directives.")?.split('.').nth(1)
}

fn units(manifest: &Value) -> Result<BTreeMap<String, String>, sockgen::ManifestError> {
    let app = App::parse(&document(manifest))?;
    Ok(render(&app).into_iter().map(|unit| (unit.name.to_string(), unit.text)).collect())
}

/// A unit of a manifest with a hostile value in it, beside the unit of the same manifest without.
struct Pair {
    pattern: String,
    value: String,
    plain: String,
    hostile: String,
}

/// Units by their texts, under names of their own.
#[derive(Default)]
struct Folder(BTreeMap<String, String>);

impl Folder {
    fn add(&mut self, unit: &str, text: &str) -> String {
        let count = self.0.len();
        let suffix = unit.rsplit_once('.').expect("a unit has a suffix").1;
        let name =
            self.0.entry(text.to_owned()).or_insert_with(|| format!("hostile-{count}.{suffix}"));
        name.clone()
    }

    /// Puts all into the sandbox at once.
    fn install(&self, sandbox: &Sandbox) {
        let home = tempfile();
        for (text, name) in &self.0 {
            fs::write(home.join(name), text).expect("a directory of the test");
        }
        let mut tar = std::process::Command::new("tar");
        let archive = tar.args(["--create", "--directory"]).arg(&home).arg(".").output();
        fs::remove_dir_all(&home).expect("a directory of the test");
        sandbox.install_file("/srv/units.tar", archive.expect("tar").stdout, 0o644);
        sandbox
            .run(["tar", "--extract", "--file=/srv/units.tar", "--directory=/run/systemd/system"])
            .ok();
        sandbox.run(["systemctl", "daemon-reload"]).ok();
    }
}

fn tempfile() -> std::path::PathBuf {
    let home = std::env::temp_dir().join(format!("sockact-hostile-{}", std::process::id()));
    fs::create_dir_all(&home).expect("a directory of the test");
    home
}

/// Whatever each of the strings may be, accepted: every pair of units, and how many values were refused.
fn pairs(folder: &mut Folder) -> (Vec<Pair>, usize) {
    let random = random();
    let (mut pairs, mut refused, mut seen) = (Vec::new(), 0, BTreeSet::new());
    let cases = fs::read_dir(workspace().join("crates/sockgen/tests/cases")).expect("cases");
    let mut cases: Vec<_> = cases.map(|case| case.expect("a case").path()).collect();
    cases.sort();
    for case in cases {
        let text = fs::read_to_string(case.join("sockact.toml")).expect("a manifest");
        let manifest: Value = toml::from_str(&text).expect("TOML");
        let plain = units(&manifest).unwrap_or_else(|e| panic!("{}: {e}", case.display()));
        let mut all = Vec::new();
        leaves(&manifest, &[], &mut all);
        for leaf in all {
            let given = leaf.iter().fold(&manifest, |value, step| match value {
                Value::Array(items) => &items[step.parse::<usize>().expect("an index")],
                table => &table[step],
            });
            let given = given.as_str().expect("a string");
            // One of a kind: of a list the first, of listeners each kind of address.
            let kind = given.chars().next().filter(|_| leaf[0] == "listeners");
            if !seen.insert((pattern(&leaf), kind)) {
                continue;
            }
            for value in forms(given, &random) {
                match units(&with(&manifest, &leaf, &value)) {
                    Err(error) => {
                        refused += 1;
                        let text = error.to_string();
                        let calm = text.chars().all(|c| c == '\n' || !c.is_control());
                        assert!(
                            calm && text.len() < 1000,
                            "{}: {value:?} gives {text:?}",
                            pattern(&leaf)
                        );
                    }
                    // A name is in the names of all units: what may be in one is proven elsewhere.
                    Ok(_) if ["name", "slots"].contains(&leaf[0].as_str()) => {}
                    Ok(units) => {
                        assert!(
                            units.keys().eq(plain.keys()),
                            "{}: {}",
                            pattern(&leaf),
                            shown(&value)
                        );
                        let changed = units.iter().filter(|(name, text)| plain[*name] != **text);
                        pairs.extend(changed.map(|(name, text)| Pair {
                            pattern: pattern(&leaf),
                            value: value.clone(),
                            plain: folder.add(name, &plain[name]),
                            hostile: folder.add(name, text),
                        }));
                    }
                }
            }
        }
    }
    (pairs, refused)
}

/// What systemd knows of these units, but for what depends on a unit's name.
fn properties(sandbox: &Sandbox, folder: &Folder) -> BTreeMap<String, BTreeMap<String, String>> {
    let names: Vec<&String> = folder.0.values().collect();
    let mut all = BTreeMap::new();
    for names in names.chunks(200) {
        let names = names.iter().map(|name| name.as_str());
        let shown = sandbox.run(["systemctl", "show", "--all", "--"].into_iter().chain(names)).ok();
        for unit in shown.stdout.split("\n\n") {
            let pairs = unit.lines().filter_map(|line| line.split_once('='));
            let mut unit: BTreeMap<String, String> = pairs
                // The order of a list of units is that of a hash table.
                .map(|(key, value)| {
                    let mut words: Vec<_> = value.split(' ').collect();
                    if key != "ExecStart" {
                        words.sort_unstable();
                    }
                    (key.to_owned(), words.join(" "))
                })
                .collect();
            let id = unit.remove("Id").expect("every unit has an id");
            unit.retain(|key, _| !OF_ITS_NAME.contains(&key.as_str()));
            all.insert(id, unit);
        }
    }
    all
}

const OF_ITS_NAME: [&str; 5] =
    ["Names", "FragmentPath", "Triggers", "TriggeredBy", "SyslogIdentifier"];

#[test]
fn a_value_changes_no_directive_but_those_that_are_made_of_it() {
    let sandbox = Sandbox::boot();
    let mut folder = Folder::default();
    let (pairs, refused) = pairs(&mut folder);
    println!(
        "{refused} values refused, {} units with one, {} different",
        pairs.len(),
        folder.0.len()
    );
    assert!(refused > 1000 && pairs.len() > 300, "the values are not tried");
    folder.install(&sandbox);
    let all = properties(&sandbox, &folder);
    let mut faults = BTreeSet::new();
    for pair in &pairs {
        let (plain, hostile) = (&all[&pair.plain], &all[&pair.hostile]);
        assert_eq!(hostile["LoadState"], "loaded", "{}: {}", pair.pattern, shown(&pair.value));
        let made_of = MADE_OF.iter().find(|(pattern, ..)| *pattern == pair.pattern);
        let (made_of, verbatim) =
            made_of.map_or((&[][..], false), |(_, keys, as_it_is)| (*keys, *as_it_is));
        if let Some(own) = made_of.first().filter(|_| verbatim)
            && plain.get(*own) != hostile.get(*own)
            && !hostile[*own].contains(&pair.value)
        {
            faults.insert(format!(
                "{} = {}: {own} is {}",
                pair.pattern,
                shown(&pair.value),
                shown(&hostile[*own])
            ));
        }
        let keys: BTreeSet<&String> = plain.keys().chain(hostile.keys()).collect();
        for key in keys.into_iter().filter(|key| plain.get(*key) != hostile.get(*key)) {
            let own = raw(&pair.pattern).is_some_and(|directive| key.starts_with(directive));
            if !own && !made_of.contains(&key.as_str()) {
                let text = |unit: &BTreeMap<String, String>| {
                    shown(unit.get(key).map_or("nothing", |text| text))
                };
                let (was, is) = (text(plain), text(hostile));
                faults.insert(format!(
                    "{} = {:?}: {key} was {was:?}, is {is:?}",
                    pair.pattern, pair.value
                ));
            }
        }
    }
    let said = sandbox.run(["journalctl", "--boot", "--output=cat", "_PID=1", "--grep=hostile-"]);
    let raws: BTreeSet<&String> = pairs
        .iter()
        .filter(|pair| raw(&pair.pattern).is_some())
        .map(|pair| &pair.hostile)
        .collect();
    let of_ours = |line: &&str| !raws.iter().any(|unit| line.contains(unit.as_str()));
    faults.extend(said.stdout.lines().filter(of_ours).map(str::to_owned));
    let some: Vec<_> = faults.iter().take(20).collect();
    assert!(faults.is_empty(), "{} directives that nobody meant: {some:#?}", faults.len());
}
