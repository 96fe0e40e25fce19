//! The gate of a process with threads: each accept(2) is made under a lock, so that a change of the gate waits for those
//! under way and meets all that come after.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use super::wake::Wake;
use crate::slot::{Claim, Held, Plan, Setting, monotonic};

#[derive(Debug)]
pub(super) struct Gate {
    order: RwLock<Order>,
    claims: Mutex<Claims>,
}

/// By listener: the claims of a process are its own, whichever thread made them. Each with a duplicate of the listener: to close it is
/// to give up what the process has claimed of that socket, whatever its accept loops do meanwhile.
type Claims = HashMap<RawFd, (Held, OwnedFd)>;

#[derive(Debug)]
struct Order {
    setting: Setting,
    /// Set when another order is in force; each has its own, for nobody knows who has yet to see it.
    over: Arc<Wake>,
}

/// What an accept loop does now.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) plan: Plan,
    /// Readable when there is another order.
    pub(super) over: Arc<Wake>,
}

impl Gate {
    pub(super) fn new(setting: Setting) -> io::Result<Gate> {
        let order = Order { setting, over: Arc::new(Wake::new()?) };
        Ok(Gate { order: RwLock::new(order), claims: Mutex::default() })
    }

    pub(super) fn setting(&self) -> Setting {
        self.read().setting
    }

    /// Claims for this listener what the gate asks for, and says what to do.
    pub(super) fn turn(&self, listener: &impl AsFd) -> Turn {
        let order = self.read();
        let mut claims = self.claims();
        let number = listener.as_fd().as_raw_fd();
        let (held, duplicate) = claims.remove(&number).unzip();
        let mut claim = Claim::resumed(listener, held);
        let plan = claim.plan(order.setting, monotonic());
        if let Some(held) = claim.held() {
            let duplicate =
                duplicate.map_or_else(|| listener.as_fd().try_clone_to_owned().ok(), Some);
            claims.extend(duplicate.map(|duplicate| (number, (held, duplicate))));
        }
        Turn { plan, over: Arc::clone(&order.over) }
    }

    /// Does this, if the turn still holds. It must not wait.
    pub(super) fn pass<T>(
        &self,
        turn: &Turn,
        listener: &impl AsFd,
        accept: impl FnOnce() -> T,
    ) -> Option<T> {
        let order = self.read();
        let holds = Arc::ptr_eq(&order.over, &turn.over)
            && Claim::resumed(listener, None).allows(turn.plan, monotonic());
        holds.then(accept)
    }

    /// Sets the share; when this returns nobody accepts by the one before. What the new one claims is
    /// claimed by the accept loops when they wake.
    #[cfg(feature = "gate")]
    pub(super) fn set(&self, setting: Setting) -> io::Result<()> {
        let order = Order { setting, over: Arc::new(Wake::new()?) };
        let mut now = self.order.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *now, order);
        self.claims().clear();
        drop(now);
        before.over.set();
        Ok(())
    }

    /// Gives up all claims: the drain has begun, and nobody accepts here any more.
    pub(super) fn release(&self) {
        self.claims().clear();
    }

    fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No code panics while it holds these locks; a poisoned one holds sound data.
    fn read(&self) -> RwLockReadGuard<'_, Order> {
        self.order.read().unwrap_or_else(PoisonError::into_inner)
    }
}
