//! `sockprove`: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    sockprove::cli::main()
}
