//! A model of the world that the plan acts upon: two or three slots, an alias, and a controller that may be killed.

use std::time::Duration;

use sockctl::canary::Canary;
use sockctl::plan::{Active, Command, Desired, Invocation, Next, Observed, Outcome, Step, next};
use sockctl::release::ReleaseId;
use sockgen::{Share, SlotName};

pub(crate) fn slot(name: &str) -> SlotName {
    name.parse().expect("a valid slot name")
}

fn release(digit: u8) -> ReleaseId {
    format!("{digit:016x}").parse().expect("a valid release")
}

/// Blue serves release 1 (unless this is the first deploy), and release 2 is to go into green.
pub(crate) struct Model {
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    runs: u32,
    /// Releases that held their health at some time.
    proven: Vec<ReleaseId>,
    /// The old slot does not start any more.
    barren: bool,
}

impl Model {
    pub(crate) fn new(first: bool, warm: bool) -> Self {
        Self::of(Case { first, left: warm, ..Case::default() })
    }

    pub(crate) fn of(case: Case) -> Self {
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
        let mut model =
            Self { desired, observed, runs: 0, proven: vec![release(1)], barren: false };
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
    pub(crate) fn ungated(first: bool) -> Self {
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

    /// It died, and systemd starts it again in a moment.
    pub(crate) fn restarts(&mut self, name: &str) {
        let state = self.state(&slot(name));
        (state.active, state.gate) = (Active::Activating, None);
    }

    pub(crate) fn stop(&mut self, slot: &SlotName) {
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

    pub(crate) fn alias(&mut self, slot: Option<&SlotName>) {
        (self.observed.live, self.observed.loaded) = (slot.cloned(), slot.cloned());
    }

    pub(crate) fn execute(&mut self, step: Step) {
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
            Step::Revive if self.barren => self.observed.lost = true,
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
    pub(crate) fn kill_controller(&mut self) {
        (self.observed.verified, self.observed.trialed) = (None, None);
        (self.observed.watched, self.observed.lost) = (false, false);
    }

    /// The old slot stops, and never starts again.
    pub(crate) fn lose_old(&mut self) {
        if let Some(old) = self.desired.from.clone() {
            self.stop(&old);
            self.barren = true;
        }
    }

    /// Somebody gives the old slot its release back, where the way back had to end without it.
    fn mend_old(&mut self) {
        (self.barren, self.observed.lost) = (false, false);
    }

    fn check_promises(&self, step: Step, served: bool) {
        for release in self.accepting() {
            let ungated = self.observed.ungated;
            assert!(
                ungated || self.proven.contains(release),
                "after {step:?} an unproven release accepts"
            );
        }
        assert!(!served || !self.accepting().is_empty(), "after {step:?} nobody accepts");
        if matches!(step, Step::Canary | Step::Trial) && !self.barren {
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
            Outcome::Live | Outcome::Kept(_) => Some(&self.desired.into),
            Outcome::RolledBack(_) => self.desired.from.as_ref(),
            Outcome::Undone(_) => None,
        };
        assert_eq!(self.observed.live.as_ref(), live);
        for (name, slot) in &self.observed.slots {
            let standby = slot.retires && slot.held && !self.desired.keep_warm.is_zero();
            let drains = slot.active == Active::Deactivating && self.observed.slots.len() > 2;
            let runs = slot.active.runs() && !standby && !drains;
            let lost = self.barren && self.desired.from.as_ref() == Some(name);
            assert_eq!(runs, live == Some(name) && !lost, "{name} at the end of {outcome:?}");
        }
    }
}

/// Where a deploy begins, and what is asked of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Case {
    pub(crate) first: bool,
    /// A run of an earlier deploy is left in the slot.
    pub(crate) left: bool,
    /// The same, and it is what a rollback wants.
    pub(crate) standby: bool,
    /// There is a third slot.
    pub(crate) spare: bool,
    pub(crate) keep_warm: bool,
    /// One listener is new in the manifest, and another is gone.
    pub(crate) listeners: bool,
    /// With hooks before the start and the stop.
    pub(crate) hooks: bool,
    /// With a canary, and whether it stays at each share.
    pub(crate) canary: Option<bool>,
}

fn canary(stay: bool) -> Canary {
    let shares = ["10%", "50%"].map(|share| share.parse().expect("a share")).into();
    Canary { shares, hold: Duration::from_secs(1), promoted: None, stay }
}

/// What goes wrong, after so many steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    ControllerKilled,
    StepFails,
    /// Every slot that is up crashes, and systemd restarts it.
    AllCrash,
    /// The old slot is gone for good.
    OldLost,
}

pub(crate) fn run(mut model: Model, events: &[(usize, Event)]) -> (Outcome, Vec<Step>) {
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
        let lost = model.barren;
        if now.contains(&Event::StepFails) && model.desired.failed.is_none() {
            model.desired.failed = Some("as the test says".into());
        } else {
            // One that is lost is missed from then on; the way back does not take from users what is left of the others.
            let left = model.desired.failed.is_some() && !model.accepting().is_empty();
            let served = model.desired.from.is_some() && (!lost || left);
            model.execute(step);
            model.check_promises(step, served);
            if step == Step::Revive && lost {
                let into = model.desired.into.clone();
                if !model.observed.goes_on_without_old(&into) {
                    model.mend_old();
                }
            }
        }
        if now.contains(&Event::ControllerKilled) {
            model.kill_controller();
        }
        if now.contains(&Event::AllCrash) {
            let slots = model.observed.slots.clone();
            let up = slots.iter().filter(|(_, slot)| slot.active.runs());
            up.for_each(|(name, _)| model.start(name));
            model.check_promises(step, model.desired.from.is_some() && !lost);
        }
        if now.contains(&Event::OldLost) {
            model.lose_old();
        }
    }
    panic!("no end: {steps:?}");
}
