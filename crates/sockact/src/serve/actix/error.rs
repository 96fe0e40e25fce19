//! Why an application could not be built.

use std::io;

/// Why [`serve`](super::serve) has no application to serve.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActixError {
    /// A thread cannot be started, or has no runtime.
    #[error("cannot start a thread for the application")]
    Thread {
        /// From clone(2) or epoll_create1(2).
        source: io::Error,
    },

    /// The factory's application says no.
    #[error("the application cannot be built ({reason}); actix logs why")]
    Application {
        /// Its `InitError`, as `Debug` has it.
        reason: String,
    },

    /// The factory panicked.
    #[error("building the application panicked")]
    Panicked,
}
