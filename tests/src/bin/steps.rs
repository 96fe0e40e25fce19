//! Where the time of a deploy goes, step by step: `steps [DEPLOYS]`, 21 by default, with nobody connected and under full load.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

fn main() -> Result<ExitCode> {
    let deploys = std::env::args().nth(1).map_or(Ok(21), |arg| arg.parse().context(arg))?;
    let shop = Shop::deployed();
    let quiet = steps(&shop, "quiet", deploys)?;
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    let busy = steps(&shop, "busy", deploys)?;
    load.finish().assert_clean();
    println!("{:<10} {:>22} {:>22}", "step", "nobody connected, ms", "64 clients, ms");
    println!("{:<10} {:>22} {:>22}", "", "median (most)", "median (most)");
    for (step, times) in &quiet.steps {
        println!(
            "{step:<10} {:>22} {:>22}",
            told(times),
            told(busy.steps.get(step).map_or(&[], Vec::as_slice))
        );
    }
    println!("{:<10} {:>22} {:>22}", "own share", told(&quiet.own), told(&busy.own));
    println!("{:<10} {:>22} {:>22}", "reload", told(&quiet.reload), told(&busy.reload));
    println!("{:<10} {:>22} {:>22}", "all", told(&quiet.all), told(&busy.all));
    Ok(ExitCode::SUCCESS)
}

/// Milliseconds of each deploy.
#[derive(Default)]
struct Times {
    steps: BTreeMap<String, Vec<f64>>,
    own: Vec<f64>,
    reload: Vec<f64>,
    all: Vec<f64>,
}

fn steps(shop: &Shop, name: &str, deploys: u32) -> Result<Times> {
    let mut times = Times::default();
    for n in 0..deploys {
        let began = std::time::Instant::now();
        let deploy = shop.deploy(&shop.release(&format!("{name}-{n}"), None)).ok();
        times.all.push(began.elapsed().as_secs_f64() * 1e3);
        let events =
            deploy.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        for event in events {
            let ms =
                |key: &str| event[key].as_f64().with_context(|| format!("no {key} in {event}"));
            match event["event"].as_str() {
                Some("step") => {
                    let step = event["step"].as_str().context("a step has a name")?;
                    times.steps.entry(step.to_owned()).or_default().push(ms("took_us")? / 1e3);
                }
                Some("end") => {
                    times.own.push(ms("own_ms")?);
                    times.reload.push(ms("reload_ms")?);
                }
                _ => {}
            }
        }
    }
    Ok(times)
}

fn told(times: &[f64]) -> String {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    match times.last() {
        Some(most) => format!("{:.1} ({most:.1})", times[times.len() / 2]),
        None => String::new(),
    }
}
