//! Starts and stops of units, and the ends of their jobs.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use zbus::{MessageStream, ObjectPath, OwnedObjectPath};

use super::patience::patient;
use super::{Systemd, SystemdError};
use crate::plan::Active;

/// Its number, itself, its unit, and how it ended.
type JobRemoved<'a> = (u32, ObjectPath<'a>, &'a str, &'a str);

impl Systemd {
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

    /// Asks for the stop of a unit and does not wait for it.
    ///
    /// # Errors
    /// When systemd refuses.
    pub async fn begin_stop(&self, unit: &str) -> Result<(), SystemdError> {
        patient("StopUnit", unit, || self.manager.stop_unit(unit, "replace")).await.map(drop)
    }

    /// An item for each job of systemd's that ends.
    ///
    /// # Errors
    /// When the match cannot be added.
    pub async fn job_ends(&self) -> Result<impl Stream<Item = ()> + Unpin + use<>, SystemdError> {
        Ok(self.removed_jobs().await?.map(drop))
    }

    pub(super) async fn job_of<F>(
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
        let mut ends = self.removed_jobs().await?;
        let job = patient(verb, unit, ask).await?;
        let deadline = tokio::time::Instant::now() + within;
        let timeout = || SystemdError::Timeout { verb, unit: unit.into(), within };
        // A daemon-reexec swallows the signal of a job that ends meanwhile: then the unit itself says that no job is left.
        let mut doubt = tokio::time::interval(Duration::from_millis(500));
        doubt.tick().await;
        loop {
            tokio::select! {
                end = ends.next() => {
                    let end = end.ok_or_else(timeout)?.map_err(call)?;
                    let body = end.body();
                    let (_, ended, _, result): JobRemoved<'_> = body.deserialize().map_err(call)?;
                    if ended == *job {
                        return finished(verb, unit, result);
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

    async fn removed_jobs(&self) -> Result<MessageStream, SystemdError> {
        let path = "/org/freedesktop/systemd1";
        self.signals("org.freedesktop.systemd1.Manager", "JobRemoved", path, "").await
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
}

fn finished(verb: &'static str, unit: &str, result: &str) -> Result<(), SystemdError> {
    match result {
        "done" => Ok(()),
        _ => Err(SystemdError::Job { verb, unit: unit.into(), result: result.into() }),
    }
}
