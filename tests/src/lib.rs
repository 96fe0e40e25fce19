//! What the end-to-end tests share: a sandbox that boots a real systemd, and what runs in it.
//!
//! Everything here is for tests: a function that cannot do its work panics with all that is known about why.

pub mod binaries;
<<<<<<< HEAD
pub mod faults;
=======
pub mod foreign;
>>>>>>> 6a262a9 (Programs that are not built on sockact deploy too: gate = false, and health asked by a command or at an address of the slot's own)
pub mod load;
pub mod sandbox;
pub mod shop;

pub use sandbox::Sandbox;
