//! One process with passed descriptors, that takes them by one crate: `probe CRATE WHAT`.
//!
//! Prints what came of it on one line.

use std::error::Error;
use std::io;
use std::os::fd::AsRawFd;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args[..] {
        ["sockact", ref rest @ ..] => sockact(rest),
        ["sd-notify", ref rest @ ..] => sd_notify(rest),
        ["listenfd"] => listenfd(),
        ["libsystemd"] => libsystemd(),
        ["systemd_socket", name] => systemd_socket(name),
        ["tokio-listener", name] => tokio_listener(name),
        ["sd-listen-fds"] => sd_listen_fds(),
        ["listen-fds"] => listen_fds(),
        ref other => Err(format!("{other:?}?").into()),
    };
    match outcome {
        Ok(text) => println!("{text}"),
        Err(e) => {
            println!("error: {e}{}", if e.source().is_some() { " (with source)" } else { "" });
        }
    }
}

type Outcome = Result<String, Box<dyn Error>>;

fn sockact(what: &[&str]) -> Outcome {
    if let ["status", text] = what {
        ::sockact::Notify::from_env()?.status(text)?;
        return Ok("sent".to_owned());
    }
    let listeners = ::sockact::listeners()?;
    match what {
        ["tcp", name] => listeners.tcp(name).map(|l| usable(l.accept())).map_err(Into::into),
        ["tcp_all", name] => Ok(format!("{} listeners", listeners.tcp_all(name)?.len())),
        ["twice"] => Ok(format!("{}", ::sockact::listeners().is_ok())),
        ["names"] => Ok(listeners.remaining().join(" ")),
        other => Err(format!("{other:?}?").into()),
    }
}

/// Whether accept(2) is possible at all.
fn usable<T>(accepted: io::Result<T>) -> String {
    match accepted {
        Ok(_) => "a listener".to_owned(),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => "a listener".to_owned(),
        Err(e) => format!("a TcpListener that cannot accept: {e}"),
    }
}

fn sd_notify(what: &[&str]) -> Outcome {
    ::sd_notify::notify(&[::sd_notify::NotifyState::Status(what[0])])?;
    Ok("sent".to_owned())
}

fn listenfd() -> Outcome {
    let mut fds = ::listenfd::ListenFd::from_env();
    match fds.take_tcp_listener(0)? {
        Some(listener) => Ok(usable(listener.accept())),
        None => Ok("none".to_owned()),
    }
}

fn libsystemd() -> Outcome {
    let named = ::libsystemd::activation::receive_descriptors_with_names(false)?;
    let names: Vec<_> = named.into_iter().map(|(_, name)| name).collect();
    Ok(names.join(" "))
}

fn systemd_socket(name: &str) -> Outcome {
    ::systemd_socket::init()?;
    let listener = ::systemd_socket::SocketAddr::from_systemd_name(name)?.bind()?;
    let first = std::path::Path::new("/proc/self/fd/3").exists();
    let outcome = usable(listener.accept());
    Ok(format!("{outcome}, descriptor 3 is {}", if first { "open" } else { "closed" }))
}

fn tokio_listener(name: &str) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let address: ::tokio_listener::ListenerAddress = format!("sd_listen:{name}").parse()?;
    runtime.block_on(async {
        let (system, user) = Default::default();
        let mut listener = ::tokio_listener::Listener::bind(&address, &system, &user).await?;
        let accept = std::pin::pin!(listener.accept());
        let waited = tokio::time::timeout(std::time::Duration::from_millis(200), accept).await;
        Ok(match waited {
            Ok(Err(e)) => format!("a TcpListener that cannot accept: {e}"),
            _ => "a listener".to_owned(),
        })
    })
}

fn sd_listen_fds() -> Outcome {
    let get = || ::sd_listen_fds::get().map_err(|e| e.to_string());
    let (first, second) = (get()?.remove(0).1.into_std(), get()?.remove(0).1.into_std());
    let same = first.as_raw_fd() == second.as_raw_fd();
    // Both would close it.
    std::mem::forget(second);
    Ok(format!("two owners of one descriptor: {same}"))
}

#[allow(unsafe_code, reason = "the crate has no safe way")]
fn listen_fds() -> Outcome {
    // SAFETY: there is one thread, and this is called once.
    let fds = unsafe { ::listen_fds::ListenFds::new() }?;
    Ok(format!("{} descriptors", fds.len()))
}
