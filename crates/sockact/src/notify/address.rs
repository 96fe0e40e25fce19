//! Where notifications go: the forms of `NOTIFY_SOCKET`, `sd_notify(3)`.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::NotifyError;

/// A parsed `NOTIFY_SOCKET`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `/run/systemd/notify`.
    Path(PathBuf),
    /// `@name`, in the abstract namespace of unix(7).
    Abstract(Vec<u8>),
    /// `vsock:2:9999`: a virtual machine tells its host.
    Vsock { cid: u32, port: u32, kind: VsockKind },
}

/// The type of a vsock(7) socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VsockKind {
    /// Datagrams, or what the transport has in their place.
    Any,
    Stream,
    Datagram,
    Seqpacket,
}

/// `VMADDR_CID_ANY`, which is no destination.
const CID_ANY: u32 = u32::MAX;

impl Address {
    pub(super) fn parse(value: &OsStr) -> Result<Address, NotifyError> {
        let bytes = value.as_bytes();
        let parsed = match bytes {
            [] => None,
            _ if bytes.contains(&0) || bytes.len() > 107 => None,
            [b'/', ..] => Some(Address::Path(PathBuf::from(value))),
            [b'@', name @ ..] if !name.is_empty() => Some(Address::Abstract(name.to_vec())),
            _ => value.to_str().and_then(Address::vsock),
        };
        parsed.ok_or_else(|| NotifyError::Address { value: value.to_string_lossy().into_owned() })
    }

    fn vsock(text: &str) -> Option<Address> {
        let (scheme, rest) = text.split_once(':')?;
        let kind = match scheme {
            "vsock" => VsockKind::Any,
            "vsock-stream" => VsockKind::Stream,
            "vsock-dgram" => VsockKind::Datagram,
            "vsock-seqpacket" => VsockKind::Seqpacket,
            _ => return None,
        };
        let (cid, port) = rest.split_once(':')?;
        let (cid, port) = (number(cid)?, number(port)?);
        (cid != CID_ANY).then_some(Address::Vsock { cid, port, kind })
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => write!(f, "{}", path.display()),
            Address::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Address::Vsock { cid, port, .. } => write!(f, "vsock:{cid}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<Address>) {
        assert_eq!(Address::parse(OsStr::new(value)).ok(), expected, "{value:?}");
    }

    #[test]
    fn forms() {
        let vsock = |cid, port, kind| Some(Address::Vsock { cid, port, kind });
        check("/run/systemd/notify", Some(Address::Path("/run/systemd/notify".into())));
        check("@a/b", Some(Address::Abstract(b"a/b".to_vec())));
        check("vsock:2:1234", vsock(2, 1234, VsockKind::Any));
        check("vsock-stream:2:1", vsock(2, 1, VsockKind::Stream));
        check("vsock-dgram:2:1", vsock(2, 1, VsockKind::Datagram));
        check(
            "vsock-seqpacket:4294967294:4294967295",
            vsock(4294967294, u32::MAX, VsockKind::Seqpacket),
        );
        for wrong in ["", "@", "run/notify", "vsock::1", "vsock:1", "vsock:1:x", "vsock:+1:1"] {
            check(wrong, None);
        }
        check("vsock:4294967295:1", None);
        check("vsock:4294967296:1", None);
        check("udp:1:1", None);
        check(&format!("/{}", "a".repeat(107)), None);
    }
}
