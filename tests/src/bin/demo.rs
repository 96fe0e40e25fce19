//! The demonstration: everything a person would type, on a machine booted for it, with real load and a table of what every client saw.

use std::process::ExitCode;
use std::time::Duration;

use e2e::binaries;
use e2e::load::{Generator, Load, LoadReport};
use e2e::sandbox::Output;
use e2e::shop::{SEEN_WITHIN, Shop, URL};
use serde_json::Value;

/// Deploys under each kind of load.
const DEPLOYS: u32 = 5;

/// Pairs of runs, one with a deploy in the middle and one without.
const PAIRS: u32 = 5;

/// How long each run of a pair goes before and after its deploy.
const HALF: Duration = Duration::from_secs(3);

/// What sockctl said of its own cost.
#[derive(Default)]
struct Cost {
    own_ms: Vec<f64>,
    reload_ms: Vec<f64>,
    peak_kib: u64,
}

impl Cost {
    fn add(&mut self, deploy: &Output) {
        let end = deploy.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let Some(end) = end.into_iter().find(|event| event["event"] == "end") else {
            panic!("sockctl gave no account:\n{deploy}");
        };
        self.own_ms.push(end["own_ms"].as_f64().expect("own_ms"));
        self.reload_ms.push(end["reload_ms"].as_f64().expect("reload_ms"));
        self.peak_kib =
            self.peak_kib.max(end["peak_memory_kib"].as_u64().expect("peak_memory_kib"));
    }
}

fn main() -> ExitCode {
    // What takes minutes comes before there is anything to watch.
    let _ = (binaries::get(), binaries::oha());
    println!("Booting a real systemd in namespaces of its own …\n");
    let shop = Shop::machine();
    set_up(&shop);
    let mut cost = Cost::default();
    let rows: Vec<_> = [Generator::KeepAlive, Generator::OneShot, Generator::Http2]
        .into_iter()
        .map(|generator| (generator, under_load(&shop, generator, &mut cost)))
        .collect();
    table(&rows);
    let ratio = latency(&shop, &mut cost);
    let own = cost.own_ms.iter().copied().fold(0.0, f64::max);
    let peak = cost.peak_kib as f64 / 1024.0;
    println!(
        "sockctl's own share of a deploy: median {:.0} ms, at most {own:.0} ms, and systemd's reload, median {:.0} ms; \
         sockctl's peak memory {peak:.1} MiB",
        median(&mut cost.own_ms),
        median(&mut cost.reload_ms)
    );
    let lost: u64 = rows.iter().map(|(_, report)| report.errors.total()).sum();
    println!(
        "p99.9 with a deploy in the middle against none: {ratio:.2} (median of {PAIRS} pairs)"
    );
    println!("failed requests: {lost}");
    if lost == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs it as a person would see it.
fn typed(shop: &Shop, argv: &[&str]) -> Output {
    println!("$ {}", argv.join(" "));
    let output = shop.sandbox.run(argv).ok();
    print!("{}{}", output.stdout, output.stderr);
    println!();
    output
}

fn set_up(shop: &Shop) {
    let listen = "http=127.0.0.1:8080";
    typed(shop, &["mkdir", "/srv/shop"]);
    typed(
        shop,
        &[
            "sockgen",
            "init",
            "--name",
            "shop",
            "--listen",
            listen,
            "--exec",
            "bin/shop",
            "--dir",
            "/srv/shop",
        ],
    );
    // The defaults are for people: a release has to be healthy for 10 s. Nobody wants to watch that twenty times.
    let short = r#"s/^# (stable|watch) = .*/\1 = "500ms"/"#;
    typed(shop, &["sed", "-Ei", short, "/srv/shop/sockact.toml"]);
    typed(shop, &["sockgen", "install", "/srv/shop/sockact.toml"]);
    typed(shop, &["systemctl", "enable", "--now", "shop.target"]);
    typed(shop, &["sockctl", "deploy", "shop", &shop.release("v1", None)]);
    typed(shop, &["systemctl", "status", "--no-pager", "--lines=0", "shop"]);
}

fn under_load(shop: &Shop, generator: Generator, cost: &mut Cost) -> LoadReport {
    println!("{DEPLOYS} deploys under load: {generator}");
    let mut load = Load::new(generator, URL).start(&shop.sandbox);
    for n in 1..=DEPLOYS {
        let version = format!("{generator:?}-{n}");
        let deploy = shop.deploy(&shop.release(&version, None)).ok();
        cost.add(&deploy);
        if generator != Generator::Http2 {
            load.await_release(&version, SEEN_WITHIN);
        }
    }
    load.finish()
}

fn table(rows: &[(Generator, LoadReport)]) {
    println!("\nwhat the clients saw");
    println!(
        "{:<34} {:>10} {:>9} {:>8} {:>7} {:>9} {:>10} {:>8} {:>9}",
        "client",
        "responses",
        "per s",
        "refused",
        "broken",
        "timed out",
        "unanswered",
        "not 200",
        "p99.9"
    );
    for (generator, report) in rows {
        let errors = &report.errors;
        let broken = errors.read + errors.write + errors.other.values().sum::<u64>();
        println!(
            "{:<34} {:>10} {:>9.0} {:>8} {:>7} {:>9} {:>10} {:>8} {:>6.1} ms",
            generator.to_string(),
            report.requests,
            report.requests as f64 / report.duration.as_secs_f64(),
            errors.connect,
            broken,
            errors.timeout,
            errors.unanswered,
            errors.status.values().sum::<u64>(),
            report.latency.p99_9 as f64 / 1e3
        );
    }
    println!();
}

/// The median ratio of the 99.9th percentiles of pairs of runs.
fn latency(shop: &Shop, cost: &mut Cost) -> f64 {
    let mut ratios = Vec::new();
    for pair in 0..PAIRS {
        let run = |deploy: Option<String>, cost: &mut Cost| {
            let mut load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
            load.run_for(HALF);
            if let Some(release) = deploy {
                cost.add(&shop.deploy(&release).ok());
            } else {
                load.run_for(Duration::from_secs(1));
            }
            load.run_for(HALF);
            load.finish().latency.p99_9 as f64
        };
        let (without, with) =
            (run(None, cost), run(Some(shop.release(&format!("pair-{pair}"), None)), cost));
        println!("p99.9: {:.2} ms without a deploy, {:.2} ms with one", without / 1e3, with / 1e3);
        ratios.push(with / without);
    }
    median(&mut ratios)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
