//! `sockctl status`: what is live, what each slot does, and whether PID 1 holds the sockets.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sockgen::listening::Inode;
use sockgen::{App, ListenerName};

use crate::error::Error;
use crate::history;
use crate::plan::{Active, Desired};
use crate::report::{Format, monotonic_us};
use crate::sockets::{Seen, SocketError, survey};
use crate::systemd::Systemd;
use crate::ungated::weaker;
use crate::world::{Slot, World};

/// The status in both forms.
#[derive(Debug)]
pub struct Shown {
    /// For people, several lines.
    pub text: String,
    /// For programs.
    pub json: Value,
}

/// Looks and says what it saw.
///
/// # Errors
/// When systemd gives no answer.
pub async fn status(app: &App, format: Format) -> Result<String, Error> {
    let shown = Shown::look(app, &Systemd::connect(app.place()).await?).await?;
    Ok(match format {
        Format::Text => shown.text,
        Format::Json => format!("{:#}\n", shown.json),
    })
}

impl Shown {
    /// Looks now.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn look(app: &App, systemd: &Systemd) -> Result<Self, Error> {
        let world = World::look(app, systemd).await?;
        let mut times = Vec::new();
        for slot in &world.slots {
            let since = systemd.active_since(app.slot_unit(&slot.name).as_ref()).await?;
            times.push(Times { since, warm_until: warm_until(app, systemd, slot).await? });
        }
        let seen = survey(app, systemd.pid());
        let unfinished = history::remembered(app)?;
        let slots = world.slots.iter().zip(&times);
        let json = json!({
            "version": 1,
            "app": app.name().as_ref(),
            "live": world.live.as_ref().map(AsRef::as_ref),
            "gated": app.gated(),
            "weaker": weaker(app),
            "slots": slots.map(|(slot, times)| slot_json(slot, times, &world)).collect::<Vec<_>>(),
            "listeners": listeners_json(app, seen.as_ref().ok()),
            "unfinished": &unfinished,
        });
        Ok(Self { text: text(app, &world, &times, &seen, unfinished), json })
    }
}

fn text(
    app: &App,
    world: &World,
    times: &[Times],
    seen: &Result<BTreeMap<ListenerName, Seen>, SocketError>,
    unfinished: Option<Desired>,
) -> String {
    let mut text = String::new();
    let live = match &world.live {
        Some(slot) => format!("{slot} is live"),
        None => "nothing is deployed yet".into(),
    };
    let _ = writeln!(text, "{}: {live}", app.name());
    for (slot, times) in world.slots.iter().zip(times) {
        let _ = writeln!(text, "  {}", slot_line(slot, times, world));
    }
    let manager = app.place().manager();
    for listener in app.listeners() {
        let (name, address) = (&listener.name, &listener.address);
        let state = match seen {
            Ok(seen) => held(seen.get(name).copied().unwrap_or_default(), manager),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(text, "  listener {name:<8} {address}  {state}");
    }
    for sentence in weaker(app) {
        let _ = writeln!(text, "  ungated: {sentence}");
    }
    if let Some(wish) = unfinished {
        let _ = writeln!(
            text,
            "  {} into {} is not finished; unless one is running: `{} {} {}`",
            wish.command.name(),
            wish.into,
            app.place().typed("sockctl"),
            if wish.canary.is_some_and(|canary| canary.stay) { "promote|abort" } else { "resume" },
            app.name()
        );
    }
    text
}

/// When a slot began, and when it ends.
struct Times {
    /// Microseconds since the epoch; 0 when it never ran.
    since: u64,
    /// When the timer of a standby elapses.
    warm_until: Option<Timestamp>,
}

async fn warm_until(app: &App, systemd: &Systemd, slot: &Slot) -> Result<Option<Timestamp>, Error> {
    let Some(timer) = slot.retire_timer(app).filter(|_| slot.retires) else { return Ok(None) };
    let elapses = i64::try_from(systemd.elapses(timer.as_ref()).await?).unwrap_or(i64::MAX);
    let left = SignedDuration::from_micros(elapses.saturating_sub(monotonic_us()));
    Ok(Timestamp::now().checked_add(left).ok().filter(|_| elapses > 0))
}

fn role(slot: &Slot, world: &World) -> &'static str {
    match (world.live.as_ref() == Some(&slot.name), slot.unit.active) {
        (true, Active::Active) => "live",
        (true, _) => "live, not running",
        (false, Active::Inactive | Active::Failed) => "idle",
        (false, Active::Deactivating) => "draining",
        (false, _) if slot.status.as_ref().is_some_and(|s| s.gate == 0.0) => "standby",
        (false, _) if slot.held && slot.status.as_ref().is_some_and(|s| s.gate < 1.0) => "canary",
        (false, _) => "runs",
    }
}

fn slot_line(slot: &Slot, times: &Times, world: &World) -> String {
    let release = slot.release.as_ref().map_or("-".into(), ToString::to_string);
    let mut line =
        format!("{:<8} {:<18} {release:<16}  {}", slot.name, role(slot, world), slot.unit.sub);
    if slot.unit.active == Active::Active {
        if let Ok(since) = Timestamp::from_microsecond(times.since.try_into().unwrap_or(0)) {
            let _ = write!(line, " since {since:.0}");
        }
        if let Some(until) = times.warm_until {
            let _ = write!(line, ", warm until {until:.0}");
        }
        match &slot.status {
            Some(status) => {
                let _ = write!(
                    line,
                    ", pid {}, gate {}, {} connections, {} requests in flight",
                    status.pid, status.gate, status.connections, status.in_flight
                );
            }
            None if !slot.gated => line.push_str(", ungated: it accepts"),
            None => line.push_str(", gives no answer on its admin socket"),
        }
    } else if let Some(status) = &slot.status {
        let (connections, requests) = (status.connections, status.in_flight);
        let _ = write!(line, ", {connections} connections and {requests} requests left");
    }
    line
}

fn slot_json(slot: &Slot, times: &Times, world: &World) -> Value {
    json!({
        "slot": slot.name.as_ref(),
        "role": role(slot, world),
        "release": slot.release,
        "active": slot.unit.active,
        "sub": slot.unit.sub,
        "since_us": times.since,
        "warm_until": times.warm_until,
        "invocation": slot.unit.invocation,
        "starts_closed": slot.held,
        "status": slot.status,
    })
}

fn held(seen: Seen, manager: &str) -> String {
    match seen {
        Seen { held: Some(inode), .. } => {
            format!("held by {manager}, inode {}", inode.number())
        }
        Seen { listening: true, .. } => {
            format!("not held by {manager}: somebody else listens there")
        }
        _ => "not open".into(),
    }
}

fn listeners_json(app: &App, seen: Option<&BTreeMap<ListenerName, Seen>>) -> Vec<Value> {
    app.listeners()
        .iter()
        .map(|listener| {
            let inode = seen.and_then(|seen| seen.get(&listener.name)?.held);
            let inode = inode.map(Inode::number);
            json!({
                "listener": listener.name.as_ref(),
                "address": listener.address.setting().1,
                "type": listener.address.kind().to_string(),
                "inode": inode,
            })
        })
        .collect()
}
