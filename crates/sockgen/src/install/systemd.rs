//! The few questions and orders that `sockgen` has for systemd, through systemctl(1).

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Command, Output};

use super::InstallError;
use crate::endpoint::Endpoint;
use crate::place::Place;

/// What systemd knows of one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct UnitState {
    pub(crate) active: String,
    pub(crate) need_reload: bool,
    pub(crate) enabled: bool,
}

impl UnitState {
    /// Whether stopping, changing or removing it could be noticed.
    pub(crate) fn is_live(&self) -> bool {
        !matches!(self.active.as_str(), "" | "inactive" | "failed")
    }
}

pub(crate) fn systemctl(
    place: &Place,
    what: &'static str,
    args: &[&str],
) -> Result<Output, InstallError> {
    let output = Command::new("systemctl")
        .args(place.is_user().then_some("--user"))
        .args(args)
        .envs([("LC_ALL", "C"), ("SYSTEMD_COLORS", "0"), ("SYSTEMD_PAGER", "")])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InstallError::NoSystemd { found: "there is no systemctl" });
        }
        Err(source) => return Err(InstallError::Spawn { source }),
    };
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(InstallError::Systemctl { what, said })
}

/// Asks for the state of units, by name; a name systemd does not know has the default state.
pub(crate) fn states(
    place: &Place,
    names: &[String],
) -> Result<BTreeMap<String, UnitState>, InstallError> {
    // sd_booted(3)
    if !Path::new("/run/systemd/system").is_dir() {
        let found = "systemd is not what runs this machine";
        return Err(InstallError::NoSystemd { found });
    }
    let properties = "--property=Id,ActiveState,NeedDaemonReload,UnitFileState";
    let mut args = vec!["show", properties, "--"];
    args.extend(names.iter().map(String::as_str));
    let output = systemctl(place, "ask systemd for the state of the units", &args)?;
    let text = String::from_utf8_lossy(&output.stdout);
    // One block for each name, in the order of the question.
    Ok(names.iter().cloned().zip(text.trim().split("\n\n").map(state)).collect())
}

fn state(block: &str) -> UnitState {
    let mut state = UnitState::default();
    for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
        match key {
            "ActiveState" => value.clone_into(&mut state.active),
            "NeedDaemonReload" => state.need_reload = value == "yes",
            "UnitFileState" => state.enabled = value.starts_with("enabled"),
            _ => {}
        }
    }
    state
}

/// Has systemd read all unit files again.
pub(crate) fn reload(place: &Place) -> Result<(), InstallError> {
    systemctl(place, "reload the unit files", &["daemon-reload"]).map(drop)
}

/// Makes the symlinks that `[Install]` of a unit asks for. Never with `--force`: an alias that is
/// there says which slot is live.
pub(crate) fn enable(place: &Place, root: Option<&Path>, unit: &str) -> Result<(), InstallError> {
    let what = "point the alias at the first slot";
    match root {
        None => systemctl(place, what, &["enable", "--quiet", "--", unit]).map(drop),
        Some(root) => {
            let root = format!("--root={}", root.display());
            systemctl(place, what, &[&root, "enable", "--quiet", "--", unit]).map(drop)
        }
    }
}

/// The socket unit that is in the way of an endpoint, as far as systemd says.
pub(crate) fn socket_unit_of(endpoint: &Endpoint) -> Option<String> {
    let args = ["list-sockets", "--all", "--show-types", "--no-legend", "--plain", "--full"];
    let output = systemctl(&Place::system(), "list sockets", &args).ok()?;
    String::from_utf8_lossy(&output.stdout).lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (at, kind) = (words.next()?, words.next()?);
        let theirs = Endpoint::of_setting(&format!("Listen{kind}"), at, false)?;
        theirs.overlaps(endpoint).then(|| words.next().map(str::to_owned))?
    })
}

/// The processes of a service that runs on this machine; none when it does not, or nobody can tell.
pub(crate) fn main_processes(unit: &str) -> Vec<u32> {
    let args = ["show", "--property=MainPID,ControlGroup", "--", unit];
    let Ok(output) = systemctl(&Place::system(), "ask for a service's processes", &args) else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    let group = value("ControlGroup=");
    // The second is where cgroups of the first version are mounted, too.
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
    let listed = roots
        .iter()
        .filter(|_| !group.is_empty())
        .find_map(|root| std::fs::read_to_string(format!("{root}{group}/cgroup.procs")).ok());
    let listed = listed.unwrap_or_else(|| value("MainPID=").to_owned());
    listed.lines().filter_map(|pid| pid.parse().ok()).filter(|pid| *pid != 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_of_show() {
        let text =
            "Id=shop.target\nActiveState=active\nNeedDaemonReload=yes\nUnitFileState=enabled";
        let state = state(text);
        assert!(state.is_live() && state.need_reload && state.enabled);
        assert!(!super::state("ActiveState=inactive\nUnitFileState=").is_live());
    }
}
