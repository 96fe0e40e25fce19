//! sockact
mod adopt;
mod listener;
mod serve;

pub use adopt::{AdoptError, Kind, Listeners, listeners};
pub use listener::Listener;
pub use serve::{End, Report, Serve, ServeError, serve};

/// Any error, as tower and hyper pass them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
