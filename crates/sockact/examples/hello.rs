//! What a user writes. By hand: `cargo run --example hello`, then `curl localhost:8080`.

use axum::{Router, routing::get};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listeners = sockact::listeners()?;
    let http = listeners.tcp_or("http", "127.0.0.1:8080")?;
    let router = Router::new().route("/", get(|| async { "hello\n" }));
    let report = sockact::serve(http, router).await?;
    eprintln!("hello: {report}");
    Ok(())
}
