//! systemd over D-Bus: the few methods that a deploy needs (org.freedesktop.systemd1(5)).
//!
//! Every call may meet a `systemctl daemon-reexec`: PID 1 leaves the bus for a moment and comes back. All calls made here can be
//! repeated without harm, so they are, until [`PATIENCE`] is over.

mod error;
mod jobs;
mod manager;
mod patience;
mod properties;
mod run;
mod task;
mod timer;
mod transient;
mod units;

use std::time::Duration;

use futures_util::future::join_all;
use sockgen::{Place, Scope};
use zbus::{Connection, OwnedVariant};

pub use self::error::SystemdError;
use self::manager::ManagerProxy;
pub use self::patience::PATIENCE;
use self::patience::patient;
pub use self::properties::Properties;
pub use self::run::Run;
pub use self::task::Task;
pub use self::timer::Later;
pub use self::transient::Transient;
pub use self::units::UnitState;

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A connection to the system's manager.
#[derive(Debug, Clone)]
pub struct Systemd {
    bus: Connection,
    manager: ManagerProxy<'static>,
    pid: u32,
}

impl Systemd {
    /// Connects to the system's bus, or to the user's, and asks to be told the end of jobs.
    ///
    /// # Errors
    /// [`SystemdError::Bus`] when there is no bus or nobody owns systemd's name on it.
    pub async fn connect(place: &Place) -> Result<Self, SystemdError> {
        let bus = match place.scope() {
            Scope::System => Connection::system().await,
            Scope::User => Connection::session().await,
        };
        let name = match place.scope() {
            Scope::System => "the system D-Bus",
            Scope::User => "your own D-Bus",
        };
        let failed = |source| SystemdError::Bus { bus: name, source };
        let bus = bus.map_err(failed)?;
        let manager = ManagerProxy::builder(&bus)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .map_err(failed)?;
        let pid = match place.scope() {
            Scope::System => 1,
            // A user's bus is started by the first question, and systemd takes its name on it a moment later.
            Scope::User => {
                patient("GetConnectionUnixProcessID", "", || pid_of_manager(&bus)).await?
            }
        };
        let systemd = Self { bus, manager, pid };
        patient("Subscribe", "", || systemd.manager.subscribe()).await?;
        Ok(systemd)
    }

    /// The process that holds the sockets: PID 1, or the user's own systemd.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Points the alias of the unit's `[Install]` at it, away from whatever it pointed to: the link is replaced by a rename. Then
    /// makes systemd read it.
    ///
    /// A unit that gets an alias that did not exist before must not be running: while nothing has the name, systemd keeps it in memory
    /// as a unit that was not found, because the target wants it, and writes that down as dead beside the running unit at the reload.
    /// It reads both back as one unit, and takes a running service for dead if that name comes last (seen on 252).
    ///
    /// # Errors
    /// When the link cannot be made, or the reload fails.
    pub async fn point_alias(&self, unit: &str) -> Result<(), SystemdError> {
        let units = [unit];
        let enable = || self.manager.enable_unit_files(&units, false, true);
        patient("EnableUnitFiles", unit, enable).await?;
        self.reload().await
    }

    /// Takes the aliases of the unit away.
    ///
    /// # Errors
    /// When the link cannot be removed, or the reload fails.
    pub async fn drop_alias(&self, unit: &str) -> Result<(), SystemdError> {
        let units = [unit];
        let disable = || self.manager.disable_unit_files(&units, false);
        patient("DisableUnitFiles", unit, disable).await?;
        self.reload().await
    }

    /// Makes systemd read its unit files again. The call returns when it has.
    ///
    /// It tells every change of every unit meanwhile, to all who asked to be told of any: nobody here reads that.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn reload(&self) -> Result<(), SystemdError> {
        // A systemd that came back after a daemon-reexec may not know of the subscription.
        let _ = patient("Unsubscribe", "", || self.manager.unsubscribe()).await;
        let reloaded = patient("Reload", "", || self.manager.reload()).await;
        patient("Subscribe", "", || self.manager.subscribe()).await?;
        reloaded
    }

    /// Keeps the units in systemd's memory as long as this connection lives: one that is not running is read anew for each question about it, and
    /// forgotten after the answer.
    ///
    /// It saves time and nothing else, so that a refusal, as a plain user's under polkit, is none of the caller's business.
    pub async fn keep(&self, units: &[&str]) {
        let keep = |unit| patient("RefUnit", unit, move || self.manager.ref_unit(unit));
        join_all(units.iter().copied().map(keep)).await;
    }

    /// Forgets that the unit failed.
    ///
    /// # Errors
    /// When systemd refuses; a unit that is not loaded has not failed.
    pub async fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        match patient("ResetFailedUnit", unit, || self.manager.reset_failed_unit(unit)).await {
            Err(error) if error.is("NoSuchUnit") => Ok(()),
            result => result,
        }
    }

    /// Whether a time server sets the clock, as systemd-timedated says; `None` when it is not there.
    pub async fn clock_synchronised(&self) -> Option<bool> {
        let (to, path) = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1");
        let question = (to, "NTPSynchronized");
        let ask = self.bus.call_method(Some(to), path, Some(PROPERTIES), "Get", &question);
        let reply = tokio::time::timeout(Duration::from_secs(2), ask).await.ok()?.ok()?;
        bool::try_from(reply.body().deserialize::<OwnedVariant>().ok()?).ok()
    }
}

async fn pid_of_manager(bus: &Connection) -> zbus::Result<u32> {
    let (to, path, question) =
        ("org.freedesktop.DBus", "/org/freedesktop/DBus", "GetConnectionUnixProcessID");
    let reply = bus.call_method(Some(to), path, Some(to), question, &SYSTEMD).await?;
    reply.body().deserialize()
}
