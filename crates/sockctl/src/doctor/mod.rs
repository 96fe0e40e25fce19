//! `sockctl doctor`: looks at the live machine for everything that loses connections, and mends what can be mended without a gap.
//!
//! [`gather()`] reads, [`diagnose()`] decides, and with `--fix` what it decided is done. A hazard is a row of [`hazard::Hazard`].

mod diagnose;
pub mod facts;
mod finding;
mod fix;
pub mod gather;
pub mod hazard;

use std::fmt::Write as _;

use serde_json::{Value, json};
use sockgen::App;

pub use diagnose::diagnose;
pub use facts::Facts;
pub use finding::{Cure, Finding, Fix};
pub use gather::gather;
pub use hazard::{Hazard, Severity};

use crate::error::Error;
use crate::journal::{Journal, Message};
use crate::lock;
use crate::report::Format;
use crate::systemd::Systemd;

/// Mending one thing may show another; more rounds than this would be a circle.
const ROUNDS: usize = 3;

/// What was done about an application, and what is left.
#[derive(Debug)]
pub struct Visit {
    app: String,
    /// What is typed to have it mended.
    mends: String,
    fix: bool,
    done: Vec<(&'static str, String)>,
    left: Vec<Finding>,
}

/// Looks at an application and says what is wrong with it; with `fix` mends what can be mended.
///
/// # Errors
/// When systemd gives no answer, the kernel's tables cannot be read, or, with `fix`, somebody deploys.
pub async fn doctor(app: &App, fix: bool, typed: &str) -> Result<Visit, Error> {
    let systemd = Systemd::connect(app.place()).await?;
    let mut done = Vec::new();
    if fix {
        let _lock = lock::take(&app.lock_path(), typed)?;
        let (journal, mut tried) = (Journal::open(), Vec::new());
        for _ in 0..ROUNDS {
            let (facts, left) = looked(app, &systemd).await?;
            for (hazard, fix) in left.iter().filter_map(fixable) {
                if tried.contains(fix) {
                    continue;
                }
                tried.push(fix.clone());
                let did = fix::apply(fix, &facts, &systemd).await;
                let did = did.unwrap_or_else(|error| format!("FAILED: {error}"));
                let finding = [("SOCKACT_FINDING", hazard.id())];
                journal.tell(app, Message::Mended, &format!("{}: {did}", hazard.id()), &finding);
                done.push((hazard.id(), did));
            }
        }
    }
    let left = diagnose(&gather(app, &systemd).await?);
    let mends = format!("{} doctor {} --fix", app.place().typed("sockctl"), app.name());
    Ok(Visit { app: app.name().to_string(), mends, fix, done, left })
}

/// The lock is our own now, which is no deploy at work.
async fn looked(app: &App, systemd: &Systemd) -> Result<(Facts, Vec<Finding>), Error> {
    let facts = Facts { at_work: None, ..gather(app, systemd).await? };
    let left = diagnose(&facts);
    Ok((facts, left))
}

fn fixable(finding: &Finding) -> Option<(Hazard, &Fix)> {
    match &finding.cure {
        Cure::Fix(fix) => Some((finding.hazard, fix)),
        Cure::ByHand(_) => None,
    }
}

impl Visit {
    /// How many findings are left that are more than notes.
    pub fn findings(&self) -> usize {
        self.left.iter().filter(|finding| finding.hazard.severity() < Severity::Note).count()
    }

    /// As text or JSON, to the end of a line.
    pub fn shown(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => format!("{}\n", self.object()),
        }
    }

    fn text(&self) -> String {
        let mut text = match self.left.len() {
            0 => format!("{}: nothing found\n", self.app),
            1 => format!("{}: 1 finding\n", self.app),
            n => format!("{}: {n} findings\n", self.app),
        };
        for (id, did) in &self.done {
            let _ = writeln!(text, "  {id} mended    {did}");
        }
        for Finding { hazard, subject, cause, mend, cure } in &self.left {
            let severity = hazard.severity().name();
            let _ = writeln!(text, "  {} {severity:<9} {subject}: {}", hazard.id(), hazard.title());
            let _ = writeln!(text, "      found: {cause}; {}", hazard.why());
            let _ = writeln!(text, "      mend:  {mend}");
            match cure {
                Cure::ByHand(why) if self.fix => {
                    let _ = writeln!(text, "      not touched: {why}");
                }
                Cure::Fix(_) if !self.fix => {
                    let _ = writeln!(text, "      or:    {}", self.mends);
                }
                _ => {}
            }
        }
        text
    }

    fn object(&self) -> Value {
        let finding = |finding: &Finding| {
            let by_hand = match finding.cure {
                Cure::ByHand(why) => Some(why),
                Cure::Fix(_) => None,
            };
            json!({
                "id": finding.hazard.id(), "severity": finding.hazard.severity(), "subject": finding.subject,
                "title": finding.hazard.title(), "cause": finding.cause, "mend": finding.mend,
                "fixable": by_hand.is_none(), "by_hand_because": by_hand,
            })
        };
        let done = self.done.iter().map(|(id, did)| json!({"id": id, "did": did}));
        json!({
            "version": 1, "app": self.app,
            "findings": self.left.iter().map(finding).collect::<Vec<_>>(),
            "done": done.collect::<Vec<_>>(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_for_whose_systemd_it_is() {
        let finding = Finding {
            hazard: Hazard::NotReloaded,
            subject: "shop.target".into(),
            cause: String::new(),
            mend: String::new(),
            cure: Cure::Fix(Fix::Reload),
        };
        let mends = "sockctl --user doctor shop --fix".to_owned();
        let visit =
            Visit { app: "shop".into(), mends, fix: false, done: Vec::new(), left: vec![finding] };
        assert!(visit.text().contains("or:    sockctl --user doctor shop --fix\n"));
    }
}
