//! What the parts of a serving process share.

use std::sync::Arc;

use super::conn::{Http, http};
use super::gate::Gate;
use super::notify::Herald;
use super::track::{Phase, Tracker};
use crate::slot::{Identity, Setting, Status};

/// Shared by the accept loops, the admin socket and the drain.
pub(crate) struct Shared {
    pub(crate) who: Identity,
    pub(crate) gate: Gate,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) http: Http,
    pub(crate) herald: Herald,
}

impl Shared {
    pub(crate) fn new(
        who: Identity,
        gate: Setting,
        tracker: Arc<Tracker>,
        herald: Herald,
    ) -> Arc<Shared> {
        Arc::new(Shared { who, gate: Gate::new(gate), tracker, http: http(), herald })
    }

    pub(crate) fn status(&self) -> Status<'_> {
        let draining = self.tracker.phase() >= Phase::Draining;
        Status::new(&self.who.slot, draining, self.gate.setting(), self.tracker.sums())
    }
}
