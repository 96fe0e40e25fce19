//! Many deploys in a row under load: `endurance [COUNT]`, a thousand by default. No request may fail, and nothing may grow: what
//! the machine holds is counted when the caches are warm, and again at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

/// As short as it goes.
const TIMES: &str = r#"
health.interval = "20ms"
swap = { stable = "50ms", watch = "50ms" }
"#;

/// Until then all that is cached is in its cache, and as many releases lie there as are kept.
const WARM: u32 = 20;

/// Memory of a process that is used again and again is not the same at each look, KiB.
const MEMORY_NOISE: u64 = 2048;

fn main() -> Result<ExitCode> {
    let count = std::env::args().nth(1).map_or(Ok(1000), |arg| arg.parse().context(arg))?;
    anyhow::ensure!(count > WARM, "COUNT must be more than {WARM}");
    let shop = Shop::enabled_with(TIMES);
    shop.deploy(&shop.release("v0", None)).ok();

    let began = Instant::now();
    let load = Load::new(Generator::OneShot, URL).connections(16);
    let load = load.at_most(Duration::from_secs(4 * 3600)).start(&shop.sandbox);
    let mut before = Vec::new();
    for n in 1..=count {
        deploy(&shop, n);
        if n == WARM {
            before = held(&shop);
        }
        if n % 100 == 0 {
            println!("{n} deploys, {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    let after = held(&shop);
    let seconds = began.elapsed().as_secs_f64();
    let report = load.finish();
    shop.one_live_slot();

    println!(
        "\n{:<34} {:>10} {:>10}",
        "held by the machine",
        format!("after {WARM}"),
        format!("after {count}")
    );
    let mut grown = 0;
    for (before, after) in before.iter().zip(&after) {
        let grew = after.number > before.number + before.noise;
        grown += u32::from(grew);
        let mark = if grew { "  GREW" } else { "" };
        println!("{:<34} {:>10} {:>10}{mark}", before.what, before.number, after.number);
    }
    let (releases, failed) = (report.by_release.len(), report.errors.total());
    println!(
        "\n{count} deploys in {seconds:.0} s; {} responses of {releases} releases, {failed} failed requests",
        report.requests
    );
    let fine = grown == 0 && failed == 0;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One release after the other; each is a directory of its own, removed when it is staged.
fn deploy(shop: &Shop, n: u32) {
    let release = shop.release(&format!("v{n}"), None);
    shop.deploy(&release).ok();
    shop.sandbox.run(["rm", "--recursive", &release]).ok();
}

/// Something that could grow.
struct Held {
    what: &'static str,
    number: u64,
    /// What it differs by from look to look.
    noise: u64,
}

fn held(shop: &Shop) -> Vec<Held> {
    let run = |argv: &[&str]| shop.sandbox.run(argv).ok().stdout;
    let sh = |what, script: &str, noise| {
        let text = run(&["sh", "-c", script]);
        let number = text.trim().parse().unwrap_or_else(|e| panic!("{script}: {e}: {text:?}"));
        Held { what, number, noise }
    };
    let bus = "$(cat /sys/fs/cgroup/system.slice/dbus.service/cgroup.procs)";
    vec![
        sh("PID 1: memory, KiB", "awk '/VmRSS/ { print $2 }' /proc/1/status", MEMORY_NOISE),
        sh("PID 1: descriptors", "ls /proc/1/fd | wc -l", 1),
        sh("PID 1: mounts", "wc -l < /proc/1/mounts", 0),
        sh(
            "message bus: memory, KiB",
            &format!("awk '/VmRSS/ {{ print $2 }}' /proc/{bus}/status"),
            MEMORY_NOISE,
        ),
        sh("message bus: descriptors", &format!("ls /proc/{bus}/fd | wc -l"), 1),
        matches(shop),
        sh("units loaded", "systemctl list-units --all --plain --no-legend | wc -l", 1),
        sh("jobs", "systemctl list-jobs --no-legend | grep -vc 'No jobs' || true", 0),
        sh("cgroups", "find /sys/fs/cgroup -type d | wc -l", 1),
        sh("processes", "ls -d /proc/[0-9]* | wc -l", 2),
        sh("files in /etc/systemd, /run/systemd", "find /etc/systemd /run/systemd | wc -l", 4),
        sh("files in /run/sockact", "find /run/sockact | wc -l", 0),
        sh("releases and links: files", "find /var/lib/sockact | wc -l", 0),
        sh(
            "releases and links: KiB",
            "du --summarize --apparent-size --exclude=history.jsonl /var/lib/sockact | cut -f1",
            1,
        ),
        sh("history: KiB", "du --apparent-size /var/lib/sockact/shop/history.jsonl | cut -f1", 256),
    ]
}

/// What the bus itself counts (org.freedesktop.DBus.Debug.Stats).
fn matches(shop: &Shop) -> Held {
    let bus = ["org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus.Debug.Stats"];
    let stats = ["busctl", "--json=short", "call", bus[0], bus[1], bus[2], "GetStats"];
    let text = shop.sandbox.run(stats).ok().stdout;
    let stats: Value = serde_json::from_str(&text).expect("busctl prints JSON");
    let number = stats["data"][0]["MatchRules"]["data"].as_u64();
    let number = number.unwrap_or_else(|| panic!("the bus counts no match rules: {stats}"));
    Held { what: "message bus: match rules", number, noise: 0 }
}
