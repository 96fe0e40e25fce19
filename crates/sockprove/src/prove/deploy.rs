//! A deploy, as `sockctl --json` tells of it.

use serde::{Deserialize, Serialize};

/// One deploy. Times are CLOCK_MONOTONIC in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// The first of a loop is 1.
    pub number: u32,
    /// As it was typed.
    pub command: String,
    /// The slot that was live before.
    pub from: Option<String>,
    /// The slot that it went into.
    pub into: Option<String>,
    /// The release, where there are releases.
    pub release: Option<String>,
    /// When sockctl was started.
    pub began_ns: u64,
    /// When it had ended.
    pub ended_ns: u64,
    /// `live`, `nothing`, `rolled-back`, `kept`, `undone`, `canary`; none when it ended without a word.
    pub outcome: Option<String>,
    /// What it did, in order.
    pub steps: Vec<Step>,
    /// Whether somebody had asked for its end by then.
    #[serde(default)]
    pub interrupted: bool,
    /// What it said on standard error, when it did not end as it should.
    pub error: Option<String>,
}

/// One step of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name: `start`, `open`, `close` and so on.
    pub step: String,
    /// Its begin.
    pub from_ns: u64,
    /// Its end.
    pub to_ns: u64,
    /// Whether it succeeded.
    pub ok: bool,
    /// What it did.
    pub detail: String,
}

/// A line of `sockctl --json`. What is not known is passed over: it may be a newer sockctl.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Begin {
        into: Option<String>,
        from: Option<String>,
        release: Option<String>,
    },
    Step {
        step: String,
        ok: bool,
        #[serde(default)]
        detail: String,
        took_us: u64,
        monotonic_us: u64,
    },
    Wait {
        step: String,
        #[serde(default)]
        detail: String,
    },
    End {
        outcome: Option<String>,
        release: Option<String>,
    },
    #[serde(other)]
    Other,
}

impl Deploy {
    /// Takes a line in; gives what is waited for now, when that is what it says.
    pub fn read(&mut self, line: &str) -> Option<String> {
        match serde_json::from_str(line).unwrap_or(Event::Other) {
            Event::Begin { into, from, release } => {
                (self.into, self.from, self.release) = (into, from, release);
            }
            Event::Step { step, ok, detail, took_us, monotonic_us } => {
                let to_ns = monotonic_us.saturating_mul(1000);
                let from_ns = to_ns.saturating_sub(took_us.saturating_mul(1000));
                self.steps.push(Step { step, from_ns, to_ns, ok, detail });
            }
            Event::Wait { step, detail } => return Some(format!("{step}: {detail}")),
            Event::End { outcome, release } => {
                self.outcome = outcome;
                self.release = self.release.take().or(release);
            }
            Event::Other => {}
        }
        None
    }

    /// Whether the release that was wished is live now.
    pub fn is_live(&self) -> bool {
        self.outcome.as_deref() == Some("live")
    }

    /// Whether it lies within.
    pub fn is_at(&self, ns: u64) -> bool {
        (self.began_ns..=self.ended_ns).contains(&ns)
    }

    /// Whether a load that ended then had ended before it did: what it did at last, no client saw.
    pub fn outlasts(&self, load_end_ns: u64) -> bool {
        self.ended_ns > load_end_ns
    }

    /// What it did at this moment.
    pub fn phase(&self, ns: u64) -> String {
        let begun = self.steps.iter().rev().find(|step| step.from_ns <= ns);
        match begun {
            Some(step) if ns <= step.to_ns => step.step.clone(),
            Some(step) => format!("after {}", step.step),
            None => "before its first step".into(),
        }
    }

    /// From when on users can feel it, and until when: from the start of the new release to the end of all.
    pub fn swap(&self) -> (u64, u64) {
        let start = self.steps.iter().find(|step| step.step == "start");
        (start.map_or(self.began_ns, |step| step.from_ns), self.ended_ns)
    }

    /// The slots that accepted at this moment. Without gates both do from the start of the new one to the stop of the old one.
    pub fn accepting(&self, ns: u64, gated: bool) -> Vec<String> {
        if gated { self.between("open", "close", ns) } else { self.serving(ns, gated) }
    }

    /// The slots that had connections at this moment: the old one until it has drained.
    pub fn serving(&self, ns: u64, gated: bool) -> Vec<String> {
        self.between(if gated { "open" } else { "start" }, "retire", ns)
    }

    /// The new slot from the begin of one step, the old one to the end of another.
    fn between(&self, first: &str, last: &str, ns: u64) -> Vec<String> {
        let step = |name: &str| self.steps.iter().find(|step| step.step == name && step.ok);
        let opened = step(first).is_some_and(|step| step.from_ns <= ns);
        let closed = step(last).is_some_and(|step| step.to_ns <= ns);
        let from = self.from.iter().filter(|_| !closed);
        from.chain(self.into.iter().filter(|_| opened)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"event":"begin","app":"shop","command":"restart","from":"blue","into":"green","release":null}
{"event":"step","step":"start","ok":true,"detail":"d","took_us":10,"monotonic_us":30}
{"event":"wait","step":"probe","detail":"/health"}
{"event":"step","step":"open","ok":true,"detail":"d","took_us":2,"monotonic_us":52}
{"event":"progress","step":"retire","connections":1,"in_flight":0}
not JSON
{"event":"step","step":"close","ok":true,"detail":"d","took_us":2,"monotonic_us":60,"new":1}
{"event":"end","app":"shop","outcome":"live","slot":"green","release":null}"#;

    #[test]
    fn lines_become_phases_and_slots() {
        let mut deploy = Deploy { began_ns: 5_000, ended_ns: 90_000, ..Deploy::default() };
        let waits: Vec<_> = LINES.lines().filter_map(|line| deploy.read(line)).collect();
        assert_eq!(waits, ["probe: /health"]);
        assert!(deploy.is_live());
        assert_eq!(deploy.swap(), (20_000, 90_000));
        let at = |us: u64| (deploy.phase(us * 1000), deploy.accepting(us * 1000, true).join(" "));
        assert_eq!(at(10), ("before its first step".into(), "blue".into()));
        assert_eq!(at(25), ("start".into(), "blue".into()));
        assert_eq!(at(40), ("after start".into(), "blue".into()));
        assert_eq!(at(51), ("open".into(), "blue green".into()));
        assert_eq!(at(61), ("after close".into(), "green".into()));
        assert_eq!(deploy.accepting(25_000, false), ["blue", "green"]);
        // `retire` never came: it still drains.
        assert_eq!(deploy.serving(61_000, true), ["blue", "green"]);
    }
}
