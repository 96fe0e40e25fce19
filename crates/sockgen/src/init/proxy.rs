//! What a first manifest says of a program that cannot be passed a socket.

use super::{InitError, Start, string, strings};
use crate::presets::Finds;

/// The table `[proxy]`, in TOML.
pub(super) struct Text {
    pub(super) args: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) to: Vec<(&'static str, String)>,
}

/// `None` when the preset's program takes systemd's sockets.
pub(super) fn text(start: &Start) -> Option<Text> {
    let Finds::Proxy { environment, to } = start.preset.finds else { return None };
    let to = match &start.proxy_to {
        Some(to) => to.each_ref().map(ToString::to_string),
        None => to.map(str::to_owned),
    };
    let environment: Vec<_> =
        environment.iter().map(|(key, value)| format!("{key} = {}", string(value))).collect();
    // A program of one's own is told by what was typed.
    let told = start.args.is_empty().then(|| format!("{{ {} }}", environment.join(", ")));
    Some(Text {
        args: (!start.args.is_empty()).then(|| strings(&start.args)),
        environment: told,
        to: ["blue", "green"].into_iter().zip(to.iter().map(|at| string(at))).collect(),
    })
}

/// Addresses are for a program that opens them.
pub(super) fn fits(start: &Start) -> Result<(), InitError> {
    let takes = !matches!(start.preset.finds, Finds::Proxy { .. });
    if start.proxy_to.is_none() || !takes {
        return Ok(());
    }
    Err(InitError::Preset {
        problem: format!(
            "--proxy-to: a program of the preset {} takes systemd's sockets",
            start.preset.name
        ),
        hint: "leave it out; --preset proxyd is for one that opens its own address".into(),
    })
}
