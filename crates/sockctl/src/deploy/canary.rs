//! The canary: a share of the users' connections, and what the new release makes of it.

use sockgen::{Share, SlotName};

use super::{Deploy, Fault};
use crate::history;
use crate::probe::Hold;

impl Deploy<'_> {
    /// The file goes on saying closed: a canary that crashes comes back as nobody's.
    pub(super) async fn canary(&mut self, new: &SlotName, old: &SlotName) -> Result<String, Fault> {
        // Whoever promotes from now on means this share.
        self.session.interrupt.forget_promotions();
        let canary = self.desired.canary.as_ref();
        let share = canary.and_then(|canary| canary.after(self.share_of(new)));
        let share = share.ok_or_else(|| Fault::new("no step of the canary is left"))?;
        match self.admin(new).set_gate(share.part()).await {
            Ok(_) => Ok(format!("{new} accepts {share} of the connections, {old} the others")),
            Err(error) => Err(self.cause(new, &error).await),
        }
    }

    /// Watches the canary for as long as asked, or until somebody promotes it.
    pub(super) async fn trial(&mut self, slot: &SlotName) -> Result<String, Fault> {
        let share = self.share_of(slot).ok_or_else(|| Fault::new("the canary lost its share"))?;
        let hold = self.desired.canary.as_ref().map(|canary| canary.hold).unwrap_or_default();
        let what = format!("{slot} must stay healthy with {share} of the connections");
        self.session.report.waits_for("trial", &what, hold);
        let health = self.session.app.health();
        let limit = hold + health.failures * (health.interval + health.timeout);
        let mut promoted = self.session.interrupt.clone();
        let watched = self.healthy(slot, Hold::watching(hold, health.failures), limit);
        let healthy = tokio::select! {
            healthy = watched => healthy?,
            all_the_way = promoted.promoted() => return self.promoted(slot, share, all_the_way),
        };
        self.observed.trialed = Some(share);
        self.session.account.waited(hold);
        Ok(format!("{slot} was healthy {healthy} times with {share} of the connections"))
    }

    /// Written down, so that it holds when this controller dies.
    pub(super) fn promoted(
        &mut self,
        slot: &SlotName,
        share: Share,
        all_the_way: bool,
    ) -> Result<String, Fault> {
        if let Some(canary) = &mut self.desired.canary {
            canary.promote(share, all_the_way);
        }
        history::remember(self.session.app, &self.desired)?;
        Ok(format!("somebody promoted {slot} from {share}"))
    }

    fn share_of(&self, slot: &SlotName) -> Option<Share> {
        let gate = self.observed.slots.get(slot).and_then(|state| state.gate);
        self.desired.canary.as_ref()?.at(gate)
    }
}
