//! Each kind of failure is found, counted apart and told with its time, in both loops; and a stall of accept(2) is a gap.

mod faulty;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use faulty::{Fault, serve};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use sockprove::failure::{Failure, FailureKind};
use sockprove::kind::Kind;
use sockprove::load::{Load, ask, raise_descriptor_limit};
use sockprove::record::{Mark, Record};
use sockprove::schedule::Pace;
use sockprove::tally;
use sockprove::target::Target;
use tokio_tungstenite::tungstenite;

const OPEN: Pace = Pace::Open { rate: NonZeroU32::new(2000).unwrap() };
const CLOSED: Pace = Pace::Closed { connections: NonZeroU32::new(4).unwrap() };

fn load(url: &str, kind: Kind, pace: Pace) -> Load {
    Load {
        kind,
        pace,
        target: Target::parse(url, None).unwrap(),
        duration: Duration::from_millis(300),
        timeout: Duration::from_secs(3),
        expect: vec!["fine".into()],
        by_body: true,
        threads: 2,
        probe: None,
    }
}

fn record(load: Load) -> Record {
    let run = load.start().unwrap().finish().unwrap();
    Record::of(&run, &[], Duration::from_millis(100))
}

/// One request of many meets the fault: it alone failed, so and not otherwise.
#[track_caller]
fn check(fault: Fault, expected: FailureKind) {
    for kind in [Kind::KeepAlive, Kind::OneShot] {
        for pace in [OPEN, CLOSED] {
            let mut load = load(&serve(fault, 100), kind, pace);
            // A machine that stalls for half of it comes to the hundredth request all the same.
            load.duration *= 2;
            let record = record(load);
            let told = format!("{fault:?}, {kind}, {pace:?}: {:?}", record.faults.first());
            assert_eq!((record.failed, record.faults.len()), (1, 1), "{told}");
            assert_eq!(record.failures[&expected], 1, "{told}");
            let at = record.faults[0].at_ns;
            assert!((record.start_ns..=record.end_ns).contains(&at), "{told}");
            assert!(record.answered > 150, "{}: {told}", record.answered);
            assert_eq!(record.bodies.len(), 1, "{told}");
            assert_eq!(record.bodies[0].count, record.answered, "{told}");
        }
    }
}

#[test]
fn a_reset_is_seen() {
    check(Fault::Reset, FailureKind::Reset);
}

#[test]
fn a_connection_closed_before_its_answer_is_seen() {
    check(Fault::Close, FailureKind::Closed);
    check(Fault::HalfAnAnswer, FailureKind::Closed);
}

#[test]
fn an_answer_that_never_comes_is_seen() {
    check(Fault::Hang, FailureKind::Timeout);
}

#[test]
fn a_status_that_is_no_success_is_seen() {
    check(Fault::Status, FailureKind::Status);
}

#[test]
fn a_wrong_body_is_seen() {
    check(Fault::Body, FailureKind::Body);
}

#[test]
fn what_is_not_http_is_seen() {
    check(Fault::Nonsense, FailureKind::Protocol);
}

#[test]
fn refused_connections_are_seen_by_every_kind_of_client() {
    // Bound and not listening: nobody else can take the port meanwhile.
    let nobody = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    rustix::net::bind(&nobody, &std::net::SocketAddrV4::new([127, 0, 0, 1].into(), 0)).unwrap();
    let address: std::net::SocketAddr =
        rustix::net::getsockname(&nobody).unwrap().try_into().unwrap();
    for kind in Kind::ALL {
        for pace in [OPEN, CLOSED] {
            let record = record(load(&format!("http://{address}/"), kind, pace));
            let told = format!("{kind}, {pace:?}: {:?}", record.failures);
            assert!(record.failed > 10 && record.answered == 0, "{told}");
            assert_eq!(record.failures[&FailureKind::Refused], record.failed, "{told}");
        }
    }
}

#[test]
fn an_open_loop_asks_as_often_as_it_was_told_however_slow_the_answers() {
    // Fewer come in it than there is room for in the queue.
    let (stall, pace) = (Duration::from_millis(100), Pace::Open { rate: 500.try_into().unwrap() });
    let record = record(load(&serve(Fault::Stall(stall), 50), Kind::OneShot, pace));
    assert_eq!((record.answered, record.failed), (150, 0), "{:?}", record.faults.first());
    // The 50 that were due in the stall waited for its end.
    assert!(record.latency.p90_us > 50_000, "{:?}", record.latency);
    assert!(record.latency.max_us > 90_000, "{:?}", record.latency);
}

#[test]
fn an_answer_has_its_time_from_when_its_request_was_due() {
    raise_descriptor_limit();
    // Nobody accepts, and more are due than there are clients, 4096: the last ones are sent when the first are given up.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let mut load = load(&url, Kind::OneShot, Pace::Open { rate: 5000.try_into().unwrap() });
    load.duration = Duration::from_millis(1200);
    load.timeout = Duration::from_secs(6);
    let last = load.duration + load.timeout;
    let record = record(load);
    assert_eq!(record.failures[&FailureKind::Timeout], record.failed, "{:?}", record.failures);
    assert!(record.failed > 4096, "{}", record.failed);
    let took = Duration::from_nanos(record.end_ns - record.start_ns);
    assert!(took < last + Duration::from_secs(4), "{took:?}");
}

#[test]
fn a_stall_of_accept_is_a_gap_that_the_witness_has_not() {
    let stall = Duration::from_millis(60);
    let mut load = load(&serve(Fault::Stall(stall), 50), Kind::KeepAlive, OPEN);
    load.probe = Some(Duration::from_millis(2));
    let record = record(load);
    assert_eq!(record.failed, 0, "{:?}", record.faults.first());
    let accepts = record.accepts.unwrap();
    let gap = accepts.gaps[0];
    assert!(accepts.connections > 40, "{accepts:?}");
    assert!((55_000..200_000).contains(&gap.us) && gap.witness_us < gap.us / 2, "{accepts:?}");
}

/// A server that takes so long for each answer, and gives it this head.
fn slow(time: Duration, head: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            thread::spawn(move || {
                // A client that went away is none of its cares.
                let _ = client.read(&mut [0; 1024]);
                #[expect(clippy::disallowed_methods, reason = "it works so long")]
                thread::sleep(time);
                client.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\nfine").as_bytes())
            });
        }
    });
    url
}

#[test]
fn a_generator_that_stands_still_is_no_stall_of_the_service() {
    let url = slow(Duration::from_millis(1), "Content-Length: 4\r\nConnection: close\r\n");
    let mut generator = Command::new(env!("CARGO_BIN_EXE_sockprove"));
    generator.args(["--json", "load", &url, "--kind", "one-shot", "--rate", "100"]);
    let generator = generator.args(["--duration", "4s"]).stdout(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_child(&generator);
    // Not in step with the looks: a connection is open in half of these moments.
    for wait_ms in [503, 101, 97, 103, 98, 102, 96, 104] {
        #[expect(clippy::disallowed_methods, reason = "the load goes on meanwhile")]
        thread::sleep(Duration::from_millis(wait_ms));
        kill_process(pid, Signal::STOP).unwrap();
        #[expect(clippy::disallowed_methods, reason = "to stand still is the fault")]
        thread::sleep(Duration::from_millis(200));
        kill_process(pid, Signal::CONT).unwrap();
    }
    let output = generator.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let record: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let accepts = &record["accepts"];
    assert!(accepts["longest_us"].as_u64().unwrap() > 150_000, "nobody waited: {accepts}");
    let longer = |gap: &serde_json::Value| {
        gap["us"].as_u64().unwrap().saturating_sub(gap["witness_us"].as_u64().unwrap())
    };
    let worst = accepts["gaps"].as_array().unwrap().iter().map(longer).max().unwrap();
    assert!(worst < 100_000, "{accepts}");
}

#[test]
fn a_websocket_that_is_closed_without_a_code_is_opened_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut open = tungstenite::accept(client).unwrap();
                // The eleventh message is the last; what comes then is the end of it.
                for count in 0.. {
                    if open.read().and_then(|_| open.flush()).is_err() {
                        break;
                    }
                    if count == 10 {
                        let _ = open.close(None);
                    }
                }
            });
        }
    });
    let mut load = load(&url, Kind::WebSocket, CLOSED);
    load.expect.clear();
    let record = record(load);
    assert_eq!(record.failed, 0, "{:?}", record.faults.first());
    assert!(record.moved > 0 && record.answered > 20, "{} of {}", record.moved, record.answered);
}

#[test]
fn an_answer_that_its_connection_ends_is_told_apart() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (head, until_close) in [("", true), ("Content-Length: 4\r\n", false)] {
        let target = Target::parse(&slow(Duration::ZERO, head), None).unwrap();
        for kind in [Kind::KeepAlive, Kind::OneShot] {
            let asked = runtime.block_on(ask(kind, &target, Duration::from_secs(10)));
            assert_eq!(asked.ok(), Some(until_close), "{kind}, {head:?}");
        }
    }
}

#[test]
fn a_look_for_which_the_machine_had_nothing_left_is_told() {
    let mut load = load(&serve(Fault::Reset, u64::MAX), Kind::KeepAlive, CLOSED);
    load.probe = Some(Duration::from_millis(5));
    let mut run = load.start().unwrap().finish().unwrap();
    let failure = Failure::from_io("connecting", &Errno::MFILE.into());
    run.probes.tally.failed(tally::Fault { due_us: 0, at_us: 1, failure });
    let accepts = Record::of(&run, &[], Duration::from_millis(100)).accepts.unwrap();
    assert_eq!((accepts.unsent, accepts.failures.values().sum()), (1, 0), "{accepts:?}");
}

#[test]
fn marks_cut_the_time_and_each_request_is_in_one_phase() {
    let mut load = load(&serve(Fault::Reset, u64::MAX), Kind::KeepAlive, OPEN);
    load.duration = Duration::from_secs(60);
    let running = load.start().unwrap();
    assert!(running.await_answer(Duration::from_secs(5)));
    let start = running.start_ns();
    let run = running.stop().unwrap();
    let after = |us: u64| start + us * 1000;
    let marks = [("two", after(200)), ("one", after(100)), ("never", after(3_600_000_000))];
    let marks = marks.map(|(name, at_ns)| Mark { name: name.into(), at_ns });
    let record = Record::of(&run, &marks, Duration::from_millis(1));
    let names: Vec<_> = record.phases.iter().map(|phase| phase.name.as_str()).collect();
    assert_eq!(names, ["start", "one", "two", "never"]);
    assert_eq!(record.phases.iter().map(|phase| phase.answered).sum::<u64>(), record.answered);
    assert_eq!(record.slices.iter().map(|slice| slice.answers).sum::<u64>(), record.answered);
}

#[test]
fn a_server_that_was_never_there_gives_an_account_too() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut load = load(&format!("http://{gone}/"), Kind::KeepAlive, CLOSED);
    load.probe = Some(Duration::from_millis(5));
    let record = record(load);
    let accepts = record.accepts.as_ref().unwrap();
    let (looked, failed) = (&accepts.failures, record.failures.values().sum::<u64>());
    assert!(looked[&FailureKind::Refused] > 10 && !accepts.faults.is_empty(), "{accepts:?}");
    assert_eq!((failed, record.failed), (record.failures[&FailureKind::Refused], failed));
    assert_eq!((record.answered, record.latency.count), (0, 0));
}

#[test]
fn a_unix_socket_is_asked_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    // It ends with the process.
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine";
            // A client that went away is none of its cares.
            let _ = client.read(&mut [0; 1024]).and_then(|_| client.write_all(answer));
        }
    });
    let mut load =
        load("http://127.0.0.1/", Kind::OneShot, Pace::Open { rate: 200.try_into().unwrap() });
    load.target = Target::parse("http://shop/", Some(path)).unwrap();
    load.probe = Some(Duration::from_millis(5));
    let record = record(load);
    assert_eq!((record.answered, record.failed), (60, 0), "{:?}", record.faults.first());
    assert!(record.accepts.unwrap().connections > 10);
}
