//! What was proved, for people: a table and the verdict.

use std::fmt::Write as _;

use super::proof::{LoadRecord, Proof, Verdict};
use super::verdict::ACCEPT;
use crate::record::Summary;

/// How many faults are shown with their place.
const SHOWN: usize = 10;

/// The whole of it, in lines.
pub fn text(proof: &Proof) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\n{:<7} {:<11} {:>9} {:>7}  {:>17}  {:>17}  {:>15}",
        "loop", "client", "answered", "failed", "p50 steady, swap", "p99.9", "no accept for"
    );
    for round in &proof.rounds {
        for load in &round.loads {
            let LoadRecord { record, steady, swap } = load;
            let two = |of: &dyn Fn(&Summary) -> Option<u32>| {
                format!("{:>7} {:>6} ms", ms(of(steady)), ms(of(swap)))
            };
            let _ = writeln!(
                text,
                "{:<7} {:<11} {:>9} {:>7}  {}  {}  {}",
                round.pace,
                record.kind,
                record.answered,
                record.failed,
                two(&|summary| Some(summary.latency.p50_us)),
                two(&|summary| Some(summary.latency.p99_9_us)),
                if record.accepts.is_some() {
                    two(&|summary| summary.longest_gap_us)
                } else {
                    String::new()
                }
            );
        }
    }
    text.push('\n');
    for finding in proof.findings.iter().take(SHOWN) {
        let _ = writeln!(text, "fault: {}", place(finding));
    }
    if proof.findings.len() > SHOWN {
        let _ = writeln!(
            text,
            "fault: and others; --report and --json have the first {}",
            proof.findings.len()
        );
    }
    for note in &proof.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = write!(text, "{}", headline(proof));
    for reason in &proof.reasons {
        let _ = write!(text, "\n  {reason}");
    }
    text
}

/// When, whom and where a fault met, and what it was.
pub fn place(finding: &super::proof::Finding) -> String {
    let phase = match finding.deploy {
        Some(number) => format!("deploy {number}, {}", finding.phase),
        None => finding.phase.clone(),
    };
    let does = if finding.client == ACCEPT { "accepts" } else { "serves" };
    let slots = match finding.slots.as_slice() {
        [] => String::new(),
        slots => format!(" ({} {does})", slots.join(" or ")),
    };
    let at = finding.at_s;
    format!(
        "{} loop, {at:.3} s, {phase}{slots}: {}: {}: {}",
        finding.pace, finding.client, finding.what, finding.detail
    )
}

/// The verdict in one sentence, with what it is worth.
pub fn headline(proof: &Proof) -> String {
    let Proof { requests, failed, .. } = proof;
    let deploys = match proof.rounds.iter().map(|round| round.deploys.len()).sum() {
        1 => "1 deploy".into(),
        count => format!("{count} deploys"),
    };
    match proof.verdict {
        Verdict::Fail => {
            format!("FAIL: {failed} of {requests} requests failed over {deploys}")
        }
        Verdict::Interrupted => format!(
            "INTERRUPTED: {failed} of {requests} requests failed until then, over {deploys}; this is a part of what was asked"
        ),
        Verdict::Pass => {
            format!(
                "PASS: {failed} of {requests} requests failed over {deploys}{}",
                worth(*requests)
            )
        }
    }
}

/// Who sees no fault in n has 95 % certainty that fewer than 3 in n are faulty: the rule of three.
fn worth(requests: u64) -> String {
    let one_in = requests / 3;
    if one_in < 10 {
        return String::new();
    }
    format!(
        "; of a service that loses one request in {one_in}, 95 of 100 such runs would have seen it"
    )
}

/// Milliseconds, as many digits as mean something.
pub(super) fn ms(us: Option<u32>) -> String {
    match us.map(|us| f64::from(us) / 1e3) {
        None => "-".into(),
        Some(ms) if ms < 10.0 => format!("{ms:.2}"),
        Some(ms) => format!("{ms:.1}"),
    }
}
