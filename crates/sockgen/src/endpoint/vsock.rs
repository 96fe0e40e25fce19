//! Addresses between virtual machines and their host: vsock(7).

use std::fmt;

/// An address of vsock(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vsock {
    /// The machine; `None` is whichever number this one has (`VMADDR_CID_ANY`).
    pub cid: Option<u32>,
    /// The port.
    pub port: u32,
}

/// `VMADDR_CID_ANY` and `VMADDR_PORT_ANY`.
const ANY: u32 = u32::MAX;

/// systemd takes an empty CID for any (systemd.socket(5)). 0 is the hypervisor and all ones is any, which nobody listens as.
pub(super) fn parse(text: &str) -> Result<Vsock, &'static str> {
    let (cid, port) = text.split_once(':').ok_or("the port is missing")?;
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok());
    let cid = match cid {
        "" => None,
        _ => match number(cid).flatten() {
            Some(cid) if (1..ANY).contains(&cid) => Some(cid),
            _ => return Err("a CID is a number from 1 to 4294967294, or left out"),
        },
    };
    match number(port).flatten() {
        Some(port) if (1..ANY).contains(&port) => Ok(Vsock { cid, port }),
        _ => Err("a port of vsock is a number from 1 to 4294967294"),
    }
}

impl Vsock {
    /// The number of the machine as the kernel has it.
    pub(crate) fn number(self) -> u32 {
        self.cid.unwrap_or(ANY)
    }

    pub(super) fn overlaps(self, other: Self) -> bool {
        self.port == other.port
            && (self.cid == other.cid || self.cid.is_none() || other.cid.is_none())
    }
}

/// As systemd writes it: `vsock::7000`, `vsock:3:7000`.
impl fmt::Display for Vsock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cid {
            Some(cid) => write!(f, "vsock:{cid}:{}", self.port),
            None => write!(f, "vsock::{}", self.port),
        }
    }
}
