//! The gate: which share of the time this process accepts.
//!
//! A share between 0 and 1 is a window in each period of [`PERIOD`] on CLOCK_MONOTONIC, which all
//! processes of a machine read alike. So two slots can take disjoint windows that fill the period:
//! a canary of 0.1 has the first tenth, its counterpart of 0.9 the other nine (see
//! [`Setting::new`]). A connection that arrives in nobody's window waits in the backlog.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// One turn of the duty cycle.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);

/// A share of accepts and where in the period it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    share: f64,
    from: f64,
}

/// What an accept loop does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Does not look at the socket until the setting changes.
    Closed,
    /// Accepts until the setting changes.
    Open,
    /// Accepts until this time on CLOCK_MONOTONIC.
    OpenUntil(Duration),
    /// Does not accept until this time on CLOCK_MONOTONIC.
    ShutUntil(Duration),
}

impl Setting {
    pub(crate) const OPEN: Setting = Setting { share: 1.0, from: 0.0 };
    pub(crate) const CLOSED: Setting = Setting { share: 0.0, from: 0.0 };

    /// `share` from 0 to 1. `from` is the part of the period at which the window begins; by default
    /// a share up to one half begins with the period, a larger one ends with it, so that a share
    /// and its complement never overlap. Two slots with one half each need `from` for one of them.
    pub(crate) fn new(share: f64, from: Option<f64>) -> Option<Setting> {
        let from = from.unwrap_or(if share <= 0.5 { 0.0 } else { 1.0 - share });
        let sound = (0.0..=1.0).contains(&share) && (0.0..=1.0).contains(&from);
        sound.then_some(Setting { share, from })
    }

    /// The share of accepts, 0 to 1.
    pub(crate) fn share(self) -> f64 {
        self.share
    }

    /// What to do at `now` on CLOCK_MONOTONIC.
    pub(crate) fn plan(self, now: Duration) -> Plan {
        if self.share <= 0.0 {
            return Plan::Closed;
        }
        if self.share >= 1.0 {
            return Plan::Open;
        }
        let period = PERIOD.as_nanos();
        let part = |share: f64| (share * period as f64).round() as u128;
        // Time since the window began, in this period or, for one that wraps, in the one before.
        let since = (now.as_nanos() + period - part(self.from) % period) % period;
        let window = part(self.share).clamp(1, period - 1);
        if since < window {
            Plan::OpenUntil(now + nanos(window - since))
        } else {
            Plan::ShutUntil(now + nanos(period - since))
        }
    }
}

fn nanos(n: u128) -> Duration {
    Duration::from_nanos(n as u64)
}

/// What is told to the accept loops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Order {
    pub(crate) setting: Setting,
    /// The listeners are to be closed.
    pub(crate) stop: bool,
    number: u64,
}

/// The process's gate: one writer, a reader in each accept loop, and the readers' receipts.
#[derive(Debug)]
pub(crate) struct Gate {
    orders: watch::Sender<Order>,
    receipts: Mutex<Vec<watch::Receiver<u64>>>,
}

/// An accept loop's side of the gate.
#[derive(Debug)]
pub(crate) struct Keeper {
    orders: watch::Receiver<Order>,
    receipt: watch::Sender<u64>,
}

impl Gate {
    pub(crate) fn new(setting: Setting) -> Gate {
        let orders = watch::Sender::new(Order { setting, stop: false, number: 1 });
        Gate { orders, receipts: Mutex::new(Vec::new()) }
    }

    /// A side for one more accept loop.
    pub(crate) fn keeper(&self) -> Keeper {
        let (receipt, received) = watch::channel(0);
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).push(received);
        Keeper { orders: self.orders.subscribe(), receipt }
    }

    pub(crate) fn setting(&self) -> Setting {
        self.orders.borrow().setting
    }

    /// Sets the share; when this returns every accept loop acts on it.
    pub(crate) async fn set(&self, setting: Setting) {
        self.order(|order| order.setting = setting);
        self.in_force().await;
    }

    /// Tells the accept loops to close their listeners.
    pub(crate) fn stop(&self) {
        self.order(|order| order.stop = true);
    }

    fn order(&self, change: impl FnOnce(&mut Order)) {
        self.orders.send_modify(|order| {
            change(order);
            order.number += 1;
        });
    }

    /// Waits until each accept loop, if it still runs, has taken note of the latest order.
    pub(crate) async fn in_force(&self) {
        let number = self.orders.borrow().number;
        let receipts = self.receipts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for mut receipt in receipts {
            // An error means that the loop has ended: it accepts nothing, whatever the order.
            let _ = receipt.wait_for(|seen| *seen >= number).await;
        }
    }
}

impl Keeper {
    /// The order now in force for this loop, which from here on acts on it.
    pub(crate) fn order(&mut self) -> Order {
        let order = *self.orders.borrow_and_update();
        self.receipt.send_replace(order.number);
        order
    }

    /// Waits for the next order.
    pub(crate) async fn changed(&mut self) {
        if self.orders.changed().await.is_err() {
            // The gate is gone, and with it `serve`: this task is about to be dropped.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[track_caller]
    fn check(share: f64, from: Option<f64>, now: u64, expected: Plan) {
        assert_eq!(Setting::new(share, from).unwrap().plan(ms(now)), expected);
    }

    #[test]
    fn windows() {
        check(0.0, None, 7, Plan::Closed);
        check(1.0, None, 7, Plan::Open);
        check(0.1, None, 1_000, Plan::OpenUntil(ms(1_010)));
        check(0.1, None, 1_009, Plan::OpenUntil(ms(1_010)));
        check(0.1, None, 1_010, Plan::ShutUntil(ms(1_100)));
        check(0.9, None, 1_009, Plan::ShutUntil(ms(1_010)));
        check(0.9, None, 1_010, Plan::OpenUntil(ms(1_100)));
        check(0.5, Some(0.75), 1_010, Plan::OpenUntil(ms(1_025)));
        check(0.5, Some(0.75), 1_030, Plan::ShutUntil(ms(1_075)));
        assert_eq!(Setting::new(1.1, None), None);
        assert_eq!(Setting::new(-0.1, None), None);
        assert_eq!(Setting::new(f64::NAN, None), None);
        assert_eq!(Setting::new(0.5, Some(f64::INFINITY)), None);
    }

    fn open(plan: Plan) -> bool {
        matches!(plan, Plan::Open | Plan::OpenUntil(_))
    }

    proptest! {
        #[test]
        fn a_share_and_its_complement_fill_the_period(percent in 1u64..100, now in 0u64..10_000) {
            prop_assume!(percent != 50);
            let share = percent as f64 / 100.0;
            let one = Setting::new(share, None).unwrap().plan(ms(now));
            let other = Setting::new(1.0 - share, None).unwrap().plan(ms(now));
            prop_assert!(open(one) != open(other));
        }

        #[test]
        fn an_edge_is_ahead_and_changes_the_plan(
            share in 0.001f64..0.999, from in 0.0f64..1.0, now in 0u64..1_000_000_000
        ) {
            let setting = Setting::new(share, Some(from)).unwrap();
            let now = Duration::from_nanos(now);
            let plan = setting.plan(now);
            let (Plan::OpenUntil(edge) | Plan::ShutUntil(edge)) = plan else { panic!("{plan:?}") };
            prop_assert!(edge > now && edge <= now + PERIOD);
            prop_assert!(open(setting.plan(edge)) != open(plan));
        }
    }

    #[tokio::test]
    async fn setting_waits_for_the_loops_receipt() {
        let gate = Gate::new(Setting::OPEN);
        let mut keeper = gate.keeper();
        let set = gate.set(Setting::CLOSED);
        tokio::pin!(set);
        assert!(futures_poll(set.as_mut()).await.is_none(), "nobody took note yet");
        assert_eq!(keeper.order().setting, Setting::CLOSED);
        set.await;
        drop(keeper);
        gate.set(Setting::OPEN).await;
    }

    /// Polls once.
    async fn futures_poll<F: Future + Unpin>(mut f: F) -> Option<F::Output> {
        std::future::poll_fn(|cx| match std::pin::Pin::new(&mut f).poll(cx) {
            std::task::Poll::Ready(out) => std::task::Poll::Ready(Some(out)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
