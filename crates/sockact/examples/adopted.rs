//! Says what was adopted: the tests' view into a process with passed descriptors.

use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::process::ExitCode;

use sockact::{AdoptError, Listeners};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args == ["listenfd"] {
        return listenfd();
    }
    match sockact::listeners().and_then(|l| args.iter().try_for_each(|a| act(&l, a)).map(|()| l)) {
        Ok(listeners) => {
            println!("remaining {:?}", listeners.remaining());
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
        _ if arg == "twice" => drop(sockact::listeners()?),
        _ if arg == "env" => println!("LISTEN_FDS={}", std::env::var("LISTEN_FDS").unwrap()),
        _ if arg == "cloexec" => {
            let flags = rustix::io::fcntl_getfd(listeners.tcp("http")?.as_fd()).unwrap();
            println!("cloexec {}", flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
        _ => panic!("{arg}?"),
    }
    Ok(())
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
