//! A number that one task writes and others may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The connection's own task alone writes it, so loads and stores are enough: a lock, or an
/// addition that is atomic, would cost every request more than all that is counted with them.
#[derive(Debug, Default)]
pub(crate) struct Number(AtomicU64);

impl Number {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}
