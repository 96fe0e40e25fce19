//! A deploy on a machine on which there is more and more, on a real systemd.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use comparison::summary::median;
use e2e::shop::{SWAP, Shop};
use serde_json::Value;

use crate::series::{Figure, Series};

const UNITS: [usize; 5] = [10, 30, 100, 300, 1000];
const APPLICATIONS: [usize; 6] = [1, 5, 20, 50, 100, 200];

const HOW: &str = "Own share: a deploy without what it waits for, the new release's start, the times of `[swap]` and systemd's reload. \
     Reload: systemd reads all its units again when the alias moves; users notice nothing of it. Nobody is connected: under load see RESULTS.md.";

pub(crate) fn units(points: usize, times: usize) -> Result<Figure> {
    let shop = Shop::deployed();
    let mut costs = Costs::default();
    for count in UNITS.into_iter().take(points) {
        eprintln!("a deploy beside {count} units");
        crowd(&shop, costs.last(), count)?;
        costs.add(&shop, count, times)?;
    }
    Ok(costs.figure(
        "growth-units.svg",
        "A deploy, by the units that systemd has loaded",
        "other units",
    ))
}

pub(crate) fn applications(points: usize, times: usize) -> Result<Figure> {
    let shop = Shop::deployed();
    let mut costs = Costs::default();
    for count in APPLICATIONS.into_iter().take(points) {
        eprintln!("a deploy on a machine with {count} applications");
        // One of them is deployed.
        neighbours(&shop, costs.last().max(1), count)?;
        costs.add(&shop, count, times)?;
    }
    Ok(costs.figure(
        "growth-applications.svg",
        "A deploy, by the applications of the machine",
        "applications",
    ))
}

#[derive(Default)]
struct Costs {
    own: Vec<(usize, f64)>,
    reload: Vec<(usize, f64)>,
}

impl Costs {
    /// How many there were at the last point.
    fn last(&self) -> usize {
        self.own.last().map_or(0, |(count, _)| *count)
    }

    /// What a deploy costs now.
    fn add(&mut self, shop: &Shop, count: usize, times: usize) -> Result<()> {
        let (mut own, mut reload) = (Vec::new(), Vec::new());
        for n in 0..times {
            let deploy = shop.deploy(&shop.release(&format!("beside-{count}-{n}"), None)).ok();
            let events =
                deploy.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let end = events.into_iter().find(|event| event["event"] == "end").context("no end")?;
            own.push(end["own_ms"].as_f64().context("own_ms")?);
            reload.push(end["reload_ms"].as_f64().context("reload_ms")?);
        }
        self.own.push((count, median(own).context("no deploy")?));
        self.reload.push((count, median(reload).context("no deploy")?));
        Ok(())
    }

    fn figure(self, file: &'static str, title: &'static str, of: &'static str) -> Figure {
        let series = vec![
            Series { name: "own share", points: self.own, is_proportional: false },
            Series { name: "systemd's reload", points: self.reload, is_proportional: false },
        ];
        Figure { file, title, of, unit: "ms", each: None, how: HOW, series }
    }
}

/// As many timers as wanted in all, loaded and waiting.
fn crowd(shop: &Shop, from: usize, to: usize) -> Result<()> {
    // Not one process for each file: neither it nor its folders are symbolic links.
    let folder = shop.sandbox.root().join("etc/systemd/system");
    let mut names = String::new();
    for n in from..to {
        let (name, text) = match n % 2 {
            // A timer and its service are two units.
            0 => ("timer", format!("[Timer]\nOnCalendar=yearly\nUnit=crowd-{}.service\n", n + 1)),
            _ => ("service", "[Service]\nExecStart=/bin/true\n".to_owned()),
        };
        fs::write(folder.join(format!("crowd-{n}.{name}")), text)?;
        if name == "timer" {
            write!(names, " crowd-{n}.timer")?;
        }
    }
    shop.sandbox
        .run(["sh", "-c", &format!("systemctl daemon-reload && systemctl start{names}")])
        .ok();
    let list = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "crowd-*"];
    let loaded = shop.sandbox.run(list).ok().stdout.lines().count();
    ensure!(loaded >= to, "systemd has loaded {loaded} of {to} units");
    Ok(())
}

/// Applications with their sockets open, as many as wanted in all.
fn neighbours(shop: &Shop, from: usize, to: usize) -> Result<()> {
    if from >= to {
        return Ok(());
    }
    let folder = shop.sandbox.root().join("srv/beside");
    fs::create_dir_all(&folder)?;
    for n in from..to {
        let manifest = format!(
            "name = \"beside-{n}\"\nexec = \"bin/shop\"\nlisteners.http.listen = \"/run/beside-{n}.sock\"\n{SWAP}"
        );
        fs::write(folder.join(format!("{n}.toml")), manifest)?;
    }
    // As into an image: systemd reads all units again once, and not after each of them.
    let last = to - 1;
    let script = format!(
        "for n in $(seq {from} {last}); do sockgen install --root / /srv/beside/$n.toml; done >/dev/null
         systemctl daemon-reload
         for n in $(seq {from} {last}); do echo beside-$n.target; done | xargs systemctl enable --now"
    );
    shop.sandbox.run(["sh", "-ec", &script]).ok();
    let list = ["systemctl", "list-units", "--plain", "--no-legend", "beside-*-http.socket"];
    let open = shop.sandbox.run(list).ok().stdout.lines().count();
    ensure!(open + 1 >= to, "{open} of {to} applications have their socket open");
    Ok(())
}
