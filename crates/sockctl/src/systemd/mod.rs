//! systemd over D-Bus: the few methods that a deploy needs (org.freedesktop.systemd1(5)).
//!
//! Every call may meet a `systemctl daemon-reexec`: PID 1 leaves the bus for a moment and comes back. All calls made here can be
//! repeated without harm, so they are, until [`PATIENCE`] is over.

mod error;
mod manager;
mod properties;
mod task;
mod transient;

use std::time::{Duration, Instant};

use futures_util::future::{try_join, try_join_all, try_join3};
use futures_util::{Stream, StreamExt};
use zbus::{Connection, MatchRule, MessageStream, OwnedObjectPath, OwnedVariant};

use crate::plan::{Active, Invocation};
use crate::why::Ending;
pub use error::SystemdError;
use error::{away, error_name};
use manager::{ListedUnit, ManagerProxy};
pub use properties::Properties;
use sockgen::{Place, Scope};
pub use task::Task;
pub use transient::Transient;

/// How long a call is repeated while PID 1 is not on the bus.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take. PID 1 reads what services tell it before it reads the bus: one that talks without a pause keeps it from
/// ever answering (seen on 252).
fn limit(call: &str) -> Duration {
    // systemctl(1) gives a reload as long: all generators run, and all units are read.
    Duration::from_secs(if call == "Reload" { 180 } else { 30 })
}

const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

/// A connection to the system's manager.
#[derive(Debug, Clone)]
pub struct Systemd {
    bus: Connection,
    manager: ManagerProxy<'static>,
    pid: u32,
}

/// What a unit is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitState {
    /// `ActiveState`.
    pub active: Active,
    /// `SubState`, for people.
    pub sub: String,
    /// `InvocationID`; `None` when the unit never ran.
    pub invocation: Option<Invocation>,
    /// `LoadState`: `loaded`, `not-found`, `masked`…
    pub load: String,
    /// The unit's own name, which differs from what was asked when that is an alias.
    pub id: String,
    /// Whether a job is pending or running for it.
    pub job: bool,
}

macro_rules! patient {
    ($call:expr, $unit:expr, $do:expr) => {{
        let began = Instant::now();
        loop {
            let within = $crate::systemd::limit($call);
            match tokio::time::timeout(within, $do).await {
                Ok(Err(error)) if away(&error) && began.elapsed() < PATIENCE => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                Ok(Err(source)) => {
                    break Err(SystemdError::Call { call: $call, unit: $unit.to_string(), source });
                }
                Ok(Ok(value)) => break Ok(value),
                Err(_) => {
                    let unit = $unit.to_string();
                    break Err(SystemdError::Deaf { call: $call, unit, within });
                }
            }
        }
    }};
}
use patient;

/// Below the macro that it uses.
mod timer;
pub use timer::Later;

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
        let bus = bus.map_err(SystemdError::Bus)?;
        let manager = ManagerProxy::builder(&bus)
            .cache_properties(zbus::proxy::CacheProperties::No)
            .build()
            .await
            .map_err(SystemdError::Bus)?;
        let pid = match place.scope() {
            Scope::System => 1,
            // A user's bus is started by the first question, and systemd takes its name on it a moment later.
            Scope::User => patient!("GetConnectionUnixProcessID", "", pid_of_manager(&bus))?,
        };
        let systemd = Self { bus, manager, pid };
        patient!("Subscribe", "", systemd.manager.subscribe())?;
        Ok(systemd)
    }

    /// The process that holds the sockets: PID 1, or the user's own systemd.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Starts the unit and waits for the job's end: for a `Type=notify` service `done` is its `READY=1`.
    ///
    /// # Errors
    /// When the job fails, or has not ended `within` the time given.
    pub async fn start(&self, unit: &str, within: Duration) -> Result<(), SystemdError> {
        self.job_of("start", unit, within, || self.manager.start_unit(unit, "replace")).await
    }

    /// Stops the unit and waits for the job's end: the service has drained and is gone.
    ///
    /// # Errors
    /// When the job fails, or has not ended `within` the time given.
    pub async fn stop(&self, unit: &str, within: Duration) -> Result<(), SystemdError> {
        self.job_of("stop", unit, within, || self.manager.stop_unit(unit, "replace")).await
    }

    /// An item for each job of systemd's that ends.
    ///
    /// # Errors
    /// When the match cannot be added.
    pub async fn job_ends(&self) -> Result<impl Stream<Item = ()> + Unpin + use<>, SystemdError> {
        let call = |source| SystemdError::Call { call: "JobRemoved", unit: String::new(), source };
        Ok(self.manager.receive_job_removed().await.map_err(call)?.map(drop))
    }

    async fn job_of<F>(
        &self,
        verb: &'static str,
        unit: &str,
        within: Duration,
        ask: impl Fn() -> F,
    ) -> Result<(), SystemdError>
    where
        F: Future<Output = zbus::Result<OwnedObjectPath>>,
    {
        let call = |source| SystemdError::Call { call: "JobRemoved", unit: unit.into(), source };
        // The match stands before the job exists, so that its end cannot be missed.
        let mut ends = self.manager.receive_job_removed().await.map_err(call)?;
        let job = patient!(verb, unit, ask())?;
        let deadline = tokio::time::Instant::now() + within;
        let timeout = || SystemdError::Timeout { verb, unit: unit.into(), within };
        // A daemon-reexec swallows the signal of a job that ends meanwhile: then the unit itself says that no job is left.
        let mut doubt = tokio::time::interval(Duration::from_millis(500));
        doubt.tick().await;
        loop {
            tokio::select! {
                end = ends.next() => {
                    let Some(end) = end else { return Err(timeout()) };
                    let end = end.args().map_err(call)?;
                    if end.job == job {
                        return finished(verb, unit, &end.result);
                    }
                }
                _ = doubt.tick() => {
                    if let Some(result) = self.settled(verb, unit).await? {
                        return finished(verb, unit, result);
                    }
                }
                () = tokio::time::sleep_until(deadline) => return Err(timeout()),
            }
        }
    }

    async fn settled(&self, verb: &str, unit: &str) -> Result<Option<&'static str>, SystemdError> {
        let state = self.unit(unit).await?;
        Ok(match (verb, state.active, state.job) {
            (_, _, true) => None,
            ("start", Active::Active, _) | ("stop", Active::Inactive | Active::Failed, _) => {
                Some("done")
            }
            ("stop", Active::Deactivating, _) => None,
            _ => Some("failed"),
        })
    }

    /// Reads the states of units, in the order of the names: two small questions, under way at once for all.
    ///
    /// A unit that does not exist has the load state `not-found`, and an alias gives the unit behind it. The dictionary of all
    /// properties would take one question each, and fifty times the bytes.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn units(&self, names: &[&str]) -> Result<Vec<UnitState>, SystemdError> {
        let runs = names.iter().map(|name| async move {
            let run: Vec<u8> = patient!("Get", name, self.get(name, UNIT, "InvocationID"))?;
            let hex = run.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Ok((!hex.is_empty()).then_some(Invocation(hex)))
        });
        let list = async {
            patient!("ListUnitsByNames", names.join(" "), self.manager.list_units_by_names(names))
        };
        let (list, runs) = try_join(list, try_join_all(runs)).await?;
        let state = |name: &&str, row: &ListedUnit, invocation| UnitState {
            active: active(&row.active),
            sub: row.sub.clone(),
            invocation,
            load: row.load.clone(),
            id: if row.name.is_empty() { (*name).into() } else { row.name.clone() },
            job: row.job_id != 0,
        };
        Ok(names
            .iter()
            .zip(&list)
            .zip(runs)
            .map(|((name, row), run)| state(name, row, run))
            .collect())
    }

    /// Reads one unit's state, as [`Systemd::units`] does.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn unit(&self, name: &str) -> Result<UnitState, SystemdError> {
        Ok(self.units(&[name]).await?.pop().unwrap_or_default())
    }

    /// Whether each of these units is active; one that does not exist is not.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn are_active(&self, names: &[&str]) -> Result<Vec<bool>, SystemdError> {
        let list =
            patient!("ListUnitsByNames", names.join(" "), self.manager.list_units_by_names(names))?;
        Ok(list.iter().map(|row| active(&row.active) == Active::Active).collect())
    }

    /// Since when the unit has been active, in microseconds since the epoch; 0 when it never was.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn active_since(&self, unit: &str) -> Result<u64, SystemdError> {
        patient!("Get", unit, self.get(unit, UNIT, "ActiveEnterTimestamp"))
    }

    /// How the main process of a service ended, last time it did.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn ending(&self, unit: &str) -> Result<Ending, SystemdError> {
        let result = async { patient!("Get", unit, self.get(unit, SERVICE, "Result")) };
        let code = async { patient!("Get", unit, self.get(unit, SERVICE, "ExecMainCode")) };
        let status = async { patient!("Get", unit, self.get(unit, SERVICE, "ExecMainStatus")) };
        let (result, code, status) = try_join3(result, code, status).await?;
        Ok(Ending { result, code, status })
    }

    async fn get<T>(&self, unit: &str, interface: &str, property: &str) -> zbus::Result<T>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: Into<zbus::Error>,
    {
        let (to, path) = ("org.freedesktop.systemd1", object_path(unit));
        let call = (interface, property);
        let from = Some("org.freedesktop.DBus.Properties");
        let reply = self.bus.call_method(Some(to), path, from, "Get", &call).await?;
        T::try_from(reply.body().deserialize::<OwnedVariant>()?).map_err(Into::into)
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
        patient!("EnableUnitFiles", unit, self.manager.enable_unit_files(&[unit], false, true))?;
        self.reload().await
    }

    /// Takes the aliases of the unit away.
    ///
    /// # Errors
    /// When the link cannot be removed, or the reload fails.
    pub async fn drop_alias(&self, unit: &str) -> Result<(), SystemdError> {
        patient!("DisableUnitFiles", unit, self.manager.disable_unit_files(&[unit], false))?;
        self.reload().await
    }

    /// Makes systemd read its unit files again. The call returns when it has.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn reload(&self) -> Result<(), SystemdError> {
        patient!("Reload", "", self.manager.reload())
    }

    /// Asks for the stop of a unit and does not wait for it.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn begin_stop(&self, unit: &str) -> Result<(), SystemdError> {
        patient!("StopUnit", unit, self.manager.stop_unit(unit, "replace")).map(drop)
    }

    /// Forgets that the unit failed.
    ///
    /// # Errors
    /// When systemd refuses; a unit that is not loaded has not failed.
    pub async fn reset_failed(&self, unit: &str) -> Result<(), SystemdError> {
        match patient!("ResetFailedUnit", unit, self.manager.reset_failed_unit(unit)) {
            Err(SystemdError::Call { source, .. })
                if error_name(&source).as_deref()
                    == Some("org.freedesktop.systemd1.NoSuchUnit") =>
            {
                Ok(())
            }
            result => result,
        }
    }

    /// Whether a time server sets the clock, as systemd-timedated says; `None` when it is not there.
    pub async fn clock_synchronised(&self) -> Option<bool> {
        let (to, path) = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1");
        let of = Some("org.freedesktop.DBus.Properties");
        let question = (to, "NTPSynchronized");
        let ask = self.bus.call_method(Some(to), path, of, "Get", &question);
        let reply = tokio::time::timeout(Duration::from_secs(2), ask).await.ok()?.ok()?;
        bool::try_from(reply.body().deserialize::<OwnedVariant>().ok()?).ok()
    }

    /// A stream with an item for each change of the unit, so that its death is seen when it happens.
    ///
    /// # Errors
    /// When the match cannot be added.
    pub async fn changes(&self, unit: &str) -> Result<MessageStream, SystemdError> {
        let wrap = |source| SystemdError::Call { call: "AddMatch", unit: unit.into(), source };
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender("org.freedesktop.systemd1")
            .interface("org.freedesktop.DBus.Properties")
            .member("PropertiesChanged")
            .path(object_path(unit))
            .build()
            .map_err(wrap)?
            .to_owned();
        MessageStream::for_match_rule(rule, &self.bus, None).await.map_err(wrap)
    }
}

async fn pid_of_manager(bus: &Connection) -> zbus::Result<u32> {
    let to = "org.freedesktop.DBus";
    let question = "org.freedesktop.systemd1";
    let reply = bus
        .call_method(
            Some(to),
            "/org/freedesktop/DBus",
            Some(to),
            "GetConnectionUnixProcessID",
            &question,
        )
        .await?;
    reply.body().deserialize()
}

/// The object path of a unit, which systemd loads when it is asked for it: letters and digits stand for themselves, every other
/// byte is `_` and two hex digits (sd_bus_path_encode(3)).
fn object_path(unit: &str) -> String {
    let label: String = unit
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("_{byte:02x}"),
        })
        .collect();
    format!("/org/freedesktop/systemd1/unit/{label}")
}

fn finished(verb: &'static str, unit: &str, result: &str) -> Result<(), SystemdError> {
    match result {
        "done" => Ok(()),
        _ => Err(SystemdError::Job { verb, unit: unit.into(), result: result.into() }),
    }
}

fn active(state: &str) -> Active {
    match state {
        "active" | "reloading" => Active::Active,
        "activating" => Active::Activating,
        "deactivating" => Active::Deactivating,
        "failed" => Active::Failed,
        _ => Active::Inactive,
    }
}
