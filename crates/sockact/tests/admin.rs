//! The admin socket: what it answers, and what it bears.

mod support;

use std::io::{Read, Write};

use support::{Client, Start, public};

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
fn a_flood_of_questions_is_slowed_down_and_the_public_side_is_not() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut flood = slot.connect();
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
