//! Asks one slot for its health, in the way that the manifest says.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use sockgen::{App, Argv, Exec, Probe, SlotName};

use crate::admin::{Admin, AdminError};
use crate::systemd::{Systemd, SystemdError, Task};

/// Why a slot is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum Unhealthy {
    /// It gave no good answer.
    #[error(transparent)]
    Answer(#[from] AdminError),
    /// The command that checks it failed.
    #[error("{program} {end}")]
    Command {
        /// The program, as in the manifest.
        program: String,
        /// How it ended.
        end: String,
    },
    /// The command could not be run.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
}

impl Unhealthy {
    /// Whether nobody listens where it is asked: no socket, or one whose owner is gone.
    pub fn is_nobody(&self) -> bool {
        let Self::Answer(AdminError::Connect { source, .. }) = self else { return false };
        matches!(source.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
    }
}

/// Knows how to ask one slot.
#[derive(Debug)]
pub struct Asker {
    way: Way,
    within: Duration,
}

#[derive(Debug)]
enum Way {
    Get(Admin, String),
    Connect(Admin),
    Run(Systemd, Box<Task>, String),
}

impl Asker {
    /// For this slot of the application. Nothing is asked yet.
    pub fn new(app: &App, slot: &SlotName, systemd: &Systemd) -> Self {
        let (probe, within) = (&app.health().probe, app.health().timeout);
        let admin = || Admin::of(app, slot, systemd, None);
        let own = || probe.address(slot).cloned().map_or_else(admin, Admin::at);
        let way = match probe {
            Probe::Admin { path } | Probe::Http { path, .. } => Way::Get(own(), path.clone()),
            Probe::Connect { .. } => Way::Connect(own()),
            Probe::Exec(argv) => {
                let task = Task {
                    unit: app.name().task_unit(&format!("{slot}-health")).to_string(),
                    description: format!("{}: health of slot {slot}", app.name()),
                    like: app.slot_unit(slot).to_string(),
                    argv: words(argv, &app.slot_link(slot)),
                    directory: matches!(app.exec(), Exec::Release(_)).then(|| app.slot_link(slot)),
                    environment: Vec::new(),
                    timeout: within,
                    // Or one that is over looks like one that failed to whoever did not hear of its end.
                    remains: true,
                };
                Way::Run(systemd.clone(), Box::new(task), probe.to_string())
            }
        };
        Self { way, within }
    }

    /// Asks once.
    ///
    /// # Errors
    /// What came instead of a healthy answer. An answer takes at most the manifest's `health.timeout`.
    pub async fn ask(&self) -> Result<(), Unhealthy> {
        match &self.way {
            Way::Get(admin, path) => Ok(admin.health(path, self.within).await?),
            Way::Connect(admin) => Ok(admin.connect(self.within).await?),
            Way::Run(systemd, task, program) => check(systemd, task, program).await,
        }
    }

    /// The unit of the command that checks, whose log says more.
    pub fn unit(&self) -> Option<&str> {
        match &self.way {
            Way::Run(_, task, _) => Some(&task.unit),
            Way::Get(..) | Way::Connect(_) => None,
        }
    }
}

/// The program and its arguments, with a program of the release below `home`.
pub(crate) fn words(argv: &Argv, home: &std::path::Path) -> Vec<String> {
    let program: PathBuf = match &argv.exec {
        Exec::Release(path) => home.join(path),
        Exec::Program(path) => path.clone(),
    };
    std::iter::once(program.display().to_string()).chain(argv.args.iter().cloned()).collect()
}

async fn check(systemd: &Systemd, task: &Task, program: &str) -> Result<(), Unhealthy> {
    // What an earlier controller left, running or failed.
    systemd.forget(&task.unit, task.timeout).await?;
    let outcome = match systemd.run(task).await {
        Err(SystemdError::Job { .. }) => {
            let end = systemd.ending(&task.unit).await?.words();
            Err(Unhealthy::Command { program: program.into(), end })
        }
        result => Ok(result?),
    };
    systemd.forget(&task.unit, task.timeout).await?;
    outcome
}
