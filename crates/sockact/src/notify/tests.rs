//! Against real datagram sockets.

use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// The manager's end: one message and the descriptors that came with it.
fn receive(socket: &UnixDatagram) -> (String, Vec<OwnedFd>) {
    let mut buf = [0; 4096];
    let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(300))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut iov = [std::io::IoSliceMut::new(&mut buf)];
    let got = recvmsg(socket, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC).expect("recvmsg");
    let fds = control.drain().flat_map(|m| match m {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let fds = fds.collect();
    (String::from_utf8_lossy(&buf[..got.bytes]).into_owned(), fds)
}

fn manager(name: &str) -> (UnixDatagram, Notify) {
    let name = format!("sockact-notify-{name}-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    (socket, Notify::to(format!("@{name}")).unwrap())
}

#[test]
fn each_message() {
    let (socket, notify) = manager("each");
    #[track_caller]
    fn check(socket: &UnixDatagram, sent: Result<(), NotifyError>, expected: &str) {
        sent.unwrap();
        assert_eq!(receive(socket).0, expected);
    }
    check(&socket, notify.ready(), "READY=1\n");
    check(&socket, notify.stopping(), "STOPPING=1\n");
    check(&socket, notify.status("a\nREADY=1"), "STATUS=a READY=1\n");
    check(&socket, notify.errno(2), "ERRNO=2\n");
    check(&socket, notify.main_pid(7), "MAINPID=7\n");
    let hours = Duration::from_secs(7200);
    check(&socket, notify.extend_timeout(hours), "EXTEND_TIMEOUT_USEC=7200000000\n");
    check(&socket, notify.notify_access(NotifyAccess::Exec), "NOTIFYACCESS=exec\n");
    check(&socket, notify.store_remove("a"), "FDSTOREREMOVE=1\nFDNAME=a\n");
    let watchdog = [NotifyState::Watchdog];
    check(&socket, notify.send(&watchdog), "WATCHDOG=1\n");
}

#[test]
fn a_reload_tells_its_time_in_the_same_datagram() {
    let (socket, notify) = manager("reload");
    let now = || {
        let now = clock_gettime(ClockId::Monotonic);
        now.tv_sec * 1_000_000 + now.tv_nsec / 1000
    };
    let before = now();
    notify.reloading().unwrap();
    let (text, _) = receive(&socket);
    let usec: i64 =
        text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end().parse().unwrap();
    assert!((before..=now()).contains(&usec), "{usec}");
}

#[test]
fn descriptors_are_stored() {
    let (socket, notify) = manager("store");
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let file = tempfile::tempfile().unwrap();
    notify.store("session", &[udp.as_fd(), file.as_fd()]).unwrap();
    let (text, mut fds) = receive(&socket);
    assert_eq!(text, "FDSTORE=1\nFDNAME=session\n");
    assert_eq!(fds.len(), 2);
    let same = std::net::UdpSocket::from(fds.remove(0));
    assert_eq!(same.local_addr().unwrap(), udp.local_addr().unwrap());
    let many = vec![file.as_fd(); 253];
    notify.store("many", &many).unwrap();
    assert_eq!(receive(&socket).1.len(), 253);
    let too_many = vec![file.as_fd(); 254];
    assert!(matches!(notify.store("x", &too_many), Err(NotifyError::TooManyFds { .. })));
    let injected = notify.store("a\nMAINPID=1", &[file.as_fd()]);
    assert!(matches!(injected, Err(NotifyError::FdName { .. })));
}

#[test]
fn a_barrier_waits_for_the_manager() {
    let (socket, notify) = manager("barrier");
    notify.ready().unwrap();
    let waiting = std::thread::spawn({
        let notify = notify.clone();
        move || notify.barrier(PATIENCE)
    });
    assert_eq!(receive(&socket).0, "READY=1\n");
    let (text, fds) = receive(&socket);
    assert_eq!((text.as_str(), fds.len()), ("BARRIER=1\n", 1));
    assert!(!waiting.is_finished());
    drop(fds);
    waiting.join().unwrap().unwrap();
    // Nobody reads it.
    let late = notify.barrier(Duration::from_millis(20));
    assert!(matches!(late, Err(NotifyError::Barrier { .. })));
}

#[test]
fn a_path_and_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let notify = Notify::to(&path).unwrap();
    let e = notify.ready().unwrap_err().to_string();
    assert!(e.contains(path.to_str().unwrap()), "{e}");
    let socket = UnixDatagram::bind(&path).unwrap();
    notify.ready().unwrap();
    assert_eq!(receive(&socket).0, "READY=1\n");
    Notify(None).ready().unwrap();
    assert!(!Notify(None).is_heard());
    Notify(None).barrier(PATIENCE).unwrap();
}

/// Over the loopback of vsock(7) where the kernel has one; elsewhere the error says where to.
#[test]
fn vsock() {
    use nix::sys::socket as nixs;
    let notify = Notify::to("vsock-stream:1:47115").unwrap();
    let file = tempfile::tempfile().unwrap();
    assert!(matches!(notify.store("a", &[file.as_fd()]), Err(NotifyError::NoFds { .. })));
    let (family, flags) = (nixs::AddressFamily::Vsock, nixs::SockFlag::SOCK_CLOEXEC);
    let listener = nixs::socket(family, nixs::SockType::Stream, flags, None).and_then(|socket| {
        use std::os::fd::AsRawFd;
        nixs::bind(socket.as_raw_fd(), &nixs::VsockAddr::new(1, 47115))?;
        nixs::listen(&socket, nixs::Backlog::new(1)?)?;
        Ok(socket)
    });
    let Ok(listener) = listener else {
        assert!(notify.ready().unwrap_err().to_string().contains("vsock:1:47115"));
        return;
    };
    notify.ready().unwrap();
    let connection = rustix::net::accept(&listener).unwrap();
    let mut buf = [0; 64];
    let n = rustix::io::read(&connection, &mut buf).unwrap();
    assert_eq!(&buf[..n], b"READY=1\n");
}
