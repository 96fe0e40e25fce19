//! One thing that is wrong, and who mends it how.

use sockgen::SlotName;

use super::hazard::Hazard;

/// What `--fix` can do without anybody losing a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Have systemd read its unit files again.
    Reload,
    /// Point the alias at this slot.
    PointAlias(SlotName),
    /// Start the activator, whose start makes the listeners non-blocking.
    StartActivator,
    /// Forget the failures of the slots, then of the sockets, then start the sockets: a slot's reset after the start closes them again.
    OpenSockets,
    /// Open this slot's gate.
    OpenGate(SlotName),
    /// Remove this slot's environment file.
    RemoveEnv(SlotName),
    /// Stop this slot; it drains.
    StopSlot(SlotName),
    /// Stop this slot's admin socket.
    StopAdmin(SlotName),
    /// Start this slot.
    StartSlot(SlotName),
}

/// Whether doctor mends it itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// With `--fix`.
    Fix(Fix),
    /// A person has to, for this reason.
    ByHand(&'static str),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub hazard: Hazard,
    /// The unit, path or listener.
    pub subject: String,
    /// What was seen.
    pub cause: String,
    /// The command that mends it.
    pub mend: String,
    /// Who mends it.
    pub cure: Cure,
}
