//! Under the programs that people use in place of systemd at their desks.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

fn example(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("path of this program");
    me.ancestors().nth(2).expect("target/<profile>").join("examples").join(name)
}

/// A port that was free a moment ago: the tool binds it by number.
fn free_port() -> String {
    let probe = TcpListener::bind("127.0.0.1:0").expect("bind");
    probe.local_addr().expect("address").to_string()
}

/// systemd-socket-activate with its listening socket, which it announces on stderr.
fn socket_activate(options: &[&str], args: &[&str]) -> (Child, String) {
    let address = free_port();
    let mut child = Command::new("systemd-socket-activate")
        .args(["-l", &address])
        .args(options)
        .arg(example("adopted"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("systemd-socket-activate(1), of the systemd package");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("Listening on") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("stderr") > 0, "it ended");
    }
    child.stderr = Some(stderr.into_inner());
    (child, address)
}

/// What a client is told, and what the program printed.
fn talk(child: &mut Child, address: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("connect");
    let mut answer = String::new();
    // A program that refused its descriptors resets the connection.
    let _ = stream.read_to_string(&mut answer);
    let mut output = String::new();
    child.stdout.take().expect("piped").read_to_string(&mut output).expect("stdout");
    child.stderr.take().expect("piped").read_to_string(&mut output).expect("stderr");
    child.wait().expect("wait");
    (answer, output)
}

#[test]
fn systemd_socket_activate_by_name() {
    let (mut child, address) = socket_activate(&["--fdname=http"], &["blocking", "accept:http"]);
    let (answer, output) = talk(&mut child, &address);
    assert_eq!(answer, "served\n", "{output}");
    assert!(output.contains("remaining []"), "{output}");
}

#[test]
fn systemd_socket_activate_without_names() {
    let (mut child, address) = socket_activate(&[], &["blocking", "accept:unknown"]);
    let (answer, output) = talk(&mut child, &address);
    assert_eq!(answer, "served\n", "{output}");
}

/// Its sockets are blocking: without the code's consent that is the error that says what to do.
#[test]
fn systemd_socket_activate_passes_blocking_sockets() {
    let (mut child, address) = socket_activate(&["--fdname=http"], &["tcp:http"]);
    let (_, output) = talk(&mut child, &address);
    assert!(output.contains("adopt with sockact::Adopt::new().allow_blocking()"), "{output}");
}

/// `--accept`: one process for each connection, as `Accept=yes` does it.
#[test]
fn systemd_socket_activate_accepting() {
    let (mut child, address) =
        socket_activate(&["--accept", "--fdname=connection"], &["stream:connection"]);
    let mut answer = String::new();
    TcpStream::connect(&address).expect("connect").read_to_string(&mut answer).expect("read");
    child.kill().expect("kill");
    child.wait().expect("wait");
    assert_eq!(answer, "served\n");
}
