//! Says what was adopted: the tests' view into a process with passed descriptors.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::ExitCode;

use sockact::{Adopt, AdoptError, Kind, Listeners};

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["listenfd"] {
        return listenfd();
    }
    if args.first().is_some_and(|a| a == "pidfdid") {
        return with_pidfd_id(&args[1..]);
    }
    let mut adopt = Adopt::new();
    if args.first().is_some_and(|a| a == "blocking") {
        args.remove(0);
        adopt = adopt.allow_blocking();
    }
    let acted =
        adopt.listeners().and_then(|l| args.iter().try_for_each(|a| act(&l, a)).map(|()| l));
    match acted {
        Ok(listeners) => {
            println!("remaining {:?}", listeners.remaining());
            if let Err(e) = listeners.finish() {
                println!("{e}");
            }
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn act(listeners: &Listeners, arg: &str) -> Result<(), AdoptError> {
    match arg.split_once(':') {
        Some(("tcp", name)) => tcp(&listeners.tcp(name)?),
        Some(("tcp_all", name)) => listeners.tcp_all(name)?.iter().for_each(tcp),
        Some(("tcp_or", name)) => tcp(&listeners.tcp_or(name, "127.0.0.1:0")?),
        Some(("unix", name)) => unix(&listeners.unix(name)?),
        Some(("udp", name)) => println!("udp {}", listeners.udp(name)?.local_addr().unwrap()),
        Some(("stream", name)) => serve_one(listeners.take::<TcpStream>(name)?),
        Some(("accept", name)) => serve_one(listeners.tcp(name)?.accept().unwrap().0),
        Some(("datagram", name)) => drop(listeners.take::<UnixDatagram>(name)?),
        Some(("seqpacket", name)) => drop(listeners.fd(name, Kind::UnixSeqpacketListener)?),
        Some(("netlink", name)) => drop(listeners.fd(name, Kind::Netlink)?),
        Some(("fifo", name)) => drop(listeners.fd(name, Kind::Fifo)?),
        Some(("special", name)) => drop(listeners.fd(name, Kind::Special)?),
        Some(("queue", name)) => drop(listeners.fd(name, Kind::MessageQueue)?),
        Some(("any", name)) => listeners.any(name).iter().for_each(|p| println!("any {p}")),
        Some(("at", index)) => tcp(&listeners.take_at(index.parse().unwrap())?),
        _ if arg == "twice" => drop(sockact::listeners()?),
        _ if arg == "env" => println!("LISTEN_FDS={}", std::env::var("LISTEN_FDS").unwrap()),
        _ if arg == "cloexec" => {
            let flags = rustix::io::fcntl_getfd(listeners.tcp("http")?.as_fd()).unwrap();
            println!("cloexec {}", flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        _ if arg == "child" => child(),
        _ => panic!("{arg}?"),
    }
    Ok(())
}

/// Becomes this program again, told by `LISTEN_PIDFDID` who it is, as systemd 259 does.
fn with_pidfd_id(args: &[String]) -> ExitCode {
    use std::os::unix::process::CommandExt;
    let own = rustix::process::getpid();
    let pidfd = rustix::process::pidfd_open(own, rustix::process::PidfdFlags::empty()).unwrap();
    let id = rustix::fs::fstat(&pidfd).unwrap().st_ino;
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    eprintln!("{}", again.args(args).env("LISTEN_PIDFDID", id.to_string()).exec());
    ExitCode::FAILURE
}

/// What a child of this process finds.
fn child() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ls -l /proc/self/fd; env | grep -v CARGO"]);
    let output = sockact::scrub(&mut command).output().unwrap();
    println!("child {}", String::from_utf8_lossy(&output.stdout));
}

fn serve_one(mut connection: TcpStream) {
    use std::io::Write;
    connection.set_nonblocking(false).unwrap();
    writeln!(connection, "served").unwrap();
}

fn tcp(listener: &TcpListener) {
    println!("tcp {}", listener.local_addr().unwrap());
}

fn unix(listener: &UnixListener) {
    println!("unix {:?}", listener.local_addr().unwrap());
}

/// The same by the listenfd crate, which goes by index.
fn listenfd() -> ExitCode {
    let mut fds = listenfd::ListenFd::from_env();
    tcp(&fds.take_tcp_listener(0).unwrap().unwrap());
    unix(&fds.take_unix_listener(1).unwrap().unwrap());
    ExitCode::SUCCESS
}
