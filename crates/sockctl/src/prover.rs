//! `sockctl prove`: the program that makes the load is one of its own, so that a deploy does not carry a load generator.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::error::Error;

/// Its name.
const PROGRAM: &str = "sockprove";

/// Becomes sockprove(1) with what was typed; returns only when it cannot. The one beside this program is of its version: it goes before
/// the one on PATH.
pub fn prove() -> Error {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(PROGRAM));
    let program = beside.filter(|program| program.is_file()).unwrap_or_else(|| PROGRAM.into());
    let source = Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Error::Prover { program, source }
}
