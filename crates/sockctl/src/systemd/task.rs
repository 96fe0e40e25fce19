//! A command of the application that is run once, as a transient unit: as the user, in the sandbox and with the environment and
//! credentials of a slot.

use std::path::PathBuf;
use std::time::Duration;

use zbus::Variant;

use super::transient::{micros, service};
use super::{PATIENCE, Properties, Systemd, SystemdError};
use crate::why::identifier;

/// What a command shares with the slot that it stands beside (systemd.exec(5)): read from systemd, so that an administrator's drop-in
/// for the slot holds for the command as well: a migration at noon takes no more of the machine than a slot may. Sockets and limits of time are the
/// slot's own.
const SHARED: &[&str] = &[
    "AmbientCapabilities",
    "BindPaths",
    "BindReadOnlyPaths",
    "CPUQuotaPerSecUSec",
    "CPUWeight",
    "CacheDirectory",
    "CapabilityBoundingSet",
    "ConfigurationDirectory",
    "DeviceAllow",
    "DevicePolicy",
    "DynamicUser",
    "Environment",
    "EnvironmentFiles",
    "ExecPaths",
    "Group",
    "IOWeight",
    "IPAddressAllow",
    "IPAddressDeny",
    "InaccessiblePaths",
    "LimitNOFILE",
    "LimitRTPRIO",
    "LoadCredential",
    "LoadCredentialEncrypted",
    "LockPersonality",
    "LogNamespace",
    "LogsDirectory",
    "MemoryDenyWriteExecute",
    "MemoryHigh",
    "MemoryMax",
    "MemorySwapMax",
    "Nice",
    "NoExecPaths",
    "NoNewPrivileges",
    "OOMScoreAdjust",
    "PassEnvironment",
    "PrivateDevices",
    "PrivateMounts",
    "PrivateNetwork",
    "PrivateTmp",
    "PrivateUsers",
    "ProcSubset",
    "ProtectClock",
    "ProtectControlGroups",
    "ProtectHome",
    "ProtectHostname",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "ProtectProc",
    "ProtectSystem",
    "ReadOnlyPaths",
    "ReadWritePaths",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "SetCredential",
    "SetCredentialEncrypted",
    "Slice",
    "StateDirectory",
    "StateDirectoryMode",
    "SupplementaryGroups",
    "SystemCallArchitectures",
    "SystemCallErrorNumber",
    "SystemCallFilter",
    "TasksMax",
    "TemporaryFileSystem",
    "UMask",
    "UnsetEnvironment",
    "User",
];

/// A command to be run once.
#[derive(Debug, Clone)]
pub struct Task {
    /// The unit that it becomes.
    pub unit: String,
    /// What it is for: `Description=`, and how a later controller knows it again.
    pub description: String,
    /// The slot's unit, whose user, sandbox, environment and credentials it has.
    pub like: String,
    /// The program, absolute, and its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub directory: Option<PathBuf>,
    /// Variables besides those of the slot.
    pub environment: Vec<String>,
    /// systemd ends it after this time.
    pub timeout: Duration,
    /// Whether the unit stays, as `active (exited)`, after a success.
    pub remains: bool,
}

impl Systemd {
    /// Runs the command and waits for its end.
    ///
    /// # Errors
    /// [`SystemdError::Job`] when it fails or takes too long; then the unit stays, as failed, and [`Systemd::ending`] says how.
    pub async fn run(&self, task: &Task) -> Result<(), SystemdError> {
        let slot = self.properties(&task.like, "Service").await?;
        let properties = properties(task, &slot);
        self.job_of("start", &task.unit, task.timeout + PATIENCE, || {
            self.manager.start_transient_unit(&task.unit, "fail", &properties, &[])
        })
        .await
    }

    /// Stops the command, when it runs, and forgets how it ended.
    ///
    /// # Errors
    /// When systemd gives no answer, or the command does not end within `within`.
    pub async fn forget(&self, unit: &str, within: Duration) -> Result<(), SystemdError> {
        let state = self.unit(unit).await?;
        if state.active.runs() {
            self.stop(unit, within + PATIENCE).await?;
        }
        if state.load == "loaded" {
            self.reset_failed(unit).await?;
        }
        Ok(())
    }
}

fn properties<'a>(task: &'a Task, slot: &'a Properties) -> Vec<(&'a str, Variant<'a>)> {
    let shared = SHARED.iter().filter_map(|name| Some((*name, slot.get(name)?)));
    let mut properties: Vec<(&str, Variant<'_>)> = shared
        .filter(|(_, value)| !is_empty(value))
        .filter_map(|(name, value)| Some((name, value.try_clone().ok()?)))
        .collect();
    properties.extend(service(&task.description, "oneshot", &task.argv));
    properties.extend([
        ("SyslogIdentifier", identifier(&task.unit).into()),
        ("RemainAfterExit", task.remains.into()),
        ("TimeoutStartUSec", micros(task.timeout).into()),
    ]);
    if let Some(directory) = &task.directory {
        properties.push(("WorkingDirectory", directory.display().to_string().into()));
    }
    if !task.environment.is_empty() {
        properties.push(("Environment", task.environment.clone().into()));
    }
    properties
}

/// What was never set. systemd does not take every empty value that it gives.
fn is_empty(value: &Variant<'_>) -> bool {
    match value {
        Variant::Str(text) => text.is_empty(),
        Variant::Array(array) => array.is_empty(),
        _ => false,
    }
}
