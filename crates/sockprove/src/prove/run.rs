//! What was asked, and the loops that answer it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sockctl::report::Report;
use sockctl::signals::Interrupt;
use sockgen::App;
use tokio::task::LocalSet;

use super::proof::{Limits, Machine, Proof};
use super::round::Context;
use super::service;
use super::verdict::judge;
use crate::kind::Kind;
use crate::load::processors;
use crate::record::Record;
use crate::schedule::Pace;

/// What is to be proved, valid.
#[derive(Debug, Clone)]
pub struct Asked {
    /// One for each loop.
    pub paces: Vec<Pace>,
    /// By which clients; all that are spoken there, when none are named.
    pub kinds: Vec<Kind>,
    /// Where plain requests go.
    pub path: String,
    /// Where a WebSocket is.
    pub websocket: Option<String>,
    /// The listener that is asked, when it is not the first.
    pub listener: Option<String>,
    /// Deploys in each loop.
    pub deploys: u32,
    /// The releases that are deployed in turn; the live one again when there are none.
    pub releases: Vec<PathBuf>,
    /// How long the load goes on before the first deploy and after the last one.
    pub steady: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The bodies that an answer may have; any, when there are none.
    pub expect: Vec<String>,
    /// How often it is looked whether anybody accepts.
    pub probe: Option<Duration>,
    /// What is allowed.
    pub limits: Limits,
}

impl Asked {
    /// What is typed for the deploy with this number, after `sockctl`.
    pub(super) fn command(&self, app: &App, index: usize) -> Vec<String> {
        let mut words = Vec::new();
        if app.place().is_user() {
            words.push("--user".to_owned());
        }
        match self.releases.len() {
            0 => words.extend(["restart".into(), app.name().to_string()]),
            count => {
                let release = self.releases[index % count].display().to_string();
                words.extend(["deploy".into(), app.name().to_string(), release]);
            }
        }
        words
    }
}

/// Why nothing could be proved.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// There is no listener that HTTP can be spoken to.
    #[error("{app} has no listener{} for connections of TCP or a Unix socket; it has: {}", listener.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default(), known.join(", "))]
    Nowhere {
        /// The application.
        app: String,
        /// The one that was asked for.
        listener: Option<String>,
        /// Those that there are.
        known: Vec<String>,
    },
    /// The first request was not answered as it should be.
    #[error("{kind} clients get no good answer at {at}: {what}: {detail}")]
    NoAnswer {
        /// By which client.
        kind: Kind,
        /// Host and path.
        at: String,
        /// The kind of failure.
        what: &'static str,
        /// What was seen.
        detail: String,
    },
    /// Less than one for each kind of clients.
    #[error("{asked} {what} are less than one for each of {kinds} kinds of clients")]
    TooFew {
        /// How many.
        asked: u32,
        /// Of what.
        what: &'static str,
        /// Kinds of clients.
        kinds: usize,
    },
    /// Ctrl-C before there was a load.
    #[error("interrupted before the load began")]
    Interrupted,
    /// The load could not begin or go on.
    #[error("cannot make the load: {0}")]
    Load(#[source] io::Error),
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// sockctl cannot be run.
    #[error("cannot run {}: {source}", program.display())]
    Sockctl {
        /// Which one.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ProveError {
    /// What to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Nowhere { .. } => {
                "name one with --listener, or try `sockprove load URL`, which needs no application"
            }
            Self::NoAnswer { kind: Kind::WebSocket, .. } => {
                "give the path of a WebSocket with --websocket, or leave that kind out of --kinds"
            }
            Self::NoAnswer { kind: Kind::Http2, .. } => {
                "it is spoken without TLS here; leave it out of --kinds"
            }
            Self::NoAnswer { .. } => {
                "give a path that answers 200 with --path; TLS is not spoken here: --listener names one that is plain; `sockctl status` shows whether it runs"
            }
            Self::TooFew { .. } => "ask for more, or for fewer kinds with --kinds",
            Self::Interrupted => "nothing was deployed",
            Self::Load(_) => "fewer --connections need fewer descriptors: `ulimit -n`",
            Self::Signals(_) => "end something else on this machine: a descriptor is needed",
            Self::Sockctl { .. } => "put sockctl beside this program, or on PATH",
        }
    }
}

/// Puts the application under load, once for each pace, and deploys meanwhile.
///
/// # Errors
/// When there was nothing to look at. What was seen, good or bad, is the proof.
pub async fn prove(app: &App, asked: &Asked, report: &Report) -> Result<Proof, ProveError> {
    LocalSet::new().run_until(prove_here(app, asked, report)).await
}

async fn prove_here(app: &App, asked: &Asked, report: &Report) -> Result<Proof, ProveError> {
    let interrupt = Interrupt::listen().map_err(ProveError::Signals)?;
    let target = service::target(app, asked.listener.as_deref(), &asked.path)?;
    let mut impatient = interrupt.clone();
    let (clients, mut notes) = tokio::select! {
        clients = service::clients(&target, asked) => clients?,
        () = impatient.once() => return Err(ProveError::Interrupted),
    };
    asked.paces.iter().try_for_each(|pace| enough(*pace, clients.len()))?;
    let began = jiff::Timestamp::now();
    let kinds: Vec<_> = clients.iter().map(|client| client.kind.word()).collect();
    let times = match asked.deploys {
        1 => "1 deploy".into(),
        n => format!("{n} deploys"),
    };
    let text = format!(
        "{}: {} clients at {}, {times} in each loop",
        app.name(),
        kinds.join(", "),
        target.address
    );
    report.begin(&text, serde_json::json!({"app": app.name().as_ref(), "kinds": kinds}));
    if asked.probe.is_none() {
        notes.push("whether anybody accepts was not looked at: that is done over HTTP/1.1".into());
    }
    let context = Context { app, asked, clients: &clients, report, interrupt: &interrupt };
    let mut rounds = Vec::new();
    for pace in &asked.paces {
        let round = context.round(*pace).await?;
        let answered: u64 = round.loads.iter().map(|load| load.record.answered).sum();
        let failed: u64 = round.loads.iter().map(|load| load.record.failed).sum();
        let took = Duration::from_nanos(round.end_ns - round.start_ns);
        let (count, what) = words(*pace);
        let words = format!("{count} {what}: {answered} answered, {failed} failed");
        report.done(pace.word(), took, &words);
        let over = round.interrupted || round.deploys.iter().any(|deploy| !deploy.is_live());
        rounds.push(round);
        if over {
            break;
        }
    }
    let judged = judge(&rounds, app.gated(), asked.limits);
    notes.extend(judged.notes);
    let sum = |of: fn(&Record) -> u64| {
        rounds.iter().flat_map(|round| &round.loads).map(|load| of(&load.record)).sum()
    };
    Ok(Proof {
        version: 1,
        app: app.name().to_string(),
        began: format!("{began:.0}"),
        machine: machine(),
        verdict: judged.verdict,
        reasons: judged.reasons,
        findings: judged.findings,
        notes,
        limits: asked.limits,
        requests: sum(|record| record.answered + record.failed),
        failed: sum(|record| record.failed),
        unsent: sum(|record| record.unsent),
        rounds,
    })
}

fn words(pace: Pace) -> (u32, &'static str) {
    match pace {
        Pace::Open { rate } => (rate.get(), "requests each second"),
        Pace::Closed { connections } => (connections.get(), "requests at a time"),
    }
}

/// Each kind of clients has a part of the load.
fn enough(pace: Pace, kinds: usize) -> Result<(), ProveError> {
    let (asked, what) = words(pace);
    match kinds <= asked as usize {
        true => Ok(()),
        false => Err(ProveError::TooFew { asked, what, kinds }),
    }
}

fn machine() -> Machine {
    let kernel = rustix::system::uname();
    let kernel =
        format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy());
    Machine { processors: processors(), kernel }
}
