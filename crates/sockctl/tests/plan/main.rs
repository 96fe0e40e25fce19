//! The plan against a model of the world: whatever dies between two steps, users are served and the end is one live slot.
//!
//! The model is that of a slot, not of systemd: what systemd really does is tested under `tests/`.

mod model;

use model::{Case, Event, Model, run, slot};
use proptest::prelude::*;
use sockctl::forecast::forecast;
use sockctl::plan::{Next, Outcome, Step, next};

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        Just(Event::ControllerKilled),
        Just(Event::StepFails),
        Just(Event::AllCrash),
        Just(Event::OldLost)
    ];
    proptest::collection::vec((0_usize..24, event), 0..5)
}

fn cases() -> impl Strategy<Value = Case> {
    let flags = (0..4_u8, any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<bool>>());
    flags.prop_map(|(begin, spare, keep_warm, listeners, canary)| Case {
        first: begin == 1,
        hooks: begin < 2,
        left: begin == 2,
        standby: begin == 3,
        spare,
        keep_warm,
        listeners,
        canary: canary.filter(|_| begin != 3),
    })
}

proptest! {
    #[test]
    fn users_are_served_whatever_happens(events in events(), case in cases()) {
        run(Model::of(case), &events);
    }

    #[test]
    fn and_without_gates(events in events(), first: bool) {
        run(Model::ungated(first), &events);
    }
}

#[test]
fn a_deploy_is_these_steps() {
    use Step::*;
    let (outcome, steps) = run(Model::new(false, false), &[]);
    assert_eq!(outcome, Outcome::Live);
    assert_eq!(steps, [Link, Hold, Start, Probe, Commit, Open, Close, Watch, Retire]);
}

#[test]
fn hooks_run_before_the_start_and_before_the_stop() {
    use Step::*;
    let hooks = Case { hooks: true, ..Case::default() };
    let (_, steps) = run(Model::of(hooks), &[]);
    let forward = [Migrate, Link, Hold, Start, Probe, Commit, Open, Close, Watch, PreStop, Retire];
    assert_eq!(steps, forward);
    let (outcome, steps) = run(Model::of(hooks), &[(0, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps, [Migrate], "nothing else happens");
    let (outcome, steps) = run(Model::of(hooks), &[(9, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps[9..], [PreStop, Reopen, Shut, Return, Withdraw]);
}

#[test]
fn listeners_open_before_the_slot_and_close_after_the_old_one() {
    use Step::*;
    let steps = [Listen, Link, Hold, Start, Probe, Commit, Open, Close, Watch, Retire, Unlisten];
    let case = Case { listeners: true, ..Case::default() };
    check_steps(case, &steps);
    let (outcome, steps) = run(Model::of(case), &[(0, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps, [Listen], "nothing else happens");
}

#[track_caller]
fn check_steps(case: Case, expected: &[Step]) {
    let (outcome, steps) = run(Model::of(case), &[]);
    assert_eq!((outcome, &steps[..]), (Outcome::Live, expected));
}

#[test]
fn a_rollback_to_a_warm_standby_moves_users_before_the_alias() {
    use Step::*;
    let case = Case { standby: true, ..Case::default() };
    check_steps(case, &[Probe, Open, Close, Commit, Watch, Retire]);
}

#[test]
fn a_canary_holds_each_share_before_the_commit() {
    use Step::*;
    let steps = [
        Link, Hold, Start, Probe, Canary, Trial, Canary, Trial, Commit, Open, Close, Watch, Retire,
    ];
    for stay in [false, true] {
        check_steps(Case { canary: Some(stay), ..Case::default() }, &steps);
    }
    // There is nobody to have the other connections.
    let first = [Link, Hold, Start, Probe, Rest, Commit, Start, Open, Watch];
    check_steps(Case { first: true, canary: Some(true), ..Case::default() }, &first);
}

#[test]
fn a_killed_controller_finds_its_canary_and_holds_the_same_share_again() {
    use Step::*;
    let case = Case { canary: Some(false), ..Case::default() };
    let (outcome, steps) = run(Model::of(case), &[(7, Event::ControllerKilled)]);
    assert_eq!(outcome, Outcome::Live);
    assert_eq!(steps[4..10], [Canary, Trial, Canary, Trial, Trial, Commit]);
}

#[test]
fn a_sick_canary_loses_its_share_first() {
    use Step::*;
    let case = Case { canary: Some(false), ..Case::default() };
    let (outcome, steps) = run(Model::of(case), &[(5, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps[4..], [Canary, Trial, Shut, Withdraw]);
}

#[test]
fn a_warm_standby_stays_and_a_spare_slot_drains_alone() {
    use Step::*;
    let common = [Link, Hold, Start, Probe, Commit, Open, Close, Watch];
    let with = |last: Step| common.into_iter().chain([last]).collect::<Vec<_>>();
    check_steps(Case { keep_warm: true, ..Case::default() }, &with(Warm));
    check_steps(Case { spare: true, ..Case::default() }, &with(Retire));
}

#[test]
fn without_gates_nothing_is_held_opened_or_closed() {
    use Step::*;
    let (outcome, steps) = run(Model::ungated(false), &[]);
    assert_eq!(outcome, Outcome::Live);
    assert_eq!(steps, [Link, Start, Probe, Commit, Watch, Retire]);
    let (outcome, steps) = run(Model::ungated(false), &[(2, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps, [Link, Start, Probe, Withdraw]);
}

#[test]
fn the_forecast_is_what_then_happens() {
    let some = Case::default();
    for case in [
        some,
        Case { left: true, ..some },
        Case { first: true, ..some },
        Case { standby: true, ..some },
        Case { keep_warm: true, ..some },
        Case { listeners: true, ..some },
        Case { canary: Some(false), ..some },
    ] {
        for at in 0..16 {
            // From the beginning, and from wherever a controller was killed.
            let mut model = Model::of(case);
            for _ in 0..at {
                if let Next::Do(step) = next(&model.desired, &model.observed) {
                    model.execute(step);
                }
            }
            model.kill_controller();
            let foreseen = forecast(&model.desired, model.observed.clone());
            assert_eq!(run(model, &[]).1, foreseen, "{case:?} after {at} steps");
        }
    }
}

#[test]
fn a_sick_release_is_withdrawn_and_the_old_one_never_stopped() {
    use Step::*;
    let (outcome, steps) = run(Model::new(false, false), &[(3, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps, [Link, Hold, Start, Probe, Withdraw]);
}

#[test]
fn a_release_that_fails_in_service_gives_back_to_the_warm_slot() {
    use Step::*;
    let (outcome, steps) = run(Model::new(false, false), &[(7, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::RolledBack(_)));
    assert_eq!(steps[7..], [Watch, Reopen, Shut, Return, Withdraw]);
}

#[test]
fn a_first_deploy_that_fails_leaves_nothing() {
    use Step::*;
    let (outcome, steps) = run(Model::new(true, false), &[(8, Event::StepFails)]);
    assert!(matches!(outcome, Outcome::Undone(_)));
    let rest = [Rest, Commit, Start, Open, Watch, Disable, Withdraw];
    assert_eq!(steps[..4], [Link, Hold, Start, Probe]);
    assert_eq!(steps[4..], rest);
}

#[test]
fn a_slot_that_serves_without_the_alias_serves_until_the_new_one_does() {
    use Step::*;
    let mut model = Model::new(false, false);
    model.alias(None);
    let (outcome, steps) = run(model, &[]);
    assert_eq!(outcome, Outcome::Live);
    let named = [Rest, Commit, Start, Open, Close, Watch, Retire];
    assert_eq!(steps[..4], [Link, Hold, Start, Probe]);
    assert_eq!(steps[4..], named);
}

#[test]
fn an_old_slot_that_does_not_start_any_more_is_no_dead_end() {
    use Step::*;
    let way_back = |case: Case, done: usize, change: fn(&mut Model)| {
        let mut model = Model::of(case);
        for _ in 0..done {
            match next(&model.desired, &model.observed) {
                Next::Do(step) => model.execute(step),
                other => panic!("{other:?}"),
            }
        }
        model.lose_old();
        change(&mut model);
        model.desired.failed = Some("as the test says".into());
        run(model, &[])
    };
    let (two, nothing) = (Case::default(), |_: &mut Model| {});
    // Link, hold, start: users have met nothing of it.
    let (outcome, steps) = way_back(two, 3, nothing);
    assert!(matches!(outcome, Outcome::RolledBack(_)), "{outcome:?}");
    assert_eq!(steps, [Revive, Withdraw]);
    // And probe, commit: it is live, and opened although it is sick.
    let (outcome, steps) = way_back(two, 5, nothing);
    assert!(matches!(outcome, Outcome::Kept(_)), "{outcome:?}");
    assert_eq!(steps, [Revive, Open]);
    // And open: it stays, also when it is down at the moment.
    for change in [nothing, |model: &mut Model| model.restarts("green")] {
        let (outcome, steps) = way_back(two, 6, change);
        assert!(matches!(outcome, Outcome::Kept(_)), "{outcome:?}");
        assert_eq!(steps, [Revive]);
    }
    // systemd goes on trying to start the old one: it is stopped, once, also with a slot to spare.
    for spare in [false, true] {
        let trying = |model: &mut Model| model.restarts("blue");
        let (outcome, steps) = way_back(Case { spare, ..two }, 6, trying);
        assert!(matches!(outcome, Outcome::Kept(_)), "{outcome:?}");
        assert_eq!(steps, [Revive, Close, Retire]);
    }
    // Users meet what is not live: the standby of a rollback, a canary. The way back waits for the old one.
    let standby = Case { standby: true, ..two };
    let (_, steps) = way_back(standby, 2, nothing);
    assert_eq!(steps[..2], [Revive, Revive]);
    let canary = Case { canary: Some(false), ..two };
    let (_, steps) = way_back(canary, 5, nothing);
    assert_eq!(steps[..2], [Revive, Revive]);
}

#[test]
fn every_step_is_met() {
    // These two are not the plan's.
    let mut met = vec![Step::Stage, Step::Record];
    for (first, warm) in [(false, false), (false, true), (true, false)] {
        for at in 0..12 {
            for event in [Event::StepFails, Event::ControllerKilled] {
                met.extend(run(Model::new(first, warm), &[(at, event)]).1);
            }
        }
    }
    for case in [
        Case { keep_warm: true, ..Case::default() },
        Case { canary: Some(true), ..Case::default() },
        Case { hooks: true, ..Case::default() },
        Case { listeners: true, ..Case::default() },
    ] {
        met.extend(run(Model::of(case), &[]).1);
    }
    // The old slot is only gone when it died for good while the new one was on trial.
    let mut dead = Model::new(false, false);
    dead.stop(&slot("blue"));
    dead.desired.failed = Some("as the test says".into());
    match next(&dead.desired, &dead.observed) {
        Next::Do(step) => met.push(step),
        other => panic!("{other:?} with no slot running"),
    }
    let missing: Vec<_> = Step::ALL.iter().filter(|step| !met.contains(step)).collect();
    assert!(missing.is_empty(), "no test meets {missing:?}");
}
