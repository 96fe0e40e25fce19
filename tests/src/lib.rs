//! What the end-to-end tests share: a sandbox that boots a real systemd, and what runs in it.
//!
//! Everything here is for tests: a function that cannot do its work panics with all that is known about why.

pub mod binaries;
pub mod faults;
pub mod load;
mod odd;
pub mod presets;
pub mod sandbox;
pub mod shop;
pub mod terminal;
pub mod websocket;

pub use odd::ODD;
pub use sandbox::Sandbox;
