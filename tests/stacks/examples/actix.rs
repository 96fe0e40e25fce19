//! An actix-web application on an adopted listener: `sockact::actix::serve`, or, with `MODE=plain`,
//! `HttpServer` with its own graceful shutdown, so that the tests see what that loses.

use std::error::Error;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use futures_util::StreamExt;
use sockact::Notify;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone)]
struct Slot(String);

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(async |slot: web::Data<Slot>| slot.0.clone()))
        .route("/slow/{ms}", web::get().to(slow))
        .route("/ws", web::get().to(echo));
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let slot = web::Data::new(Slot(std::env::var("SOCKACT_SLOT").unwrap_or_default()));
    let http = sockact::listeners()?.tcp("http")?;
    let app = move || App::new().app_data(slot.clone()).configure(routes);
    if std::env::var("MODE").is_ok_and(|mode| mode == "plain") {
        let server = HttpServer::new(app).shutdown_timeout(2).listen_auto_h2c(http)?.run();
        return plain(server).await;
    }
    let mut serve = sockact::actix::serve(http, app)?;
    if let Some(ms) = std::env::var("IDLE_WINDOW_MS").ok().and_then(|ms| ms.parse().ok()) {
        serve = serve.idle_window(Duration::from_millis(ms));
    }
    println!("{}", serve.await?);
    Ok(())
}

/// As actix's documentation has it: SIGTERM is handled by the server.
async fn plain(server: actix_web::dev::Server) -> Result<(), Box<dyn Error>> {
    let notify = Notify::from_env()?;
    let mut term = signal(SignalKind::terminate())?;
    notify.ready()?;
    tokio::spawn(async move {
        term.recv().await;
        // The tests wait for this.
        let _ = notify.stopping();
    });
    server.await?;
    println!("0 finished, 0 cut, of 0 connections and 0 requests in all");
    Ok(())
}

async fn slow(ms: web::Path<u64>) -> impl Responder {
    // The delay is what was asked for.
    tokio::time::sleep(Duration::from_millis(*ms)).await;
    "slow"
}

/// Returns every message.
async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            let sent = match message {
                actix_ws::Message::Text(text) => session.text(text).await,
                actix_ws::Message::Close(reason) => return drop(session.close(reason).await),
                _ => Ok(()),
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok(response)
}
