//! `sockctl prove`, which is `sockprove prove`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use sockctl::report::{Format, Report};
use sockgen::{App, AppName, Place, duration};

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
    /// How long the load goes on before the first deploy and after the last one
    #[arg(long, value_name = "TIME", default_value = "4s", value_parser = duration)]
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
    /// An answer that takes longer is a failure
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    /// Nobody may wait longer than this to be accepted, beyond what a listener that does nothing else needs at the same time, and what the slot has no processor for
    #[arg(long, value_name = "TIME", default_value = "25ms", value_parser = duration)]
    max_gap: Duration,
    /// The 99.9th percentile of latency during a swap may be so many times that of the steady state [default: any]
    #[arg(long, value_name = "RATIO")]
    max_slowdown: Option<f64>,
    /// How often it is looked whether anybody accepts
    #[arg(long, value_name = "TIME", default_value = "2ms", value_parser = duration)]
    probe_interval: Duration,
    /// Write a page with the plots
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

impl Args {
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
            probe: (self.kinds != [Kind::Http2]).then_some(self.probe_interval),
            limits: Limits {
                max_gap_us: u32::try_from(self.max_gap.as_micros()).unwrap_or(u32::MAX),
                max_slowdown: self.max_slowdown,
            },
        }
    }
}

pub(super) fn run(args: Args, user: bool, json: bool) -> Result<ExitCode> {
    raise_descriptor_limit();
    let place = Place::asked(user)?;
    let name = args.app.parse::<AppName>()?;
    let app = App::load(Path::new("/"), &place, &name)?;
    let format = if json { Format::Json } else { Format::Text };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = Report::new(format, None);
    let proved = runtime.block_on(prove(&app, &args.asked(), &report));
    let proof = proved?;
    if let Some(path) = &args.report {
        write(path, &proof).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let object = json!({"proof": proof});
    report.end(&text(&proof), object);
    Ok(if proof.verdict == Verdict::Pass { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(path: &Path, proof: &Proof) -> Result<()> {
    Ok(std::fs::write(path, html(proof)?)?)
}
