//! What is written into `docs/comparison.md`.

mod ours;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::attempt::attempt;
use crate::beside::{self, Triple};
use crate::deployed::{self, Pair};
use crate::host;
use crate::load::{KEEP_ALIVE, LOADS, Load, ONE_SHOT};
use crate::lost::Lost;
use crate::many::{self, Many};
use crate::rival::{OURS, Rival};
use crate::round::{Broken, Seen};
use crate::sample::{Sample, Window, Windows};
use crate::summary::Summary;
use crate::table::{Table, between, number};
use crate::tools::Tools;

/// All that was measured.
#[derive(Debug, Default, serde::Serialize)]
pub struct Results {
    /// All rivals.
    pub seen: Seen,
    /// Ours beside the bare application.
    pub beside: Vec<Triple>,
    /// Ours with a deploy and without.
    pub deployed: Vec<Pair>,
    /// Many swaps in a row.
    pub many: Vec<Many>,
}

/// How it was measured, as far as the text tells.
#[derive(Debug)]
pub struct How<'a> {
    /// The command.
    pub command: String,
    /// Who took part.
    pub rivals: &'a [&'static Rival],
    /// How often.
    pub turns: usize,
    /// How long.
    pub windows: Windows,
    /// How long the runs with a deploy in them are.
    pub runs: Vec<Duration>,
}

/// The columns of a window.
const PERCENTILES: [fn(&Window) -> u32; 4] =
    [|w| w.latency.p50_us, |w| w.latency.p99_us, |w| w.latency.p99_9_us, |w| w.latency.max_us];

impl Results {
    /// Measures ours beside the bare application.
    pub fn stand_beside(&mut self, count: usize, tools: &Tools) {
        match attempt(|| beside::triples(count, tools)) {
            Ok(triples) => self.beside = triples,
            Err(why) => self.seen.broken.push(Broken { rival: "beside the bare", turn: 0, why }),
        }
    }

    /// Measures ours with a deploy and without.
    pub fn deploy(&mut self, count: usize, run: Duration, tools: &Tools) {
        match attempt(|| deployed::pairs(count, run, &LOADS, tools)) {
            Ok(pairs) => self.deployed.extend(pairs),
            Err(why) => self.seen.broken.push(Broken { rival: "with a deploy", turn: 0, why }),
        }
    }

    /// Swaps so many times under each kind of load.
    pub fn swap_many(&mut self, swaps: usize, windows: Windows, tools: &Tools) {
        let (many, broken) = many::all(swaps, windows, tools);
        self.many = many;
        self.seen.broken.extend(broken);
    }

    /// Requests and connections that ours lost, in all.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let compared = self.seen.samples.iter().filter(|sample| sample.rival == OURS);
        let compared = compared.map(|sample| &sample.lost);
        let runs = self.deployed.iter().map(|pair| &pair.lost);
        compared.chain(runs).chain(self.many.iter().map(|many| &many.lost)).map(Lost::count).sum()
    }

    /// The whole text.
    ///
    /// # Errors
    /// When the machine does not say what it is.
    pub fn markdown(&self, how: &How) -> Result<String> {
        let mut text = self.head(how)?;
        if !how.rivals.is_empty() {
            text += &self.compared(how);
        }
        text += &self.beside();
        text += &self.deployed(how);
        text += &self.many();
        if !how.rivals.is_empty() {
            text += &self.setups(how);
        }
        text += &broken(&self.seen.broken);
        Ok(text)
    }

    fn head(&self, how: &How) -> Result<String> {
        let (date, machine) = (host::date(), host::words()?);
        let commit = host::commit().map_or(String::new(), |commit| format!(", commit {commit}"));
        let text = format!(
            "# A deploy beside what one would pick instead\n\n\
             Written by `{}` on {date}{commit}: {machine}. Clients and service share the processors. Latency is in milliseconds; an open loop's counts from when a \
             request was due. Processor time is that of all but the load.\n\n",
            how.command
        );
        if how.rivals.is_empty() {
            return Ok(text);
        }
        let below = if self.beside.is_empty() {
            ""
        } else {
            ", and what sockact itself costs is told by runs right after each other, [below](#with-no-swap-beside-the-bare-application)"
        };
        let (turns, window) = (how.turns, how.windows.window.as_secs_f64());
        Ok(text
            + &format!(
                "The same small application, under the same load, on a machine booted for each: everybody once in each of {turns} rounds, in an order that is \
                 drawn anew for each round, from fixed seeds, so that neither a machine that becomes slower nor a neighbour favours anybody. A number is the median of the rounds. \
                 Failed requests are those of all rounds together, by what their clients saw. Of each measurement {window} s are with no \
                 swap. A swap's window is as long from its command on, and goes on for a quarter of that after the command where this comes later. A ratio is to the \
                 bare application of the same round, in the same language, with the smallest and the largest of the rounds in brackets: what they are \
                 apart is noise{below}. \"Serves all after\" is the last answer of the old release. The application is there some milliseconds after it is started; one that needs \
                 longer is missed for longer where it is restarted.\n\n\
                 In the open loops connections that ask nothing are opened beside the requests, to see how long nobody accepts: probes. One that fails is no failed request, and is told beside them.\n\n"
            ))
    }

    /// All rivals.
    fn compared(&self, how: &How) -> String {
        let mut text = self.glance(how);
        text += "![requests each second](comparison-throughput.svg)\n\n";
        text += "![failed requests](comparison-failed.svg)\n\n";
        text += "![latency around a swap](comparison-latency.svg)\n\n";
        for load in LOADS {
            let _ = writeln!(text, "## {}\n", load.title);
            text += &self.under(load, how);
        }
        text
    }

    fn summary(&self, rival: &Rival, loads: &[&Load]) -> Summary<'_> {
        Summary::of(&self.seen.samples, rival, loads)
    }

    /// One line for each.
    fn glance(&self, how: &How) -> String {
        let mut table = Table::new([
            "",
            "failed requests, all loads",
            "swaps",
            "requests/s, keep-alive",
            "of the bare",
            "requests/s, one-shot",
            "of the bare",
            "CPU s per million, keep-alive",
            "one-shot",
            "memory beside the application, MiB",
            "the application, MiB",
            "new release serves all after, ms",
        ]);
        for rival in how.rivals {
            let all = self.summary(rival, &LOADS);
            let loads = [&KEEP_ALIVE, &ONE_SHOT].map(|load| self.summary(rival, &[load]));
            let mut row = vec![rival.title.to_owned(), lost(&all), all.swaps().to_string()];
            for own in &loads {
                row.push(number(own.median(|s| Some(s.per_second)), 0));
                row.push(between(own.ratio(|s| s.per_second), 2));
            }
            row.extend(loads.iter().map(|own| number(own.median(|s| Some(s.cpu_us)), 1)));
            let mib = |kib: u64| Some(kib as f64 / 1024.0);
            row.push(number(all.median(|s| mib(s.memory.others)), 1));
            row.push(number(all.median(|s| mib(s.memory.application)), 1));
            let switched = |s: &Sample| s.switched.map(|time| time.as_secs_f64() * 1e3);
            row.push(number(all.median(switched), 0));
            table.row(row);
        }
        format!("{}\n", table.markdown())
    }

    /// One load.
    fn under(&self, load: &Load, how: &How) -> String {
        let mut table = Table::new([
            "",
            "failed",
            "steady: p50",
            "p99",
            "p99.9",
            "max",
            "swap: p50",
            "p99",
            "p99.9",
            "max",
            "p99.9, swap : steady",
            "longest without an accept: steady",
            "swap",
            "serves all after",
            "command",
        ]);
        for rival in how.rivals {
            let own = self.summary(rival, &[load]);
            let mut row = vec![rival.title.to_owned(), lost(&own)];
            let parts: [fn(&Sample) -> Window; 2] = [|s| s.steady, |s| s.swap];
            for part in parts {
                for us in PERCENTILES {
                    row.push(number(own.median(|s| Some(f64::from(us(&part(s))) / 1e3)), 2));
                }
            }
            let change = |s: &Sample| {
                Some(f64::from(s.swap.latency.p99_9_us) / f64::from(s.steady.latency.p99_9_us))
            };
            row.push(number(own.median(change), 2));
            for part in parts {
                row.push(number(own.median(|s| Some(f64::from(part(s).gap_us?) / 1e3)), 1));
            }
            let ms = |time: Option<std::time::Duration>| time.map(|time| time.as_secs_f64() * 1e3);
            row.push(number(own.median(|s| ms(s.switched)), 0));
            row.push(number(own.median(|s| ms(s.command)), 0));
            table.row(row);
        }
        format!("{}\n", table.markdown())
    }

    fn setups(&self, how: &How) -> String {
        let mut text = String::from("## How each is set up\n\n");
        for rival in how.rivals {
            let folder = rival.folder();
            let folder = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let version = self.seen.versions.get(rival.name).map_or("?", String::as_str);
            let link = format!("../tests/comparison/rivals/{folder}");
            let _ = writeln!(text, "- [{}]({link}), {version}: {}", rival.title, rival.note);
        }
        text + "\n"
    }
}

fn lost(summary: &Summary) -> String {
    if summary.samples().is_empty() { "not measured".into() } else { summary.lost().to_string() }
}

fn broken(broken: &[Broken]) -> String {
    if broken.is_empty() {
        return String::new();
    }
    let mut text = String::from("## What could not be measured\n\n");
    for Broken { rival, turn, why } in broken {
        let why = why.lines().next().unwrap_or_default();
        let _ = writeln!(text, "- {rival}, round {}: {why}", turn + 1);
    }
    text + "\n"
}
