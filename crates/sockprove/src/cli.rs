//! From what was typed to the command that does it.

mod load;
mod marks;
mod prove;
mod values;

use std::io::Write as _;
use std::process::ExitCode;

use crate::prove::ProveError;

use clap::error::ErrorKind;
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

    /// Your own systemd's applications, installed with `sockgen install --user`
    #[arg(long, global = true)]
    user: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Prove(prove::Args),
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
    let Cli { command, json, user } = Cli::parse();
    let done = match command {
        Verb::Prove(args) => prove::run(args, user, json),
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
        Verb::Man => manual().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        let hint = error.downcast_ref::<ProveError>().map(ProveError::hint);
        let hint = hint.map_or(String::new(), |hint| format!("hint: {hint}\n"));
        // A terminal that is gone must not change the exit status.
        let _ = write!(std::io::stderr(), "error: {error:#}\n{hint}");
        ExitCode::FAILURE
    })
}

/// Says what is wrong with what was typed after this verb, as clap says it, and ends with exit status 2.
fn wrong_usage(verb: &str, words: &str) -> ! {
    let mut command = Cli::command();
    // Until then a verb does not know that it follows the program's name.
    command.build();
    let command = command.find_subcommand_mut(verb).expect("it was parsed");
    command.error(ErrorKind::ArgumentConflict, words).exit()
}

fn manual() -> anyhow::Result<()> {
    Ok(clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?)
}
