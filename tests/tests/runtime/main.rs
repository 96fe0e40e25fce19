//! The library under a real systemd: what it adopts, keeps, says and is told, seen from outside.

mod credentials;
mod kinds;
mod machine;
mod store;
mod timeouts;
mod told;
mod tools;
