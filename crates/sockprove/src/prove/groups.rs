//! The processes of slots that have no admin socket on which to say which they are: systemd keeps each slot in a control group of its own.

use std::fs;
use std::path::{Path, PathBuf};

use sockctl::systemd::Systemd;
use sockctl::world;
use sockgen::{App, SlotName, UnitName};

/// Where the kernel shows them.
const ROOT: &str = "/sys/fs/cgroup";

/// Processes of a slot that are looked at. Of more, nobody could say which one accepts.
const PROCESSES: usize = 8;

/// The control group of a slot.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) slot: String,
    path: PathBuf,
}

impl Group {
    /// Those of all slots, which lie beside that of the live one. None when systemd does not say where that is: then nobody looks.
    pub(super) async fn all(app: &App) -> Vec<Self> {
        let Some(live) = of_live(app).await else { return Vec::new() };
        let live = Path::new(ROOT).join(live.trim_start_matches('/'));
        let group = |slot: &SlotName, unit: UnitName| Self {
            slot: slot.to_string(),
            path: live.with_file_name(unit.as_ref()),
        };
        let programs = app.slots().iter().map(|slot| group(slot, app.slot_unit(slot)));
        // It is the proxy that accepts, where there is one.
        let proxied = app.slots().iter().filter(|_| app.proxy().is_some());
        programs.chain(proxied.map(|slot| group(slot, app.proxy_unit(slot)))).collect()
    }

    /// Empty when it does not run.
    pub(super) fn processes(&self) -> Vec<u32> {
        let listed = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        listed.lines().filter_map(|pid| pid.parse().ok()).take(PROCESSES).collect()
    }
}

async fn of_live(app: &App) -> Option<String> {
    let unit = app.slot_unit(&world::live(app)?);
    let systemd = Systemd::connect(app.place()).await.ok()?;
    let service = systemd.properties(unit.as_ref(), "Service").await.ok()?;
    service.text("ControlGroup").filter(|group| !group.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_does_not_run_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let group = Group { slot: "blue".into(), path: folder.path().join("shop-blue.service") };
        assert!(group.processes().is_empty());
        fs::create_dir(&group.path).unwrap();
        fs::write(group.path.join("cgroup.procs"), "17\n18\n").unwrap();
        assert_eq!(group.processes(), [17, 18]);
    }
}
