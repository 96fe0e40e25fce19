//! An application under load while `sockctl` deploys it: what every client saw, and whether that is what was promised.

pub mod deploy;
mod deployer;
mod groups;
pub mod html;
mod plot;
pub mod proof;
mod round;
mod run;
mod service;
mod slots;
mod starved;
pub mod text;
pub mod verdict;

pub use run::{Asked, ProveError, prove};
