//! Slots that answer the question for their health as no slot should: real servers, bounded time, bounded memory, a clear error.

use std::io::Read as _;
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use sockctl::admin::{ANSWER_LIMIT, Admin};
use sockctl::report::peak_memory_kib;
use sockgen::Address;

/// The most that one question may take; longer than the limits below, far shorter than the answers.
const WITHIN: Duration = Duration::from_secs(1);

/// What is written to a connection once it has asked.
type Answer = fn(&mut dyn std::io::Write) -> std::io::Result<()>;

/// A server on a port of its own that answers each connection in this way.
fn server(answer: Answer) -> Address {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let _ = stream.read(&mut [0; 1024]);
                // An error is a client that has heard enough.
                let _ = answer(&mut stream);
            });
        }
    });
    Address::Tcp(address)
}

/// Asks, and gives the error; asserts that it came soon and cost little memory.
#[track_caller]
fn error(answer: Answer) -> String {
    let admin = Admin::at(server(answer));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let (began, memory) = (Instant::now(), peak_memory_kib());
    let answer = runtime.block_on(admin.health("/health", WITHIN));
    let (took, grown) = (began.elapsed(), peak_memory_kib() - memory);
    assert!(took < 2 * WITHIN, "it took {took:?}");
    assert!(grown < 8 * 1024, "it took {grown} KiB");
    answer.expect_err("no slot is healthy that answers so").to_string()
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\n";

#[test]
fn a_body_of_a_gibibyte() {
    let error = error(|to| {
        to.write_all(OK)?;
        to.write_all(b"content-length: 1073741824\r\n\r\n")?;
        (0..1 << 14).try_for_each(|_| to.write_all(&[b'x'; 1 << 16]))
    });
    let limit = format!("its body is longer than {} KiB", ANSWER_LIMIT / 1024);
    assert!(error.contains(&limit), "{error}");
}

#[test]
fn a_body_without_an_end() {
    let error = error(|to| {
        to.write_all(OK)?;
        to.write_all(b"transfer-encoding: chunked\r\n\r\n")?;
        loop {
            to.write_all(b"4\r\nabcd\r\n")?;
        }
    });
    assert!(error.contains("its body is longer than"), "{error}");
}

/// Never a whole line: the next byte would come after a minute.
#[test]
fn a_byte_a_minute() {
    let error = error(|to| {
        to.write_all(&OK[..1])?;
        thread::park_timeout(Duration::from_secs(60));
        to.write_all(&OK[1..2])
    });
    assert_eq!(error, "/health: no answer within 1000 ms");
}

#[test]
fn a_body_of_a_byte_a_minute() {
    let error = error(|to| {
        to.write_all(OK)?;
        to.write_all(b"content-length: 100\r\n\r\nx")?;
        thread::park_timeout(Duration::from_secs(60));
        to.write_all(b"x")
    });
    assert_eq!(error, "/health: no answer within 1000 ms");
}

#[test]
fn a_header_of_a_mebibyte() {
    let error = error(|to| {
        to.write_all(OK)?;
        to.write_all(b"x: ")?;
        (0..1 << 10).try_for_each(|_| to.write_all(&[b'x'; 1 << 10]))?;
        to.write_all(b"\r\n\r\n")
    });
    assert!(error.contains("no usable HTTP answer"), "{error}");
}

#[test]
fn a_thousand_headers() {
    let error = error(|to| {
        to.write_all(OK)?;
        (0..1000).try_for_each(|n| write!(to, "x-{n}: y\r\n"))?;
        to.write_all(b"\r\n")
    });
    assert!(error.contains("no usable HTTP answer"), "{error}");
}

#[test]
fn another_protocol() {
    let error = error(|to| to.write_all(b"220 mail.example ESMTP\r\n"));
    assert!(error.contains("no usable HTTP answer"), "{error}");
}

#[test]
fn nothing_at_all() {
    let error = error(|_| Ok(()));
    assert!(error.contains("no usable HTTP answer"), "{error}");
}

/// A redirect is an answer, and is not followed: a loop of them is one question.
#[test]
fn a_redirect_to_itself_is_asked_once() {
    use std::sync::atomic::{AtomicU32, Ordering};
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let admin = Admin::at(server(|to| {
        ASKED.fetch_add(1, Ordering::SeqCst);
        to.write_all(b"HTTP/1.1 302 Found\r\nlocation: /health\r\ncontent-length: 0\r\n\r\n")
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let asked = runtime.expect("a runtime").block_on(admin.health("/health", WITHIN));
    assert!(asked.is_ok(), "{asked:?}");
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
}

#[test]
fn a_connection_is_enough_when_no_path_is_asked() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let open = Admin::at(server(|_| Ok(())));
    assert!(runtime.block_on(open.connect(WITHIN)).is_ok());
    // A port that was bound, and is closed again.
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port");
    let error = runtime.block_on(Admin::at(Address::Tcp(gone)).connect(WITHIN));
    let error = error.expect_err("nobody listens").to_string();
    assert!(error.contains("Connection refused"), "{error}");
}
