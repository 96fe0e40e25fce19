//! The gate and the admin socket of a process with plain threads: the same protocol as with a runtime.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

use support::{PATIENCE, Slot, Start, activated, example, public};

fn start<'a>(name: &'a str, http: &'a std::net::TcpListener) -> Start<'a> {
    Start::new(name, http).program("threads")
}

/// A connection that has asked for an echo.
fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.write_all(b"one\n").expect("send");
    stream
}

fn echo(stream: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("read");
    line
}

fn accepted(slot: &Slot) -> u64 {
    slot.status()["accepted"].as_u64().expect("a number")
}

#[test]
fn behind_a_closed_gate_it_is_ready_and_accepts_nothing_until_it_opens() {
    let (http, address) = public();
    let mut slot = start("blue", &http).env("SOCKACT_GATE", "closed").ready();
    slot.hears("STATUS=Ready, gate closed");
    let waiting = ask(address);
    assert_eq!(slot.ask("GET", "/health", ""), (200, "healthy\n".to_owned()));
    let expected = serde_json::json!({
        "version": 1, "slot": "blue", "pid": slot.pid().as_raw_pid(), "state": "serving",
        "gate": 0.0, "connections": 0, "in_flight": 0, "accepted": 0, "requests": 0,
    });
    assert_eq!(slot.status(), expected);
    slot.gate(1.0);
    assert_eq!(echo(&waiting), "one\n");
    slot.hears("STATUS=Serving");
    let status = slot.status();
    assert_eq!((&status["connections"], &status["accepted"]), (&1.into(), &1.into()));
}

#[test]
fn a_gate_is_in_force_when_the_answer_comes() {
    let (http, address) = public();
    let slot = start("blue", &http).ready();
    for round in 0..20 {
        slot.gate(0.0);
        let waiting = [(); 20].map(|()| ask(address));
        assert_eq!(accepted(&slot), round * 20);
        slot.gate(1.0);
        assert!(waiting.iter().all(|stream| echo(stream) == "one\n"));
    }
}

/// Whether another process has claimed a part of the time on this socket, see ARCHITECTURE.md.
fn is_claimed(http: &std::net::TcpListener) -> bool {
    use nix::libc;
    let mut found = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    nix::fcntl::fcntl(http, nix::fcntl::FcntlArg::F_GETLK(&mut found)).expect("F_GETLK");
    i32::from(found.l_type) != libc::F_UNLCK
}

#[test]
fn a_claim_is_given_up_when_the_answer_comes() {
    let (http, _) = public();
    let slot = start("blue", &http).ready();
    for share in [0.0, 1.0] {
        slot.gate(0.5);
        // The accept loop claims when it wakes.
        while !is_claimed(&http) {}
        slot.gate(share);
        assert!(!is_claimed(&http), "still claimed at {share}");
    }
}

#[test]
fn a_share_is_one_of_the_connections() {
    let (http, address) = public();
    let (blue, green) = (start("blue", &http).ready(), start("green", &http).ready());
    green.gate(0.1);
    let begin = Instant::now();
    // Ten periods and more; how near the share is kept is told of the same claims in gate_share.rs.
    let mut connections = 0;
    while begin.elapsed().as_millis() < 2_000 {
        assert_eq!(echo(&ask(address)), "one\n");
        connections += 1;
    }
    let (blue_has, green_has) = (accepted(&blue), accepted(&green));
    println!("blue {blue_has}, green {green_has} of {connections}");
    assert_eq!(blue_has + green_has, connections);
    let share = green_has as f64 / connections as f64;
    assert!((0.02..0.3).contains(&share), "{share}");
    // Shut, green claims nothing any more, and blue has all.
    green.gate(0.0);
    assert!((0..20).all(|_| echo(&ask(address)) == "one\n"));
    assert_eq!(accepted(&green), green_has);
}

#[test]
fn a_request_that_is_none_is_answered_in_one_line() {
    let (http, _) = public();
    let slot = start("blue", &http).ready();
    let long = format!("{{\"share\":0.5{}}}", " ".repeat(5000));
    for body in ["", "{}", "{\"share\":2}", "{\"share\":1", &long, "{\"share\":1,\"x\":1}", "\u{0}"]
    {
        let (code, text) = slot.ask("PUT", "/-/gate", body);
        assert_eq!((code, text.lines().count()), (400, 1), "{body:?}: {text:?}");
    }
    for (method, path, code) in [
        ("GET", "/-/gate", 405),
        ("POST", "/-/status", 405),
        ("GET", "/-/other", 404),
        ("GET", "/", 404),
        ("POST", "/health", 405),
        ("HEAD", "/health", 200),
        ("GET", "/health?deep=1", 200),
    ] {
        assert_eq!(slot.ask(method, path, "").0, code, "{method} {path}");
    }
    let (_, metrics) = slot.ask("GET", "/-/metrics", "");
    assert!(
        metrics.contains("sockact_gate_share 1\n") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    assert_eq!(slot.status()["gate"], 1.0);
}

#[test]
fn the_health_check_is_the_applications_own() {
    let (http, _) = public();
    let sick = tempfile::NamedTempFile::new().expect("a file");
    let slot = start("blue", &http).env("SICK_FILE", sick.path().display()).ready();
    assert_eq!(slot.ask("GET", "/health", ""), (503, "the file says so\n".to_owned()));
    drop(sick);
    assert_eq!(slot.ask("GET", "/health", ""), (200, "healthy\n".to_owned()));
}

#[test]
fn while_draining_it_says_so_and_opens_no_more() {
    let (http, address) = public();
    let mut slot = start("blue", &http).env("SOCKACT_DRAIN_USEC", 20_000_000).ready();
    let mut held = ask(address);
    assert_eq!(echo(&held), "one\n");
    held.write_all(b"half").expect("send");
    // The answer to another shows that this half has been read, or nearly.
    assert_eq!(echo(&ask(address)), "one\n");
    slot.term();
    assert!(
        slot.heard().iter().any(|line| line == "EXTEND_TIMEOUT_USEC=22000000"),
        "{:?}",
        slot.heard()
    );
    slot.hears_begin("STATUS=Draining: 1 left");
    let status = slot.status();
    assert_eq!((&status["state"], &status["gate"]), (&"draining".into(), &0.0.into()));
    assert_eq!(slot.ask("PUT", "/-/gate", "{\"share\":1}").0, 409);
    assert_eq!(slot.ask("GET", "/health", "").0, 200);
    held.write_all(b"\n").expect("send");
    assert_eq!(echo(&held), "half\n");
    drop(held);
    let report = slot.ends();
    assert!(
        report.starts_with("drained ") && report.contains(" 0 cut, of 2 connections"),
        "{report}"
    );
}

#[test]
fn garbage_slow_clients_and_a_gigabyte_leave_the_public_side_alone() {
    let (http, address) = public();
    let slot = start("blue", &http).ready();
    let mut garbage = slot.connect();
    garbage.write_all(&[0xff; 4096]).expect("send");
    let mut answer = String::new();
    let _ = garbage.read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer:?}");
    let mut head = slot.connect();
    head.write_all(b"GET / HTTP/1.1\r\n").expect("send");
    let mut endless = std::iter::repeat_n(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 100_000);
    assert!(endless.any(|line| head.write_all(line).is_err()), "a head of 4 MB was taken");
    for path in ["/-/gate", "/-/status", "/health"] {
        let mut stream = slot.connect();
        let head = format!("PUT {path} HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("send");
        let piece = vec![0; 65_536];
        let taken = (0..16_384).take_while(|_| stream.write_all(&piece).is_ok()).count();
        assert!(taken < 200, "{path}: {taken} pieces of 64 KiB were taken");
    }
    // More clients than there is room for, none of which says a whole word.
    let mut slow: Vec<_> = (0..20).map(|_| slot.connect()).collect();
    slow.iter_mut().for_each(|s| s.write_all(b"GET /-/status HTTP/1.1\r\n").expect("send"));
    assert!((0..200).all(|_| echo(&ask(address)) == "one\n"));
    // They are dropped when their time for a head is over, and the controller gets its turn.
    assert_eq!(slot.status()["accepted"], 200);
}

#[test]
fn a_flood_of_questions_on_one_connection_is_slowed_down() {
    let (http, _) = public();
    let slot = start("blue", &http).ready();
    let mut flood = slot.connect();
    let begin = Instant::now();
    let asked = 400;
    let questions = "GET /-/status HTTP/1.1\r\nHost: x\r\n\r\n".repeat(asked);
    flood.write_all(questions.as_bytes()).expect("send");
    let mut answers = BufReader::new(flood)
        .lines()
        .map_while(Result::ok)
        .filter(|line| line == "HTTP/1.1 200 OK");
    assert_eq!(answers.by_ref().take(asked).count(), asked);
    println!("{asked} questions took {:?}", begin.elapsed());
    assert!(begin.elapsed().as_millis() >= 400, "400 questions at 500 a second, less a burst");
}

#[test]
fn a_gate_that_is_none_fails_the_start() {
    let (http, _) = public();
    let (mut command, _kept) = activated(&example("threads"), &[("http", http.as_fd())]);
    let output = command.env("SOCKACT_GATE", "ajar").output().expect("it starts");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("ajar"), "{text}");
}
