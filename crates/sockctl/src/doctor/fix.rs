//! Mends what can be mended while everybody goes on working.

use std::collections::BTreeSet;

use sockgen::{App, SlotName};

use super::facts::Facts;
use super::finding::Fix;
use crate::admin::Admin;
use crate::alias;
use crate::error::Error;
use crate::files;
use crate::systemd::Systemd;

/// Longer than any start of a socket or a `/bin/true`.
const SHORT: std::time::Duration = std::time::Duration::from_secs(30);

/// Does it, and says what was done.
///
/// # Errors
/// What systemd or the slot answered instead.
pub(super) async fn apply(fix: &Fix, facts: &Facts, systemd: &Systemd) -> Result<String, Error> {
    let app = &facts.app;
    match fix {
        Fix::Reload => {
            systemd.reload().await?;
            Ok("systemd read its unit files again".into())
        }
        Fix::PointAlias(slot) => {
            let unit = app.slot_unit(slot);
            match alias::point(app, &unit)? {
                true => systemd.reload().await?,
                false => systemd.point_alias(unit.as_ref()).await?,
            }
            Ok(format!("{} leads to {unit} again", app.alias()))
        }
        Fix::StartActivator => {
            systemd.start(app.activator().as_ref(), SHORT).await?;
            Ok(format!("started {}: the listeners are non-blocking", app.activator()))
        }
        Fix::OpenSockets => open_sockets(facts, systemd).await,
        Fix::OpenGate(slot) => {
            files::remove(&app.env_path(slot))?;
            let admin = Admin::of(app, slot, systemd, None);
            admin.set_gate(1.0).await.map_err(|error| said(slot, &error))?;
            Ok(format!("{slot} accepts"))
        }
        Fix::RemoveEnv(slot) => {
            files::remove(&app.env_path(slot))?;
            Ok(format!("removed {}", app.env_path(slot).display()))
        }
        Fix::StopSlot(slot) => stop(app, slot, systemd).await,
        Fix::StopAdmin(slot) => {
            let unit = app.admin_socket_unit(slot);
            systemd.stop(unit.as_ref(), SHORT).await?;
            Ok(format!("stopped {unit}"))
        }
        Fix::StartSlot(slot) => {
            let unit = app.slot_unit(slot);
            systemd.start(unit.as_ref(), app.start_timeout() + SHORT).await?;
            Ok(format!("started {unit}"))
        }
    }
}

fn said(slot: &SlotName, error: &dyn std::fmt::Display) -> Error {
    crate::wish::refused(format!("{slot}: {error}"), "`sockctl logs` may say more".into())
}

async fn stop(app: &App, slot: &SlotName, systemd: &Systemd) -> Result<String, Error> {
    // Held, so that nothing that starts it by mistake opens it to users.
    files::write(&app.env_path(slot), b"SOCKACT_GATE=closed\n")?;
    let unit = app.slot_unit(slot);
    systemd.stop(unit.as_ref(), app.swap().drain + SHORT).await?;
    Ok(format!("stopped {unit}; it drained"))
}

async fn open_sockets(facts: &Facts, systemd: &Systemd) -> Result<String, Error> {
    let app = &facts.app;
    for slot in app.slots() {
        systemd.reset_failed(app.slot_unit(slot).as_ref()).await?;
    }
    systemd.reset_failed(app.activator().as_ref()).await?;
    let sockets: BTreeSet<_> = app.listeners().iter().map(|l| app.socket_unit(&l.name)).collect();
    for socket in &sockets {
        systemd.reset_failed(socket.as_ref()).await?;
    }
    for socket in &sockets {
        systemd.start(socket.as_ref(), SHORT).await?;
    }
    let names: Vec<_> = sockets.iter().map(ToString::to_string).collect();
    Ok(format!("reset the slots, then started {}", names.join(", ")))
}
