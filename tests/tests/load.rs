//! The load generators: a load on a faultless server is clean, and each fault is seen, counted and named.

mod faulty;

use std::time::Duration;

use e2e::Sandbox;
use e2e::load::{Generator, Load, LoadReport};
use faulty::{Fault, Server};

const ADDRESS: &str = "127.0.0.1:8080";
const URL: &str = "http://127.0.0.1:8080/";

/// Later than what a busy machine makes late.
const TIMEOUT: Duration = Duration::from_secs(4);

/// A load on a server that makes this fault once it has answered some requests, until the fault has been made.
#[track_caller]
fn load_on(generator: Generator, fault: Fault) -> LoadReport {
    let sandbox = Sandbox::boot();
    let server = Server::start(sandbox.bind(ADDRESS).unwrap(), fault);
    let running = Load::new(generator, URL).connections(8).timeout(TIMEOUT).start(&sandbox);
    server.await_fault();
    running.finish()
}

#[test]
fn a_faultless_server_gets_a_clean_report() {
    for generator in [Generator::KeepAlive, Generator::OneShot] {
        let report = load_on(generator, Fault::None);
        report.assert_clean();
        assert_eq!(report.by_release.keys().collect::<Vec<_>>(), ["one", "two"], "{report}");
        let (one, two) = (report.release("one").unwrap(), report.release("two").unwrap());
        assert!(one.first < two.first, "{report}");
        assert_eq!(one.count + two.count, report.requests, "{report}");
        assert!(report.latency.p50 > 0 && report.latency.max >= report.latency.p99_9, "{report}");
    }
}

#[test]
fn responses_that_are_not_200_are_seen() {
    for generator in [Generator::KeepAlive, Generator::OneShot] {
        for status in [500, 204, 302] {
            let report = load_on(generator, Fault::Status(status));
            assert_eq!(report.errors.status.get(&status), Some(&1), "{report}");
            assert_eq!(report.errors.total(), 1, "{report}");
        }
    }
}

#[test]
fn a_connection_closed_before_its_response_is_seen() {
    for generator in [Generator::KeepAlive, Generator::OneShot] {
        for fault in [Fault::Close, Fault::Reset, Fault::HalfAResponse] {
            let report = load_on(generator, fault);
            assert_eq!(report.errors.read, 1, "{fault:?}: {report}");
            assert_eq!(report.errors.total(), 1, "{fault:?}: {report}");
        }
    }
}

#[test]
fn a_request_that_is_never_answered_is_seen() {
    for generator in [Generator::KeepAlive, Generator::OneShot] {
        let report = load_on(generator, Fault::Silence);
        assert_eq!(report.errors.unanswered, 1, "{report}");
        assert_eq!(report.errors.total(), 1, "{report}");
    }
}

#[test]
fn a_late_response_is_seen() {
    for generator in [Generator::KeepAlive, Generator::OneShot] {
        let report = load_on(generator, Fault::Late(TIMEOUT * 3 / 2));
        assert_eq!(report.errors.timeout, 1, "{report}");
        assert_eq!(report.errors.total(), 1, "{report}");
    }
}

#[test]
fn refused_connections_are_seen() {
    let report = load_on(Generator::OneShot, Fault::StopListening);
    assert!(report.errors.connect + report.errors.write > 0, "{report}");
}

#[test]
#[should_panic(expected = "unable to connect to 127.0.0.1:8080")]
fn a_load_on_nothing_says_so() {
    let sandbox = Sandbox::boot();
    drop(Load::new(Generator::KeepAlive, URL).start(&sandbox));
}

#[test]
#[should_panic(expected = "the load had ended by itself")]
fn a_load_that_ends_too_early_says_so() {
    let sandbox = Sandbox::boot();
    let server = Server::start(sandbox.bind(ADDRESS).unwrap(), Fault::None);
    let load = Load::new(Generator::KeepAlive, URL).at_most(Duration::from_secs(1));
    load.start(&sandbox).run_for(Duration::from_secs(10));
    drop(server);
}
