//! Whatever is done to the admin socket, public requests are answered as ever, memory stays
//! bounded, and the controller gets its answer afterwards.

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Client, PATIENCE, Slot, Start, public};

/// On a machine where everything else runs too. The worst of all may once be a scheduler's whim.
const LATENCY_99: Duration = Duration::from_millis(50);
const LATENCY_WORST: Duration = Duration::from_secs(1);
/// A slot at rest has some 10 MiB.
const MEMORY: u64 = 64 * 1024;

/// Asks on a kept connection and on new ones in turn, until told to stop; a request that is not
/// answered panics in [`Client`].
fn ask(address: SocketAddr, stop: &AtomicBool) -> Vec<Duration> {
    let mut kept = Client::connect(address);
    let mut took = Vec::new();
    while !stop.load(Relaxed) {
        let begin = Instant::now();
        assert_eq!(kept.get("/").body, "blue");
        took.push(begin.elapsed());
        let begin = Instant::now();
        assert_eq!(Client::connect(address).get("/").body, "blue");
        took.push(begin.elapsed());
    }
    took
}

#[track_caller]
fn check(abuse: impl Fn(&Slot)) {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let stop = AtomicBool::new(false);
    let mut took = std::thread::scope(|scope| {
        let public = scope.spawn(|| ask(address, &stop));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(1) {
            abuse(&slot);
        }
        println!("abused for {:?}", begin.elapsed());
        stop.store(true, Relaxed);
        public.join().expect("every request is answered")
    });
    took.sort();
    assert!(took.len() >= 100, "only {} requests: nothing was measured", took.len());
    let (median, late) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    let worst = took[took.len() - 1];
    let kib = peak_memory(&slot);
    println!(
        "{} requests: median {median:?}, 99% {late:?}, worst {worst:?}; {kib} KiB",
        took.len()
    );
    assert!(late < LATENCY_99, "99 in 100 within {late:?}");
    assert!(worst < LATENCY_WORST, "the worst took {worst:?}");
    assert!(kib < MEMORY, "{kib} KiB");
    assert_eq!(slot.status()["state"], "serving");
}

fn peak_memory(slot: &Slot) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", slot.pid().as_raw_pid()));
    let status = status.expect("status");
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("VmHWM");
    peak.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn slow_clients() {
    check(|slot| {
        // More than there is room for. Each says a word, and the next after half a second, as if it
        // meant to come to an end; the slot's patience for a head ends that.
        let mut slow: Vec<_> = (0..40).map(|_| slot.connect()).collect();
        slow.iter_mut().for_each(|s| s.write_all(b"GET /-/status HTTP/1.1\r\n").expect("send"));
        let mut first = slow.remove(0);
        first.set_read_timeout(Some(Duration::from_millis(500))).expect("timeout");
        let begin = Instant::now();
        // An error is half a second without an answer.
        while first.read(&mut [0; 1]).is_err() {
            assert!(begin.elapsed() < PATIENCE, "a slow client is borne for ever");
            // It may be closed by now; the next read says so.
            let _ = first.write_all(b"X: y\r\n");
        }
    });
}

#[test]
fn ten_thousand_connections() {
    let hard = getrlimit(Resource::Nofile).maximum;
    let enough = hard.map_or(12_000, |hard| hard.min(12_000));
    let limit = Rlimit { current: Some(enough), maximum: hard };
    setrlimit(Resource::Nofile, limit).expect("setrlimit");
    check(|slot| {
        let address = SocketAddrUnix::new(slot.admin()).expect("address");
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let connect = |_| {
            let socket =
                rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
            let socket = socket.expect("a descriptor; ulimit -Hn is to be 5000 at least");
            rustix::net::connect(&socket, &address).ok().map(|()| socket)
        };
        // What has no room in the backlog either is turned away by the kernel.
        let all: Vec<OwnedFd> = (0..10_000).filter_map(connect).collect();
        println!("{} of 10000 connections were let wait", all.len());
        assert!(all.len() > 16, "they are more than the slot serves at a time");
        drop(all);
        // Each of them has its turn before the controller.
        assert_eq!(slot.status()["connections"].as_u64().map(|n| n < 10), Some(true));
    });
}

#[test]
fn a_request_of_a_gigabyte() {
    check(|slot| {
        // Refused within milliseconds, so again and again.
        for path in ["/-/gate", "/-/status", "/length"].into_iter().cycle().take(60) {
            let mut stream = slot.connect();
            let head =
                format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("send");
            let piece = vec![0; 65_536];
            let taken = (0..16_384).take_while(|_| stream.write_all(&piece).is_ok()).count();
            assert!(taken < 200, "{path}: {taken} pieces of 64 KiB were taken");
        }
        let mut head = slot.connect();
        head.write_all(b"GET / HTTP/1.1\r\n").expect("send");
        let endless = std::iter::repeat_n(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 100_000);
        let cut = endless.map(|line| head.write_all(line)).find_map(Result::err);
        assert!(cut.is_some(), "a head of 4 MB was taken");
    });
}

#[test]
fn garbage() {
    check(|slot| {
        let mut seed = 7_u64;
        for length in (0..200).map(|n| 1 + n * 41) {
            let mut garbage = slot.connect();
            let byte = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
                (seed >> 56) as u8
            };
            let bytes: Vec<u8> = std::iter::repeat_with(byte).take(length).collect();
            // Closed or answered 400 on the way: either is right.
            let _ = garbage.write_all(&bytes);
            let _ = garbage.shutdown(std::net::Shutdown::Write);
            let _ = garbage.read_to_end(&mut Vec::new());
        }
    });
}
