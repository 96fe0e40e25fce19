//! What is written into `docs/comparison.md`.

use std::fmt::Write as _;

use anyhow::Result;

use crate::attempt::attempt;
use crate::beside::{self, Pair};
use crate::host;
use crate::load::{KEEP_ALIVE, LOADS, Load, ONE_SHOT};
use crate::many::{self, Many};
use crate::rival::{OURS, Rival};
use crate::round::{Broken, Seen};
use crate::sample::{Sample, Window, Windows};
use crate::summary::Summary;
use crate::table::{Table, number};
use crate::tools::Tools;

/// All that was measured.
#[derive(Debug, serde::Serialize)]
pub struct Results {
    /// All rivals.
    pub seen: Seen,
    /// Ours beside the bare application.
    pub pairs: Vec<Pair>,
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
}

/// The columns of a window.
const PERCENTILES: [fn(&Window) -> u32; 4] =
    [|w| w.latency.p50_us, |w| w.latency.p99_us, |w| w.latency.p99_9_us, |w| w.latency.max_us];

impl Results {
    /// Measures ours beside the bare application.
    pub fn pair(&mut self, count: usize, tools: &Tools) {
        match attempt(|| beside::pairs(count, tools)) {
            Ok(pairs) => self.pairs = pairs,
            Err(why) => self.seen.broken.push(Broken { rival: "beside the bare", turn: 0, why }),
        }
    }

    /// Swaps so many times under each kind of load.
    pub fn swap_many(&mut self, swaps: usize, windows: Windows, tools: &Tools) {
        let (many, broken) = many::all(swaps, windows, tools);
        self.many = many;
        self.seen.broken.extend(broken);
    }

    /// Requests that ours failed to answer, in all.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let compared = self.seen.samples.iter().filter(|sample| sample.rival == OURS);
        let many = self.many.iter().flat_map(|many| many.failures.values());
        compared.map(Sample::failed).sum::<u64>() + many.sum::<u64>()
    }

    /// The whole text.
    ///
    /// # Errors
    /// When the machine does not say what it is.
    pub fn markdown(&self, how: &How) -> Result<String> {
        let mut text = head(how)?;
        text += &self.glance(how);
        text += "![requests each second](comparison-throughput.svg)\n\n";
        text += "![failed requests](comparison-failed.svg)\n\n";
        text += "![latency around a swap](comparison-latency.svg)\n\n";
        for load in LOADS {
            let _ = writeln!(text, "## {}\n", load.title);
            text += &self.under(load, how);
        }
        text += &self.beside();
        text += &self.many();
        text += &self.setups(how);
        text += &broken(&self.seen.broken);
        Ok(text)
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
            let mut row = vec![rival.title.to_owned(), failures(&all), all.swaps().to_string()];
            for own in &loads {
                row.push(number(own.median(|s| Some(s.per_second)), 0));
                row.push(number(own.ratio(|s| s.per_second), 3));
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
            let mut row = vec![rival.title.to_owned(), failures(&own)];
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

    fn beside(&self) -> String {
        if self.pairs.is_empty() {
            return String::new();
        }
        let mut table = Table::new([
            "",
            "pairs",
            "bare, requests/s",
            "sockact, requests/s",
            "ratio",
            "bare, CPU s per million",
            "sockact, CPU s per million",
            "ratio",
        ]);
        for load in [&KEEP_ALIVE, &ONE_SHOT] {
            let Some(found) = beside::of(&self.pairs, load) else { continue };
            let (bare, ours, ratio) = (found.bare, found.ours, found.ratio);
            table.row([
                load.title.to_owned(),
                found.pairs.to_string(),
                number(Some(bare.per_second), 0),
                number(Some(ours.per_second), 0),
                number(Some(ratio.per_second), 3),
                number(Some(bare.cpu_us), 2),
                number(Some(ours.cpu_us), 2),
                number(Some(ratio.cpu_us), 3),
            ]);
        }
        let words = "## With no swap, beside the bare application\n\nOne right after the other, and by turns who comes first; medians, and medians of \
                     each pair's ratio.\n\n";
        format!("{words}{}\n", table.markdown())
    }

    fn many(&self) -> String {
        if self.many.is_empty() {
            return String::new();
        }
        let mut table = Table::new([
            "",
            "swaps",
            "releases seen, or WebSockets moved",
            "answered",
            "failed",
            "p99.9, no swap",
            "p99.9, one swap after the other",
        ]);
        for many in &self.many {
            let ms = |us: u32| number(Some(f64::from(us) / 1e3), 2);
            table.row([
                many.load.to_owned(),
                many.swaps.to_string(),
                if many.moved > 0 {
                    format!("{} moved", many.moved)
                } else {
                    many.releases.to_string()
                },
                many.answered.to_string(),
                kinds(&many.failures),
                ms(many.steady.p99_9_us),
                ms(many.swapping.p99_9_us),
            ]);
        }
        format!("## Many swaps of sockact in a row\n\n{}\n", table.markdown())
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

fn head(how: &How) -> Result<String> {
    let (date, machine) = (host::date(), host::words()?);
    let commit = host::commit().map_or(String::new(), |commit| format!(", commit {commit}"));
    let (turns, window) = (how.turns, how.windows.window.as_secs_f64());
    Ok(format!(
        "# A deploy beside what one would pick instead\n\n\
         Written by `{}` on {date}{commit}: {machine}. Clients and service share the processors.\n\n\
         The same small application, under the same load, on a machine booted for each: everybody once in each of {turns} rounds, so that a machine that \
         becomes slower favours nobody. A number is the median of the rounds. Failed requests are those of all rounds together, by \
         what their clients saw. Of each measurement {window} s are with no swap and {window} s from its command on; latency is in milliseconds. An open loop's counts \
         from when a request was due. Processor time is that of all but the load, and a ratio is to the bare application of the same \
         round, in the same language. \"Serves all after\" is the last answer of the old release. The application is there some milliseconds after it is started; \
         one that needs longer is missed for longer where it is restarted.\n\n",
        how.command
    ))
}

fn failures(summary: &Summary) -> String {
    if summary.samples().is_empty() { "not measured".into() } else { kinds(&summary.failures()) }
}

/// `64: 2 refused, 62 reset`.
fn kinds(failures: &std::collections::BTreeMap<sockprove::failure::FailureKind, u64>) -> String {
    let total: u64 = failures.values().sum();
    if total == 0 {
        return "0".into();
    }
    let kinds: Vec<_> = failures.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    format!("{total}: {}", kinds.join(", "))
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
