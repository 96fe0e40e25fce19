//! All rivals by turns, in another order each round: a machine that becomes slower, and what the one before left in its caches, favour nobody.

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
            for rival in order(self.rivals, turn) {
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

/// As drawn for this round; the same each time that it is asked for.
fn order(rivals: &[&'static Rival], turn: usize) -> Vec<&'static Rival> {
    let mut order = rivals.to_vec();
    fastrand::Rng::with_seed(turn as u64).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::order;
    use crate::rival::{OURS, RIVALS, Rival};

    #[test]
    fn everybody_takes_part_in_each_round_after_somebody_else() {
        let rivals: Vec<&'static Rival> = RIVALS.iter().collect();
        let mut before = BTreeSet::new();
        for turn in 0..5 {
            let order = order(&rivals, turn);
            let names: BTreeSet<_> = order.iter().map(|rival| rival.name).collect();
            assert_eq!(names.len(), rivals.len());
            let ours = order.iter().position(|rival| rival.name == OURS).expect("ours");
            before.insert(ours.checked_sub(1).map(|before| order[before].name));
        }
        assert!(before.len() > 3, "ours comes after {before:?} alone");
    }
}
