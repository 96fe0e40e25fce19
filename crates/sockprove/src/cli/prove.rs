//! `sockctl prove`, which is `sockprove prove`.

use std::fs::Permissions;
use std::io::Write as _;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use sockctl::report::{Format, Report};
use sockgen::{App, AppName, Place, duration};
use tempfile::NamedTempFile;

use super::values::{ratio, some_time, within_an_hour};
use super::wrong_usage;
use crate::kind::Kind;
use crate::load::raise_descriptor_limit;
use crate::prove::html::html;
use crate::prove::proof::{Limits, Proof, Verdict};
use crate::prove::text::text;
use crate::prove::{Asked, prove};
use crate::schedule::Pace;

/// In an open loop without --rate, in a closed one without --connections.
const RATE: NonZeroU32 = NonZeroU32::new(1000).unwrap();
const CONNECTIONS: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// Without --probe-interval.
const PROBE: Duration = Duration::from_millis(2);

/// Deploy an application under load, and say whether any client lost anything
///
/// All kinds of clients ask at once: first in an open loop (requests at fixed times, so that a stall is felt by all that are due in it), then
/// in a closed one (each sends its next request when it has its last answer: full speed). In each loop the live release is started anew in
/// the other slot, or the given releases take turns, by `sockctl` as anybody would run it. Ctrl-C undoes a deploy that is under way and ends
/// with what was seen until then.
///
/// Exit status: 0 PASS, 1 FAIL, an error, or ended by Ctrl-C, 2 wrong usage. FAIL means that a request failed, that nobody was accepted for
/// longer than --max-gap allows, or that a deploy was not live at its end.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The application, as in its manifest
    app: String,
    /// Deploys in each loop
    #[arg(long, value_name = "N", default_value = "1")]
    deploys: NonZeroU32,
    /// Only the open loop, with so many requests each second, all clients together [default: 1000]
    #[arg(long, value_name = "R", conflicts_with = "connections")]
    rate: Option<NonZeroU32>,
    /// Only the closed loop, with so many requests at a time, all clients together [default: 64]
    #[arg(long, value_name = "C")]
    connections: Option<NonZeroU32>,
    /// How long the load goes on before the first deploy and after the last one; a loop is an hour at most
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = within_an_hour)]
    duration: Duration,
    /// Only these kinds of clients [default: all that are spoken there]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Where plain requests go
    #[arg(long, value_name = "PATH", default_value = "/")]
    path: String,
    /// Where a WebSocket is: clients hold it open and ping
    #[arg(long, value_name = "PATH")]
    websocket: Option<String>,
    /// The listener that is asked [default: the first]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// Deploy these releases in turn instead of the live one again
    #[arg(long, value_names = ["A", "B"], num_args = 2)]
    releases: Vec<PathBuf>,
    /// A body that an answer may have; another one is a failure. More than one may be given
    #[arg(long, value_name = "TEXT")]
    expect: Vec<String>,
    /// An answer that takes longer is a failure; in the open loop from when its request was due, as latency is
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = some_time)]
    timeout: Duration,
    /// Nobody may wait longer than this to be accepted, beyond what a listener that does nothing else needs at the same time, and what the slot has no
    /// processor for; where accepts are rare anyway, five times what is usual there, and a note says so
    #[arg(long, value_name = "TIME", default_value = "25ms", value_parser = duration)]
    max_gap: Duration,
    /// The 99.9th percentile of latency during a swap may be so many times that of the steady state [default: any]
    #[arg(long, value_name = "RATIO", value_parser = ratio)]
    max_slowdown: Option<f64>,
    /// How often a connection over HTTP/1.1 looks whether anybody accepts; not with `--kinds http2` alone [default: 2ms]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    probe_interval: Option<Duration>,
    /// Write a page with the plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl Args {
    fn only_http2(&self) -> bool {
        !self.kinds.is_empty() && self.kinds.iter().all(|kind| *kind == Kind::Http2)
    }

    /// What is wrong with options that mean nothing together, and what to type instead.
    fn misused(&self) -> Option<&'static str> {
        (self.only_http2() && self.probe_interval.is_some()).then_some(
            "`--probe-interval` has no effect with `--kinds http2`: a connection looks over HTTP/1.1 whether anybody accepts, and with clients \
             over HTTP/2 alone nobody looks\n\
             hint: leave it out, or name a kind over HTTP/1.1, too: `--kinds keep-alive,http2`",
        )
    }

    fn asked(&self) -> Asked {
        let (open, closed) =
            (|rate| Pace::Open { rate }, |connections| Pace::Closed { connections });
        let paces = match (self.rate, self.connections) {
            (Some(rate), _) => vec![open(rate)],
            (None, Some(connections)) => vec![closed(connections)],
            (None, None) => vec![open(RATE), closed(CONNECTIONS)],
        };
        Asked {
            paces,
            kinds: self.kinds.clone(),
            path: self.path.clone(),
            websocket: self.websocket.clone(),
            listener: self.listener.clone(),
            deploys: self.deploys.get(),
            releases: self.releases.clone(),
            steady: self.duration,
            timeout: self.timeout,
            expect: self.expect.clone(),
            // HTTP/1.1 is what it speaks.
            probe: (!self.only_http2()).then_some(self.probe_interval.unwrap_or(PROBE)),
            limits: Limits {
                max_gap_us: u32::try_from(self.max_gap.as_micros()).unwrap_or(u32::MAX),
                max_slowdown: self.max_slowdown,
            },
        }
    }
}

pub(super) fn run(args: Args, user: bool, json: bool) -> Result<ExitCode> {
    if let Some(words) = args.misused() {
        wrong_usage("prove", words);
    }
    raise_descriptor_limit();
    let place = Place::asked(user)?;
    let name = args.app.parse::<AppName>()?;
    let app = App::load(Path::new("/"), &place, &name)?;
    let format = if json { Format::Json } else { Format::Text };
    // A page that cannot be written is said now, and not when all is done.
    let page = args.report.as_deref().map(Page::beside).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = Report::new(format, None);
    let proved = runtime.block_on(prove(&app, &args.asked(), &report));
    let proof = proved?;
    let object = json!({"proof": proof});
    report.end(&text(&proof), object);
    if let Some(page) = page {
        page.write(&proof)?;
    }
    Ok(if proof.verdict == Verdict::Pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report, which appears when it is whole.
struct Page {
    path: PathBuf,
    beside: NamedTempFile,
}

impl Page {
    fn beside(path: &Path) -> Result<Self> {
        // A link stays one. Anything else than a file would be gone.
        let path = path.canonicalize().unwrap_or(path.to_owned());
        if path.exists() && !path.is_file() {
            bail!("{} is no file, and the report would take its place", path.display());
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let readable = Permissions::from_mode(0o644);
        let beside = tempfile::Builder::new()
            .permissions(readable)
            .tempfile_in(folder.unwrap_or(Path::new(".")));
        let beside = beside.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path, beside })
    }

    fn write(mut self, proof: &Proof) -> Result<()> {
        self.beside.write_all(html(proof)?.as_bytes())?;
        self.beside
            .persist(&self.path)
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Verb};

    fn args(typed: &str) -> Args {
        let words = ["sockprove", "prove", "shop"].into_iter().chain(typed.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Verb::Prove(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_interval_at_which_nobody_would_look_is_refused() {
        for typed in
            ["--kinds http2 --probe-interval 2ms", "--probe-interval 5ms --kinds http2,http2"]
        {
            let words = args(typed).misused().unwrap_or_default();
            assert!(
                words.starts_with("`--probe-interval` has no effect with `--kinds http2`: "),
                "{words}"
            );
            assert!(
                words.contains("over HTTP/1.1") && words.contains("\nhint: leave it out"),
                "{words}"
            );
        }
        for typed in [
            "",
            "--kinds http2",
            "--probe-interval 5ms",
            "--probe-interval 5ms --kinds http2,one-shot",
        ] {
            assert_eq!(args(typed).misused(), None, "{typed}");
        }
    }

    #[test]
    fn somebody_looks_each_2_ms_unless_another_time_is_typed() {
        let probe = |typed| args(typed).asked().probe;
        assert_eq!(probe(""), Some(Duration::from_millis(2)));
        assert_eq!(probe("--probe-interval 5ms"), Some(Duration::from_millis(5)));
        assert_eq!(probe("--kinds http2"), None);
    }
}
