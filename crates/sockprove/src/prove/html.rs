//! What was proved, as one page that needs nothing else: no script, no other file.

use askama::Template;

use super::plot::{Plot, PlotError, plots};
use super::proof::{Finding, LoadRecord, Proof, Round, Verdict};
use super::text::{headline, ms, place};
use crate::record::Summary;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum HtmlError {
    /// A picture could not be drawn.
    #[error(transparent)]
    Plot(#[from] PlotError),
    /// The page could not be made.
    #[error("cannot make the page: {0}")]
    Page(#[from] askama::Error),
}

/// The page.
///
/// # Errors
/// When a picture cannot be drawn.
pub fn html(proof: &Proof) -> Result<String, HtmlError> {
    let rounds = proof.rounds.iter().map(|round| Ok((round, plots(round)?)));
    let rounds = rounds.collect::<Result<_, PlotError>>()?;
    Ok(Page { proof, headline: headline(proof), rounds }.render()?)
}

#[derive(Template)]
#[template(path = "proof.html")]
struct Page<'a> {
    proof: &'a Proof,
    headline: String,
    rounds: Vec<(&'a Round, Vec<Plot>)>,
}

impl Page<'_> {
    fn class(&self) -> &'static str {
        match self.proof.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::Interrupted => "interrupted",
        }
    }

    fn parts<'a>(&self, load: &'a LoadRecord) -> [(&'static str, &'a Summary); 2] {
        [("steady", &load.steady), ("swap", &load.swap)]
    }

    fn place(&self, finding: &Finding) -> String {
        place(finding)
    }

    fn us(&self, us: &u32) -> String {
        ms(Some(*us))
    }

    fn gap(&self, us: &Option<u32>) -> String {
        ms(*us)
    }

    fn milliseconds(&self, from_ns: &u64, to_ns: &u64) -> String {
        format!("{:.1}", to_ns.saturating_sub(*from_ns) as f64 / 1e6)
    }

    fn since(&self, round: &Round, ns: &u64) -> String {
        format!("{:.3}", ns.saturating_sub(round.start_ns) as f64 / 1e9)
    }

    fn per_second(&self, count: &u64, seconds: &f64) -> String {
        if *seconds > 0.0 { format!("{:.0}", *count as f64 / seconds) } else { "-".into() }
    }
}
