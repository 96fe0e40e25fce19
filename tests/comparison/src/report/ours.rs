//! The parts in which nobody but ours is looked at.

use super::{How, Results};
use crate::beside;
use crate::deployed::{self, Change};
use crate::load::LOADS;
use crate::many::TOLD_APART;
use crate::table::{Table, between, number, within};

impl Results {
    /// With no swap, what the sandbox costs, and what sockact costs.
    pub(super) fn beside(&self) -> String {
        if self.beside.is_empty() {
            return String::new();
        }
        let mut table = Table::new([
            "",
            "triples",
            "",
            "bare",
            "bare, same sandbox",
            "sockact",
            "the sandbox : bare",
            "sockact : same sandbox",
            "sockact : bare",
        ]);
        for load in beside::UNDER {
            let Some(found) = beside::of(&self.beside, load) else { continue };
            for line in &found.lines {
                let decimals = if line.bare < 1000.0 { 2 } else { 0 };
                let middles = [line.bare, line.sandboxed, line.ours];
                let ratios = [line.sandboxed_to_bare, line.ours_to_sandboxed, line.ours_to_bare];
                let mut row = vec![load.title.to_owned(), found.triples.to_string()];
                row.push(line.unit.to_owned());
                row.extend(middles.map(|value| number(Some(value), decimals)));
                row.extend(ratios.map(|ratio| within(Some(ratio), 3)));
                table.row(row);
            }
        }
        let words = "## With no swap, beside the bare application\n\n\
            One executable in three units. Bare: `axum::serve` on a socket of its own, in a unit that names the program and nothing else. Bare in the same sandbox: that unit \
            with a drop-in of all that `sockgen` wrote into the `[Service]` section of ours, but the program, its folder, environment and sockets; so with the same user, \
            system call filters, namespaces, capabilities and limits. sockact: the generated slot, `sockact::serve` on systemd's socket, with its admin socket. \
            All three sockets are IPv4 with SO_REUSEADDR and a queue of 4096; `sockact::serve` sets TCP_NODELAY on what it accepts, which is \
            a system call for each connection that `axum::serve` does not make. One right after the other, for a fifth of a second each, in all six orders by \
            turns, and then in new processes. Medians, and of each triple's own ratios the median, with its 95 % confidence interval in brackets.\n\n";
        format!("{words}{}\n", table.markdown())
    }

    /// What a deploy is to somebody who looks at the whole time around it.
    pub(super) fn deployed(&self, how: &How) -> String {
        if self.deployed.is_empty() {
            return String::new();
        }
        let mut table = Table::new([
            "",
            "seconds",
            "pairs",
            "p99.9: without",
            "with",
            "with : without",
            "max: without",
            "with",
            "with : without",
            "longest without an accept: without",
            "with",
            "longer by",
            "failed",
        ]);
        for (load, run) in
            LOADS.iter().flat_map(|load| how.runs.iter().map(move |run| (load, *run)))
        {
            let Some(found) = deployed::of(&self.deployed, load, run) else { continue };
            let length = run.as_secs().to_string();
            let mut row = vec![load.title.to_owned(), length, found.pairs.to_string()];
            for change in [&found.p99_9, &found.max] {
                row.extend([change.without, change.with].map(|ms| number(Some(ms), 2)));
                row.push(between(Some(change.ratio), 2));
            }
            let gap = |value: fn(&Change) -> f64| number(found.gap.as_ref().map(value), 2);
            row.extend([gap(|gap| gap.without), gap(|gap| gap.with)]);
            row.push(between(found.gap.map(|gap| gap.more), 2));
            row.push(found.lost.to_string());
            table.row(row);
        }
        let apart = if how.rivals.is_empty() {
            ""
        } else {
            " A swap's own window, from its command to its end, is in the tables above."
        };
        format!(
            "## A run with a deploy in it, beside the same run without\n\n\
             sockact alone. Each run is so many seconds of a load, all of which count; of each pair one has a deploy, begun after three eighths of it, the other has none, one right \
             after the other under the same load, by turns which of them comes first. Percentiles are those of the whole run, medians of the pairs, and of each pair's own ratio, or difference, the \
             median with the smallest and the largest in brackets.{apart}\n\n{}\n",
            table.markdown()
        )
    }

    /// Many swaps in a row.
    pub(super) fn many(&self) -> String {
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
                match many.moved {
                    0 if many.releases >= TOLD_APART => format!("at least {}", many.releases),
                    0 => many.releases.to_string(),
                    moved => format!("{moved} moved"),
                },
                many.answered.to_string(),
                many.lost.to_string(),
                ms(many.steady.p99_9_us),
                ms(many.swapping.p99_9_us),
            ]);
        }
        format!("## Many swaps of sockact in a row\n\n{}\n", table.markdown())
    }
}
