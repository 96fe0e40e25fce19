//! `sockprove load`.

use std::io::{BufRead as _, Write as _};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::marks::mark;
use super::values::{some_time, within_an_hour};
use crate::kind::Kind;
use crate::load::{Load, Run, Running, monotonic_ns, processors, raise_descriptor_limit};
use crate::record::{Accepts, Latency, Mark, Record};
use crate::schedule::Pace;
use crate::target::Target;

/// Ask one URL again and again, and say what became of it
///
/// Ends after --duration, or at Ctrl-C, with its account. Exit status 1 when a request failed or could not be sent, or a connection failed or could
/// not be opened that only looks whether anybody accepts.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("pace").required(true))]
pub(super) struct Args {
    /// http://HOST:PORT/PATH
    url: String,
    /// How the clients' connections live
    #[arg(long, value_enum, default_value = "keep-alive")]
    kind: Kind,
    /// Open loop: so many requests each second, at fixed times; latency counts from when a request is due
    #[arg(long, group = "pace", value_name = "N")]
    rate: Option<NonZeroU32>,
    /// Closed loop: so many requests at a time, each sent when the last one is answered; with http2 eight on each connection
    #[arg(long, group = "pace", value_name = "N")]
    connections: Option<NonZeroU32>,
    /// For how long, an hour at most; each request takes eight bytes of memory
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = within_an_hour)]
    duration: Duration,
    /// An answer that takes longer is a failure; in an open loop from when its request was due, as latency is
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    timeout: Duration,
    /// The body of every answer; another one is a failure. More than one may be given
    #[arg(long, value_name = "TEXT")]
    expect: Vec<String>,
    /// Count the answers by their bodies, with the time of the first and the last of each
    #[arg(long)]
    by_body: bool,
    /// Connect to this Unix socket instead of the URL's host
    #[arg(long, value_name = "PATH")]
    unix_socket: Option<PathBuf>,
    /// Threads that send [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroU32>,
    /// How often a connection looks whether anybody accepts
    #[arg(long, value_name = "TIME", default_value = "2ms", value_parser = some_time)]
    probe_interval: Duration,
    /// Do not look: the clients alone connect
    #[arg(long, conflicts_with = "probe_interval")]
    no_probe: bool,
    /// Read lines `mark NAME [NANOSECONDS]` from standard input, which cut the time into phases; its end ends the load
    #[arg(long)]
    marks: bool,
    /// The length of the slices of time in the account
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = some_time)]
    slice: Duration,
}

pub(super) fn load(args: Args, json: bool) -> Result<ExitCode> {
    raise_descriptor_limit();
    let pace = match (args.rate, args.connections) {
        (Some(rate), _) => Pace::Open { rate },
        (None, Some(connections)) => Pace::Closed { connections },
        (None, None) => unreachable!("clap asks for one of them"),
    };
    let load = Load {
        kind: args.kind,
        pace,
        target: Target::parse(&args.url, args.unix_socket)?,
        duration: args.duration,
        timeout: args.timeout,
        expect: args.expect,
        by_body: args.by_body,
        threads: args.threads.map_or_else(processors, NonZeroU32::get),
        probe: (!args.no_probe).then_some(args.probe_interval),
    };
    let running = load.start().context("cannot begin the load")?;
    let marks = Arc::default();
    end_at_ctrl_c(&running)?;
    if args.marks {
        listen(&running, Arc::clone(&marks));
    }
    if json {
        // Whoever waits for this line knows that the service is asked and answers.
        running.await_answer(args.duration);
        line(
            &json!({"event": "begin", "start_ns": running.start_ns(), "now_ns": monotonic_ns()})
                .to_string(),
        );
    }
    let run: Run = running.finish().context("the load could not go on")?;
    let marks = marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let record = Record::of(&run, &marks, args.slice);
    if json {
        let mut object = serde_json::to_value(&record)?;
        object["event"] = json!("end");
        line(&object.to_string());
    } else {
        line(text(&record).trim_end());
    }
    let unaccepted = |accepts: &Accepts| accepts.failures.values().sum::<u64>() + accepts.unsent;
    let unaccepted = record.accepts.as_ref().map_or(0, unaccepted);
    Ok(if record.failed + record.unsent + unaccepted == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn line(text: &str) {
    // A reader that went away has its reasons.
    let _ = writeln!(std::io::stdout(), "{text}");
}

fn end_at_ctrl_c(running: &Running) -> Result<()> {
    let stop = running.stopper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! { _ = signals.0.recv() => (), _ = signals.1.recv() => () }
        });
        stop();
    });
    Ok(())
}

/// Reads marks until the end of standard input, which ends the load.
fn listen(running: &Running, marks: Arc<Mutex<Vec<Mark>>>) {
    let stop = running.stopper();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            match mark(&line, monotonic_ns()) {
                Ok(found) => marks.lock().unwrap_or_else(PoisonError::into_inner).extend(found),
                Err(why) => drop(writeln!(std::io::stderr(), "warning: {why}")),
            }
        }
        stop();
    });
}

const NOTHING_LEFT: &str = "this machine had no port, descriptor or memory left for them";

fn text(record: &Record) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    let seconds = (record.end_ns - record.start_ns) as f64 / 1e9;
    let Record { kind, pace, url, answered, failed, .. } = record;
    let per_second = *answered as f64 / seconds;
    let _ = writeln!(text, "{kind}, {pace} loop, {url}, {seconds:.1} s");
    let _ = writeln!(
        text,
        "  answered  {answered}, {per_second:.0} each second, on {} connections",
        record.connections
    );
    let _ = writeln!(text, "  failed    {failed}");
    for (kind, count) in record.failures.iter().filter(|(_, count)| **count > 0) {
        let _ = writeln!(text, "            {count} {kind}");
    }
    if record.unsent > 0 {
        let _ = writeln!(text, "  not sent  {}: {NOTHING_LEFT}", record.unsent);
    }
    for (count, words) in [
        (
            record.resent,
            "sent again on another connection, because the server had not looked at them",
        ),
        (record.moved, "WebSockets closed in order and opened again"),
    ] {
        if count > 0 {
            let _ = writeln!(text, "  moved     {count} {words}");
        }
    }
    let _ = writeln!(text, "  latency   {}", latency(&record.latency));
    if let Some(accepts) = &record.accepts {
        let ms = |us| f64::from(us) / 1e3;
        let (service, witness) = (ms(accepts.longest_us), ms(accepts.witness_longest_us));
        let _ = writeln!(
            text,
            "  accepts   longest time without one {service:.1} ms; of a listener that does nothing else {witness:.1} ms"
        );
        for (kind, count) in accepts.failures.iter().filter(|(_, count)| **count > 0) {
            let _ = writeln!(text, "            {count} connections that looked for it {kind}");
        }
        if accepts.unsent > 0 {
            let unsent = accepts.unsent;
            let _ = writeln!(text, "            {unsent} more not opened: {NOTHING_LEFT}");
        }
    }
    for phase in &record.phases {
        let gap = phase.longest_gap_us.map_or(String::new(), |us| {
            format!(", {:.1} ms without an accept", f64::from(us) / 1e3)
        });
        let _ = writeln!(
            text,
            "  phase     {}: {} answered, {} failed, {}{gap}",
            phase.name,
            phase.answered,
            phase.failed,
            latency(&phase.latency)
        );
    }
    for body in &record.bodies {
        let _ = writeln!(text, "  body      {:?}: {}", body.body, body.count);
    }
    let _ = writeln!(
        text,
        "  generator {:.1} s of processor time; sent late: {}{}",
        record.generator.cpu_s,
        latency(&record.generator.late),
        if record.rate.is_some() && !record.generator.on_time {
            "; it had no real-time priority, which root has: what it waited for a processor is in the latencies"
        } else {
            ""
        }
    );
    text
}

fn latency(latency: &Latency) -> String {
    let ms = |us| f64::from(us) / 1e3;
    let Latency { p50_us, p90_us, p99_us, p99_9_us, max_us, .. } = *latency;
    format!(
        "p50 {:.2} ms, p90 {:.2}, p99 {:.2}, p99.9 {:.2}, max {:.2}",
        ms(p50_us),
        ms(p90_us),
        ms(p99_us),
        ms(p99_9_us),
        ms(max_us)
    )
}
