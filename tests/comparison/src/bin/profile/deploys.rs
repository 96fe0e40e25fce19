//! A deploy, by what it does and by who does it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use comparison::summary::Spread;
use comparison::table::Table;
use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

use crate::shop::shop;

/// Who works in a deploy, and the control group that counts it.
const WORKERS: [(&str, &str); 5] = [
    ("systemd, with the generators of its reload", "init.scope"),
    ("the slots: the new one's start, the old one's end", "system.slice/shop-*.service"),
    ("the message bus", "system.slice/dbus.service"),
    ("the journal", "system.slice/systemd-journald.service"),
    ("the rest of the machine", "."),
];

/// The clock ticks of proc(5), which are a hundredth of a second on every Linux of ours.
const TICK: Duration = Duration::from_millis(10);

pub(crate) fn section(deploys: usize) -> Result<String> {
    let shop = shop();
    let quiet = measure(&shop, "quiet", deploys)?;
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    let busy = measure(&shop, "busy", deploys)?;
    load.finish().assert_clean();
    let mut steps = Table::new(["step", "nobody connected, ms", "64 clients at full speed, ms"]);
    for (step, times) in &quiet.steps {
        let busy = busy.steps.iter().find(|(name, _)| name == step);
        let busy = busy.map_or(&[][..], |(_, times)| times);
        steps.row([step.clone(), told(times), told(busy)]);
    }
    for (name, of) in [("own share", 0), ("systemd's reload", 1), ("all", 2)] {
        steps.row([format!("**{name}**"), told(&quiet.sums[of]), told(&busy.sums[of])]);
    }
    let mut work = Table::new(["who", "processor time of a deploy, ms"]);
    for (who, time) in quiet.work {
        let each = time.as_secs_f64() * 1e3 / deploys as f64;
        work.row([who.to_owned(), format!("{each:.1}")]);
    }
    Ok(format!(
        "## A deploy, step by step\n\nThe own share and systemd's reload are what sockctl says: its share is all that it takes but the start, what it waits for by `[swap]`, and the reload. \
         `all` is seen from outside, with the start and the end of the process. An empty cell is a step that no deploy there needed.\n\n{}\n\
         ## Who works in a deploy\n\nWith nobody connected, on the average.\n\n{}",
        steps.markdown(),
        work.markdown()
    ))
}

#[derive(Default)]
struct Measured {
    /// Milliseconds of each deploy, by step, in order of time.
    steps: Vec<(String, Vec<f64>)>,
    sums: [Vec<f64>; 3],
    /// Of all deploys together.
    work: Vec<(&'static str, Duration)>,
}

fn measure(shop: &Shop, name: &str, deploys: usize) -> Result<Measured> {
    let mut measured = Measured::default();
    let releases: Vec<_> =
        (0..deploys).map(|n| shop.release(&format!("{name}-{n}"), None)).collect();
    let before = work(shop)?;
    for release in releases {
        let began = std::time::Instant::now();
        let deploy = shop.deploy(&release).ok();
        let all = began.elapsed().as_secs_f64() * 1e3;
        for line in deploy.stdout.lines() {
            let event: Value = serde_json::from_str(line)?;
            let ms = |key: &str| event[key].as_f64().with_context(|| format!("no {key}: {event}"));
            match event["event"].as_str() {
                Some("step") => {
                    let step = event["step"].as_str().context("a step has a name")?;
                    let took = ms("took_us")? / 1e3;
                    match measured.steps.iter_mut().find(|(name, _)| name == step) {
                        Some((_, times)) => times.push(took),
                        None => measured.steps.push((step.to_owned(), vec![took])),
                    }
                }
                Some("end") => {
                    let values = [ms("own_ms")?, ms("reload_ms")?, all];
                    measured.sums.iter_mut().zip(values).for_each(|(sum, value)| sum.push(value));
                }
                _ => {}
            }
        }
    }
    let spent = work(shop)?.into_iter().zip(before);
    measured.work = spent.map(|((who, now), (_, then))| (who, now.saturating_sub(then))).collect();
    Ok(measured)
}

/// Processor time until now.
fn work(shop: &Shop) -> Result<Vec<(&'static str, Duration)>> {
    let root = shop.sandbox.root().join("sys/fs/cgroup");
    let mut work = vec![("sockctl", children()?)];
    let mut known = Duration::ZERO;
    for (who, cgroup) in WORKERS {
        let time = match cgroup {
            "." => of(&root)?.saturating_sub(known),
            // A slot's group goes with it, and what it has used with the group: the slice above remembers.
            "system.slice/shop-*.service" => slots(&root)?,
            other => of(&root.join(other))?,
        };
        known += time;
        work.push((who, time));
    }
    Ok(work)
}

/// All of the slice, without the services that stay.
fn slots(root: &Path) -> Result<Duration> {
    let slice = root.join("system.slice");
    let mut slots = of(&slice)?;
    for entry in fs::read_dir(&slice)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !name.starts_with("shop-") {
            slots = slots.saturating_sub(of(&path)?);
        }
    }
    Ok(slots)
}

fn of(cgroup: &Path) -> Result<Duration> {
    let stat = fs::read_to_string(cgroup.join("cpu.stat"))
        .with_context(|| cgroup.display().to_string())?;
    let usage = stat.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
    Ok(Duration::from_micros(usage.context("cpu.stat has no usage_usec")?))
}

/// Of the processes that this one has started and waited for: sockctl, which is run from outside of the machine's control groups.
fn children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("proc(5): the name is in brackets")?;
    // cutime and cstime are the fields 16 and 17, and the third is the first behind the name.
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u32>);
    Ok(TICK * ticks.sum::<Result<u32, _>>()?)
}

fn told(times: &[f64]) -> String {
    Spread::of(times.iter().copied())
        .map_or(String::new(), |s| format!("{:.1} ({:.1})", s.median, s.most))
}
