//! One run of a unit, and its end.

use futures_util::StreamExt as _;
use sockgen::UnitName;

use super::{Systemd, SystemdError};
use crate::plan::{Active, Invocation};

/// One run of a unit: from its start to the end of its process.
#[derive(Debug, Clone)]
pub struct Run {
    systemd: Systemd,
    unit: UnitName,
    id: Option<Invocation>,
}

impl Run {
    /// The run with this id; without one, whichever the unit is in.
    pub fn new(systemd: &Systemd, unit: UnitName, id: Option<Invocation>) -> Self {
        Self { systemd: systemd.clone(), unit, id }
    }

    /// The unit.
    pub fn unit(&self) -> &UnitName {
        &self.unit
    }

    /// `InvocationID`, when one run alone is meant.
    pub fn id(&self) -> Option<&Invocation> {
        self.id.as_ref()
    }

    /// Returns when it is over: the unit has no process, or another run's.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn over(&self) -> Result<(), SystemdError> {
        let mut changes = self.systemd.changes(self.unit.as_ref()).await?;
        while self.is_on().await? {
            changes.next().await;
        }
        Ok(())
    }

    async fn is_on(&self) -> Result<bool, SystemdError> {
        let unit = self.systemd.unit(self.unit.as_ref()).await?;
        let same = self.id.is_none() || self.id == unit.invocation;
        Ok(same && matches!(unit.active, Active::Active | Active::Deactivating))
    }
}
