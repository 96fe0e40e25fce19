//! What a deploy tells: structured entries in the journal, and metrics that a parser reads.

use std::collections::BTreeSet;

use e2e::binaries;
use e2e::shop::{Shop, manifest};
use prometheus_parse::{Scrape, Value as Metric};
use serde_json::Value;
use sockctl::journal::Message;

/// A value of the environment that may be seen nowhere.
const SECRET: &str = "hunter2-in-the-environment";

const REST: &str = r#"
environment.PASSWORD = "hunter2-in-the-environment"
start.timeout = "2s"
health.interval = "50ms"
swap = { stable = "100ms", watch = "100ms" }
metrics.textfile = "/var/lib/node-exporter"
"#;

const TEXTFILE: &str = "metrics.textfile = \"/var/lib/node-exporter\"\n";

/// What the example writes when it is told to exit.
const LAST_WORDS: &str = "shop v2: cannot start, the file FAULT says so";

/// The entries of one kind, oldest first.
fn entries(shop: &Shop, message: Message) -> Vec<Value> {
    let id = format!("MESSAGE_ID={}", message.id());
    let output = shop.sandbox.run(["journalctl", "--quiet", "--no-pager", "--output=json", &id]);
    let lines = output.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    lines.collect()
}

fn metrics(shop: &Shop, text: &str) -> Scrape {
    // The command says the same as the file, but for what moves by itself.
    let now = shop.sockctl(["metrics", "shop"]).ok().stdout;
    assert_eq!(text.lines().count(), now.lines().count(), "{text}\n{now}");
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("a scrape");
    let samples = text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(scrape.samples.len(), samples, "the parser left lines out:\n{text}");
    scrape
}

#[track_caller]
fn is(scrape: &Scrape, name: &str, labels: &[(&str, &str)], value: f64) {
    let found = scrape.samples.iter().find(|sample| {
        let has = |(key, label): &(&str, &str)| sample.labels.get(key) == Some(*label);
        sample.metric == name && labels.iter().all(has)
    });
    let found = found.unwrap_or_else(|| panic!("no {name} {labels:?} in {scrape:#?}"));
    assert_eq!(found.labels.get("app"), Some("shop"));
    match found.value {
        Metric::Counter(n) | Metric::Gauge(n) => assert!((n - value).abs() < 1e-9, "{found:?}"),
        _ => panic!("{name} has no type: {found:?}"),
    }
}

/// Each with its begin; what comes before the wish, and after it, has none.
fn the_journal_has_the_steps_that_were_printed(shop: &Shop, release: &str, printed: &str) {
    let told = |message| -> BTreeSet<String> {
        let entries = entries(shop, message);
        let own = entries.iter().filter(|entry| entry["SOCKACT_RELEASE"] == release);
        own.map(|entry| entry["SOCKACT_STEP"].as_str().expect("a step").into()).collect()
    };
    let events = printed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let printed: BTreeSet<String> = events
        .filter(|event| event["event"] == "step")
        .map(|event| event["step"].as_str().expect("a step").into())
        .collect();
    assert_eq!(told(Message::StepDone), printed);
    let mut begun = told(Message::StepBegins);
    begun.extend(["stage", "record"].map(String::from));
    assert_eq!(begun, printed);
}

/// Where node_exporter answers inside the sandbox.
const EXPORTER: &str = "127.0.0.1:9100";

/// What node_exporter shows of the textfiles.
fn exported(shop: &Shop) -> Scrape {
    let url = format!("http://{EXPORTER}/metrics");
    let curl = ["curl", "--silent", "--show-error", "--fail", "--max-time", "30", &url];
    let text = shop.sandbox.run(curl).ok().stdout;
    Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).expect("a scrape")
}

/// The textfile collector, as a user of its own, reads the file without a complaint and shows every sample of it.
fn node_exporter_takes(shop: &Shop, ours: &Scrape) {
    shop.sandbox.install_program(&binaries::node_exporter());
    let (stream, program) =
        (format!("ListenStream={EXPORTER}"), "/usr/local/bin/prometheus-node-exporter");
    // Activated, so that nobody has to ask until it listens.
    let run = ["systemd-run", "--unit=node-exporter", "--socket-property", &stream];
    let exporter = ["--property=DynamicUser=yes", program, "--web.systemd-socket"];
    let textfile = ["--collector.disable-defaults", "--collector.textfile"];
    let folder = ["--collector.textfile.directory=/var/lib/node-exporter"];
    shop.sandbox.run([&run[..], &exporter, &textfile, &folder].concat()).ok();

    let complaint = |scrape: &Scrape| -> Metric {
        let found = scrape.samples.iter().find(|s| s.metric == "node_textfile_scrape_error");
        found.expect("the collector is there").value.clone()
    };
    let theirs = exported(shop);
    assert_eq!(complaint(&theirs), Metric::Gauge(0.0), "{}", shop.sandbox.journal("node-exporter"));
    for sample in &ours.samples {
        let same = theirs.samples.iter().any(|other| {
            (&other.metric, &other.labels, &other.value)
                == (&sample.metric, &sample.labels, &sample.value)
        });
        assert!(same, "{sample:?} is not shown: {:#?}", theirs.samples);
    }
    // It does complain of what it cannot read.
    shop.sandbox.install_file("/var/lib/node-exporter/bad.prom", "a{app=\"x} 1\n", 0o644);
    assert_eq!(complaint(&exported(shop)), Metric::Gauge(1.0));
}

const JOURNAL: &str = r#"
hooks.migrate = ["/bin/echo", "migrated"]
journal = { namespace = true, max_use = "16MiB", keep_days = 3 }
"#;

#[test]
fn an_application_has_a_journal_of_its_own() {
    let shop = Shop::machine();
    let journalctl = |options: &[&str]| {
        shop.sandbox.run([&["journalctl", "--quiet", "--no-pager"], options].concat()).ok().stdout
    };
    shop.install(&manifest(&format!("{JOURNAL}{REST}").replace(TEXTFILE, "")));
    let limits = shop.sandbox.run(["sockgen", "print", "journald", "/etc/sockact/shop.toml"]);
    shop.sandbox.install_file("/etc/systemd/journald@sockact-shop.conf", limits.ok().stdout, 0o644);
    shop.enable();
    shop.deploy(&shop.release("v1", None)).ok();
    let failed = shop.deploy(&shop.release("v2", Some("exit"))).exits(3);
    assert!(failed.stderr.contains("exited with status 7"), "{failed}");
    assert!(failed.stderr.contains(LAST_WORDS), "without the program's last words:\n{failed}");

    journalctl(&["--namespace=sockact-shop", "--sync"]);
    let logs = shop.sockctl(["logs", "shop"]).ok().stdout;
    for (what, words) in [
        ("a slot's", LAST_WORDS),
        ("a hook's", "migrated"),
        ("systemd's", "Started shop-blue.service"),
        ("the controller's", "green exited with status 7"),
    ] {
        assert!(logs.contains(words), "{what} lines are missing:\n{logs}");
    }
    let elsewhere = journalctl(&["_SYSTEMD_UNIT=shop-green.service"]);
    assert_eq!(elsewhere, "", "the slot's lines are in the machine's journal, too");
    let own = journalctl(&["--namespace=sockact-shop", "--output=cat"]);
    assert!(own.contains("max 16.0M"), "journald does not keep within the limit:\n{own}");
}

#[test]
fn a_deploy_tells_the_journal_and_node_exporter() {
    let shop = Shop::machine();
    shop.install(&manifest(REST));
    shop.sandbox.run(["mkdir", "/var/lib/node-exporter"]).ok();
    shop.enable();
    shop.deploy(&shop.release("v1", None)).ok();
    let deploy = shop.deploy(&shop.release("v2", None)).ok();
    shop.deploy(&shop.release("v3", Some("sick"))).exits(3);
    shop.sandbox.run(["journalctl", "--sync"]).ok();

    let begins = entries(&shop, Message::DeployBegins);
    assert_eq!(begins.len(), 3, "{begins:#?}");
    let second = &begins[1];
    for (key, value) in [
        ("SOCKACT_APP", "shop"),
        ("SOCKACT_COMMAND", "deploy"),
        ("SOCKACT_SLOT", "green"),
        ("SOCKACT_FROM", "blue"),
        ("SOCKACT_USER", "root"),
        ("UNIT", "shop-green.service"),
        ("SYSLOG_IDENTIFIER", "sockctl"),
    ] {
        assert_eq!(second[key], value, "{key} of {second:#}");
    }
    assert_eq!(entries(&shop, Message::DeployLive).len(), 2);
    let given_up = entries(&shop, Message::RolledBack);
    assert!(given_up[0]["SOCKACT_REASON"].as_str().is_some_and(|why| why.contains("unhealthy")));
    assert_eq!(entries(&shop, Message::StepFailed)[0]["SOCKACT_STEP"], "probe");

    let release = second["SOCKACT_RELEASE"].as_str().expect("a release");
    the_journal_has_the_steps_that_were_printed(&shop, release, &deploy.stdout);
    let logs = shop.sockctl(["logs", "shop", "green"]).ok().stdout;
    assert!(logs.contains("probe: /health of green was healthy"), "{logs}");
    let ours = shop.sandbox.run([
        "journalctl",
        "--no-pager",
        "--output=export",
        "SYSLOG_IDENTIFIER=sockctl",
    ]);
    assert!(!ours.ok().stdout.contains(SECRET), "a value of the environment is in the journal");

    let text = shop.sandbox.run(["cat", "/var/lib/node-exporter/sockact-shop.prom"]).ok().stdout;
    let scrape = metrics(&shop, &text);
    is(&scrape, "sockact_deploys_total", &[("command", "deploy"), ("outcome", "live")], 2.0);
    is(&scrape, "sockact_deploys_total", &[("outcome", "rolled-back")], 1.0);
    is(&scrape, "sockact_rollbacks_total", &[("cause", "automatic")], 1.0);
    is(&scrape, "sockact_rollbacks_total", &[("cause", "asked")], 0.0);
    is(&scrape, "sockact_live_release_info", &[("slot", "green"), ("release", release)], 1.0);
    is(&scrape, "sockact_slot_gate", &[("slot", "green")], 1.0);
    is(&scrape, "sockact_slot_in_flight", &[("slot", "green")], 0.0);
    is(&scrape, "sockact_slot_up", &[("slot", "blue")], 0.0);
    is(&scrape, "sockact_listener_held", &[("listener", "http")], 1.0);

    node_exporter_takes(&shop, &scrape);

    // A folder that is gone takes no deploy with it.
    shop.sandbox.run(["rm", "-r", "/var/lib/node-exporter"]).ok();
    shop.sockctl(["rollback", "shop"]).ok();
    let scrape = metrics(&shop, &shop.sockctl(["metrics", "shop"]).ok().stdout);
    is(&scrape, "sockact_rollbacks_total", &[("cause", "asked")], 1.0);
}
