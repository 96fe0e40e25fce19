//! A machine with the program `keeper` as a service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Duration;

use e2e::Sandbox;
use e2e::sandbox::Output;

/// Where the service listens inside.
pub(crate) const ADDRESS: &str = "127.0.0.1:7000";

/// The service under test.
pub(crate) const KEEPER: &str = env!("CARGO_BIN_EXE_keeper");

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Boots a machine with the program, and nothing of it running.
pub(crate) fn machine() -> Sandbox {
    let sandbox = Sandbox::boot();
    sandbox.install_program(KEEPER.as_ref());
    sandbox
}

/// Writes a unit of systemd's.
pub(crate) fn unit(sandbox: &Sandbox, name: &str, text: &str) {
    sandbox.install_file(&format!("/etc/systemd/system/{name}"), text, 0o644);
}

/// Installs `keeper.socket` and `keeper.service` with these further settings of the service, and starts both; gives what
/// systemctl said.
pub(crate) fn try_start(sandbox: &Sandbox, mode: &str, settings: &str) -> Output {
    let socket = format!("[Socket]\nListenStream={ADDRESS}\nFileDescriptorName=lines\n");
    unit(sandbox, "keeper.socket", &socket);
    let service = format!(
        "[Service]\nType=notify\nExecStart=/usr/local/bin/keeper {mode}\nSockets=keeper.socket\n{settings}"
    );
    unit(sandbox, "keeper.service", &service);
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    sandbox.run(["systemctl", "start", "keeper.socket"]).ok();
    sandbox.run(["systemctl", "start", "keeper.service"])
}

/// Boots, and starts the service.
pub(crate) fn started(mode: &str, settings: &str) -> Sandbox {
    let sandbox = machine();
    let start = try_start(&sandbox, mode, &format!("NonBlocking=yes\n{settings}"));
    assert!(start.status.success(), "{start}\n{}", sandbox.journal("keeper.service"));
    sandbox
}

/// A property of the service as systemd has it.
#[track_caller]
pub(crate) fn property(sandbox: &Sandbox, name: &str) -> String {
    let shown =
        sandbox.run(["systemctl", "show", "--value", "--property", name, "keeper.service"]).ok();
    shown.stdout.trim_end_matches('\n').to_owned()
}

/// SIGKILL to the main process. Returns when it has ended: until then it may still take a client's bytes with it.
pub(crate) fn kill(sandbox: &Sandbox) {
    let ended = "Main process exited";
    let before = sandbox.journal("keeper.service").matches(ended).count();
    let argv = ["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "keeper.service"];
    sandbox.run(argv).ok();
    await_nth(sandbox, ended, before);
}

/// Waits until the service's journal has a line with these words.
pub(crate) fn await_journal(sandbox: &Sandbox, words: &str) {
    await_nth(sandbox, words, 0);
}

fn await_nth(sandbox: &Sandbox, words: &str, nth: usize) {
    let mut follow = sandbox.command("journalctl");
    follow.args(["--follow", "--lines=all", "--output=cat", "--unit=keeper.service"]);
    let mut follow =
        follow.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("nsenter starts");
    let lines = BufReader::new(follow.stdout.take().expect("piped")).lines();
    let found = lines.map_while(Result::ok).filter(|line| line.contains(words)).nth(nth);
    follow.kill().expect("nsenter can be killed");
    follow.wait().expect("nsenter can be waited for");
    assert!(found.is_some(), "journalctl ended");
}

/// systemd's version.
pub(crate) fn version(sandbox: &Sandbox) -> u32 {
    let text = sandbox.run(["systemctl", "--version"]).ok().stdout;
    let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("systemctl --version says {text:?}"))
}

/// A client of the service.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(sandbox: &Sandbox) -> Self {
        Self::to(sandbox, ADDRESS)
    }

    pub(crate) fn to(sandbox: &Sandbox, address: &str) -> Self {
        let stream = sandbox.connect(address).unwrap_or_else(|e| panic!("{address}: {e}"));
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
        Self(BufReader::new(stream))
    }

    /// Writes a line, and does not wait for the answer.
    #[track_caller]
    pub(crate) fn say(&mut self, line: &str) {
        let sent = self.0.get_mut().write_all(format!("{line}\n").as_bytes());
        sent.unwrap_or_else(|e| panic!("{line:?}: {e}"));
    }

    /// The next line; empty when the connection has ended.
    #[track_caller]
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) => line.trim_end().to_owned(),
            // A process that dies with unread bytes resets.
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => String::new(),
            Err(e) => panic!("no answer: {e}"),
        }
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    /// Asks over HTTP/1.0.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) {
        self.say(&format!("GET {path} HTTP/1.0\r\n\r"));
    }

    /// The body of what comes until the connection ends.
    #[track_caller]
    pub(crate) fn body(mut self) -> String {
        let mut answer = String::new();
        self.0.read_to_string(&mut answer).unwrap_or_else(|e| panic!("after {answer:?}: {e}"));
        assert!(answer.starts_with("HTTP/1.0 200 "), "{answer:?}");
        answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
    }
}
