//! `sockctl prove`: the program that makes the load is one of its own, so that a deploy does not carry a load generator.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::error::Error;

/// Its name.
const PROGRAM: &str = "sockprove";

/// Becomes sockprove(1) with what was typed; returns only when it cannot.
pub fn prove() -> Error {
    let program = beside(PROGRAM);
    let source = Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Error::Prover { program, source }
}

/// Another program of ours: the one beside this program, which is of its version, or else the one on PATH.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(name));
    beside.filter(|program| program.is_file()).unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_beside_this_one_goes_before_path() {
        let own = std::env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_str().unwrap();
        assert_eq!(beside(name), own);
        assert_eq!(beside("no-such-program"), PathBuf::from("no-such-program"));
        // A directory is no program.
        let folder = own.parent().unwrap();
        let up = format!("../{}", folder.file_name().unwrap().to_str().unwrap());
        assert_eq!(beside(&up), PathBuf::from(&up));
    }
}
