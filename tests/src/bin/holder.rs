//! Boots a sandbox, says which, and holds it until standard input ends: the process that a test kills.

use std::io::Read as _;

fn main() -> std::io::Result<()> {
    let sandbox = e2e::Sandbox::boot();
    println!("holding {}", sandbox.pid1().as_raw_nonzero());
    std::io::stdin().read_to_end(&mut Vec::new()).map(drop)
}
