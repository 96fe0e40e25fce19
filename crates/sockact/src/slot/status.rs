//! What the admin socket tells: the status as JSON, the metrics as OpenMetrics text.

use std::fmt::Write;

use serde::Serialize;

use super::Setting;

/// The sums over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) connections: u64,
    pub(crate) in_flight: u64,
    pub(crate) accepted: u64,
    pub(crate) requests: u64,
}

/// The answer to `GET /-/status`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Status<'a> {
    version: u32,
    slot: &'a str,
    pid: u32,
    state: &'static str,
    gate: f64,
    connections: u64,
    in_flight: u64,
    accepted: u64,
    requests: u64,
}

impl<'a> Status<'a> {
    /// A draining slot accepts nothing, whatever its gate was.
    pub(crate) fn new(slot: &'a str, draining: bool, gate: Setting, sums: Sums) -> Status<'a> {
        Status {
            version: 1,
            slot,
            pid: std::process::id(),
            state: if draining { "draining" } else { "serving" },
            gate: if draining { 0.0 } else { gate.share() },
            connections: sums.connections,
            in_flight: sums.in_flight,
            accepted: sums.accepted,
            requests: sums.requests,
        }
    }

    /// One line of JSON.
    pub(crate) fn json(&self) -> String {
        // Numbers and strings under string keys: serialising these cannot fail.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// OpenMetrics 1.0 text.
    pub(crate) fn open_metrics(&self) -> String {
        let mut text = String::new();
        let draining = u64::from(self.state == "draining");
        family(&mut text, "connections", "gauge", "Public connections open now.", self.connections);
        family(&mut text, "in_flight", "gauge", "Requests now being answered.", self.in_flight);
        family(&mut text, "accepted", "counter", "Connections accepted.", self.accepted);
        family(&mut text, "requests", "counter", "Requests.", self.requests);
        family(&mut text, "gate_share", "gauge", "Share of accepts, 0 to 1.", self.gate);
        family(&mut text, "draining", "gauge", "1 while draining.", draining);
        text.push_str("# EOF\n");
        text
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    let total = if kind == "counter" { "_total" } else { "" };
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "# TYPE sockact_{name} {kind}\n# HELP sockact_{name} {help}\nsockact_{name}{total} {value}"
    );
}
