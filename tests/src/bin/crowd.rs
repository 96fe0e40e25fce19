//! What a deploy costs on a machine with many other units: `crowd [UNITS]`, 500 by default, beside the same machine without them.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

/// Deploys of each kind, of which the median is told.
const DEPLOYS: u32 = 11;

fn main() -> Result<ExitCode> {
    let units = std::env::args().nth(1).map_or(Ok(500), |arg| arg.parse().context(arg))?;
    let shop = Shop::deployed();
    println!("{:>12} {:>24} {:>24}", "other units", "own share, ms", "systemd's reload, ms");
    println!("{:>12} {:>24} {:>24}", "", "median (most)", "median (most)");
    row(&shop, 0);
    let loaded = crowd(&shop, units);
    anyhow::ensure!(loaded >= units, "systemd has loaded {loaded} of {units} units");
    row(&shop, units);
    Ok(ExitCode::SUCCESS)
}

fn row(shop: &Shop, units: u32) {
    let (mut own, mut reload) = (Vec::new(), Vec::new());
    let load = Load::new(Generator::KeepAlive, URL).connections(16).start(&shop.sandbox);
    for n in 0..DEPLOYS {
        let deploy = shop.deploy(&shop.release(&format!("beside-{units}-{n}"), None)).ok();
        let mut events =
            deploy.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let end = events.find(|event| event["event"] == "end").expect("the last line");
        own.push(end["own_ms"].as_f64().expect("own_ms"));
        reload.push(end["reload_ms"].as_f64().expect("reload_ms"));
    }
    load.finish().assert_clean();
    println!("{units:>12} {:>24} {:>24}", told(&mut own), told(&mut reload));
}

fn told(times: &mut [f64]) -> String {
    times.sort_by(f64::total_cmp);
    format!("{:.0} ({:.0})", times[times.len() / 2], times[times.len() - 1])
}

/// Services that run, each with a socket and a timer, as many units as wanted in all. Gives how many systemd has loaded more.
fn crowd(shop: &Shop, units: u32) -> u32 {
    let count = || {
        let list = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "crowd-*"];
        u32::try_from(shop.sandbox.run(list).ok().stdout.lines().count()).expect("few")
    };
    let before = count();
    let each = [
        ("service", "[Service]\nExecStart=/bin/sleep infinity\n"),
        ("socket", "[Socket]\nListenStream=/run/crowd-N.sock\n"),
        ("timer", "[Timer]\nOnCalendar=yearly\n"),
    ];
    let names: Vec<_> = (0..units)
        .map(|n| {
            let (kind, text) = each[n as usize % each.len()];
            let of = n as usize / each.len();
            let name = format!("crowd-{of}.{kind}");
            let path = format!("/etc/systemd/system/{name}");
            shop.sandbox.install_file(&path, text.replace('N', &of.to_string()), 0o644);
            name
        })
        .collect();
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    // The sockets before the services that would otherwise be active already.
    for kind in ["socket", "timer", "service"] {
        let of_kind = names.iter().filter(|name| name.ends_with(kind)).map(String::as_str);
        shop.sandbox.run(["systemctl", "start"].into_iter().chain(of_kind)).ok();
    }
    count() - before
}
