//! systemd socket activation for HTTP services that deploy without losing a request.
//!
//! systemd holds the listening sockets and passes them to two slots of a service, blue and green,
//! which take turns at accepting. This library is the slot's part of that:
//!
//! 1. [`listeners`] adopts what systemd passed and hands it out by its `FileDescriptorName=`, as
//!    plain `std` listeners whose kind was checked. When systemd passed nothing it binds only where
//!    the code says so: [`tcp_or`](Listeners::tcp_or).
//! 2. [`serve()`] serves HTTP/1.1 and HTTP/2 on them behind a gate, says `READY=1` when it does,
//!    and on SIGTERM drains as a lame duck: it takes nothing new and answers all it has.
//!
//! ```no_run
//! # #[cfg(feature = "serve")]
//! use axum::{Router, routing::get};
//!
//! # #[cfg(feature = "serve")]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let listeners = sockact::listeners()?;
//!     let http = listeners.tcp_or("http", "127.0.0.1:8080")?;
//!     let router = Router::new().route("/", get(|| async { "hello\n" }));
//!     let report = sockact::serve(http, router).await?;
//!     eprintln!("{report}");
//!     Ok(())
//! }
//! # #[cfg(not(feature = "serve"))]
//! # fn main() {}
//! ```
//!
//! # For any program
//! What follows needs no async runtime: with `default-features = false` there is none in the tree.
//!
//! - Plain threads behind the same gate, with the same admin socket and drain: [`threads`]. Gate and
//!   admin socket need the feature `gate`, which brings a parser for HTTP/1 and serde, no runtime.
//! - Descriptors of every kind that `systemd.socket(5)` makes, by name and checked: [`Listeners`],
//!   [`Kind`]; blocking ones for plain threads: [`Adopt`].
//! - What the service manager is told, `sd_notify(3)`: [`Notify`], [`Watchdog`].
//! - Secrets from `LoadCredential=`: [`credential()`].
//! - Children that inherit none of it: [`scrub()`].
//! - The same start in your tests, with real descriptors and a real notify socket: [`testing`].
//!
//! # What the units must say
//! `NonBlocking=yes` in the service (systemd clears the flag otherwise, for every process that
//! holds the socket, `systemd.service(5)`); `Type=notify`; `FileDescriptorName=` in each socket
//! unit (`systemd.socket(5)`). sockgen writes such units.
//!
//! # The environment of a slot
//! | variable | meaning |
//! |---|---|
//! | `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_PIDFDID`, `LISTEN_FDNAMES` | what was passed, and to whom: `sd_listen_fds(3)` |
//! | `NOTIFY_SOCKET` | where `READY=1`, `STOPPING=1` and `STATUS=` go: `sd_notify(3)` |
//! | `WATCHDOG_USEC`, `WATCHDOG_PID` | how often a sign of life is due: `sd_watchdog_enabled(3)` |
//! | `CREDENTIALS_DIRECTORY` | where the unit's credentials lie: `systemd.exec(5)` |
//! | `SOCKACT_SLOT` | the slot's name, for its status |
//! | `SOCKACT_GATE` | `open` (the same as absent), `closed`, or a share of accepts from 0 to 1 |
//! | `SOCKACT_DRAIN_USEC` | the drain deadline in microseconds |
//!
//! It is read once and never changed.
//!
//! # The admin socket
//! A unix listener named `sockact-admin` is not handed out: [`serve()`], `Drain` and
//! [`threads::Drain`] answer there, over HTTP/1.1, `GET /-/status` (JSON), `PUT /-/gate` with
//! `{"share":0.1}`, and `GET /-/metrics` (OpenMetrics). Every other path goes to the first router, or
//! to the health checks of threads, so that a health probe is a real request to this very slot.
//! What is said there is bounded in number, size and time. Without such a listener there is none.
//!
//! # The gate
//! A share of the connections. At 0 a slot does not look at its sockets: connections wait in the
//! backlog or are the other slot's. At 1 it accepts all that the other does not claim; two open slots
//! share as the kernel happens to wake them. Between, each connection goes to the slot in whose
//! window it arrives, a window of each 104 ms (longer for shares under 0.1 and over 0.9) on
//! CLOCK_MONOTONIC. The slot claims its window by a record lock on the listening socket
//! (`fcntl_locking(2)`), and an open slot stays out of it: 0.1 is a tenth beside a slot with 1 and
//! beside one with 0.9. A slot with a share that is alone lets connections wait for its window.
//! `"from"` in the request, 0 to 1, says where in the period the window begins. When the
//! answer to `PUT /-/gate` comes, the gate is in force.
//!
//! # Descriptors are shared
//! Both slots and PID 1 hold the same listening sockets. Nothing here ever calls `shutdown(2)`
//! on one or changes its flags or options; a listener is only ever closed.

mod adopt;
mod credential;
#[cfg(feature = "serve")]
mod listener;
mod notify;
mod report;
mod scrub;
#[cfg(feature = "serve")]
mod serve;
mod slot;
pub mod testing;
pub mod threads;

#[doc(hidden)]
pub use adopt::fuzz_vars;
pub use adopt::{Adopt, AdoptError, Kind, Listeners, Passed, Take, listeners};
pub use credential::{CREDENTIAL_MAX, Credential, CredentialError, credential};
#[cfg(feature = "serve")]
pub use listener::Listener;
pub use notify::{Notify, NotifyAccess, NotifyError, NotifyState, Watchdog};
pub use report::{End, Report};
pub use scrub::scrub;
#[cfg(feature = "actix")]
pub use serve::actix;
#[cfg(feature = "axum")]
pub use serve::axum;
#[cfg(feature = "serve")]
#[doc(hidden)]
pub use serve::fuzz_admin;
#[cfg(feature = "serve")]
pub use serve::{
    Answer, Connection, CountedBody, Drain, Guard, Guards, HttpService, Incoming, Peer, Serve,
    ServeError, Tracked, Watch, serve,
};

/// Any error, as tower and hyper pass them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The guide's examples, compiled.
#[cfg(all(doctest, feature = "serve"))]
#[doc = include_str!("../GUIDE.md")]
pub mod guide {}
