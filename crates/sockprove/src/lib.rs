//! Puts a service under load, and says what its clients saw.
//!
//! [`load::Load`] is what is asked; [`load::Run`] is all that was seen; [`record::Record`] is the account of it, as it is written.
//! [`prove`] puts an application under load while `sockctl` deploys it. What decides ([`schedule`], [`accepts`], [`account`],
//! [`prove::verdict`]) knows neither sockets nor clocks.

pub mod accepts;
pub mod account;
pub mod cli;
mod client;
pub mod failure;
pub mod kind;
pub mod load;
mod priority;
mod probe;
pub mod prove;
pub mod record;
pub mod schedule;
pub mod tally;
pub mod target;
mod timer;
mod witness;
mod worker;

pub use probe::Probes;
