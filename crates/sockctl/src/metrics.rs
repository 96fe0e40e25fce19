//! `sockctl metrics` and the file for node_exporter's textfile collector: counters from the history, gauges from what is there.
//!
//! The text is Prometheus' exposition format 0.0.4, which is what the textfile collector reads; OpenMetrics wants counters
//! declared without `_total`, which that reader takes for another metric.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sockgen::App;

use crate::error::Error;
use crate::files::{self, FileError};
use crate::history::{self, Entry};
use crate::plan::{Active, Command};
use crate::sockets::{self, Seen};
use crate::systemd::Systemd;
use crate::world::World;

/// Looks and renders.
///
/// # Errors
/// When systemd, the history or the kernel's tables cannot be read.
pub async fn metrics(app: &App, systemd: &Systemd) -> Result<String, Error> {
    let world = World::look(app, systemd).await?;
    let held = sockets::survey(app, systemd.pid())?.into_values().collect::<Vec<_>>();
    Ok(render(app, &history::read(app)?, &world, &held))
}

/// Writes the file that the manifest asks for, whole or not at all; nothing when it asks for none.
///
/// # Errors
/// As [`metrics`], and when the file cannot be written.
pub async fn write(app: &App, systemd: &Systemd) -> Result<(), Error> {
    let Some(folder) = app.textfile() else { return Ok(()) };
    let path = folder.join(format!("sockact-{}.prom", app.name()));
    // A folder that is not there is not made: nobody would read it.
    if !folder.is_dir() {
        let missing = std::io::ErrorKind::NotFound.into();
        return Err(FileError::of("write in", folder)(missing).into());
    }
    Ok(files::write(&path, metrics(app, systemd).await?.as_bytes())?)
}

/// The metrics of an application; `held` has one item for each of its listeners, in their order.
pub fn render(app: &App, history: &[Entry], world: &World, held: &[Seen]) -> String {
    let mut text = Text { app: app.name().to_string(), text: String::new() };
    of_history(&mut text, history);
    text.family("sockact_live_release_info", "gauge", "The release that users meet.");
    if let Some(live) = world.live_slot() {
        let release = live.release.as_ref().map(ToString::to_string).unwrap_or_default();
        let labels = [("slot", live.name.as_ref()), ("release", &release)];
        text.sample("sockact_live_release_info", &labels, 1.0);
    }
    of_slots(&mut text, world);
    text.family("sockact_listener_held", "gauge", "Whether systemd holds the public socket.");
    for (listener, seen) in app.listeners().iter().zip(held) {
        let labels = [("listener", listener.name.as_ref())];
        text.sample("sockact_listener_held", &labels, f64::from(u8::from(seen.held.is_some())));
    }
    text.text
}

fn of_history(text: &mut Text, history: &[Entry]) {
    let mut ends: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for entry in history {
        *ends.entry((entry.command.name(), &entry.outcome)).or_default() += 1;
    }
    text.family(
        "sockact_deploys_total",
        "counter",
        "Deploys, restarts and rollbacks that came to their end.",
    );
    for ((command, outcome), count) in &ends {
        text.sample(
            "sockact_deploys_total",
            &[("command", command), ("outcome", outcome)],
            f64::from(*count),
        );
    }
    let count =
        |is: &dyn Fn(&Entry) -> bool| history.iter().filter(|entry| is(entry)).count() as f64;
    let automatic = count(&|entry| !matches!(&*entry.outcome, "live" | "kept"));
    let asked = count(&|entry| entry.command == Command::Rollback && entry.outcome == "live");
    text.family(
        "sockact_rollbacks_total",
        "counter",
        "Releases given up by themselves, and rollbacks that a person asked for.",
    );
    text.sample("sockact_rollbacks_total", &[("cause", "automatic")], automatic);
    text.sample("sockact_rollbacks_total", &[("cause", "asked")], asked);
    if let Some(last) = history.last() {
        text.family(
            "sockact_last_deploy_timestamp_seconds",
            "gauge",
            "When the last one was asked for.",
        );
        text.sample("sockact_last_deploy_timestamp_seconds", &[], last.since.as_second() as f64);
        text.family("sockact_last_deploy_duration_seconds", "gauge", "How long it took.");
        text.sample("sockact_last_deploy_duration_seconds", &[], last.took_ms as f64 / 1e3);
    }
}

fn of_slots(text: &mut Text, world: &World) {
    text.family("sockact_slot_up", "gauge", "Whether the slot said READY=1 and runs.");
    for slot in &world.slots {
        let up = f64::from(u8::from(slot.unit.active == Active::Active));
        text.sample("sockact_slot_up", &[("slot", slot.name.as_ref())], up);
    }
    type Gauge = (&'static str, &'static str, fn(&crate::admin::Status) -> f64);
    let gauges: [Gauge; 3] = [
        ("sockact_slot_gate", "Share of accepts that the slot takes, 0 to 1.", |s| s.gate),
        ("sockact_slot_in_flight", "Requests being answered now.", |s| s.in_flight as f64),
        ("sockact_slot_connections", "Connections open now.", |s| s.connections as f64),
    ];
    for (name, help, of) in gauges {
        text.family(name, "gauge", help);
        for slot in &world.slots {
            if let Some(status) = &slot.status {
                text.sample(name, &[("slot", slot.name.as_ref())], of(status));
            }
        }
    }
}

struct Text {
    app: String,
    text: String,
}

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// Labels are names of ours and hex digits: nothing in them needs quoting.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let _ = write!(self.text, "{name}{{app=\"{}\"", self.app);
        for (key, label) in labels {
            let _ = write!(self.text, ",{key}=\"{label}\"");
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}
