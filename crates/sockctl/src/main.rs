//! The `sockctl` command.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use rustix::fs::Mode;
use sockctl::cli::{Cli, run};
use sockctl::detach::DETACHED;
use sockctl::error::Error;
use sockctl::words::typed;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    // Releases are read by the slot's own user, whatever the umask of the person who deploys.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let scope = cli.scope();
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let hint = error.hint(scope).map_or(String::new(), |hint| format!("hint: {hint}\n"));
            // In the journal each line of an error has an error's level (sd-daemon(3)).
            let level = if std::env::var_os(DETACHED).is_some() { "<3>" } else { "" };
            let text = typed(scope, &format!("error: {error}\n{hint}"));
            let lines: String = text.lines().map(|line| format!("{level}{line}\n")).collect();
            // A terminal that is gone must not change the exit status. What was detached has said its error itself.
            if !matches!(error, Error::Detached { .. }) {
                let _ = std::io::stderr().write_all(lines.as_bytes());
            }
            error.exit_code()
        }
    }
}
