//! The `sockctl` command.

use std::process::ExitCode;

use clap::Parser;
use rustix::fs::Mode;
use sockctl::cli::{Cli, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Releases are read by the slot's own user, whatever the umask of the person who deploys.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error.hint() {
                eprintln!("hint: {hint}");
            }
            error.exit_code()
        }
    }
}
