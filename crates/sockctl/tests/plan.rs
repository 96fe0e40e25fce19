//! The plan against a model of the world: whatever dies between two steps, users are served and the end is one live slot.
//!
//! The model is that of a slot, not of systemd: what systemd really does is tested under `tests/`.

use std::time::Duration;

use proptest::prelude::*;
use sockctl::canary::Canary;
use sockctl::forecast::forecast;
use sockctl::plan::{Active, Command, Desired, Invocation, Next, Observed, Outcome, Step, next};
use sockctl::release::ReleaseId;
use sockgen::{Share, SlotName};

fn slot(name: &str) -> SlotName {
    name.parse().expect("a valid slot name")
}

fn release(digit: u8) -> ReleaseId {
    format!("{digit:016x}").parse().expect("a valid release")
}

/// Blue serves release 1 (unless this is the first deploy), and release 2 is to go into green.
struct Model {
    desired: Desired,
    observed: Observed,
    runs: u32,
    /// Releases that held their health at some time.
    proven: Vec<ReleaseId>,
}

impl Model {
    fn new(first: bool, warm: bool) -> Self {
        Self::of(Case { first, left: warm, ..Case::default() })
    }

    fn of(case: Case) -> Self {
        let (blue, green) = (slot("blue"), slot("green"));
        let mut observed = Observed::default();
        observed.slots.insert(blue.clone(), Default::default());
        observed.slots.insert(green.clone(), Default::default());
        if case.spare {
            observed.slots.insert(slot("amber"), Default::default());
        }
        (observed.to_listen, observed.to_unlisten) = (case.listeners, case.listeners);
        (observed.to_migrate, observed.to_pre_stop) = (case.hooks, case.hooks && !case.first);
        let (into, from) = if case.first { (blue, None) } else { (green, Some(blue)) };
        let desired = Desired {
            version: 1,
            command: Command::Deploy,
            release: Some(release(2)),
            into,
            from,
            stale: None,
            warm: None,
            canary: case.canary.map(canary),
            keep_warm: Duration::from_secs(u64::from(case.keep_warm)),
            failed: None,
            since: 0,
            since_us: 0,
        };
        let mut model = Self { desired, observed, runs: 0, proven: vec![release(1)] };
        if let Some(from) = model.desired.from.clone() {
            model.state(&from).release = Some(release(1));
            model.start(&from);
            model.alias(Some(&from));
        }
        if case.left || case.standby {
            // A standby of an earlier deploy is still up in the slot, with a release of its own.
            let into = model.desired.into.clone();
            let state = model.state(&into);
            let digit = if case.standby { 2 } else { 1 };
            (state.release, state.held) = (Some(release(digit)), true);
            model.start(&into);
            let run = model.state(&into).invocation.clone();
            if case.standby {
                // What a rollback finds: the wanted release, which was live before.
                model.proven.push(release(2));
                (model.desired.command, model.desired.warm) = (Command::Rollback, run);
            } else {
                model.desired.stale = run;
            }
        }
        model
    }

    /// The same with a program that has no gate.
    fn ungated(first: bool) -> Self {
        let mut model = Self::new(first, false);
        model.observed.ungated = true;
        model
    }

    fn state(&mut self, slot: &SlotName) -> &mut sockctl::plan::SlotState {
        self.observed.slots.get_mut(slot).expect("a slot of the application")
    }

    fn start(&mut self, slot: &SlotName) {
        self.runs += 1;
        let run = Invocation(self.runs.to_string());
        let state = self.state(slot);
        state.active = Active::Active;
        (state.invocation, state.retires) = (Some(run), false);
        state.gate = Some(if state.held { 0.0 } else { 1.0 });
    }

    fn stop(&mut self, slot: &SlotName) {
        let state = self.state(slot);
        (state.active, state.gate, state.retires) = (Active::Inactive, None, false);
    }

    fn gate(&mut self, slot: &SlotName, open: bool) {
        let state = self.state(slot);
        state.held = !open;
        if state.active == Active::Active {
            state.gate = Some(if open { 1.0 } else { 0.0 });
        }
    }

    fn alias(&mut self, slot: Option<&SlotName>) {
        (self.observed.live, self.observed.loaded) = (slot.cloned(), slot.cloned());
    }

    fn execute(&mut self, step: Step) {
        let new = self.desired.into.clone();
        let old = self.desired.from.clone();
        let old = || old.clone().expect("a step for an old slot when there is none");
        match step {
            Step::Migrate => {
                let runs = self.observed.slots[&new].active.runs();
                assert!(!runs, "the new slot runs before the migration");
                self.observed.to_migrate = false;
            }
            Step::PreStop => self.observed.to_pre_stop = false,
            Step::Clear | Step::Withdraw | Step::Rest => self.stop(&new),
            Step::Link => self.state(&new).release = Some(release(2)),
            Step::Hold => self.gate(&new, false),
            Step::Start => self.start(&new),
            Step::Probe => {
                self.observed.trialed = None;
                self.observed.verified = self.state(&new).invocation.clone();
                self.proven.push(release(2));
            }
            Step::Commit => self.alias(Some(&new)),
            Step::Open => self.gate(&new, true),
            Step::Close => self.gate(&old(), false),
            Step::Watch => self.observed.watched = true,
            Step::Canary => {
                let at = self.share();
                let next = self.desired.canary.as_ref().and_then(|canary| canary.after(at));
                self.state(&new).gate = Some(next.expect("a next share").part());
            }
            Step::Trial => self.observed.trialed = self.share(),
            Step::Warm => self.state(&old()).retires = true,
            Step::Shut => self.gate(&new, false),
            Step::Retire if self.observed.slots.len() > 2 => {
                let state = self.state(&old());
                (state.active, state.gate) = (Active::Deactivating, None);
            }
            Step::Retire => self.stop(&old()),
            Step::Reopen => self.gate(&old(), true),
            Step::Revive => self.start(&old()),
            Step::Return => self.alias(Some(&old())),
            Step::Disable => self.alias(None),
            Step::Listen => {
                let proven = self.observed.verified.clone();
                let runs = proven.is_some() && proven == self.state(&new).invocation;
                assert!(!runs, "the new slot runs without it");
                self.observed.to_listen = false;
            }
            Step::Unlisten => self.observed.to_unlisten = false,
            Step::Stage | Step::Record => unreachable!("not the plan's: {step:?}"),
        }
    }

    /// The canary's share.
    fn share(&mut self) -> Option<Share> {
        let into = self.desired.into.clone();
        let gate = self.state(&into).gate;
        self.desired.canary.as_ref().and_then(|canary| canary.at(gate))
    }

    fn accepting(&self) -> Vec<&ReleaseId> {
        let slots = self.observed.slots.values();
        slots
            .filter(|slot| {
                slot.active == Active::Active && slot.gate.is_some_and(|gate| gate > 0.0)
            })
            .filter_map(|slot| slot.release.as_ref())
            .collect()
    }

    /// A killed controller forgets what it has seen; all else stays.
    fn kill_controller(&mut self) {
        (self.observed.verified, self.observed.trialed) = (None, None);
        self.observed.watched = false;
    }

    fn check_promises(&self, step: Step) {
        for release in self.accepting() {
            let ungated = self.observed.ungated;
            assert!(
                ungated || self.proven.contains(release),
                "after {step:?} an unproven release accepts"
            );
        }
        let served = self.desired.from.is_some();
        assert!(!served || !self.accepting().is_empty(), "after {step:?} nobody accepts");
        if matches!(step, Step::Canary | Step::Trial) {
            let old = self.desired.from.as_ref().map(|slot| &self.observed.slots[slot]);
            assert_eq!(
                old.and_then(|old| old.gate),
                Some(1.0),
                "nobody takes the other connections"
            );
        }
    }

    fn check_end(&self, outcome: &Outcome) {
        let live = match outcome {
            Outcome::Live => Some(&self.desired.into),
            Outcome::RolledBack(_) => self.desired.from.as_ref(),
            Outcome::Undone(_) => None,
        };
        assert_eq!(self.observed.live.as_ref(), live);
        for (name, slot) in &self.observed.slots {
            let standby = slot.retires && slot.held && !self.desired.keep_warm.is_zero();
            let drains = slot.active == Active::Deactivating && self.observed.slots.len() > 2;
            let runs = slot.active.runs() && !standby && !drains;
            assert_eq!(runs, live == Some(name), "{name} at the end of {outcome:?}");
        }
    }
}

/// Where a deploy begins, and what is asked of it.
#[derive(Debug, Clone, Copy, Default)]
struct Case {
    first: bool,
    /// A run of an earlier deploy is left in the slot.
    left: bool,
    /// The same, and it is what a rollback wants.
    standby: bool,
    /// There is a third slot.
    spare: bool,
    keep_warm: bool,
    /// One listener is new in the manifest, and another is gone.
    listeners: bool,
    /// With hooks before the start and the stop.
    hooks: bool,
    /// With a canary, and whether it stays at each share.
    canary: Option<bool>,
}

fn canary(stay: bool) -> Canary {
    let shares = ["10%", "50%"].map(|share| share.parse().expect("a share")).into();
    Canary { shares, hold: Duration::from_secs(1), promoted: None, stay }
}

/// What goes wrong, after so many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    ControllerKilled,
    StepFails,
    /// Every slot that is up crashes, and systemd restarts it.
    AllCrash,
}

fn run(mut model: Model, events: &[(usize, Event)]) -> (Outcome, Vec<Step>) {
    let mut steps = Vec::new();
    for at in 0..120 {
        let now: Vec<_> =
            events.iter().filter(|(n, _)| *n == at).map(|(_, event)| *event).collect();
        let step = match next(&model.desired, &model.observed) {
            Next::Do(step) => step,
            Next::Stay(share) => {
                // Somebody promotes it.
                let canary = model.desired.canary.as_mut().expect("a canary");
                canary.promote(share, false);
                continue;
            }
            Next::Done(outcome) => {
                model.check_end(&outcome);
                return (outcome, steps);
            }
        };
        steps.push(step);
        if now.contains(&Event::StepFails) && model.desired.failed.is_none() {
            model.desired.failed = Some("as the test says".into());
        } else {
            model.execute(step);
            model.check_promises(step);
        }
        if now.contains(&Event::ControllerKilled) {
            model.kill_controller();
        }
        if now.contains(&Event::AllCrash) {
            let slots = model.observed.slots.clone();
            let up = slots.iter().filter(|(_, slot)| slot.active.runs());
            up.for_each(|(name, _)| model.start(name));
            model.check_promises(step);
        }
    }
    panic!("no end: {steps:?}");
}

fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event =
        prop_oneof![Just(Event::ControllerKilled), Just(Event::StepFails), Just(Event::AllCrash)];
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
