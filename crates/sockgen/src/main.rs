//! `sockgen`: from `sockact.toml` to systemd units. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sockgen::cli::main(std::env::args_os())
}
