//! gRPC with tonic on an adopted listener: behind the gate, drained without a loss.
//!
//! tonic's routes are a tower service like any other. Its own server offers one signal for a
//! shutdown and no gate; [`sockact::serve`] tells clients at once, with GOAWAY, and counts the calls.

use std::error::Error;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

/// Whose health is watched, beside that of the whole server.
const SERVICE: &str = "shop";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let grpc = sockact::listeners()?.tcp("grpc")?;
    let (health, service) = health_reporter();
    health.set_service_status(SERVICE, ServingStatus::Serving).await;
    tokio::spawn(leave(signal(SignalKind::terminate())?, health));
    let routes = Routes::new(service).prepare();
    println!("{}", sockact::serve(grpc, routes.into_axum_router()).await?);
    Ok(())
}

/// Streams that would go on for ever are the application's to end: whoever watches the health is
/// told that this slot serves no longer, and the stream ends.
async fn leave(mut term: Signal, mut health: HealthReporter) {
    term.recv().await;
    health.set_service_status(SERVICE, ServingStatus::NotServing).await;
    health.clear_service_status(SERVICE).await;
}
