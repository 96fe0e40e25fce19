//! The command line: what was typed, the command, and what is printed.

mod args;
mod check;
mod diff;
mod explain;
mod failure;
mod findings;
mod init;
mod install;
mod print;
mod questions;
mod remove;
mod secret;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use failure::Failure;

use crate::generator;

/// What a command has to say when it did what was asked.
pub(crate) struct Report {
    stdout: Vec<u8>,
    status: u8,
}

impl Report {
    fn done(stdout: impl Into<Vec<u8>>) -> Self {
        Self { stdout: stdout.into(), status: 0 }
    }
}

/// Runs `sockgen` with these arguments, the first being its own name.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if generator::is_called(args.first()) {
        return generator::main(&args);
    }
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // Help and version are no errors, and go to stdout.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(args.command) {
        Ok(report) => match io::stdout().lock().write_all(&report.stdout) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("error: cannot write to standard output: {error}");
                ExitCode::from(1)
            }
            _ => ExitCode::from(report.status),
        },
        Err(failure) => {
            eprint!("{}", failure.text());
            ExitCode::from(failure.status)
        }
    }
}

fn run(command: Command) -> Result<Report, Failure> {
    match command {
        Command::Init(args) => init::run(&args),
        Command::Install(args) => install::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Remove(args) => remove::run(args),
        Command::Check(args) => check::run(&args),
        Command::Secret(command) => secret::run(&command),
        Command::Explain { rule } => explain::run(rule.as_deref()),
        Command::Print { what, manifest, group } => print::run(what, &manifest, &group),
        Command::Schema => Ok(Report::done(format!("{:#}\n", crate::schema()))),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "sockgen", &mut text);
            Ok(Report::done(text))
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Args::command())
                .render(&mut text)
                .map_err(|error| Failure::new(&error, None))?;
            Ok(Report::done(text))
        }
    }
}
