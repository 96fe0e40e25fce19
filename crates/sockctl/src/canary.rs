//! The steps of a canary: which share of the connections comes next, and which have been held.
//!
//! How far a canary has got is the share that the new slot's gate has now. Nothing else records it: a controller that was killed
//! finds it there.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sockgen::Share;

/// The shares that a new release has to hold before it gets all connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Rising.
    pub shares: Vec<Share>,
    /// How long each is watched.
    pub hold: Duration,
    /// The share that a person promoted: it and those below need not be held any more.
    pub promoted: Option<Share>,
    /// Whether each share stays, once held, until a person promotes it.
    pub stay: bool,
}

impl Canary {
    /// The share of these steps that a gate has; `None` for a gate that is open, closed, or set by somebody else.
    pub fn at(&self, gate: Option<f64>) -> Option<Share> {
        Share::of_gate(gate?).filter(|share| self.shares.contains(share))
    }

    /// The step after this one; the first after none.
    pub fn after(&self, at: Option<Share>) -> Option<Share> {
        self.shares.iter().copied().find(|share| Some(*share) > at)
    }

    /// Whether this share still has to be watched, when `held` is the largest that was.
    pub fn is_on_trial(&self, at: Share, held: Option<Share>) -> bool {
        Some(at) > held.max(self.promoted)
    }

    /// Whether this share waits for a person.
    pub fn stays_at(&self, at: Share) -> bool {
        self.stay && Some(at) > self.promoted
    }

    /// A person lets the release go on from this share: to the next one, or all the way.
    pub fn promote(&mut self, at: Share, all_the_way: bool) {
        self.promoted = Some(at);
        if all_the_way {
            self.stay = false;
            self.shares.retain(|share| *share <= at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(text: &str) -> Share {
        text.parse().expect("a share")
    }

    #[test]
    fn shares_follow_each_other_and_promotion_skips_what_is_left() {
        let (tenth, half) = (share("10%"), share("50%"));
        let shares = vec![tenth, half];
        let mut canary = Canary { shares, hold: Duration::ZERO, promoted: None, stay: true };
        assert_eq!(
            [None, Some(0.1), Some(0.3)].map(|gate| canary.at(gate)),
            [None, Some(tenth), None]
        );
        assert_eq!(canary.after(None), Some(tenth));
        assert!(canary.is_on_trial(tenth, None) && !canary.is_on_trial(tenth, Some(tenth)));
        assert!(canary.stays_at(tenth));
        canary.promote(tenth, false);
        assert!(!canary.stays_at(tenth) && !canary.is_on_trial(tenth, None));
        assert_eq!(canary.after(Some(tenth)), Some(half));
        assert!(canary.stays_at(half) && canary.is_on_trial(half, Some(tenth)));
        canary.promote(tenth, true);
        assert_eq!((canary.after(Some(tenth)), canary.stays_at(half)), (None, false));
    }
}
