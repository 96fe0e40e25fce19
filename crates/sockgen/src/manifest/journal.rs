//! What `sockact.toml` says of the lines that the slots write.

use schemars::JsonSchema;

use crate::size::Size;

/// Where the lines of the slots go, and how long they stay.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Journal {
    /// true: a journal of its own, so that its lines push nobody else's out, nor theirs its.
    pub(crate) namespace: bool,
    /// The most that it takes of the disk. `sockgen print journald` gives it to journald.
    pub(crate) max_use: Option<Size>,
    /// How many days its lines stay, 1 to 3650; without a limit when left out. `sockgen print journald` gives it to journald.
    pub(crate) keep_days: Option<i64>,
}
