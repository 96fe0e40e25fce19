//! What users ask is answered here; sockact.toml says how it is deployed.

use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // systemd's socket, by its name; bound here only when the program is started by hand.
    let http = sockact::listeners()?.tcp_or("http", "127.0.0.1:8080")?;
    let version = version();
    let router = Router::new()
        .route("/", get(|| async move { version }))
        // Asked at each deploy over a socket of this slot alone. Answer 5xx while the program cannot serve.
        .route("/health", get(|| async { "well" }));
    // READY=1, the gate, that socket, and at SIGTERM the drain.
    let report = sockact::serve(http, router).await?;
    eprintln!("{report}");
    Ok(())
}

/// Which release this is: the build writes the file.
fn version() -> String {
    let file = std::fs::read_to_string("VERSION");
    file.map_or_else(|_| env!("CARGO_PKG_VERSION").to_owned(), |text| text.trim().to_owned())
}
