//! The load generators for HTTP/2: a load on a faultless server is clean, GOAWAY is no failure, each fault is seen.

use std::time::Duration;

use e2e::load::{Generator, Load, Running};
use e2e::{Sandbox, binaries};

const ADDRESS: &str = "127.0.0.1:8080";

/// The example application on a socket that systemd holds.
fn boot(fault: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::boot();
    sandbox.install_program(&binaries::get().shop);
    if let Some(fault) = fault {
        sandbox.install_file("/usr/local/FAULT", fault, 0o644);
    }
    let socket = format!("[Socket]\nListenStream={ADDRESS}\nFileDescriptorName=http\n");
    let service = "[Service]\nType=notify\nExecStart=/usr/local/bin/shop\nNonBlocking=yes\n";
    sandbox.install_file("/etc/systemd/system/shop.socket", socket, 0o644);
    sandbox.install_file("/etc/systemd/system/shop.service", service, 0o644);
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    sandbox.run(["systemctl", "start", "shop.socket"]).ok();
    sandbox
}

const GENERATORS: [Generator; 2] = [Generator::Http2, Generator::Http2Pool];

fn load<'a>(generator: Generator, sandbox: &'a Sandbox, path: &str) -> Running<'a> {
    let load = Load::new(generator, &format!("http://{ADDRESS}{path}"));
    let mut running = load.timeout(Duration::from_secs(5)).start(sandbox);
    running.run_for(Duration::from_millis(500));
    running
}

#[test]
fn a_faultless_server_gets_a_clean_report() {
    for generator in GENERATORS {
        let sandbox = boot(None);
        let report = load(generator, &sandbox, "/").finish();
        report.assert_clean();
        assert_eq!(report.unsent, 0, "{report}");
        assert!(report.latency.p50 > 0 && report.latency.max >= report.latency.p99_9, "{report}");
        if generator == Generator::Http2Pool {
            let version = env!("CARGO_PKG_VERSION");
            assert_eq!(report.release(version).unwrap().count, report.requests, "{report}");
        }
    }
}

#[test]
fn a_server_that_says_goaway_loses_nothing() {
    for generator in GENERATORS {
        let sandbox = boot(None);
        let mut running = load(generator, &sandbox, "/");
        sandbox.run(["systemctl", "restart", "shop.service"]).ok();
        running.run_for(Duration::from_millis(500));
        let report = running.finish();
        report.assert_clean();
        assert_eq!(report.unsent > 0, generator == Generator::Http2, "{report}");
    }
}

#[test]
fn a_killed_server_is_seen() {
    for generator in GENERATORS {
        let sandbox = boot(None);
        let mut running = load(generator, &sandbox, "/");
        sandbox.run(["systemctl", "kill", "--signal=KILL", "shop.service"]).ok();
        running.run_for(Duration::from_millis(500));
        let report = running.finish();
        println!("{report}");
        assert!(report.errors.other.values().sum::<u64>() > 0, "{report}");
        assert_eq!(report.errors.total(), report.errors.other.values().sum::<u64>(), "{report}");
    }
}

#[test]
fn refused_connections_are_seen() {
    let sandbox = boot(None);
    let mut running = load(Generator::Http2Pool, &sandbox, "/");
    sandbox.run(["systemctl", "stop", "shop.socket", "shop.service"]).ok();
    running.run_for(Duration::from_millis(500));
    let report = running.finish();
    assert!(report.errors.connect > 0, "{report}");
}

#[test]
fn responses_that_are_not_200_are_seen() {
    for generator in GENERATORS {
        let sandbox = boot(Some("sick"));
        let report = load(generator, &sandbox, "/health").finish();
        assert_eq!(report.errors.status.get(&500), Some(&report.requests), "{report}");
        assert!(report.requests > 0, "{report}");
        assert_eq!(report.errors.total(), report.requests, "{report}");
    }
}

#[test]
fn requests_that_are_never_answered_are_seen() {
    for generator in GENERATORS {
        let sandbox = boot(None);
        let mut running = load(generator, &sandbox, "/");
        sandbox.run(["systemctl", "kill", "--signal=STOP", "shop.service"]).ok();
        // On a busy machine not every client has sent its next request yet.
        running.run_for(Duration::from_secs(3));
        let report = running.finish();
        assert_eq!(report.errors.timeout, 64, "{report}");
        assert_eq!(report.errors.total(), 64, "{report}");
    }
}
