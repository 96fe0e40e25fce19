//! What is held against a service, what against the machine, and where it is said to have been.

use std::collections::BTreeMap;

use sockprove::failure::FailureKind;
use sockprove::kind::Kind;
use sockprove::prove::deploy::{Deploy, Step};
use sockprove::prove::html::html;
use sockprove::prove::proof::{Limits, LoadRecord, Machine, Proof, Round, Starved, Verdict};
use sockprove::prove::text::text;
use sockprove::prove::verdict::{Judgement, judge};
use sockprove::record::{
    Accepts, FaultRecord, GapRecord, Generator, Latency, Record, Slice, Summary,
};

const MS: u64 = 1_000_000;
const LIMITS: Limits = Limits { max_gap_us: 25_000, max_slowdown: None };

fn deploy() -> Deploy {
    let step = |step: &str, from: u64, to: u64| Step {
        step: step.into(),
        from_ns: from * MS,
        to_ns: to * MS,
        ok: true,
        detail: "<done>".into(),
    };
    Deploy {
        number: 1,
        command: "sockctl restart shop".into(),
        from: Some("blue".into()),
        into: Some("green".into()),
        began_ns: 1000 * MS,
        ended_ns: 2000 * MS,
        outcome: Some("live".into()),
        steps: vec![
            step("start", 1010, 1100),
            step("open", 1200, 1201),
            step("close", 1202, 1203),
            step("retire", 1520, 1600),
        ],
        ..Deploy::default()
    }
}

fn round() -> Round {
    let latency =
        Latency { count: 100, p50_us: 1, p90_us: 2, p99_us: 3, p99_9_us: 1000, max_us: 5 };
    let record = Record {
        version: 1,
        url: "http://shop/".into(),
        address: "127.0.0.1:80".into(),
        kind: Kind::OneShot,
        pace: "open".into(),
        rate: Some(100),
        clients: None,
        start_ns: 0,
        end_ns: 3000 * MS,
        answered: 100,
        failed: 0,
        unsent: 0,
        failures: BTreeMap::new(),
        faults: Vec::new(),
        connections: 1,
        closed_idle: 0,
        resent: 0,
        moved: 0,
        latency,
        accepts: Some(Accepts {
            connections: 100,
            every_us: 2000,
            failures: BTreeMap::new(),
            unsent: 0,
            faults: Vec::new(),
            longest_us: 0,
            p99_us: 1000,
            usual_us: 1000,
            gaps: Vec::new(),
            witness_longest_us: 0,
        }),
        generator: Generator { cpu_s: 0.0, on_time: true, late: Latency::default() },
        bodies: Vec::new(),
        phases: Vec::new(),
        slices: (0..30)
            .map(|n| Slice {
                at_ns: n * 100 * MS,
                answers: n,
                failed: 0,
                p50_us: 1,
                p99_us: 2,
                max_us: 30,
            })
            .collect(),
    };
    let part = Summary { seconds: 1.0, answered: 50, failed: 0, latency, longest_gap_us: Some(7) };
    Round {
        pace: "open".into(),
        start_ns: 0,
        end_ns: 3000 * MS,
        load_end_ns: 3000 * MS,
        loads: vec![LoadRecord { record, steady: part.clone(), swap: part }],
        deploys: vec![deploy()],
        slots: Vec::new(),
        starved: Vec::new(),
        interrupted: false,
        missed: 0,
    }
}

fn with_gap(from_ms: u64, us: u32, witness_us: u32) -> Round {
    let mut round = round();
    let accepts = round.loads[0].record.accepts.as_mut().unwrap();
    accepts.gaps = vec![GapRecord { from_ns: from_ms * MS, us, witness_us }];
    round
}

fn with_fault(kind: FailureKind, at_ms: u64) -> Round {
    let mut round = round();
    let record = &mut round.loads[0].record;
    record.failed = 1;
    record.failures.insert(kind, 1);
    record.faults = vec![fault(kind, at_ms)];
    round
}

/// It was due then, and failed long after.
fn fault(kind: FailureKind, at_ms: u64) -> FaultRecord {
    let (due_ns, at_ns) = (at_ms * MS, (at_ms + 5000) * MS);
    FaultRecord { due_ns, at_ns, kind, detail: "<seen>".into() }
}

#[track_caller]
fn check(round: Round, expected: Verdict) -> Judgement {
    let judged = judge(&[round], true, LIMITS);
    assert_eq!(judged.verdict, expected, "{judged:#?}");
    assert_eq!(judged.reasons.is_empty(), expected != Verdict::Fail, "{judged:#?}");
    judged
}

#[test]
fn nothing_is_wrong() {
    let judged = check(round(), Verdict::Pass);
    assert!(judged.findings.is_empty() && judged.notes.is_empty(), "{judged:#?}");
}

#[test]
fn each_failure_fails_with_its_time_step_and_slots() {
    for (at_ms, phase, slots) in [
        (500, "steady", vec!["blue"]),
        (1050, "start", vec!["blue"]),
        (1200, "open", vec!["blue", "green"]),
        // It still has its connections.
        (1500, "after close", vec!["blue", "green"]),
        (1550, "retire", vec!["blue", "green"]),
        (1700, "after retire", vec!["green"]),
        (2500, "steady", vec!["green"]),
    ] {
        let judged = check(with_fault(FailureKind::Reset, at_ms), Verdict::Fail);
        let found = &judged.findings[0];
        assert_eq!(
            (found.phase.as_str(), &found.slots),
            (phase, &slots.iter().map(ToString::to_string).collect())
        );
        assert_eq!((found.client.as_str(), found.at_s), ("one-shot", at_ms as f64 / 1e3));
        assert_eq!(judged.reasons, ["open loop, one-shot: 1 of 101 requests reset"]);
    }
}

#[test]
fn what_this_machine_lacks_is_a_note_until_it_is_too_much() {
    let mut lacking = round();
    lacking.loads[0].record.unsent = 1;
    let judged = check(lacking.clone(), Verdict::Pass);
    assert!(judged.notes[0].contains("1 requests were not sent"), "{judged:#?}");
    lacking.loads[0].record.unsent = 2;
    let judged = check(lacking, Verdict::Fail);
    assert!(judged.reasons[0].contains("too many to prove anything"), "{judged:#?}");
    let mut blind = round();
    let accepts = blind.loads[0].record.accepts.as_mut().unwrap();
    accepts.unsent = 1;
    let judged = check(blind.clone(), Verdict::Pass);
    assert_eq!(
        judged.notes,
        [
            "open loop: 1 connections that look whether anybody accepts were not opened, because this machine had no port or descriptor left; a smaller --rate or --connections needs fewer"
        ]
    );
    blind.loads[0].record.accepts.as_mut().unwrap().unsent = 2;
    let judged = check(blind, Verdict::Fail);
    assert_eq!(judged.reasons.len(), 1, "{judged:#?}");
    assert!(judged.reasons[0].contains("too many to prove anything"), "{judged:#?}");
    let mut round = round();
    round.loads[0].record.generator.late.p99_9_us = 30_000;
    assert!(check(round, Verdict::Pass).notes[0].contains("too busy to send on time"));
}

#[test]
fn a_stall_fails_unless_the_machine_had_it_too() {
    let judged = check(with_gap(1200, 50_000, 100), Verdict::Fail);
    assert_eq!(
        judged.reasons,
        ["open loop: nobody was accepted for 50 ms after 1.200 s, in deploy 1, open"]
    );
    assert_eq!(
        (judged.findings[0].what.as_str(), judged.findings[0].client.as_str()),
        ("stall", "accept")
    );
    // Short ones, those of the witness, and those that are usual there.
    check(with_gap(1200, 25_000, 0), Verdict::Pass);
    let judged = check(with_gap(1200, 60_000, 50_000), Verdict::Pass);
    assert!(
        judged.notes[0].contains("this machine had no processor for it, for 60 ms"),
        "{judged:#?}"
    );
    let mut slow = with_gap(1200, 50_000, 0);
    slow.loads[0].record.accepts.as_mut().unwrap().usual_us = 10_000;
    let judged = check(slow, Verdict::Pass);
    assert!(judged.notes[0].contains("up to 10.0 ms long: 5 times that is allowed"), "{judged:#?}");
    // The slot that accepts had no processor: blue before `open`.
    for (slot, expected) in [("blue", Verdict::Pass), ("green", Verdict::Fail)] {
        let mut round = with_gap(1050, 50_000, 0);
        let (from_ns, to_ns) = (1090 * MS, 1110 * MS);
        round.starved = vec![Starved { slot: slot.into(), thread: 1, from_ns, to_ns, us: 45_000 }];
        check(round, expected);
    }
}

#[test]
fn a_deploy_that_is_not_live_fails_and_one_that_was_interrupted_does_not() {
    let mut round = round();
    round.deploys[0].outcome = Some("rolled-back".into());
    round.deploys[0].error = Some("shop: it was given up: sick\nmore".into());
    let judged = check(round.clone(), Verdict::Fail);
    assert_eq!(
        judged.reasons,
        ["open loop: deploy 1 is not live (rolled-back): shop: it was given up: sick"]
    );
    // Ctrl-C came when it had failed already.
    round.interrupted = true;
    check(round.clone(), Verdict::Fail);
    round.deploys[0].interrupted = true;
    check(round, Verdict::Interrupted);
}

#[test]
fn a_connection_that_only_looked_fails_by_its_own_name() {
    let mut round = round();
    let accepts = round.loads[0].record.accepts.as_mut().unwrap();
    accepts.failures.insert(FailureKind::Refused, 1);
    accepts.faults = vec![fault(FailureKind::Refused, 1500)];
    let judged = check(round, Verdict::Fail);
    let words = "open loop: 1 of 101 connections that looked whether anybody accepts refused";
    assert_eq!(judged.reasons, [words]);
    let found = &judged.findings[0];
    assert_eq!((found.client.as_str(), found.slots.as_slice()), ("accept", &["green".into()][..]));
}

#[test]
fn deploys_without_a_load_fail() {
    let mut round = round();
    round.missed = 3;
    let judged = check(round, Verdict::Fail);
    let words = "open loop: 3 deploys were not begun, because a loop is an hour at most: fewer --deploys or a shorter --duration";
    assert_eq!(judged.reasons, [words]);
}

#[test]
fn a_deploy_that_outlasts_the_load_fails() {
    let mut round = round();
    (round.load_end_ns, round.missed) = (1500 * MS, 1);
    let under_way = "open loop: deploy 1 was still under way when the load ended, because a loop is an hour at most: fewer --deploys or a shorter --duration";
    assert_eq!(check(round.clone(), Verdict::Fail).reasons, [under_way]);
    round.missed = 2;
    let not_begun = "open loop: 1 deploy was not begun, because a loop is an hour at most: fewer --deploys or a shorter --duration";
    assert_eq!(check(round, Verdict::Fail).reasons, [under_way, not_begun]);
}

#[test]
fn a_service_that_answers_nobody_fails() {
    let mut round = round();
    round.loads[0].record.answered = 0;
    assert_eq!(
        check(round, Verdict::Fail).reasons,
        ["open loop, one-shot: not one request was answered"]
    );
}

#[test]
fn a_slow_swap_fails_only_when_that_was_asked() {
    let mut round = round();
    round.loads[0].swap.latency.p99_9_us = 1200;
    check(round.clone(), Verdict::Pass);
    let limits = Limits { max_slowdown: Some(1.1), ..LIMITS };
    let reasons = judge(&[round], true, limits).reasons;
    assert!(
        reasons[0].contains("1.20 times the 1.0 ms of the steady state; allowed is 1.1"),
        "{reasons:?}"
    );
}

#[test]
fn a_page_and_a_text_say_it_and_escape_what_others_said() {
    let rounds = vec![with_fault(FailureKind::Reset, 1200)];
    let judged = judge(&rounds, true, LIMITS);
    let proof = Proof {
        version: 1,
        app: "shop".into(),
        began: "now".into(),
        machine: Machine { processors: 2, kernel: "Linux".into() },
        verdict: judged.verdict,
        reasons: judged.reasons,
        findings: judged.findings,
        notes: judged.notes,
        limits: LIMITS,
        requests: 101,
        failed: 1,
        unsent: 0,
        rounds,
    };
    let page = html(&proof).unwrap();
    assert!(page.contains("FAIL: 1 of 101 requests failed over 1 deploy"), "{page}");
    assert!(
        page.contains("&#60;seen&#62;") && !page.contains("<seen>") && !page.contains("<done>"),
        "{page}"
    );
    assert_eq!(page.matches("<svg").count(), 3, "p99, max and answers: nothing failed in a slice");
    let text = text(&proof);
    assert!(text.contains("fault: open loop, 1.200 s, deploy 1, open (blue or green serves): one-shot: reset: <seen>"), "{text}");
    let again: Proof = serde_json::from_str(&serde_json::to_string(&proof).unwrap()).unwrap();
    assert_eq!(again.findings, proof.findings);
}

#[test]
fn who_is_asked_too_much_is_told_so() {
    let mut round = with_fault(FailureKind::Timeout, 500);
    let steady = &mut round.loads[0].steady;
    (steady.seconds, steady.answered) = (2.0, 80);
    let judged = check(round.clone(), Verdict::Fail);
    assert!(
        judged.notes[0].contains("of 100 requests each second 40 were answered"),
        "{judged:#?}"
    );
    round.loads[0].steady.answered = 198;
    assert_eq!(check(round, Verdict::Fail).notes, [] as [String; 0]);
}

#[test]
fn ctrl_c_before_the_first_answer_is_no_failure() {
    let mut round = round();
    round.loads[0].record.answered = 0;
    check(round.clone(), Verdict::Fail);
    round.interrupted = true;
    check(round.clone(), Verdict::Interrupted);
    round.loads[0].record.failed = 1;
    check(round, Verdict::Fail);
}
