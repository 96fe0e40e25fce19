//! What users feel of a deploy, step by step.

use std::collections::BTreeMap;

use anyhow::Result;
use comparison::summary::{Spread, median};
use comparison::table::{Table, number};
use sockprove::record::Phase;

use crate::shop::{prove, shop};

const LOADS: [(&str, &[&str]); 3] = [
    ("1000 requests a second, a connection for each", &["--rate=1000", "--kinds=one-shot"]),
    ("2000 requests a second, keep-alive", &["--rate=2000", "--kinds=keep-alive"]),
    ("64 keep-alive connections at full speed", &["--connections=64", "--kinds=keep-alive"]),
];

/// Fewer say nothing of a median.
const LEAST: usize = 2;

pub(crate) fn section(deploys: usize) -> Result<String> {
    let shop = shop();
    let mut text = String::from(
        "## What users feel, step by step\n\nOf the requests due in each step, over all deploys: half of the steps had none slower than the first number, \
         and none had one slower than the second. `steady` is the second between two deploys, with the start of sockctl itself at its end; it is longer than all steps together, so that it has more \
         of what is rare. A connection of the generator's own looks each 2 ms whether anybody accepts, at full speed too.\n",
    );
    for (title, words) in LOADS {
        let proof = prove(&shop, deploys, words)?;
        let record = &proof.rounds[0].loads[0].record;
        let mut steps = BTreeMap::<&str, Vec<&Phase>>::new();
        for phase in record.phases.iter().filter(|phase| phase.answered > 0) {
            let step = phase.name.split_once(": ").map_or(phase.name.as_str(), |(_, step)| step);
            steps.entry(step).or_default().push(phase);
        }
        text += &format!("\n### {title}\n\n{}", table(&steps).markdown());
    }
    Ok(text)
}

fn table(steps: &BTreeMap<&str, Vec<&Phase>>) -> Table {
    let mut table =
        Table::new(["step", "took, ms", "slowest request, ms", "longest without an accept, ms"]);
    let in_time = |step: &&str| steps[step].iter().map(|phase| phase.from_ns).min();
    let mut names: Vec<_> =
        steps.keys().copied().filter(|name| *name != "start" || steps[name].len() > 1).collect();
    names.sort_by_key(in_time);
    for name in names.into_iter().filter(|name| steps[name].len() >= LEAST) {
        let of = |value: &dyn Fn(&Phase) -> f64| {
            Spread::of(steps[name].iter().map(|phase| value(phase)))
                .map_or(String::new(), |s| format!("{:.1} ({:.1})", s.median, s.most))
        };
        let took =
            median(steps[name].iter().map(|phase| (phase.to_ns - phase.from_ns) as f64 / 1e6));
        table.row([
            name.to_owned(),
            number(took, 1),
            of(&|phase| f64::from(phase.latency.max_us) / 1e3),
            of(&|phase| f64::from(phase.longest_gap_us.unwrap_or(0)) / 1e3),
        ]);
    }
    table
}
