//! What systemd is told, `sd_notify(3)`. `NOTIFY_SOCKET` stays set: the environment is never
//! changed, and `NotifyAccess=main` keeps children out.

use std::io;

use sd_notify::NotifyState::{Ready, Status, Stopping};

use super::track::Sums;

/// Every accept loop lives.
pub(crate) fn ready(share: f64) -> io::Result<()> {
    sd_notify::notify(&[Ready, Status(&serving(share))])
}

/// The drain begins. From here on nothing depends on systemd hearing it.
pub(crate) fn stopping(sums: Sums) {
    let _ = sd_notify::notify(&[Stopping, Status(&left(sums))]);
}

/// What is left; sent at most once a second.
pub(crate) fn draining(sums: Sums) {
    let _ = sd_notify::notify(&[Status(&left(sums))]);
}

/// The gate was moved while serving.
pub(crate) fn gate(share: f64) {
    let _ = sd_notify::notify(&[Status(&serving(share))]);
}

fn serving(share: f64) -> String {
    match share {
        share if share >= 1.0 => "Serving".to_owned(),
        share if share <= 0.0 => "Ready, gate closed".to_owned(),
        share => format!("Serving a share of {share}"),
    }
}

fn left(sums: Sums) -> String {
    let Sums { connections, in_flight, .. } = sums;
    format!("Draining: {connections} connections left, {in_flight} requests in flight")
}
