//! All rivals by turns: a machine that becomes slower favours nobody.

use std::collections::BTreeMap;

use crate::attempt::attempt;
use crate::load::Load;
use crate::machine::Machine;
use crate::rival::Rival;
use crate::sample::{Sample, Windows};
use crate::tools::Tools;

/// What is compared.
#[derive(Debug)]
pub struct Rounds<'a> {
    /// Who.
    pub rivals: &'a [&'static Rival],
    /// Under what.
    pub loads: &'a [&'static Load],
    /// How often.
    pub turns: usize,
    /// How long each time.
    pub windows: Windows,
}

/// What was seen.
#[derive(Debug, Default, serde::Serialize)]
pub struct Seen {
    /// Every measurement.
    pub samples: Vec<Sample>,
    /// What could not be measured.
    pub broken: Vec<Broken>,
    /// What each rival says that it is.
    pub versions: BTreeMap<&'static str, String>,
}

/// What could not be measured.
#[derive(Debug, serde::Serialize)]
pub struct Broken {
    /// Of whom.
    pub rival: &'static str,
    /// When.
    pub turn: usize,
    /// Why not.
    pub why: String,
}

impl Rounds<'_> {
    /// Measures, and says on standard error how far it is.
    #[must_use]
    pub fn run(&self, tools: &Tools) -> Seen {
        let mut seen = Seen::default();
        for turn in 0..self.turns {
            // Everybody comes first once, and after somebody else each time.
            let first = turn * self.rivals.len().div_ceil(self.turns.max(1));
            for rival in self.rivals.iter().cycle().skip(first).take(self.rivals.len()) {
                eprintln!("round {} of {}: {}", turn + 1, self.turns, rival.name);
                self.visit(rival, turn, tools, &mut seen);
            }
        }
        seen
    }

    /// One rival on a machine of its own, under each load.
    fn visit(&self, rival: &'static Rival, turn: usize, tools: &Tools, seen: &mut Seen) {
        let done = attempt(|| {
            let machine = Machine::boot(rival, tools)?;
            if !seen.versions.contains_key(rival.name) {
                seen.versions.insert(rival.name, machine.version()?);
            }
            for load in self.loads {
                seen.samples.push(Sample::measure(&machine, load, turn, self.windows)?);
            }
            Ok(())
        });
        if let Err(why) = done {
            eprintln!("{}: {why}", rival.name);
            seen.broken.push(Broken { rival: rival.name, turn, why });
        }
    }
}
