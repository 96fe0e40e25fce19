//! `sockprove`, built with the comparison: cargo tells a test of its own package's programs alone.

use std::process::ExitCode;

fn main() -> ExitCode {
    sockprove::cli::main()
}
