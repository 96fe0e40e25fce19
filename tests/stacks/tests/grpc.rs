//! The example `grpc` under tonic's own clients: a switch fails no call, and a call that streams is
//! finished.

mod support;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use support::{PATIENCE, Slot, aside, not_processed, public, requests};
use tokio::task::{JoinSet, block_in_place};
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse as Health};

const GRPC: &str = "grpc";

fn start(name: &str, listener: &TcpListener) -> Slot {
    Slot::start(GRPC, name, ("grpc", listener), &[])
}

fn client(address: SocketAddr) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("endpoint");
    HealthClient::new(endpoint.connect_lazy())
}

async fn watch(client: &mut HealthClient<Channel>, service: &str) -> Streaming<Health> {
    let request = HealthCheckRequest { service: service.to_owned() };
    client.watch(request).await.expect("streams").into_inner()
}

#[derive(Debug, Default)]
struct Count {
    answered: AtomicU64,
    /// Not sent, or not looked at as GOAWAY said: called again. gRPC's libraries do that by
    /// themselves, tonic leaves it to the caller.
    repeated: AtomicU64,
    failed: AtomicU64,
    how: std::sync::OnceLock<String>,
}

/// Calls one after another until told to stop.
async fn call(address: SocketAddr, stop: Arc<AtomicBool>, count: Arc<Count>) {
    let mut client = client(address);
    while !stop.load(Relaxed) {
        match client.check(HealthCheckRequest { service: String::new() }).await {
            Ok(_) => _ = count.answered.fetch_add(1, Relaxed),
            Err(e) if not_processed(&e) => _ = count.repeated.fetch_add(1, Relaxed),
            Err(e) => {
                count.failed.fetch_add(1, Relaxed);
                count.how.get_or_init(|| format!("{e:?}"));
            }
        }
    }
}

/// On one thread, as `crates/sockact/tests/http2.rs` says.
#[tokio::test]
async fn switches_under_load_fail_no_call() {
    let (listener, address) = public();
    let listener = Arc::new(listener);
    let mut live = start("blue", &listener);
    let (stop, count) = (Arc::<AtomicBool>::default(), Arc::<Count>::default());
    let mut callers = JoinSet::new();
    for _ in 0..16 {
        callers.spawn(call(address, Arc::clone(&stop), Arc::clone(&count)));
    }
    let mut received = 0;
    for nth in 0..5 {
        let enough = count.answered.load(Relaxed) + 500;
        let more = async {
            while count.answered.load(Relaxed) < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, more).await.expect("answers in time");
        let (listener, old) = (Arc::clone(&listener), live);
        let report;
        (live, report) = aside(move || {
            let next = start(["green", "blue"][nth % 2], &listener);
            (next, old.gives_way())
        })
        .await;
        assert!(report.contains(" 0 cut"), "{report}");
        received += requests(&report);
    }
    stop.store(true, Relaxed);
    callers.join_all().await;
    assert_eq!(count.failed.load(Relaxed), 0, "of {:?}: {:?}", count.answered, count.how);
    received += requests(&aside(|| live.gives_way()).await);
    assert_eq!(count.answered.load(Relaxed), received, "what was received was answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_counted_and_finished() {
    let (listener, address) = public();
    let mut slot = start("blue", &listener);
    let mut clients = [client(address), client(address)];
    let mut ended = watch(&mut clients[0], "shop").await;
    let mut open = watch(&mut clients[1], "").await;
    for stream in [&mut ended, &mut open] {
        let first = stream.message().await.expect("a message").expect("the first");
        assert_eq!(first.status(), ServingStatus::Serving.into());
    }
    block_in_place(|| {
        slot.status_becomes(&["\"connections\":2", "\"in_flight\":2"]);
        slot.term();
    });
    // The server ends the one …
    let last = ended.message().await.expect("a message while draining").expect("the last");
    assert_eq!(last.status(), ServingStatus::NotServing.into());
    assert!(ended.message().await.expect("a status, not a reset").is_none());
    // … and waits for the end of the other.
    let draining = ["\"state\":\"draining\"", "\"connections\":1", "\"in_flight\":1"];
    block_in_place(|| slot.status_becomes(&draining));
    drop((open, clients));
    let report = block_in_place(|| slot.ends());
    assert!(report.contains(" 0 cut, of 2 connections and 2 requests"), "{report}");
}
