//! What the parts of a serving process share.

use std::sync::Arc;

use super::conn::{Http, http};
use super::gate::{Gate, Setting};
use super::notify::Herald;
use super::status::Status;
use super::track::{Phase, Tracker};

/// Shared by the accept loops, the admin socket and the drain.
pub(crate) struct Shared {
    pub(crate) slot: String,
    pub(crate) gate: Gate,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) http: Http,
    pub(crate) herald: Herald,
}

impl Shared {
    pub(crate) fn new(
        slot: String,
        gate: Setting,
        tracker: Arc<Tracker>,
        herald: Herald,
    ) -> Arc<Shared> {
        Arc::new(Shared { slot, gate: Gate::new(gate), tracker, http: http(), herald })
    }

    pub(crate) fn status(&self) -> Status<'_> {
        let tracker = &self.tracker;
        // A draining slot accepts nothing, whatever the gate was.
        let serving = tracker.phase() == Phase::Serving;
        let gate = if serving { self.gate.setting().share() } else { 0.0 };
        Status::new(&self.slot, tracker.phase(), gate, tracker.sums())
    }
}
