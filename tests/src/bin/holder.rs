//! Boots a sandbox, runs a script in it until that stops itself, says which sandbox it is, and holds it until standard input ends: the
//! process that a test kills.

use std::io::Read as _;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

fn main() -> std::io::Result<()> {
    let sandbox = e2e::Sandbox::boot();
    let script = std::env::args().nth(1).unwrap_or_default();
    let mut stopped = None;
    if !script.is_empty() {
        let child = sandbox.command("sh").args(["-c", &script]).spawn()?;
        // nsenter stops itself when its child has stopped.
        let of = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), of)?;
        stopped = Some(child);
    }
    println!("holding {}", sandbox.pid1().as_raw_nonzero());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    stopped.map_or(Ok(()), |mut child| child.kill())
}
