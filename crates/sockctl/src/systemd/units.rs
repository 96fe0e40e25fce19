//! What units are doing, how they ended, and when they change.

use futures_util::future::{try_join, try_join_all, try_join3};
use zbus::{MatchRule, MessageStream, OwnedVariant};

use super::manager::ListedUnit;
use super::patience::patient;
use super::{PROPERTIES, SYSTEMD, Systemd, SystemdError};
use crate::plan::{Active, Invocation};
use crate::why::Ending;

const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";

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

impl Systemd {
    /// Reads the states of units, in the order of the names: two small questions, under way at once for all.
    ///
    /// A unit that does not exist has the load state `not-found`, and an alias gives the unit behind it. The dictionary of all
    /// properties would take one question each, and fifty times the bytes.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn units(&self, names: &[&str]) -> Result<Vec<UnitState>, SystemdError> {
        self.units_and(names, &[]).await
    }

    /// The same with `others` behind them, of which nobody wants to know what run it is: each question less is work less for the bus and for
    /// systemd, beside the users' requests.
    ///
    /// # Errors
    /// As [`Systemd::units`].
    pub async fn units_and(
        &self,
        names: &[&str],
        others: &[&str],
    ) -> Result<Vec<UnitState>, SystemdError> {
        let runs = names.iter().map(|name| async move {
            let run: Vec<u8> = self.get(name, UNIT, "InvocationID").await?;
            let hex = run.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Ok((!hex.is_empty()).then_some(Invocation(hex)))
        });
        let names = [names, others].concat();
        let (list, mut runs) = try_join(self.listed(&names), try_join_all(runs)).await?;
        runs.resize(names.len(), None);
        let state = |((name, row), invocation): ((&&str, ListedUnit), _)| UnitState {
            active: active(&row.active),
            sub: row.sub,
            invocation,
            load: row.load,
            id: if row.name.is_empty() { (*name).into() } else { row.name },
            job: row.job_id != 0,
        };
        Ok(names.iter().zip(list).zip(runs).map(state).collect())
    }

    /// Whether a reload would change the unit: somebody changed its file, or a drop-in.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn is_stale(&self, name: &str) -> Result<bool, SystemdError> {
        self.get(name, UNIT, "NeedDaemonReload").await
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
        let list = self.listed(names).await?;
        Ok(list.iter().map(|row| active(&row.active) == Active::Active).collect())
    }

    /// Since when the unit has been active, in microseconds since the epoch; 0 when it never was.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn active_since(&self, unit: &str) -> Result<u64, SystemdError> {
        self.get(unit, UNIT, "ActiveEnterTimestamp").await
    }

    /// How the main process of a service ended, last time it did.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn ending(&self, unit: &str) -> Result<Ending, SystemdError> {
        let (result, code, status) = try_join3(
            self.get(unit, SERVICE, "Result"),
            self.get(unit, SERVICE, "ExecMainCode"),
            self.get(unit, SERVICE, "ExecMainStatus"),
        )
        .await?;
        Ok(Ending { result, code, status })
    }

    /// A stream with an item for each change of the unit, so that its death is seen when it happens.
    ///
    /// # Errors
    /// When the match cannot be added.
    pub async fn changes(&self, unit: &str) -> Result<MessageStream, SystemdError> {
        self.signals(PROPERTIES, "PropertiesChanged", &object_path(unit), unit).await
    }

    /// A stream of signals. Not that of a proxy, which would ask the bus four more questions for each stream.
    pub(super) async fn signals(
        &self,
        interface: &str,
        member: &str,
        path: &str,
        unit: &str,
    ) -> Result<MessageStream, SystemdError> {
        let wrap = |source| SystemdError::Call { call: "AddMatch", unit: unit.into(), source };
        let rule = MatchRule::builder()
            .msg_type(zbus::message::Type::Signal)
            .sender(SYSTEMD)
            .interface(interface)
            .member(member)
            .path(path)
            .build()
            .map_err(wrap)?
            .to_owned();
        MessageStream::for_match_rule(rule, &self.bus, None).await.map_err(wrap)
    }

    async fn listed(&self, names: &[&str]) -> Result<Vec<ListedUnit>, SystemdError> {
        let list = || self.manager.list_units_by_names(names);
        patient("ListUnitsByNames", &names.join(" "), list).await
    }

    pub(super) async fn get<T>(
        &self,
        unit: &str,
        interface: &str,
        property: &str,
    ) -> Result<T, SystemdError>
    where
        T: TryFrom<OwnedVariant>,
        T::Error: Into<zbus::Error>,
    {
        let (path, question) = (object_path(unit), (interface, property));
        let ask = || async {
            let (to, from) = (Some(SYSTEMD), Some(PROPERTIES));
            let reply = self.bus.call_method(to, path.as_str(), from, "Get", &question).await?;
            T::try_from(reply.body().deserialize::<OwnedVariant>()?).map_err(Into::into)
        };
        patient("Get", unit, ask).await
    }
}

/// The object path of a unit, which systemd loads when it is asked for it: letters and digits stand for themselves, every other
/// byte is `_` and two hex digits (sd_bus_path_encode(3)).
pub(super) fn object_path(unit: &str) -> String {
    let label: String = unit
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("_{byte:02x}"),
        })
        .collect();
    format!("/org/freedesktop/systemd1/unit/{label}")
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
