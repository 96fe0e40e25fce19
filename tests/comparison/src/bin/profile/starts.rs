//! A start that takes much processor time, and what could be done against it.

use anyhow::{Context as _, Result};
use comparison::summary::median;
use comparison::table::{Table, number};
use e2e::shop::Shop;
use sockprove::prove::proof::Proof;
use sockprove::record::Phase;

use crate::shop::{prove, shop};

/// One way of holding a start back.
struct Way {
    name: &'static str,
    /// Goes before the program that takes a second.
    prefix: &'static str,
    /// `CPUWeight=` of the slot until its deploy is over.
    weight: Option<&'static str>,
}

const WAYS: [Way; 5] = [
    Way { name: "as it is", prefix: "", weight: None },
    Way { name: "`Nice=19`", prefix: "/usr/bin/nice -n 19", weight: None },
    Way { name: "`CPUSchedulingPolicy=idle`", prefix: "/usr/bin/chrt --idle 0", weight: None },
    Way { name: "`CPUWeight=10`", prefix: "", weight: Some("10") },
    Way { name: "`CPUWeight=idle`", prefix: "", weight: Some("idle") },
];

const LOADS: [(&str, &[&str]); 2] = [
    ("1000 requests a second", &["--rate=1000", "--kinds=one-shot"]),
    ("full speed", &["--connections=64", "--kinds=keep-alive"]),
];

pub(crate) fn section(deploys: usize) -> Result<String> {
    let shop = shop();
    let mut table = Table::new([
        "until the slot is open",
        "load",
        "start, ms",
        "p99.9 in it, ms",
        "slowest in it, ms",
        "p99.9 before, ms",
    ]);
    for way in &WAYS {
        burn(&shop, way.prefix);
        for (load, words) in LOADS {
            let mut starts = Starts::default();
            for _ in 0..deploys {
                weigh(&shop, way.weight);
                starts.add(&prove(&shop, 1, words)?)?;
            }
            let ms = |values: &[f64]| number(median(values.iter().copied()), 2);
            let Starts { took, p99_9, slowest, before } = &starts;
            let took = number(median(took.iter().copied()), 0);
            table.row([way.name.into(), load.into(), took, ms(p99_9), ms(slowest), ms(before)]);
        }
    }
    Ok(format!(
        "## A start that takes a second of processor time\n\nThe release's own start is not the deploy's work, but it runs beside the users' slot. Medians of {deploys}; \
         `before` is the second before the deploy, in which nothing is started.\n\n{}",
        table.markdown()
    ))
}

#[derive(Default)]
struct Starts {
    took: Vec<f64>,
    p99_9: Vec<f64>,
    slowest: Vec<f64>,
    before: Vec<f64>,
}

impl Starts {
    fn add(&mut self, proof: &Proof) -> Result<()> {
        let phases = &proof.rounds[0].loads[0].record.phases;
        let phase = |name: &str| -> Result<&Phase> {
            phases.iter().find(|phase| phase.name == name).with_context(|| name.to_owned())
        };
        let (start, before) = (phase("deploy 1: start")?, phase("steady")?);
        self.took.push((start.to_ns - start.from_ns) as f64 / 1e6);
        self.p99_9.push(f64::from(start.latency.p99_9_us) / 1e3);
        self.slowest.push(f64::from(start.latency.max_us) / 1e3);
        self.before.push(f64::from(before.latency.p99_9_us) / 1e3);
        Ok(())
    }
}

/// A program that uses the processor for a second before each start of a slot.
fn burn(shop: &Shop, prefix: &str) {
    let burn = format!(
        "[Service]\nRestrictRealtime=no\nSystemCallFilter=\nExecStartPre={prefix} /usr/bin/python3 /srv/burn.py\n"
    );
    shop.sandbox.install_file(
        "/srv/burn.py",
        "import time\nwhile time.process_time() < 1:\n    pass\n",
        0o644,
    );
    shop.sandbox.install_file("/etc/systemd/system/shop-.service.d/burn.conf", burn, 0o644);
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
}

/// The slot that starts next has this weight, the one at work that of all others.
fn weigh(shop: &Shop, weight: Option<&str>) {
    let Some(weight) = weight else { return };
    let live = shop.one_live_slot();
    let next = if live == "blue" { "green" } else { "blue" };
    for (slot, weight) in [(live.as_str(), "100"), (next, weight)] {
        let (unit, weight) = (format!("shop-{slot}.service"), format!("CPUWeight={weight}"));
        shop.sandbox.run(["systemctl", "set-property", "--runtime", &unit, &weight]).ok();
    }
}
