//! The starting program of a preset, and what it cannot do.

use std::path::Path;

use super::{InitError, Start};
use crate::address::Address;
use crate::files::Change;
use crate::presets::{Finds, Words};

/// Programs that take descriptor 3 cannot tell several apart.
pub(super) fn one_listener(start: &Start) -> Result<(), InitError> {
    let (preset, count) = (start.preset.name, start.listeners.len());
    if start.preset.finds != Finds::Third || count == 1 {
        return Ok(());
    }
    Err(InitError::Preset {
        problem: format!(
            "the preset {preset} takes descriptor 3, and of {count} listeners each could be that: systemd passes them in no fixed order"
        ),
        hint: "leave one --listen; a program that finds its sockets by LISTEN_FDNAMES can have several, in a manifest of its own".into(),
    })
}

/// The starting program, of this application and not of `shop`.
pub(super) fn program(start: &Start, folder: &Path) -> Result<Vec<Change>, InitError> {
    let refuse = |problem: &str, hint: &str| {
        Err(InitError::Preset { problem: format!("--main: {problem}"), hint: hint.to_owned() })
    };
    let [(listener, address)] = &start.listeners[..] else {
        return refuse(
            "the starting program serves one listener",
            "leave one --listen, and add the others to what is written",
        );
    };
    if start.preset.gated && !matches!(address, Address::Tcp(_)) {
        return refuse(
            "the starting program listens on TCP",
            "give --listen an address and a port; `listeners()?.unix(\"http\")` takes a unix socket",
        );
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
    if !start.health_path.chars().all(plain) {
        return refuse(
            "the health path goes into the program's text, and has more in it than letters, digits and /-._~",
            "use a path such as /health",
        );
    }
    let words = Words {
        name: &start.name,
        listener: listener.as_ref(),
        address: &address.to_string(),
        health_path: &start.health_path,
    };
    let sources = start.preset.sources.iter().map(|source| {
        let mode = if source.executable { 0o755 } else { 0o644 };
        let change = Change::text(folder.join(source.path), words.put_into(source.text));
        Change { mode, ..change }
    });
    Ok(sources.collect())
}
