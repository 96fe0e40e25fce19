//! What users ask is answered here, by hyper and no framework; sockact.toml says how it is deployed.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // systemd's socket, by its name; bound here only when the program is started by hand.
    let http = sockact::listeners()?.tcp_or("http", "127.0.0.1:8080")?;
    // The health path is asked at each deploy over a socket of this slot alone.
    let mut drain = sockact::Drain::new().probe(tower::service_fn(answer));
    let http = drain.incoming(http);
    // READY=1 and the gate; at SIGTERM the drain, which waits for the connections below.
    let watch = drain.start();
    tokio::spawn(serve(http));
    eprintln!("{}", watch.report().await?);
    Ok(())
}

async fn serve(mut http: sockact::Incoming) {
    loop {
        let (connection, _) = http.accept().await;
        // Counts the requests; while draining each answer says that it was the last.
        let service = connection.track(tower::service_fn(answer));
        tokio::spawn(async move {
            let io = TokioIo::new(connection);
            let http = auto::Builder::new(TokioExecutor::new());
            // How a connection ends is the client's affair.
            let _ = http.serve_connection_with_upgrades(io, service).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let body = match request.uri().path() {
        // Answer 5xx while the program cannot serve.
        "/health" => "well".to_owned(),
        _ => version(),
    };
    Ok(Response::new(body))
}

/// Which release this is: the build writes the file.
fn version() -> String {
    let file = std::fs::read_to_string("VERSION");
    file.map_or_else(|_| env!("CARGO_PKG_VERSION").to_owned(), |text| text.trim().to_owned())
}
