//! What a deploy would do: the plan, asked again and again about a world in which every step succeeds.

use std::fmt::Write as _;

use serde_json::{Value, json};
use sockgen::install::{Removed, removed};
use sockgen::{App, Listener, Ready, Share, SlotName};

use crate::canary::Canary;
use crate::deploy::{Hook, described};
use crate::error::Error;
use crate::listen::{self, unopened};
use crate::lock;
use crate::plan::{Active, Desired, Invocation, Next, Observed, SlotState, Step, next};
use crate::report::{Format, human};
use crate::systemd::Systemd;
use crate::ungated::weaker;
use crate::wish::{Asked, Wish, ready, wish};

/// A plan has each step at most twice, and two for each share of a canary; more would be a circle.
const STEPS_AT_MOST: usize = 3 * Step::ALL.len();

/// A step, and the canary's share that it is about.
type Foreseen = (Step, Option<Share>);

/// The steps from what is there to what is wanted when nothing fails, without [`Step::Record`].
pub fn forecast(desired: &Desired, observed: Observed) -> Vec<Step> {
    foresee(desired, observed).into_iter().map(|(step, _)| step).collect()
}

/// The same, each step with the canary's share that it is about.
fn foresee(desired: &Desired, observed: Observed) -> Vec<Foreseen> {
    let mut world = observed;
    let mut steps = Vec::new();
    while let Next::Do(step) = next(desired, &world) {
        if steps.len() == STEPS_AT_MOST {
            break;
        }
        let about = share(step, desired, &world);
        succeed(step, desired, &mut world);
        steps.push((step, about));
    }
    steps
}

/// What the step leaves behind.
fn succeed(step: Step, desired: &Desired, world: &mut Observed) {
    let new = &desired.into;
    let old = desired.from.as_ref().unwrap_or(new);
    match step {
        Step::Clear | Step::Withdraw | Step::Rest => stopped(slot(world, new)),
        Step::Retire => stopped(slot(world, old)),
        Step::Link => slot(world, new).release = desired.release.clone(),
        Step::Hold => slot(world, new).held = true,
        Step::Start => started(slot(world, new)),
        Step::Revive => started(slot(world, old)),
        Step::Probe => {
            world.verified = slot(world, new).invocation.clone();
            world.trialed = None;
        }
        Step::Commit => alias(world, Some(new)),
        Step::Return => alias(world, Some(old)),
        Step::Disable => alias(world, None),
        Step::Open => gate(slot(world, new), true),
        Step::Reopen => gate(slot(world, old), true),
        Step::Close => gate(slot(world, old), false),
        Step::Shut => gate(slot(world, new), false),
        Step::Canary => slot(world, new).gate = share(step, desired, world).map(Share::part),
        Step::Trial => world.trialed = share(step, desired, world),
        Step::Warm => slot(world, old).retires = true,
        Step::Watch => world.watched = true,
        Step::Migrate => world.to_migrate = false,
        Step::PreStop => world.to_pre_stop = false,
        Step::Listen => world.to_listen = false,
        Step::Unlisten => world.to_unlisten = false,
        Step::Stage | Step::Record => {}
    }
}

/// The share that a step of the canary is about: the next one, or the present one.
fn share(step: Step, desired: &Desired, world: &Observed) -> Option<Share> {
    let canary = desired.canary.as_ref()?;
    let at = canary.at(world.slots.get(&desired.into).and_then(|slot| slot.gate));
    if step == Step::Canary { canary.after(at) } else { at }
}

fn slot<'a>(world: &'a mut Observed, name: &SlotName) -> &'a mut SlotState {
    world.slots.entry(name.clone()).or_default()
}

fn alias(world: &mut Observed, slot: Option<&SlotName>) {
    (world.live, world.loaded) = (slot.cloned(), slot.cloned());
}

fn stopped(slot: &mut SlotState) {
    (slot.active, slot.gate, slot.retires) = (Active::Inactive, None, false);
}

fn started(slot: &mut SlotState) {
    slot.active = Active::Active;
    // No run of systemd's has this name.
    slot.invocation = Some(Invocation("forecast".into()));
    slot.gate = Some(if slot.held { 0.0 } else { 1.0 });
}

fn gate(slot: &mut SlotState, open: bool) {
    slot.held = !open;
    if slot.active == Active::Active {
        slot.gate = Some(if open { 1.0 } else { 0.0 });
    }
}

/// What a step does to this application, and how long it may take.
fn explained((step, about): Foreseen, foretold: &Foretold<'_>) -> String {
    let Foretold { app, desired, opens, closes, .. } = *foretold;
    let new = &desired.into;
    let old = desired.from.as_ref().unwrap_or(new);
    let (swap, health) = (app.swap(), app.health());
    let share = about.map_or("a share".into(), |share| share.to_string());
    match step {
        Step::Clear => format!("stop what is left in {new}"),
        Step::Link => format!("point {new} at {}", described(desired)),
        Step::Migrate => hook(app, Hook::Migrate, "before anything is changed"),
        Step::PreStop => hook(app, Hook::PreStop, &format!("beside {old}, before it stops")),
        Step::Hold => format!("{new} will start with a closed gate: no user meets it"),
        Step::Start => starting(app, desired),
        Step::Probe => format!(
            "{} of {new} must stay healthy for {}, within {}",
            health.probe,
            human(swap.stable),
            human(swap.deadline)
        ),
        Step::Rest => format!("stop {new} while it gets its alias"),
        Step::Commit => format!("point {} at {new}", app.alias()),
        Step::Open => format!("{new} accepts"),
        Step::Close => format!("{old} accepts no more and stands by"),
        Step::Watch => format!("{new} must stay healthy for {} in service", human(swap.watch)),
        Step::Canary => format!("{new} accepts {share} of the connections beside {old}"),
        Step::Trial => {
            let canary = desired.canary.as_ref();
            let (hold, stays) = canary.map_or((swap.canary.hold, false), |c| (c.hold, c.stay));
            let then = if stays { "; it stays there until `sockctl promote`" } else { "" };
            format!("{new} must stay healthy with {share} of them for {}{then}", human(hold))
        }
        Step::Warm => {
            format!("{old} stands by for {} and is stopped then", human(desired.keep_warm))
        }
        Step::Retire if app.slots().len() > 2 => {
            format!("{old} begins to drain, at most {}; nobody waits for it", human(swap.drain))
        }
        Step::Retire => format!("{old} drains, at most {}, and stops", human(swap.drain)),
        Step::Reopen => format!("{old} accepts again"),
        Step::Revive => format!("start {old} again"),
        Step::Shut => format!("{new} accepts no more"),
        Step::Return => format!("point {} back at {old}", app.alias()),
        Step::Disable => format!("take {} away", app.alias()),
        Step::Withdraw => format!("stop {new}"),
        Step::Stage => "copy the release".into(),
        Step::Listen => listen::welcomes(opens),
        Step::Unlisten => listen::farewells(closes),
        Step::Record => "write the history, remove old releases".into(),
    }
}

fn hook(app: &App, hook: Hook, when: &str) -> String {
    let argv = hook.argv(app).map_or(String::new(), ToString::to_string);
    format!("run {argv} {when}, at most {}", human(app.hooks().timeout))
}

fn starting(app: &App, desired: &Desired) -> String {
    let (new, limit) = (&desired.into, human(app.start_timeout()));
    let meets = match &desired.from {
        _ if app.gated() => String::new(),
        Some(old) => format!("; ungated: it accepts at once, beside {old}"),
        None => "; ungated: it accepts at once".into(),
    };
    match app.ready() {
        Ready::Notify => format!("start {new}, at most {limit} to READY=1{meets}"),
        Ready::Exec => format!("start {new}: execute its program, at most {limit}{meets}"),
    }
}

/// `sockctl plan`: what would be done for what was asked, as text or JSON. Takes no lock and changes nothing.
///
/// # Errors
/// The reasons for which the command itself would be refused.
pub async fn plan(
    app: &App,
    asked: Asked,
    canary: Option<Canary>,
    format: Format,
) -> Result<String, Error> {
    lock::look(&app.lock_path())?;
    let systemd = Systemd::connect(app.place()).await?;
    let world = ready(app, &systemd).await?;
    let opens = unopened(app, &systemd).await?;
    let desired = match wish(app, &world, asked, canary)? {
        Wish::Deploy(desired) => desired,
        Wish::Nothing(release) if format == Format::Json => {
            let outcome =
                json!({"app": app.name().as_ref(), "outcome": "nothing", "release": release});
            return Ok(format!("{outcome}\n"));
        }
        Wish::Nothing(release) => {
            return Ok(format!("{}: nothing to do, release {release} is live\n", app.name()));
        }
    };
    let closes = removed(app).unwrap_or_default();
    let observed = Observed {
        to_listen: !opens.is_empty(),
        to_unlisten: !closes.is_empty(),
        to_migrate: Hook::Migrate.wanted(app, &desired),
        to_pre_stop: Hook::PreStop.wanted(app, &desired),
        ..world.observed()
    };
    let steps = foresee(&desired, observed);
    let foretold = Foretold { app, desired: &desired, opens: &opens, closes: &closes, steps };
    Ok(match format {
        Format::Text => text(&foretold),
        Format::Json => format!("{}\n", object(&foretold)),
    })
}

/// What `sockctl plan` tells.
struct Foretold<'a> {
    app: &'a App,
    desired: &'a Desired,
    /// The listeners that are new.
    opens: &'a [&'a Listener],
    /// The sockets of those that are gone.
    closes: &'a [Removed],
    steps: Vec<Foreseen>,
}

impl Foretold<'_> {
    /// Each step with what it does. The record is the last, unless the canary waits for a person before it.
    fn steps(&self) -> impl Iterator<Item = (&'static str, String)> {
        let stays = self.desired.canary.as_ref().is_some_and(|canary| canary.stay)
            && self.steps.last().is_some_and(|(step, _)| *step == Step::Trial);
        let last = (!stays).then_some(&(Step::Record, None));
        let steps = self.steps.iter().chain(last);
        steps.map(|foreseen| (foreseen.0.name(), explained(*foreseen, self)))
    }
}

fn text(foretold: &Foretold<'_>) -> String {
    let Foretold { app, desired, .. } = *foretold;
    let from =
        desired.from.as_ref().map_or("nothing is live yet".into(), |s| format!("{s} is live"));
    let (name, command) = (app.name(), desired.command.name());
    let mut text =
        format!("{name}: {command} of {} into {}; {from}\n", described(desired), desired.into);
    for (step, what) in foretold.steps() {
        let _ = writeln!(text, "  {step:<9} {what}");
    }
    for sentence in weaker(app) {
        let _ = writeln!(text, "ungated: {sentence}");
    }
    let back = match &desired.from {
        Some(old) => format!("whatever fails before {old} goes leads back to {old}"),
        None => "whatever fails leads back to nothing deployed".into(),
    };
    let _ = writeln!(text, "{back}; nothing was changed now");
    text
}

fn object(foretold: &Foretold<'_>) -> Value {
    let Foretold { app, desired, .. } = *foretold;
    let steps = foretold.steps().map(|(step, what)| json!({"step": step, "what": what}));
    json!({
        "version": 1,
        "app": app.name().as_ref(),
        "command": desired.command,
        "release": desired.release,
        "gated": app.gated(),
        "weaker": weaker(app),
        "into": desired.into.as_ref(),
        "from": desired.from.as_ref().map(AsRef::as_ref),
        "steps": steps.collect::<Vec<_>>(),
    })
}
