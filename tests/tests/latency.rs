//! What a deploy costs those who are being served: the 99.9th percentile with one in the middle against none.

use std::time::{Duration, Instant};

use e2e::load::{Generator, Latency, Load};
use e2e::shop::{Shop, URL};

/// Pairs of runs, one with a deploy in the middle and one without.
const PAIRS: usize = 5;

/// Rounds of pairs, of which one has to show it.
const ROUNDS: usize = 3;

/// How long each run takes, and when in it the deploy begins.
const RUN: Duration = Duration::from_secs(9);
const MIDDLE: Duration = Duration::from_secs(4);

/// The 99.9th percentile with a deploy may be so many times that without.
const AT_MOST: f64 = 1.5;

fn run(shop: &Shop, deploy: Option<&str>) -> Latency {
    let mut load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    let end = Instant::now() + RUN;
    load.run_for(MIDDLE);
    if let Some(release) = deploy {
        shop.deploy(release).ok();
    }
    load.run_for(end.saturating_duration_since(Instant::now()));
    let report = load.finish();
    report.assert_clean();
    let Latency { p50, p99, p99_9, max, .. } = report.latency;
    let (with, per_second) = (
        if deploy.is_some() { "with" } else { "without" },
        report.requests as f64 / report.duration.as_secs_f64(),
    );
    println!(
        "{with:>7} a deploy: p50 {p50}, p99 {p99}, p99.9 {p99_9}, max {max} microseconds, {per_second:.0} requests/s"
    );
    report.latency
}

/// The ratios of one round of pairs, sorted.
fn round(shop: &Shop, round: usize) -> Vec<f64> {
    let mut ratios: Vec<_> = (0..PAIRS)
        .map(|pair| {
            let release = shop.release(&format!("round-{round}-pair-{pair}"), None);
            // By turns, so that a machine that gets slower or faster meanwhile favours neither.
            let (with, without) = if pair % 2 == 0 {
                let without = run(shop, None);
                (run(shop, Some(&release)), without)
            } else {
                (run(shop, Some(&release)), run(shop, None))
            };
            let ratio = with.p99_9 as f64 / without.p99_9 as f64;
            println!("pair {pair}: {ratio:.2}");
            ratio
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios
}

/// A machine that does other work at the same time can spoil a round, but not three: what a deploy really costs is in each of them.
#[test]
fn a_deploy_is_hardly_felt() {
    let shop = Shop::deployed();
    let mut rounds = Vec::new();
    for n in 0..ROUNDS {
        let ratios = round(&shop, n);
        let median = ratios[PAIRS / 2];
        println!("p99.9 with a deploy against none: {median:.2}, the median of {ratios:.2?}");
        if median <= AT_MOST {
            return;
        }
        rounds.push(ratios);
    }
    panic!("the median was more than {AT_MOST} in each round: {rounds:.2?}");
}
