//! From what was typed to the command that does it.

mod load;
mod marks;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Puts a service under load, and says what its clients saw.
#[derive(Debug, Parser)]
#[command(name = "sockprove", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Verb,

    /// Write one JSON object in each line instead of text
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Load(load::Args),
    /// Print the completions of a shell
    #[command(hide = true)]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(hide = true)]
    Man,
}

/// Does what was typed.
pub fn main() -> ExitCode {
    let Cli { command, json } = Cli::parse();
    let done = match command {
        Verb::Load(args) => load::load(args, json),
        Verb::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "sockprove",
                &mut std::io::stdout(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Verb::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered
                .and_then(|()| std::io::stdout().write_all(&page))
                .map_err(anyhow::Error::from)
                .map(|()| ExitCode::SUCCESS)
        }
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}
