//! The lame duck on HTTP/2: GOAWAY on the wire, and streams that are answered.

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{PATIENCE, Start, public, requests};

const GOAWAY: u8 = 7;
const PING: u8 = 6;
const SETTINGS: u8 = 4;

/// A connection on which frames are read and written by hand (RFC 9113, section 4.1).
struct Wire(TcpStream);

impl Wire {
    fn connect(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        Wire(stream)
    }

    fn hello(&mut self) {
        self.0.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("preface");
        self.frame(SETTINGS, 0, &[]);
        self.until(SETTINGS);
        self.frame(SETTINGS, 1, &[]);
    }

    fn frame(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        let mut frame = vec![0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 0];
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).expect("frame");
    }

    /// Skips to the next frame of this kind and returns its payload.
    fn until(&mut self, kind: u8) -> Vec<u8> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).expect("a frame");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).expect("a payload");
            if head[3] == kind {
                return payload;
            }
        }
    }
}

/// The last stream and the error code of a GOAWAY frame.
fn goaway(payload: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("4 bytes"));
    (number(0), number(4))
}

#[test]
fn an_idle_connection_gets_both_goaways_and_a_clean_end() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut wire = Wire::connect(address);
    wire.hello();
    slot.term();
    assert_eq!(goaway(&wire.until(GOAWAY)), (0x7fff_ffff, 0), "every stream is still taken");
    let ping = wire.until(PING);
    wire.frame(PING, 1, &ping);
    assert_eq!(goaway(&wire.until(GOAWAY)), (0, 0));
    assert_eq!(wire.0.read(&mut [0; 1]).expect("no reset"), 0);
    drop(wire);
    assert!(slot.ends().contains("1 finished, 0 cut"));
}

#[test]
fn a_closed_gate_sends_its_connections_to_the_other_slot() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut wire = Wire::connect(address);
    wire.hello();
    slot.gate(0.0);
    assert_eq!(goaway(&wire.until(GOAWAY)), (0x7fff_ffff, 0), "every stream is still taken");
    let ping = wire.until(PING);
    wire.frame(PING, 1, &ping);
    assert_eq!(goaway(&wire.until(GOAWAY)), (0, 0));
    assert_eq!(wire.0.read(&mut [0; 1]).expect("no reset"), 0);
    slot.gate(1.0);
    let mut wire = Wire::connect(address);
    wire.hello();
    wire.frame(PING, 0, &[7; 8]);
    assert_eq!(wire.until(PING), [7; 8], "an open gate says no GOAWAY");
}

#[test]
fn a_preface_that_comes_after_the_signal_is_heard() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let mut wire = Wire::connect(address);
    slot.status_becomes(|s| s["accepted"] == 1);
    slot.term();
    wire.hello();
    assert_eq!(goaway(&wire.until(GOAWAY)), (0x7fff_ffff, 0));
    let ping = wire.until(PING);
    wire.frame(PING, 1, &ping);
    assert_eq!(goaway(&wire.until(GOAWAY)), (0, 0));
}

type Sender = http2::SendRequest<Empty<Bytes>>;

async fn client(address: SocketAddr) -> Sender {
    let stream = tokio::net::TcpStream::connect(address).await.expect("connect");
    let shake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = shake.await.expect("handshake");
    tokio::spawn(connection);
    sender
}

async fn get(mut sender: Sender, uri: String) -> hyper::Result<String> {
    let request = hyper::Request::get(uri).body(Empty::new()).expect("request");
    let response = sender.send_request(request).await?;
    assert_eq!(response.status(), 200);
    let body = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).expect("text"))
}

#[tokio::test]
async fn open_streams_are_answered() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).ready();
    let sender = client(address).await;
    let ask = |path| tokio::spawn(get(sender.clone(), format!("http://{address}/{path}")));
    let streams: Vec<_> = (0..50).map(|_| ask("held")).collect();
    let body = ask("stream/5");
    let slot = tokio::task::spawn_blocking(move || {
        slot.status_becomes(|s| s["in_flight"] == 51);
        slot.term();
        slot.release();
        slot
    });
    let slot = slot.await.expect("slot");
    for stream in streams {
        assert_eq!(stream.await.expect("task").expect("an answer"), "held");
    }
    assert_eq!(body.await.expect("task").expect("an answer"), "chunk".repeat(5));
    let report = tokio::task::spawn_blocking(|| slot.ends()).await.expect("slot");
    assert!(report.contains("1 finished, 0 cut, of 1 connections and 51 requests"), "{report}");
}

/// A client that behaves as browsers and the common libraries do: what could not be sent because
/// the connection is closing goes to a new connection. Nothing that was sent may be lost.
async fn polite(address: SocketAddr, until: std::time::Instant) -> (u64, u64) {
    let (mut answered, mut connections) = (0, 0);
    while std::time::Instant::now() < until {
        let sender = client(address).await;
        connections += 1;
        let work = (0..10).map(|_| {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut answered = 0;
                while std::time::Instant::now() < until {
                    let mut ready = sender.clone();
                    if ready.ready().await.is_err() {
                        break;
                    }
                    match get(ready, format!("http://{address}/")).await {
                        Ok(_) => answered += 1,
                        Err(e) if not_processed(&e) => break,
                        Err(e) => panic!("lost: {e:?}"),
                    }
                }
                answered
            })
        });
        for stream in work.collect::<Vec<_>>() {
            answered += stream.await.expect("no loss");
        }
    }
    (answered, connections)
}

/// The request was not sent, or the server said by GOAWAY that it was not looked at: it is for a new
/// connection (RFC 9113, section 8.7). The slots' own counts below show whether that is true.
fn not_processed(error: &hyper::Error) -> bool {
    error.is_canceled() || format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)")
}

/// On one thread: hyper's client, run on several, now and then calls a request unsent that it has
/// just sent when a GOAWAY comes in between (seen with hyper 1.12: one in 10 000 here).
#[tokio::test]
async fn switches_under_load_lose_no_stream() {
    let (http, address) = public();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    let mut live = Start::new("blue", &http).ready();
    let clients: Vec<_> = (0..8).map(|_| tokio::spawn(polite(address, until))).collect();
    let switching = tokio::task::spawn_blocking(move || {
        let (mut switches, mut served) = (0, 0);
        while std::time::Instant::now() < until {
            let next = Start::new("green", &http).ready();
            live.term();
            served += requests(&std::mem::replace(&mut live, next).ends());
            switches += 1;
        }
        (switches, served, live)
    });
    let (mut answered, mut connections) = (0, 0);
    for client in clients {
        let (a, c) = client.await.expect("no loss");
        (answered, connections) = (answered + a, connections + c);
    }
    let (switches, served, last) = switching.await.expect("switches");
    let served = served + last.requests();
    println!("{answered} answered of {served} on {connections} connections, {switches} switches");
    assert_eq!(answered, served, "every request that reached a slot was answered");
    assert!(switches > 3 && connections > 8);
}
