//! Under the program that people of the listenfd crate use at their desks, with the descriptors as it passes them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use e2e::binaries;

use super::machine::KEEPER;

/// The service under systemfd, which says where it listens and becomes it.
fn under_systemfd(options: &[&str]) -> (Child, String, BufReader<impl std::io::Read + use<>>) {
    let mut command = Command::new(binaries::systemfd());
    command.args(options).args(["--socket", "tcp::127.0.0.1:0", "--", KEEPER, "blocking-lines"]);
    let mut keeper = command.stderr(Stdio::piped()).spawn().expect("systemfd starts");
    let mut stderr = BufReader::new(keeper.stderr.take().expect("piped"));
    let mut line = String::new();
    stderr.read_line(&mut line).expect("text");
    let address = line.strip_prefix("~> socket ").and_then(|rest| rest.split(' ').next());
    let address = address.unwrap_or_else(|| panic!("systemfd says {line:?}")).to_owned();
    (keeper, address, stderr)
}

#[test]
fn under_systemfd_the_listener_is_adopted_by_its_place() {
    let (mut keeper, address, _stderr) = under_systemfd(&[]);
    let stream = TcpStream::connect(&address).expect("it listens");
    writeln!(&stream, "pid").expect("a line");
    let mut answer = String::new();
    BufReader::new(&stream).read_line(&mut answer).expect("an answer");
    assert_eq!(answer.trim(), keeper.id().to_string());
    keeper.kill().expect("it can be killed");
    keeper.wait().expect("it can be waited for");
}

/// Without a process id nobody can tell whose the descriptors are.
#[test]
fn without_a_process_id_they_are_refused() {
    let (mut keeper, _address, stderr) = under_systemfd(&["--no-pid"]);
    let words = std::io::read_to_string(stderr).expect("text");
    let status = keeper.wait().expect("it can be waited for");
    assert!(!status.success() && words.contains("LISTEN_PID is not"), "{words}");
}
