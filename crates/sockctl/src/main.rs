//! The `sockctl` command.

use std::io::Write;
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
            let hint = error.hint().map_or(String::new(), |hint| format!("hint: {hint}\n"));
            // A terminal that is gone must not change the exit status.
            let _ = write!(std::io::stderr(), "error: {error}\n{hint}");
            error.exit_code()
        }
    }
}
