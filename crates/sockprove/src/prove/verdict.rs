//! What was seen against what was promised.

use std::collections::BTreeMap;

use super::deploy::Deploy;
use super::proof::{Finding, Limits, LoadRecord, Round, Starved, Verdict};
use crate::failure::FailureKind;
use crate::record::{Accepts, FaultRecord, GapRecord, Record};

/// A time without an accept is a stall when it is so many times longer than such times usually are.
const UNUSUAL: u32 = 5;

/// How many faults are told with their place. All are counted.
const FINDINGS: usize = 100;

/// How a finding names the connections that only look whether anybody accepts.
pub const ACCEPT: &str = "accept";

/// Of how many requests, or looks, one may be left out, because this machine had nothing left for it, and the rest still proves something.
const UNSENT_ONE_IN: u64 = 100;

/// When one of a thousand requests is sent so late, it is the machine that is measured.
const LATE_US: u32 = 20_000;

/// Who answers less of what is asked, and some of it too late, is asked too much.
const SUSTAINED: f64 = 0.9;

/// What [`judge`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// Whether it is what was promised.
    pub verdict: Verdict,
    /// Why not.
    pub reasons: Vec<String>,
    /// Where not.
    pub findings: Vec<Finding>,
    /// What should be known besides.
    pub notes: Vec<String>,
}

/// Looks at all loops.
pub fn judge(rounds: &[Round], gated: bool, limits: Limits) -> Judgement {
    let (mut reasons, mut findings, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for round in rounds {
        let place = Place { round, gated };
        for deploy in &round.deploys {
            reasons.extend(misdeployed(round, deploy));
        }
        reasons.extend(missed(round));
        for load in &round.loads {
            reasons.extend(failures(round, load));
            findings.extend(place.faults(&load.record.faults, load.record.kind.word()));
            reasons.extend(slowdown(round, load, limits));
            notes.extend(lateness(load));
            notes.extend(overload(round, load));
            if let Some(accepts) = &load.record.accepts {
                reasons.extend(unaccepted(round, accepts));
                findings.extend(place.faults(&accepts.faults, ACCEPT));
                let stalls = place.stalls(accepts, limits, &mut notes);
                if let Some(longest) = stalls.first() {
                    let count = stalls.len();
                    reasons.push(format!(
                        "{} loop: nobody was accepted for {longest}{}",
                        round.pace,
                        match count {
                            1 => String::new(),
                            _ => format!(", and {} times more for too long", count - 1),
                        }
                    ));
                }
                findings.extend(stalls.into_iter().map(|stall| stall.finding));
            }
        }
    }
    findings.sort_by_key(|finding| finding.at_ns);
    findings.truncate(FINDINGS);
    let verdict = match reasons.is_empty() {
        false => Verdict::Fail,
        true if rounds.iter().any(|round| round.interrupted) => Verdict::Interrupted,
        true => Verdict::Pass,
    };
    Judgement { verdict, reasons, findings, notes }
}

/// A deploy that somebody ended is no fault of the service's.
fn misdeployed(round: &Round, deploy: &Deploy) -> Option<String> {
    if deploy.is_live() || deploy.interrupted {
        return None;
    }
    let outcome = deploy.outcome.as_deref().unwrap_or("without an end");
    let error = deploy.error.as_deref().unwrap_or_default();
    let (loop_, number, first) =
        (&round.pace, deploy.number, error.lines().next().unwrap_or_default());
    Some(format!("{loop_} loop: deploy {number} is not live ({outcome}): {first}"))
}

/// What was deployed without a load proves nothing, and neither does the part of a deploy that was.
fn missed(round: &Round) -> Vec<String> {
    const WHY: &str = "because a loop is an hour at most: fewer --deploys or a shorter --duration";
    if round.missed == 0 {
        return Vec::new();
    }
    let under_way = round.deploys.iter().filter(|deploy| deploy.outlasts(round.load_end_ns));
    let mut missed: Vec<_> = under_way
        .map(|deploy| {
            let number = deploy.number;
            format!(
                "{} loop: deploy {number} was still under way when the load ended, {WHY}",
                round.pace
            )
        })
        .collect();
    let not_begun = match round.missed.saturating_sub(missed.len() as u32) {
        0 => return missed,
        1 => "1 deploy was".to_owned(),
        count => format!("{count} deploys were"),
    };
    missed.push(format!("{} loop: {not_begun} not begun, {WHY}", round.pace));
    missed
}

fn failures(round: &Round, load: &LoadRecord) -> Vec<String> {
    let record = &load.record;
    let who = format!("{} loop, {}", round.pace, record.kind);
    if record.answered == 0 && record.failed == 0 && round.interrupted {
        return Vec::new();
    }
    if record.answered == 0 {
        return vec![format!("{who}: not one request was answered")];
    }
    let requests = record.answered + record.failed;
    let mut reasons =
        counted(&record.failures, &format!("{who}: "), &format!("{requests} requests"));
    reasons.extend(Unsent::requests(record).reason());
    reasons
}

fn unaccepted(round: &Round, accepts: &Accepts) -> Vec<String> {
    let unsent = Unsent::looks(&round.pace, accepts);
    let mut reasons = counted(
        &accepts.failures,
        &format!("{}: ", unsent.who),
        &format!("{} connections that looked whether anybody accepts", unsent.beside),
    );
    reasons.extend(unsent.reason());
    reasons
}

/// What this machine had no port or descriptor for.
struct Unsent {
    who: String,
    what: &'static str,
    /// As one does it, and as it is done.
    verb: [&'static str; 2],
    count: u64,
    /// Those that it had something for.
    beside: u64,
}

impl Unsent {
    fn requests(record: &Record) -> Self {
        Self {
            who: format!("{} loop, {}", record.pace, record.kind),
            what: "requests",
            verb: ["send", "sent"],
            count: record.unsent,
            beside: record.answered + record.failed,
        }
    }

    fn looks(pace: &str, accepts: &Accepts) -> Self {
        Self {
            who: format!("{pace} loop"),
            what: "connections that look whether anybody accepts",
            verb: ["open", "opened"],
            count: accepts.unsent,
            beside: accepts.connections + accepts.failures.values().sum::<u64>(),
        }
    }

    /// A little of it is only to be known.
    fn note(&self) -> Option<String> {
        let Self { who, what, verb: [_, done], count, .. } = self;
        (*count > 0).then(|| {
            format!(
                "{who}: {count} {what} were not {done}, because this machine had no port or descriptor left; a smaller --rate or --connections needs fewer"
            )
        })
    }

    fn reason(&self) -> Option<String> {
        let Self { who, what, verb: [do_, done], count, beside } = self;
        (*count > beside / UNSENT_ONE_IN).then(|| {
            format!(
                "{who}: this machine could not {do_} {count} {what} beside the {beside} that it {done}, too many to prove anything; a smaller --rate or --connections needs fewer ports and descriptors"
            )
        })
    }
}

/// A sentence for each kind of failure that there was.
fn counted(failures: &BTreeMap<FailureKind, u64>, who: &str, of: &str) -> Vec<String> {
    let failed = failures.iter().filter(|(_, count)| **count > 0);
    failed.map(|(kind, count)| format!("{who}{count} of {of} {kind}")).collect()
}

fn slowdown(round: &Round, load: &LoadRecord, limits: Limits) -> Option<String> {
    let most = limits.max_slowdown?;
    let (steady, swap) = (load.steady.latency, load.swap.latency);
    let ratio = f64::from(swap.p99_9_us) / f64::from(steady.p99_9_us.max(1));
    (swap.count > 0 && steady.count > 0 && ratio > most).then(|| {
        format!(
            "{} loop, {}: p99.9 was {:.1} ms during the swaps, {ratio:.2} times the {:.1} ms of the steady state; allowed is {most}",
            round.pace,
            load.record.kind,
            f64::from(swap.p99_9_us) / 1e3,
            f64::from(steady.p99_9_us) / 1e3
        )
    })
}

fn lateness(load: &LoadRecord) -> Vec<String> {
    let record = &load.record;
    let mut notes = Vec::new();
    if record.generator.late.p99_9_us > LATE_US {
        notes.push(format!(
            "{} loop, {}: this machine was too busy to send on time (1 of 1000 requests {:.0} ms late or more): latencies are its own, too",
            record.pace, record.kind, f64::from(record.generator.late.p99_9_us) / 1e3
        ));
    }
    notes.extend(Unsent::requests(record).note());
    let accepts = record.accepts.as_ref();
    notes.extend(accepts.and_then(|accepts| Unsent::looks(&record.pace, accepts).note()));
    notes
}

/// What nobody can answer is late whatever is deployed.
fn overload(round: &Round, load: &LoadRecord) -> Option<String> {
    let (record, steady) = (&load.record, &load.steady);
    let late = record.failures.get(&FailureKind::Timeout).is_some_and(|count| *count > 0);
    let (rate, answered) = (f64::from(record.rate?), steady.answered as f64 / steady.seconds);
    (late && steady.seconds > 0.0 && answered < rate * SUSTAINED).then(|| {
        format!(
            "{} loop, {}: of {rate} requests each second {answered:.0} were answered while nothing was deployed, which may be all that the service \
             can do; a smaller --rate shows what its deploys do",
            round.pace, record.kind
        )
    })
}

/// A time without an accept that is too long.
struct Stall {
    gap: GapRecord,
    finding: Finding,
}

impl std::fmt::Display for Stall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |us| f64::from(us) / 1e3;
        let Finding { at_s, phase, deploy, .. } = &self.finding;
        write!(f, "{:.0} ms after {at_s:.3} s, ", ms(self.gap.us))?;
        match deploy {
            Some(number) => write!(f, "in deploy {number}, {phase}"),
            None => write!(f, "while nothing was deployed"),
        }
    }
}

/// Where a fault was seen.
struct Place<'a> {
    round: &'a Round,
    gated: bool,
}

impl Place<'_> {
    fn faults(&self, faults: &[FaultRecord], client: &str) -> Vec<Finding> {
        let found = faults.iter().take(FINDINGS).map(|fault| {
            self.finding(fault.due_ns, client, fault.kind.words(), fault.detail.clone())
        });
        found.collect()
    }

    /// The longest first. What the witness waited too, or what the slot had no processor for, is the machine's: a note.
    fn stalls(&self, accepts: &Accepts, limits: Limits, notes: &mut Vec<String>) -> Vec<Stall> {
        let allowed = limits.max_gap_us.max(accepts.usual_us.saturating_mul(UNUSUAL));
        if allowed > limits.max_gap_us {
            notes.push(format!(
                "{} loop: accepts are rare there, times without one are usually up to {:.1} ms long: {UNUSUAL} times that is allowed, and not --max-gap",
                self.round.pace, f64::from(accepts.usual_us) / 1e3
            ));
        }
        let (mut stalls, mut machine) = (Vec::new(), Vec::new());
        for gap in accepts.gaps.iter().filter(|gap| gap.us > allowed) {
            let (from_ns, to_ns) = (gap.from_ns, gap.from_ns + u64::from(gap.us) * 1000);
            let mut finding = self.finding(from_ns, ACCEPT, "stall", String::new());
            let starved_us = within(&self.round.starved, &finding.slots, from_ns, to_ns);
            if gap.us.saturating_sub(gap.witness_us.max(starved_us)) <= allowed {
                machine.push(gap.us);
                continue;
            }
            finding.detail = format!(
                "nobody was accepted for {:.1} ms; a listener that does nothing else was within {:.1} ms, and the slot had no processor for {:.1} ms; \
                 allowed is {:.0} ms more than that",
                f64::from(gap.us) / 1e3,
                f64::from(gap.witness_us) / 1e3,
                f64::from(starved_us) / 1e3,
                f64::from(allowed) / 1e3
            );
            stalls.push(Stall { gap: *gap, finding });
        }
        if let Some(longest) = machine.first() {
            notes.push(format!(
                "{} loop: {} times nobody was accepted because this machine had no processor for it, for {:.0} ms at most",
                self.round.pace,
                machine.len(),
                f64::from(*longest) / 1e3
            ));
        }
        stalls
    }

    fn finding(&self, at_ns: u64, client: &str, what: &str, detail: String) -> Finding {
        let deploys = &self.round.deploys;
        let under_way = deploys.iter().find(|deploy| deploy.is_at(at_ns));
        let slots = match under_way.or_else(|| deploys.iter().rev().find(|d| d.ended_ns <= at_ns)) {
            Some(deploy) if client == ACCEPT => deploy.accepting(at_ns, self.gated),
            Some(deploy) => deploy.serving(at_ns, self.gated),
            None => deploys.first().and_then(|first| first.from.clone()).into_iter().collect(),
        };
        Finding {
            at_ns,
            at_s: at_ns.saturating_sub(self.round.start_ns) as f64 / 1e9,
            pace: self.round.pace.clone(),
            client: client.into(),
            deploy: under_way.map(|deploy| deploy.number),
            phase: under_way.map_or("steady".into(), |deploy| deploy.phase(at_ns)),
            slots,
            what: what.into(),
            detail,
        }
    }
}

/// How long a thread of one of these slots was kept from running in this time, at most.
fn within(starved: &[Starved], slots: &[String], from_ns: u64, to_ns: u64) -> u32 {
    let mut waited = BTreeMap::<_, u32>::new();
    let is_in = |s: &&Starved| s.from_ns < to_ns && s.to_ns > from_ns && slots.contains(&s.slot);
    for Starved { slot, thread, us, .. } in starved.iter().filter(is_in) {
        *waited.entry((slot, thread)).or_default() += us;
    }
    waited.into_values().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_waited_counts_where_its_slot_accepts() {
        let starved = |slot: &str, thread, from_ns, us| {
            let (slot, to_ns) = (slot.into(), from_ns + 5);
            Starved { slot, thread, from_ns, to_ns, us }
        };
        let seen = [
            starved("blue", 1, 10, 3000),
            starved("blue", 1, 15, 2000),
            // Two threads that wait in turn are not one that waits all the time.
            starved("blue", 2, 10, 4000),
            starved("green", 3, 15, 9000),
        ];
        let within = |slots: &[&str], from, to| {
            super::within(
                &seen,
                &slots.iter().map(ToString::to_string).collect::<Vec<_>>(),
                from,
                to,
            )
        };
        assert_eq!(within(&["blue"], 12, 18), 5000);
        assert_eq!(within(&["blue", "green"], 12, 18), 9000);
        assert_eq!((within(&["blue"], 20, 30), within(&[], 0, 100)), (0, 0));
    }
}
