//! actix-web behind the gate and the drain, under every kind of client; and what its own graceful
//! shutdown loses.

#[allow(dead_code, reason = "the crowds of sockact's own tests")]
#[path = "../../../crates/sockact/tests/support/load.rs"]
mod load;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use load::{CROWDS, Count, Crowd};
use support::{PATIENCE, Slot, public};

const ACTIX: &str = "actix";
const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

fn start(name: &str, http: &TcpListener, vars: &[(&str, &str)]) -> Slot {
    Slot::start(ACTIX, name, ("http", http), vars)
}

/// Makes switches while the crowds ask.
fn switches(plain: bool, crowds: &[Crowd], switches: usize) -> Vec<Arc<Count>> {
    let (http, address) = public();
    // A crowd's connections all arrive at once.
    rustix::net::listen(&http, 4096).expect("listen");
    let vars: &[_] = if plain { &[("MODE", "plain")] } else { &[("SOCKACT_GATE", "closed")] };
    let open = |slot: Slot| {
        if !plain {
            slot.gate(1.0);
        }
        slot
    };
    let mut live = open(start("blue", &http, vars));
    load::meanwhile(address, crowds, || {
        for nth in 0..switches {
            std::thread::park_timeout(Duration::from_millis(200));
            let next = open(start(["green", "blue"][nth % 2], &http, vars));
            let mut old = std::mem::replace(&mut live, next);
            if !plain {
                old.gate(0.0);
            }
            old.term();
            let report = old.ends();
            assert!(report.contains(" 0 cut"), "{report}");
        }
    })
}

fn lost(name: &str, crowds: &[Crowd], counts: &[Arc<Count>]) -> u64 {
    let mut sum = 0;
    for (crowd, count) in crowds.iter().zip(counts) {
        let (answered, lost) = (count.answered.load(Relaxed), count.lost.load(Relaxed));
        println!("{name}: {}: {answered} answered, {lost} lost {:?}", crowd.name, count.how.get());
        assert!(answered > 20, "{} hardly ran", crowd.name);
        sum += lost;
    }
    sum
}

#[test]
fn nothing_is_lost_and_httpserver_shows_that_it_would_be_seen() {
    let counts = switches(false, &CROWDS, 15);
    assert_eq!(lost("sockact::actix::serve", &CROWDS, &counts), 0);
    let crowds = [CROWDS[0], CROWDS[2]];
    let counts = switches(true, &crowds, 3);
    assert!(lost("HttpServer", &crowds, &counts) > 0, "these clients cannot see a loss");
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream
}

/// Sends, and reads the response up to the end that it is known to have.
fn answer(stream: &mut TcpStream, request: &str, end: &str) -> String {
    stream.write_all(request.as_bytes()).expect("send");
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut piece = [0; 1024];
        let n = stream.read(&mut piece).expect("no reset");
        assert!(n > 0, "closed after {text:?}");
        text += std::str::from_utf8(&piece[..n]).expect("text");
    }
    text
}

fn closes(response: &str) -> bool {
    response.to_ascii_lowercase().contains("\r\nconnection: close\r\n")
}

#[test]
fn a_closed_gate_holds_from_the_first_moment_and_probes_are_answered() {
    let (http, address) = public();
    let slot = start("blue", &http, &[("SOCKACT_GATE", "closed")]);
    let mut waiting = connect(address);
    waiting.write_all(GET.as_bytes()).expect("send");
    let probe = slot.ask("GET", "/", "");
    assert!(probe.starts_with("HTTP/1.1 200") && probe.ends_with("blue"), "{probe}");
    assert!(slot.ask("GET", "/nowhere", "").starts_with("HTTP/1.1 404"));
    slot.status_becomes(&["\"accepted\":0", "\"requests\":0", "\"gate\":0.0"]);
    slot.gate(1.0);
    assert!(answer(&mut waiting, "", "blue").starts_with("HTTP/1.1 200"));
}

#[test]
fn each_client_is_told_to_close() {
    let (http, address) = public();
    let mut slot = start("blue", &http, &[]);
    let (mut kept, mut fresh) = (connect(address), connect(address));
    assert!(!closes(&answer(&mut kept, GET, "blue")));
    slot.status_becomes(&["\"connections\":2", "\"requests\":1"]);
    slot.term();
    assert!(closes(&answer(&mut kept, GET, "blue")));
    assert!(closes(&answer(&mut fresh, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n")));
    for stream in [&mut kept, &mut fresh] {
        assert_eq!(stream.read(&mut [0; 1]).expect("no reset"), 0);
    }
    drop((kept, fresh));
    let report = slot.ends();
    assert!(report.contains("2 finished, 0 cut, of 2 connections and 3 requests"), "{report}");
}

#[test]
fn the_idle_have_a_window() {
    let (http, address) = public();
    let mut slot = start("blue", &http, &[("IDLE_WINDOW_MS", "400")]);
    let (mut idle, mut fresh) = (connect(address), connect(address));
    assert!(!closes(&answer(&mut idle, GET, "blue")));
    slot.status_becomes(&["\"connections\":2", "\"requests\":1"]);
    let began = Instant::now();
    slot.term();
    for stream in [&mut idle, &mut fresh] {
        assert_eq!(stream.read(&mut [0; 1]).expect("no reset"), 0);
    }
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
    drop((idle, fresh));
    let report = slot.ends();
    assert!(report.contains("2 finished, 0 cut, of 2 connections and 1 requests"), "{report}");
}

#[test]
fn pipelined_requests_are_all_answered() {
    check_pipelined(&GET.repeat(5), 5);
    // More than one read each, and the second head in another one than the first.
    let large = GET.replace("Host", &format!("Padding: {}\r\nHost", "x".repeat(700)));
    check_pipelined(&large.repeat(2), 2);
    let post = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n{}",
        "x".repeat(20_000)
    );
    check_pipelined(&(post + GET), 2);
}

#[track_caller]
fn check_pipelined(requests: &str, answers: usize) {
    let (http, address) = public();
    let mut slot = start("blue", &http, &[]);
    let mut client = connect(address);
    slot.status_becomes(&["\"accepted\":1"]);
    slot.term();
    client.write_all(requests.as_bytes()).expect("send");
    let mut text = String::new();
    client.read_to_string(&mut text).expect("no reset");
    assert_eq!(text.matches("HTTP/1.1 ").count(), answers, "{text}");
    let said = text.to_ascii_lowercase();
    // An answer that goes out before its request's body was read cannot know what is behind that.
    let early = usize::from(requests.starts_with("POST"));
    assert!(said.matches("connection: close").count() <= 1 + early, "{text}");
    assert!(said.rfind("connection: close") > said.rfind("http/1.1 "), "on the last: {text}");
}

#[test]
fn the_deadline_cuts_what_is_left() {
    let (http, address) = public();
    let mut slot = start("blue", &http, &[("SOCKACT_DRAIN_USEC", "300000")]);
    let mut client = connect(address);
    let slow = "GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n";
    client.write_all(slow.as_bytes()).expect("send");
    slot.status_becomes(&["\"in_flight\":1"]);
    let began = Instant::now();
    slot.term();
    let report = slot.ends();
    let (why, what) = ("drain deadline passed after ", " s: 0 finished, 1 cut");
    assert!(report.contains(why) && report.contains(what), "{report}");
    assert!(began.elapsed() >= Duration::from_millis(300), "{:?}", began.elapsed());
}

#[test]
fn an_application_that_cannot_be_built_is_an_error_before_anything_is_served() {
    use actix_web::App;
    use sockact::actix::{ActixError, serve};
    let (http, _) = public();
    let again = http.try_clone().expect("duplicate");
    let refuses = || App::new().data_factory(async || Err::<(), _>("no database"));
    let e = serve(http, refuses).expect_err("no application");
    assert!(matches!(e, ActixError::Application { .. }), "{e}");
    let panics = || match std::process::id() {
        0 => App::new(),
        _ => panic!("a factory that panics"),
    };
    assert!(matches!(serve(again, panics), Err(ActixError::Panicked)));
}

/// The runtime of `#[actix_web::main]` has one thread.
#[test]
fn it_serves_on_the_runtime_of_actix_too() {
    use actix_web::{App, rt, web};
    let (http, address) = public();
    let app = || App::new().route("/", web::get().to(async || "blue"));
    let serve = sockact::actix::serve(http, app).expect("an application");
    rt::System::new().block_on(async {
        let served = rt::spawn(serve.into_future());
        let client = rt::task::spawn_blocking(move || answer(&mut connect(address), GET, "blue"));
        assert!(client.await.expect("answered").starts_with("HTTP/1.1 200"));
        served.abort();
    });
}
