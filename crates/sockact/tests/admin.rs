//! The admin socket: what it answers, and what it bears.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use support::{Client, PATIENCE, Slot, Start, public};

fn connect(slot: &Slot) -> UnixStream {
    let stream = UnixStream::connect(slot.admin()).expect("admin socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

#[test]
fn status_has_every_field_of_the_contract() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    client.get("/");
    client.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    slot.status_becomes(|s| s["in_flight"] == 1);
    let expected = serde_json::json!({
        "version": 1, "slot": "blue", "pid": slot.pid().as_raw_pid(), "state": "serving",
        "gate": 1.0, "connections": 1, "in_flight": 1, "accepted": 1, "requests": 2,
    });
    assert_eq!(slot.status(), expected);
}

#[test]
fn a_request_that_is_none_is_answered_in_one_line() {
    let (http, _) = public();
    let slot = Start::new("blue", &http).ready();
    let long = format!("{{\"share\":0.5{}}}", " ".repeat(5000));
    for body in [
        "",
        "{}",
        "0.5",
        "{\"share\":2}",
        "{\"share\":-0.1}",
        "{\"share\":\"1\"}",
        "{\"share\":1",
        &long,
        "{\"share\":1,\"x\":1}",
        "\u{0}\u{1}",
    ] {
        let (code, text) = slot.ask("PUT", "/-/gate", body);
        assert_eq!((code, text.lines().count()), (400, 1), "{body:?}: {text:?}");
    }
    assert_eq!(slot.ask("GET", "/-/gate", "").0, 405);
    assert_eq!(slot.ask("POST", "/-/status", "").0, 405);
    assert_eq!(slot.ask("GET", "/-/other", "").0, 404, "the router's own 404");
    assert_eq!(slot.ask("POST", "/length", "12345"), (200, "5".to_owned()));
    assert_eq!(slot.status()["gate"], 1.0);
}

#[test]
fn metrics_are_open_metrics() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    client.get("/");
    let (code, text) = slot.ask("GET", "/-/metrics", "");
    assert_eq!(code, 200);
    for line in ["sockact_connections 1", "sockact_requests_total 1", "sockact_gate_share 1"] {
        assert!(text.lines().any(|l| l == line), "{line}: {text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn a_draining_slot_says_so_and_opens_no_more() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    client.get("/");
    slot.term();
    assert_eq!(slot.status()["state"], "draining");
    let (code, text) = slot.ask("PUT", "/-/gate", "{\"share\":1}");
    assert_eq!(code, 409, "{text}");
    assert_eq!(slot.ask("PUT", "/-/gate", "{\"share\":0}").0, 200);
    assert_eq!(slot.ask("GET", "/", ""), (200, "blue".to_owned()));
}

#[test]
fn garbage_and_slow_clients_leave_the_public_side_alone() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut garbage = connect(&slot);
    garbage.write_all(&[0xff; 4096]).expect("send");
    // Answered with 400 or just closed.
    let _ = garbage.read_to_end(&mut Vec::new());
    let mut head = connect(&slot);
    head.write_all(b"GET / HTTP/1.1\r\n").expect("send");
    let endless = std::iter::repeat_n(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 100_000);
    // It is cut off somewhere on the way.
    let cut = endless.map(|line| head.write_all(line)).find_map(Result::err);
    assert!(cut.is_some(), "a head of 4 MB was taken");

    // More clients than there is room for, none of which says a whole word.
    let mut slow: Vec<_> = (0..20).map(|_| connect(&slot)).collect();
    slow.iter_mut().for_each(|s| s.write_all(b"GET /-/status HTTP/1.1\r\n").expect("send"));
    let mut client = Client::connect(address);
    let begin = std::time::Instant::now();
    for _ in 0..200 {
        assert_eq!(client.get("/").body, "blue");
    }
    println!("200 requests beside 20 slow admin clients: {:?}", begin.elapsed());
    // They are dropped when their time for a head is over, and the controller gets its turn.
    assert_eq!(slot.status()["connections"], 1, "admin connections do not count");
    let mut rest = String::new();
    let _ = slow[0].read_to_string(&mut rest);
}

#[test]
fn a_body_of_a_gigabyte_is_not_taken() {
    let (http, _) = public();
    let slot = Start::new("blue", &http).ready();
    for path in ["/-/gate", "/-/status", "/length"] {
        let mut stream = connect(&slot);
        stream.set_write_timeout(Some(PATIENCE)).expect("timeout");
        let head = format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("send");
        let piece = vec![0; 65_536];
        let taken = (0..16_384).take_while(|_| stream.write_all(&piece).is_ok()).count();
        assert!(taken < 200, "{path}: {taken} pieces of 64 KiB were taken");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", slot.pid().as_raw_pid()));
    let status = status.expect("status");
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("VmHWM");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    println!("peak memory: {kib} KiB");
    assert!(kib < 64 * 1024, "{kib} KiB");
}

#[test]
fn a_flood_of_questions_is_slowed_down_and_the_public_side_is_not() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut flood = connect(&slot);
    let begin = std::time::Instant::now();
    // All at once, pipelined; read while they are answered.
    let asked = 400;
    flood
        .write_all("GET /-/status HTTP/1.1\r\nHost: x\r\n\r\n".repeat(asked).as_bytes())
        .expect("send");
    let mut client = Client::connect(address);
    let mut public_requests = 0;
    let mut text = String::new();
    let mut buf = vec![0; 65_536];
    while text.matches("HTTP/1.1 200").count() < asked {
        assert_eq!(client.get("/").body, "blue");
        public_requests += 1;
        let n = flood.read(&mut buf).expect("read");
        assert!(n > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buf[..n]));
    }
    println!("{asked} questions and {public_requests} requests took {:?}", begin.elapsed());
    assert!(begin.elapsed().as_millis() >= 400, "400 questions at 500 a second, less a burst");
}
