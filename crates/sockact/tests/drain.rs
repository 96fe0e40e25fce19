//! The lame duck on HTTP/1, seen from the client's end of real connections.

mod support;

use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Client, Start, public};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_kept_connection_is_answered_once_more_and_told_to_close() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    let answer = client.get("/");
    assert_eq!((answer.code, answer.close, answer.body.as_str()), (200, false, "blue"));
    slot.term();
    let answer = client.get("/");
    assert_eq!((answer.code, answer.close, answer.body.as_str()), (200, true, "blue"));
    assert_eq!(client.rest(), "");
    drop(client);
    assert!(slot.ends().contains("1 finished, 0 cut, of 1 connections and 2 requests"));
}

#[test]
fn a_connection_accepted_a_moment_ago_is_answered() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    slot.status_becomes(|s| s["accepted"] == 1);
    slot.term();
    assert!(client.get("/").close);
    drop(client);
    assert!(slot.ends().contains("1 finished, 0 cut"));
}

#[test]
fn what_is_being_answered_is_answered() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let (mut slow, mut streaming) = (Client::connect(address), Client::connect(address));
    slow.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    streaming.send("GET /stream/8 HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(streaming.more(), "its head is here");
    slot.status_becomes(|s| s["in_flight"] == 2);
    slot.term();
    let status = slot.status();
    assert_eq!((&status["state"], &status["connections"]), (&"draining".into(), &2.into()));
    streaming.send(GET);
    slot.release();
    let answer = slow.answer().expect("an answer");
    assert!(answer.close && answer.body == "held");
    let text = streaming.rest();
    assert_eq!(text.matches("chunk\r\n").count(), 8, "{text}");
    // Its head had gone out before the drain, so the next response brings the word.
    assert!(text.contains("connection: close"), "{text}");
    drop((slow, streaming));
    assert!(slot.ends().contains("2 finished, 0 cut"));
}

#[test]
fn an_idle_connection_is_closed_after_its_window() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).env("IDLE_WINDOW_MS", 400).ready();
    let (mut idle, mut fresh) = (Client::connect(address), Client::connect(address));
    idle.get("/");
    slot.status_becomes(|s| s["accepted"] == 2);
    let begin = Instant::now();
    slot.term();
    assert_eq!(idle.rest() + &fresh.rest(), "");
    assert!(begin.elapsed() >= Duration::from_millis(400), "{:?}", begin.elapsed());
    drop((idle, fresh));
    assert!(slot.ends().contains("2 finished, 0 cut"));
}

#[test]
fn a_request_that_has_begun_to_come_in_outlasts_the_window() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).env("IDLE_WINDOW_MS", 200).ready();
    let (mut halfway, mut idle) = (Client::connect(address), Client::connect(address));
    halfway.send("GET / HTTP/1.1\r\nHo");
    slot.status_becomes(|s| s["accepted"] == 2);
    slot.term();
    assert_eq!(idle.rest(), "", "the window is over when this one is closed");
    halfway.send("st: x\r\n\r\n");
    assert!(halfway.answer().expect("an answer").close);
}

#[test]
fn pipelined_requests_are_all_answered_and_the_last_one_closes() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let (mut before, mut after) = (Client::connect(address), Client::connect(address));
    before.send(&format!("GET /held HTTP/1.1\r\nHost: x\r\n\r\n{GET}{GET}"));
    slot.status_becomes(|s| s["in_flight"] == 1 && s["accepted"] == 2);
    slot.term();
    slot.release();
    after.send(&GET.repeat(5));
    let closes = |c: &mut Client, n: usize| -> Vec<bool> {
        (0..n).map(|_| c.answer().expect("an answer").close).collect()
    };
    assert_eq!(closes(&mut before, 3), [false, false, true]);
    assert_eq!(closes(&mut after, 5), [false, false, false, false, true]);
    assert_eq!(before.rest() + &after.rest(), "");
}

#[test]
fn requests_with_a_body_are_told_to_close() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut clients =
        [Client::connect(address), Client::connect(address), Client::connect(address)];
    slot.status_becomes(|s| s["accepted"] == 3);
    slot.term();
    let post = "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\na\r\n\r\nb\r\n";
    let chunked = "POST /length HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n0\r\n\r\n";
    clients[0].send(post);
    clients[1].send(&format!("{}{GET}", post.replace("a\r\n\r\nb\r\n", "12345678")));
    clients[2].send(chunked);
    let answers = clients.each_mut().map(|c| c.answer().expect("an answer"));
    assert_eq!(answers.each_ref().map(|a| a.body.as_str()), ["8", "8", "3"]);
    assert_eq!(answers.map(|a| a.close), [true, false, true]);
    assert!(clients[1].answer().expect("an answer to what was piped behind").close);
}

#[test]
fn data_sent_after_the_last_response_meets_no_reset() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    slot.status_becomes(|s| s["accepted"] == 1);
    slot.term();
    client.send(GET);
    assert!(client.more(), "the response is here");
    // A client that did not read it yet sends on; a reset now would wipe the response out.
    client.send(&GET.repeat(100));
    assert!(client.answer().expect("an answer").close);
    assert_eq!(client.rest(), "");
}

#[test]
fn what_waits_in_the_backlog_is_the_other_slots() {
    let (http, address) = public();
    let mut blue = Start::new("blue", &http).ready();
    let mut kept = Client::connect(address);
    kept.get("/");
    blue.term();
    let mut client = Client::connect(address);
    client.send(GET);
    let green = Start::new("green", &http).ready();
    assert_eq!(client.answer().expect("an answer").body, "green");
    assert_eq!(kept.get("/").body, "blue");
    drop(kept);
    assert!(blue.ends().contains("1 finished"));
    drop(green);
}

#[test]
fn an_upgraded_connection_counts_until_its_end() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).env("IDLE_WINDOW_MS", 100).ready();
    let (mut client, mut idle) = (Client::connect(address), Client::connect(address));
    client.send("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(client.answer().expect("an answer").code, 101);
    slot.status_becomes(|s| s["accepted"] == 2);
    slot.term();
    assert_eq!(idle.rest(), "");
    drop(idle);
    slot.status_becomes(|s| s["connections"] == 1);
    client.send("still here");
    assert!(client.more());
    client.stream.shutdown(std::net::Shutdown::Write).expect("shutdown");
    assert_eq!(client.rest(), "still here");
    drop(client);
    assert!(slot.ends().contains("2 finished, 0 cut"));
}

#[test]
fn the_deadline_cuts_what_is_left() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).env("SOCKACT_DRAIN_USEC", 300_000).ready();
    let mut client = Client::connect(address);
    client.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    slot.status_becomes(|s| s["in_flight"] == 1);
    let began = Instant::now();
    slot.term();
    let report = slot.ends();
    let (why, what) = ("drain deadline passed after ", " s: 0 finished, 1 cut");
    assert!(report.contains(why) && report.contains(what), "{report}");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[test]
fn a_second_signal_ends_the_drain() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut client = Client::connect(address);
    client.get("/");
    slot.term();
    slot.signal(Signal::INT);
    let report = slot.ends();
    let (why, what) = ("second signal after ", " s: 0 finished, 1 cut");
    assert!(report.contains(why) && report.contains(what), "{report}");
}

#[test]
fn systemd_is_told_what_is_left() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    slot.hears("STATUS=Serving");
    let (mut slow, mut client) = (Client::connect(address), Client::connect(address));
    slow.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    client.get("/");
    slot.status_becomes(|s| s["in_flight"] == 1);
    slot.term();
    slot.hears_begin("STATUS=Draining: 2 connections left, 1 requests in flight");
    client.get("/");
    drop(client);
    slot.hears_begin("STATUS=Draining: 1 connections left, 1 requests in flight");
    slot.release();
    slow.answer().expect("an answer");
}

#[test]
fn an_application_that_serves_a_unix_socket_too() {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};
    let (http, _) = public();
    let dir = tempfile::tempdir().expect("tempdir");
    let api = UnixListener::bind(dir.path().join("api")).expect("bind");
    api.set_nonblocking(true).expect("nonblocking");
    let mut slot = Start::new("blue", &http).fd("api", &api).ready();
    let mut client = UnixStream::connect(dir.path().join("api")).expect("connect");
    slot.status_becomes(|s| s["connections"] == 1);
    slot.term();
    client.write_all(GET.as_bytes()).expect("send");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("read");
    assert!(text.contains("connection: close") && text.ends_with("blue"), "{text}");
    drop(client);
    assert!(slot.ends().contains("1 finished, 0 cut"));
}
