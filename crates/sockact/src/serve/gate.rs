//! The gate: which share of the connections this process accepts.
//!
//! - 0: none. The socket is not even watched.
//! - 1: all that no other process claims. Two open slots share as the kernel wakes them.
//! - Between 0 and 1: those that arrive in a [`Window`] of each period of CLOCK_MONOTONIC, which the
//!   process claims for itself (see [`claim`](super::claim)): an open slot stays out of it. So 0.1
//!   is a tenth of the connections beside a slot with 1 and beside one with 0.9. A connection that
//!   arrives in nobody's window waits in the backlog; a slot that is alone gets every one.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::window::Window;

/// A share of accepts and where in the period it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    share: f64,
    from: Option<f64>,
}

/// When a setting lets connections in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Never,
    Always,
    Window(Window),
}

impl Setting {
    pub(crate) const OPEN: Setting = Setting { share: 1.0, from: None };
    pub(crate) const CLOSED: Setting = Setting { share: 0.0, from: None };

    /// `share` from 0 to 1. `from` is the part of the period at which the window begins, whoever
    /// else has it; by default see [`Window::usual`], and another place when that is taken.
    pub(crate) fn new(share: f64, from: Option<f64>) -> Option<Setting> {
        let sound = |part: f64| (0.0..=1.0).contains(&part);
        (sound(share) && from.is_none_or(sound)).then_some(Setting { share, from })
    }

    /// The share of accepts, 0 to 1.
    pub(crate) fn share(self) -> f64 {
        self.share
    }

    /// Whether the window must lie where it was asked for.
    pub(crate) fn insists(self) -> bool {
        self.from.is_some()
    }

    /// When connections are let in. A share is taken to the nearest millionth, but one that is not
    /// 0 or 1 is never rounded to it.
    pub(crate) fn turn(self) -> Turn {
        if self.share <= 0.0 {
            return Turn::Never;
        }
        let parts = |share: f64| (share * f64::from(Window::WHOLE)).round() as u32;
        let share = parts(self.share).clamp(1, Window::WHOLE - 1);
        let window = match self.from {
            None => Window::usual(share),
            Some(from) => Window::new(share, parts(from)),
        };
        window.filter(|_| self.share < 1.0).map_or(Turn::Always, Turn::Window)
    }
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
    /// The latest order.
    pub(crate) fn order(&mut self) -> Order {
        *self.orders.borrow_and_update()
    }

    /// Tells the gate that this order is in force in this loop.
    pub(crate) fn obeys(&self, order: Order) {
        self.receipt.send_replace(order.number);
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

    #[track_caller]
    fn check(share: f64, from: Option<f64>, expected: Option<Turn>) {
        assert_eq!(Setting::new(share, from).map(Setting::turn), expected);
    }

    #[test]
    fn turns() {
        let window = |parts, from| Window::new(parts, from).map(Turn::Window);
        check(0.0, None, Some(Turn::Never));
        check(1.0, None, Some(Turn::Always));
        check(1.0, Some(0.5), Some(Turn::Always));
        check(0.1, None, window(100_000, 0));
        check(0.9, None, window(900_000, 100_000));
        check(1.0 - 0.9, None, window(100_000, 0));
        check(0.5, Some(0.75), window(500_000, 750_000));
        check(0.5, Some(1.0), window(500_000, 0));
        check(1e-9, None, window(1, 0));
        check(1.0 - 1e-9, None, window(999_999, 1));
        check(1.1, None, None);
        check(-0.1, None, None);
        check(f64::NAN, None, None);
        check(0.5, Some(f64::INFINITY), None);
    }

    #[tokio::test]
    async fn setting_waits_for_the_loops_receipt() {
        let gate = Gate::new(Setting::OPEN);
        let mut keeper = gate.keeper();
        let set = gate.set(Setting::CLOSED);
        tokio::pin!(set);
        assert!(futures_poll(set.as_mut()).await.is_none(), "nobody took note yet");
        let order = keeper.order();
        assert_eq!(order.setting, Setting::CLOSED);
        assert!(futures_poll(set.as_mut()).await.is_none(), "nobody acts on it yet");
        keeper.obeys(order);
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
