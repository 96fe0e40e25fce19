//! All properties of a unit at once, for the commands that are not in a hurry.

use std::collections::HashMap;

use zbus::{OwnedVariant, Variant};

use super::patience::patient;
use super::units::object_path;
use super::{PROPERTIES, SYSTEMD, Systemd, SystemdError};

/// What `GetAll` gave: an older systemd knows fewer properties, so each may be missing.
#[derive(Debug, Default)]
pub struct Properties(HashMap<String, OwnedVariant>);

impl Properties {
    /// A value as it came.
    pub(super) fn get(&self, key: &str) -> Option<&Variant<'_>> {
        self.0.get(key).map(|value| &**value)
    }

    /// An unsigned number.
    pub fn number(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Variant::U64(n) => Some(*n),
            Variant::U32(n) => Some(u64::from(*n)),
            _ => None,
        }
    }

    /// A truth value.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Variant::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Variant::Str(text) => Some(text.to_string()),
            _ => None,
        }
    }

    /// A list of texts; empty when there is none.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.rows(key)
            .iter()
            .filter_map(|row| match row {
                Variant::Str(text) => Some(text.to_string()),
                _ => None,
            })
            .collect()
    }

    /// The elements of a list; empty when there is none.
    pub(crate) fn rows(&self, key: &str) -> &[Variant<'_>] {
        match self.get(key) {
            Some(Variant::Array(list)) => list,
            _ => &[],
        }
    }
}

impl Systemd {
    /// All properties of one interface of a unit, such as `Unit` or `Socket`.
    ///
    /// # Errors
    /// When systemd gives no answer.
    pub async fn properties(
        &self,
        unit: &str,
        interface: &str,
    ) -> Result<Properties, SystemdError> {
        let interface = format!("org.freedesktop.systemd1.{interface}");
        let path = object_path(unit);
        let all = || async {
            let (to, of) = (Some(SYSTEMD), Some(PROPERTIES));
            let reply =
                self.bus.call_method(to, path.as_str(), of, "GetAll", &interface.as_str()).await?;
            reply.body().deserialize::<HashMap<String, OwnedVariant>>()
        };
        patient("GetAll", unit, all).await.map(Properties)
    }
}
