//! From a manifest, `sockact.toml`, to the systemd units of an application and its slots.
//!
//! ```
//! let app = sockgen::App::parse(r#"
//!     name = "shop"
//!     exec = "bin/shop"
//!     [listeners.http]
//!     listen = "127.0.0.1:8080"
//! "#)?;
//! let units = sockgen::render(&app);
//! assert!(units.iter().any(|unit| unit.name.as_ref() == "shop-http.socket"));
//! # Ok::<(), sockgen::ManifestError>(())
//! ```

mod address;
pub mod check;
#[doc(hidden)]
pub mod cli;
mod duration;
mod endpoint;
mod error;
mod extras;
mod files;
pub mod generator;
pub mod init;
pub mod install;
pub mod listening;
mod load;
mod manifest;
pub mod model;
pub mod names;
mod place;
pub mod presets;
mod quote;
pub mod remove;
mod render;
mod schema;
pub mod secrets;
mod share;
mod shown;
mod size;
mod validate;
pub mod versions;

pub use address::{Address, AddressError};
pub use duration::{duration, short_duration};
pub use endpoint::{Endpoint, Inet, Kind, Vsock};
pub use error::ManifestError;
pub use extras::{Extra, ExtraError};
pub use model::{
    App, Argv, Bandwidth, Canary, Directive, Directives, Exec, Hardening, Health, Hooks, Level,
    Listener, Memory, Percent, Probe, Proxy, RELAXATIONS, Ready, Relaxation, RelaxationError,
    RelaxationKind, Resources, Secret, SocketOption, Storage, Swap, Tasks, UnixAccess,
};
pub use names::{AppName, ListenerName, NameError, SecretName, SlotName, UnitName};
pub use place::{Place, PlaceError, Scope, below};
pub use render::{UnitFile, render};
pub use schema::schema;
pub use share::{Share, ShareError};
pub use shown::{nearest, shown};
pub use validate::MOST_SHARES;
pub use versions::{Rendered, Target, TargetError, directives, render_for};
