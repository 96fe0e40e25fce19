//! `sockctl` as users run it: a process of its own, whose lines are read.

use std::convert::Infallible;
use std::process::Stdio;

use futures_util::FutureExt as _;
use rustix::process::{Pid, Signal, kill_process};
use sockctl::prover::beside;
use sockctl::report::Report;
use sockctl::signals::Interrupt;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use super::ProveError;
use super::deploy::Deploy;
use crate::load::monotonic_ns;

/// Runs it to its end. Ctrl-C is passed on each time: once it goes back, twice it ends at once.
pub(super) async fn run(
    number: u32,
    words: &[String],
    report: &Report,
    interrupt: &Interrupt,
) -> Result<Deploy, ProveError> {
    let program = beside("sockctl");
    let mut command = Command::new(&program);
    command.arg("--json").args(words).kill_on_drop(false);
    // Its own process group, so that a Ctrl-C of the terminal comes once, from here.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let typed = std::iter::once("sockctl").chain(words.iter().map(String::as_str));
    let typed = typed.collect::<Vec<_>>().join(" ");
    let mut deploy =
        Deploy { number, command: typed, began_ns: monotonic_ns(), ..Deploy::default() };
    let failed = |source| ProveError::Sockctl { program: program.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut stderr = child.stderr.take().expect("it is piped");
    let step = format!("deploy {number}");
    report.busy(&step, deploy.command.clone());
    let (mut first, mut second) = (interrupt.clone(), interrupt.clone());
    let mut told = Vec::new();
    let read = async {
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            if let Some(wait) = deploy.read(&line) {
                report.busy(&step, wait);
            }
        }
        Ok(())
    };
    let pass_on = async {
        let tell = || pid.map(|pid| kill_process(pid, Signal::INT));
        first.once().await;
        tell();
        second.twice().await;
        tell();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        // All of its words are there before its end.
        (read, _) = async { tokio::join!(read, stderr.read_to_end(&mut told)) } => read?,
        never = pass_on => match never {},
        never = report.ticks() => match never {},
    }
    let status = child.wait().await.map_err(failed)?;
    deploy.ended_ns = monotonic_ns();
    deploy.interrupted = interrupt.clone().once().now_or_never().is_some();
    if !status.success() {
        let told = String::from_utf8_lossy(&told);
        let words = told.trim().trim_start_matches("error: ");
        deploy.error = Some(if words.is_empty() { status.to_string() } else { words.into() });
    }
    Ok(deploy)
}
