//! The gate of a process with a runtime: one setting, and accept loops that confirm it.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::slot::Setting;

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
