//! What a slot is, whoever runs its connections: what its environment says, what its gate decides, what it answers and
//! tells. Nothing in here waits; tokio is not known.

#[cfg(feature = "gate")]
mod admin;
mod claim;
mod herald;
mod process;
mod setting;
#[cfg(feature = "gate")]
mod status;
mod told;
mod vars;
mod window;

#[cfg(feature = "gate")]
pub(crate) use admin::{
    Answer, Asked, BODY_SIZE, BODY_TIME, CONNECTIONS, HEAD_SIZE, HEAD_TIME, LIFE, Pace, asked, wish,
};
pub(crate) use claim::{Claim, Held};
pub(crate) use herald::Herald;
pub(crate) use process::{is_the_connections, monotonic, widen_descriptor_table};
pub(crate) use setting::Setting;
#[cfg(feature = "gate")]
pub(crate) use status::{Status, Sums};
pub(crate) use told::{STOPPING_TIME, serving, stopping};
pub(crate) use vars::{Identity, Meaningless, Vars};
pub(crate) use window::Plan;
