//! Each kind of failure is found, counted apart and told with its time, in both loops; and a stall of accept(2) is a gap.

mod faulty;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::time::Duration;

use faulty::{Fault, serve};
use rustix::io::Errno;
use sockprove::failure::{Failure, FailureKind};
use sockprove::kind::Kind;
use sockprove::load::{Load, raise_descriptor_limit};
use sockprove::record::{Mark, Record};
use sockprove::schedule::Pace;
use sockprove::tally;
use sockprove::target::Target;

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
    std::thread::spawn(move || {
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
