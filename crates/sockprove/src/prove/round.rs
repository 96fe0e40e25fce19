//! One loop: all kinds of clients at once, and deploys under them.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use sockctl::report::Report;
use sockctl::signals::Interrupt;
use sockgen::App;

use super::deploy::Deploy;
use super::proof::{LoadRecord, Round};
use super::service::Client;
use super::slots::{Seen, Watch};
use super::{Asked, ProveError, deployer};
use crate::account::summary;
use crate::kind::Kind;
use crate::load::{LONGEST, Load, Running, monotonic_ns, processors};
use crate::record::{Mark, Record};
use crate::schedule::{Pace, share};

/// The first of a loop: connections are made, and processors wake.
const WARM_UP: Duration = Duration::from_millis(500);

/// Between two deploys of a loop.
const BETWEEN: Duration = Duration::from_secs(1);

/// The slices of time in the account.
const SLICE: Duration = Duration::from_millis(100);

/// What stays the same over all loops.
pub(super) struct Context<'a> {
    pub(super) app: &'a App,
    pub(super) asked: &'a Asked,
    pub(super) clients: &'a [Client],
    pub(super) report: &'a Report,
    pub(super) interrupt: &'a Interrupt,
}

impl Context<'_> {
    /// Puts it under load, deploys, and gives what every client saw.
    pub(super) async fn round(&self, pace: Pace) -> Result<Round, ProveError> {
        let start_ns = monotonic_ns();
        let running = self.begin(pace)?;
        let watch = Watch::begin(self.app);
        let mut deploys = Vec::new();
        let deployed = self.deploy_under_it(&running, &mut deploys).await;
        let interrupted = matches!(deployed, Ok(false));
        let runs_out_ns =
            running.iter().map(|load| load.start_ns() + LONGEST.as_nanos() as u64).min();
        // Ended at the same moment, then waited for.
        running.iter().map(Running::stopper).for_each(|stop| stop());
        let end_ns = monotonic_ns();
        let load_end_ns = runs_out_ns.unwrap_or(end_ns).min(end_ns);
        let runs: Result<Vec<_>, _> = running.into_iter().map(Running::finish).collect();
        // A connection that waits at the end waits on until it is answered, and so long a slot may have had no processor.
        let Seen { slots, starved, .. } = watch.end();
        let runs = runs.map_err(ProveError::Load)?;
        deployed?;
        let (steady, swaps) = windows(start_ns, end_ns, &deploys);
        let marks = marks(start_ns, &deploys);
        let loads = runs.iter().map(|run| LoadRecord {
            record: Record::of(run, &marks, SLICE),
            steady: summary(run, &steady),
            swap: summary(run, &swaps),
        });
        let loads = loads.collect();
        let pace = pace.word().into();
        let missed =
            if interrupted { 0 } else { missed(self.asked.deploys, &deploys, load_end_ns) };
        Ok(Round {
            pace,
            start_ns,
            end_ns,
            load_end_ns,
            loads,
            deploys,
            slots,
            starved,
            interrupted,
            missed,
        })
    }

    fn begin(&self, pace: Pace) -> Result<Vec<Running>, ProveError> {
        let parts = self.clients.len() as u32;
        let loads = self.clients.iter().zip(0..).map(|(client, index)| Load {
            kind: client.kind,
            pace: part(pace, index, parts),
            target: client.target.clone(),
            duration: LONGEST,
            timeout: self.asked.timeout,
            expect: match client.kind {
                Kind::WebSocket => Vec::new(),
                _ => self.asked.expect.clone(),
            },
            by_body: true,
            threads: if parts == 1 { processors() } else { 1 },
            // Once for all of them.
            probe: self.asked.probe.filter(|_| index == 0),
        });
        loads.map(Load::start).collect::<Result<_, _>>().map_err(ProveError::Load)
    }

    /// False when somebody ended it.
    async fn deploy_under_it(
        &self,
        running: &[Running],
        deploys: &mut Vec<Deploy>,
    ) -> Result<bool, ProveError> {
        if !self.wait("steady", WARM_UP + self.asked.steady).await {
            return Ok(false);
        }
        let mut release = 0;
        for number in 1..=self.asked.deploys {
            if running.iter().any(Running::is_over) {
                break;
            }
            let deploy = loop {
                let deploy = self.deploy(number, release).await?;
                release += 1;
                // The one of two releases that is live already.
                if deploy.outcome.as_deref() != Some("nothing") || release as u32 > number {
                    break deploy;
                }
            };
            let is_live = deploy.is_live();
            deploys.push(deploy);
            let pause = if number == self.asked.deploys { self.asked.steady } else { BETWEEN };
            if !self.wait("steady", pause).await {
                return Ok(false);
            }
            if !is_live {
                break;
            }
        }
        Ok(true)
    }

    async fn deploy(&self, number: u32, index: usize) -> Result<Deploy, ProveError> {
        let began = Instant::now();
        let words = self.asked.command(self.app, index);
        let deploy = deployer::run(number, &words, self.report, self.interrupt).await?;
        let (step, took) = (format!("deploy {number}"), began.elapsed());
        match &deploy.error {
            None => {
                let into =
                    deploy.into.as_deref().map(|slot| format!(" in {slot}")).unwrap_or_default();
                let outcome = deploy.outcome.as_deref().unwrap_or_default();
                self.report.done(&step, took, &format!("{}: {outcome}{into}", deploy.command));
            }
            Some(error) => {
                self.report.failed(&step, took, error.lines().next().unwrap_or_default());
            }
        }
        Ok(deploy)
    }

    /// False when somebody ended it.
    async fn wait(&self, what: &str, time: Duration) -> bool {
        let mut interrupt = self.interrupt.clone();
        self.report.busy(what, "the load goes on".into());
        tokio::select! {
            biased;
            () = interrupt.once() => false,
            () = tokio::time::sleep(time) => true,
            never = self.report.ticks() => match never {},
        }
    }
}

/// The part of it that one of the loads has.
fn part(pace: Pace, index: u32, parts: u32) -> Pace {
    let of = |whole: NonZeroU32| {
        NonZeroU32::new(share(whole.get(), index, parts)).unwrap_or(NonZeroU32::MIN)
    };
    match pace {
        Pace::Open { rate } => Pace::Open { rate: of(rate) },
        Pace::Closed { connections } => Pace::Closed { connections: of(connections) },
    }
}

/// Of so many deploys those that had no load to their end: not begun when it ended, or still under way. After one that is not live none is
/// begun, whatever the load does.
fn missed(asked: u32, deploys: &[Deploy], load_end_ns: u64) -> u32 {
    if !deploys.last().is_none_or(Deploy::is_live) {
        return 0;
    }
    let whole = deploys.iter().filter(|deploy| !deploy.outlasts(load_end_ns)).count();
    asked - whole as u32
}

type Windows = Vec<(u64, u64)>;

/// The times between the deploys, and those of the swaps.
fn windows(start_ns: u64, end_ns: u64, deploys: &[Deploy]) -> (Windows, Windows) {
    let warm = start_ns + WARM_UP.as_nanos() as u64;
    let begins = std::iter::once(warm).chain(deploys.iter().map(|deploy| deploy.ended_ns));
    let ends = deploys.iter().map(|deploy| deploy.began_ns).chain([end_ns]);
    (begins.zip(ends).collect(), deploys.iter().map(Deploy::swap).collect())
}

/// A phase for each step of each deploy.
fn marks(start_ns: u64, deploys: &[Deploy]) -> Vec<Mark> {
    let steady = |at_ns| Mark { name: "steady".into(), at_ns };
    let mut marks = vec![steady(start_ns + WARM_UP.as_nanos() as u64)];
    for deploy in deploys {
        marks.extend(deploy.steps.iter().map(|step| Mark {
            name: format!("deploy {}: {}", deploy.number, step.step),
            at_ns: step.from_ns,
        }));
        marks.push(steady(deploy.ended_ns));
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_swap_and_no_deploy_is_steady() {
        let deploy = |began_ns, ended_ns| Deploy { began_ns, ended_ns, ..Deploy::default() };
        let s = 1_000_000_000;
        let (steady, swaps) = windows(0, 9 * s, &[deploy(2 * s, 3 * s), deploy(5 * s, 6 * s)]);
        assert_eq!(steady, [(s / 2, 2 * s), (3 * s, 5 * s), (6 * s, 9 * s)]);
        assert_eq!(swaps, [(2 * s, 3 * s), (5 * s, 6 * s)]);
    }

    #[test]
    fn a_deploy_counts_when_it_had_load_to_its_end() {
        let live =
            |ended_ns| Deploy { ended_ns, outcome: Some("live".into()), ..Deploy::default() };
        let deploys = [live(10), live(20)];
        assert_eq!(missed(2, &deploys, 20), 0);
        assert_eq!(missed(2, &deploys, 19), 1, "the last one was still under way");
        assert_eq!(missed(5, &deploys, 20), 3, "three were not begun");
        assert_eq!(missed(5, &deploys, 19), 4);
        assert_eq!(missed(1, &[], 0), 1);
        // After one that is not live none is begun, and that is said of it.
        assert_eq!(missed(5, &[live(10), Deploy { ended_ns: 20, ..Deploy::default() }], 19), 0);
    }
}
