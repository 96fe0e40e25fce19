//! Deploys a release into the idle slot of an application, proves it, and moves users over without losing a request.
//!
//! The way of a deploy through this crate: [`release::stage`] gives the release its name; [`plan::Desired`] is the wish;
//! [`world::World`] is what is there; [`plan::next`] names the next step, and [`deploy::Deploy`] does it, until nothing is left.
//! Nothing else decides, and nothing is remembered that systemd or the file system already holds.

pub mod admin;
mod alias;
pub mod asker;
pub mod canary;
pub mod cli;
pub mod commands;
pub mod deploy;
pub mod detach;
pub mod doctor;
pub mod error;
pub mod files;
pub mod forecast;
pub mod gc;
pub mod history;
pub mod journal;
pub mod listen;
pub mod listing;
pub mod lock;
pub mod logs;
pub mod metrics;
pub mod plan;
pub mod probe;
pub mod prover;
pub mod release;
pub mod report;
pub mod signals;
pub mod sockets;
pub mod status;
pub mod stop;
pub mod systemd;
pub mod terminal;
pub mod unfinished;
pub mod ungated;
pub mod watch;
pub mod why;
pub mod wish;
pub mod words;
pub mod world;
