//! The example application: a small web service on `sockact`, of which one binary makes all releases.
//!
//! A release is a directory with `bin/shop`, a file `VERSION`, which is the answer to `GET /`, and, for tests, a file
//! `FAULT` that says how it fails. A file `SICK` that comes later makes it sick from then on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use e2e::websocket::echo;
use sockact::Guards;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let shop = Shop::load(&release()?)?;
    match shop.fault {
        Fault::Exit => {
            eprintln!("shop {}: cannot start, the file FAULT says so", shop.version);
            return Ok(ExitCode::from(7));
        }
        Fault::NeverReady => {
            eprintln!("shop {}: never ready, the file FAULT says so", shop.version);
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let listeners = sockact::listeners()?;
    let http = listeners.tcp_or("http", "127.0.0.1:8080")?;
    let shop = Arc::new(shop);
    let router = router(&shop);
    let mut serve = sockact::serve(http, router.clone());
    // The first and only time.
    let _ = shop.guards.set(serve.guards());
    // Any further listener of the manifest serves the same.
    for name in listeners.remaining() {
        serve = serve.and(listeners.tcp(&name)?, router.clone());
    }
    let report = serve.await?;
    eprintln!("{report}");
    Ok(ExitCode::SUCCESS)
}

/// The directory above the one with the executable, all symbolic links followed.
fn release() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("cannot find the executable")?;
    let release = exe.ancestors().nth(2).context("the executable is in no directory")?;
    Ok(release.to_owned())
}

struct Shop {
    home: PathBuf,
    version: String,
    fault: Fault,
    started: Instant,
    /// All but those for its health.
    requests: AtomicU64,
    /// What knows of the drain.
    guards: OnceLock<Guards>,
}

/// How this release fails.
#[derive(Clone, Copy)]
enum Fault {
    None,
    /// It exits at once.
    Exit,
    /// It runs and does not say READY=1.
    NeverReady,
    /// It answers 500 on `/health`.
    Sick,
    /// It does so when this time has passed.
    SickensAfter(Duration),
    /// It does so when it had more requests than these.
    SickensAfterRequests(u64),
    /// It exits in the middle of the request after these.
    DiesAfterRequests(u64),
    /// It drops the connection of each request whose number is a multiple of this.
    DropsOneIn(u64),
    /// It does nothing at all for 50 ms in the request after these, once.
    StallsAfterRequests(u64),
}

impl Shop {
    fn load(release: &Path) -> Result<Self> {
        let read = |name: &str| match std::fs::read_to_string(release.join(name)) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            text => text.map(Some).with_context(|| format!("cannot read {name}")),
        };
        let version = read("VERSION")?.unwrap_or_else(|| env!("CARGO_PKG_VERSION").into());
        let fault = read("FAULT")?.map_or(Ok(Fault::None), |text| Fault::parse(text.trim()))?;
        let (started, requests) = (Instant::now(), AtomicU64::new(0));
        let (home, version) = (release.to_owned(), version.trim().to_owned());
        Ok(Self { home, version, fault, started, requests, guards: OnceLock::new() })
    }

    fn is_healthy(&self) -> bool {
        match self.fault {
            Fault::Sick => false,
            Fault::SickensAfter(time) => self.started.elapsed() < time,
            Fault::SickensAfterRequests(most) => self.requests.load(Ordering::Relaxed) <= most,
            _ => !self.home.join("SICK").exists(),
        }
    }
}

impl Fault {
    fn parse(text: &str) -> Result<Self> {
        let (name, number) = text.split_once('=').unwrap_or((text, "0"));
        let number = number.parse().with_context(|| format!("FAULT: {text:?} has no number"))?;
        Ok(match name {
            "exit" => Self::Exit,
            "never-ready" => Self::NeverReady,
            "sick" => Self::Sick,
            "sickens-after" => Self::SickensAfter(Duration::from_millis(number)),
            "sickens-after-requests" => Self::SickensAfterRequests(number),
            "dies-after-requests" => Self::DiesAfterRequests(number),
            "drops-one-in" => Self::DropsOneIn(number),
            "stalls-after-requests" => Self::StallsAfterRequests(number),
            _ => bail!("FAULT: {text:?} is not known"),
        })
    }
}

fn router(shop: &Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(async |State(shop): State<Arc<Shop>>| shop.version.clone()))
        .route("/pid", get(async || std::process::id().to_string()))
        .route("/slow", get(slow))
        .route("/ws", get(upgrade))
        .layer(middleware::from_fn_with_state(Arc::clone(shop), count))
        .route("/health", get(health))
        .route("/allocate", get(allocate))
        .with_state(Arc::clone(shop))
}

/// Counts every request but those for its health, and dies when it is time to.
async fn count(State(shop): State<Arc<Shop>>, request: Request, next: Next) -> Response {
    let before = shop.requests.fetch_add(1, Ordering::Relaxed);
    if let Fault::DiesAfterRequests(most) = shop.fault
        && before >= most
    {
        eprintln!("shop {}: dies in a request, the file FAULT says so", shop.version);
        #[expect(clippy::disallowed_methods, clippy::exit, reason = "to die is the fault")]
        std::process::exit(9);
    }
    match shop.fault {
        Fault::DropsOneIn(number) if (before + 1).is_multiple_of(number) => {
            panic!("drops the request, the file FAULT says so")
        }
        Fault::StallsAfterRequests(most) if before == most => {
            #[expect(clippy::disallowed_methods, reason = "to stand still is the fault")]
            std::thread::sleep(Duration::from_millis(50));
        }
        _ => {}
    }
    next.run(request).await
}

async fn health(State(shop): State<Arc<Shop>>) -> (StatusCode, &'static str) {
    if shop.is_healthy() {
        (StatusCode::OK, "healthy")
    } else {
        (StatusCode::INTERNAL_SERVER_ERROR, "sick")
    }
}

/// More than a small machine has.
async fn allocate() -> String {
    let bytes = std::hint::black_box(vec![1_u8; 64 << 20]);
    format!("{} bytes", bytes.len())
}

/// `/slow?ms=500` answers after half a second.
async fn slow(uri: Uri) -> Result<String, StatusCode> {
    let ms = uri.query().and_then(|query| query.strip_prefix("ms=")?.parse().ok());
    let ms = ms.ok_or(StatusCode::BAD_REQUEST)?;
    // The delay is what was asked for.
    tokio::time::sleep(Duration::from_millis(ms)).await;
    Ok(format!("slept {ms} ms"))
}

async fn upgrade(State(shop): State<Arc<Shop>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |socket| {
        if let Some(guards) = shop.guards.get() {
            echo(socket, guards).await;
        }
    })
}
