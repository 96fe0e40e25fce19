//! Every rule of `sockgen check`: units that break it do the harm that `sockgen explain` tells of, and the same units mended do not.
//!
//! The units, good and bad, are those of crates/sockgen/tests/rules. What is done to them, and what harm is, stands in `harm/S05.sh` there: it ends
//! with status 10 when it saw the harm, and with 0 when there was none.

use std::fs;
use std::path::{Path, PathBuf};

use e2e::{Sandbox, binaries};
use serde::Deserialize;
use sockgen::check::{RULES, Rule};

const UNITS: &str = "/etc/systemd/system";

#[derive(Deserialize)]
struct Cases {
    case: Vec<Change>,
}

/// One line of the good units that is another one in the bad, or a drop-in.
#[derive(Deserialize)]
struct Change {
    unit: String,
    #[serde(default)]
    replace: String,
    #[serde(default)]
    with: String,
    drop_in: Option<String>,
}

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sockgen/tests/rules")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

struct Machine {
    sandbox: Sandbox,
}

impl Machine {
    fn boot() -> Self {
        let sandbox = Sandbox::boot();
        sandbox.install_program(&binaries::get().sockgen);
        sandbox.install_program(&rules().join("harm/web"));
        sandbox.install_file("/srv/rules/sockact.toml", read(&rules().join("sockact.toml")), 0o644);
        sandbox.run(["cp", "--archive", UNITS, "/srv/units"]).ok();
        Self { sandbox }
    }

    /// The units of a rule, as they should be or not, and nothing else.
    fn install(&self, rule: &Rule, bad: bool) {
        let clean = format!(
            "for socket in http api; do
                 mkdir -p /run/systemd/system/shop-$socket.socket.d
                 printf '[Unit]\\nRefuseManualStop=no\\n' >/run/systemd/system/shop-$socket.socket.d/stop.conf
             done
             systemctl daemon-reload
             # Traffic may start a service between the look of systemctl(1) and its stop of the socket: then nothing starts it again.
             for once_more in 1 2; do systemctl stop 'shop*' 'web*' 'a.*' 'b.*'; done
             systemctl kill --signal=KILL 'shop-*.service' 2>/dev/null
             rm -rf {UNITS} /run/systemd/system/*.d /run/sockact /run/web /etc/sockact
             cp --archive /srv/units {UNITS}
             systemctl reset-failed 'shop*' 'web*' 'a.*' 'b.*'
             systemctl daemon-reload"
        );
        self.sandbox.run(["sh", "-c", &clean]).ok();
        let folder = rules().join(rule.id);
        if folder.is_dir() {
            self.copy(&folder.join(if bad { "bad" } else { "good" }));
        } else {
            self.sandbox.run(["sockgen", "install", "/srv/rules/sockact.toml"]).ok();
            if bad {
                let cases: Cases =
                    toml::from_str(&read(&rules().join(format!("{}.toml", rule.id))))
                        .unwrap_or_else(|e| panic!("{}: {e}", rule.id));
                self.change(&cases.case[0]);
            }
        }
        self.sandbox.run(["systemctl", "daemon-reload"]).ok();
    }

    fn copy(&self, folder: &Path) {
        let tree = folder.join("etc/systemd/system");
        let folder = if tree.is_dir() { &tree } else { folder };
        for entry in fs::read_dir(folder).expect("a folder of units").flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().expect("a name"));
            let files = if path.is_dir() {
                let inside = fs::read_dir(&path).expect("a folder of drop-ins").flatten();
                inside.map(|file| file.path()).collect()
            } else {
                vec![path.clone()]
            };
            for file in files {
                let inside = file.strip_prefix(&path).expect("in it");
                let to = Path::new(UNITS).join(&name).join(inside);
                let to = to.to_str().expect("UTF-8").trim_end_matches('/').to_owned();
                self.sandbox.install_file(&to, fs::read(&file).expect("a file"), 0o644);
            }
        }
    }

    fn change(&self, change: &Change) {
        let path = format!("{UNITS}/{}", change.unit);
        if let Some(text) = &change.drop_in {
            return self.sandbox.install_file(&format!("{path}.d/change.conf"), text, 0o644);
        }
        let text = self.sandbox.run(["cat", &path]).ok().stdout;
        let line = format!("\n{}\n", change.replace);
        assert_eq!(text.matches(&line).count(), 1, "{}: {}", change.unit, change.replace);
        self.sandbox.install_file(
            &path,
            text.replace(&line, &format!("\n{}\n", change.with)),
            0o644,
        );
    }

    /// Whether the rule finds something, and whether the experiment ends in harm; what went another way, if it did.
    fn check(&self, rule: &Rule, bad: bool) -> Option<String> {
        self.install(rule, bad);
        if rule.id == "S27" {
            // What the manifest gives is known only beside it.
            let copy = ["cp", "/etc/sockact/shop.toml", &format!("{UNITS}/sockact.toml")];
            self.sandbox.run(copy).ok();
        }
        let check = ["sockgen", "check", UNITS, "--no-analyze", "--severity=note", "--only"];
        let found = self.sandbox.run(check.iter().chain([&rule.id]));
        let harm = format!("harm/{}.sh", rule.id);
        let script = ["harm/lib.sh", &harm].map(|file| read(&rules().join(file))).concat();
        self.sandbox.install_file("/srv/rules/harm.sh", script, 0o644);
        let harmed = self.sandbox.run(["timeout", "30", "sh", "/srv/rules/harm.sh"]);
        let which = if bad { "bad" } else { "good" };
        println!("{} {which}: {}", rule.id, harmed.stdout.trim());
        let as_told = found.status.code() == Some(i32::from(bad))
            && harmed.status.code() == Some(if bad { 10 } else { 0 });
        (!as_told).then(|| format!("{} {which}:\n{found}\n{harmed}", rule.id))
    }
}

#[test]
fn every_rule_keeps_from_a_harm_that_is_real() {
    let machine = Machine::boot();
    let both = RULES.iter().flat_map(|rule| [(rule, true), (rule, false)]);
    let wrong: Vec<_> = both.filter_map(|(rule, bad)| machine.check(rule, bad)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
