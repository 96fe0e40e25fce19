//! `sockact::serve` on a runtime with several threads, all of which a request can hang.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::extract::Path;
use axum::routing::get;

const THREADS: usize = 2;

pub(crate) fn serve() -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    runtime.block_on(async {
        let listeners = sockact::listeners()?;
        let router = Router::new()
            .route("/", get(async || std::process::id().to_string()))
            .route("/slow/{ms}", get(slow))
            .route("/hang", get(hang));
        let report = sockact::serve(listeners.tcp("lines")?, router).await?;
        eprintln!("{report}");
        Ok(())
    })
}

async fn slow(Path(ms): Path<u64>) -> String {
    // The delay is what was asked for.
    tokio::time::sleep(Duration::from_millis(ms)).await;
    std::process::id().to_string()
}

/// Never answers, and neither does anybody else any more.
async fn hang() {
    let all = Arc::new(Barrier::new(THREADS));
    for _ in 0..THREADS {
        let all = Arc::clone(&all);
        tokio::spawn(async move {
            if all.wait().is_leader() {
                eprintln!("no thread of the runtime is left");
            }
            loop {
                thread::park();
            }
        });
    }
    std::future::pending::<()>().await;
}
