//! What of a deploy goes to the journal.

use std::time::Duration;

use super::{Deploy, Fault, described};
use crate::journal::{Message, name_of, usec};
use crate::lock;
use crate::plan::{Outcome, Step};

impl Deploy<'_> {
    pub(super) fn tell(&self, message: Message, text: &str, fields: &[(&str, &str)]) {
        self.session.journal.of_deploy(self.session.app, &self.desired, message, text, fields);
    }

    pub(super) fn tell_begin(&self) {
        let user = lock::user();
        let (app, command) = (self.session.app.name(), self.desired.command.name());
        let text =
            format!("{app}: {command} of {} into {}", described(&self.desired), self.desired.into);
        let from = name_of(self.desired.from.as_ref());
        self.tell(Message::DeployBegins, &text, &[("SOCKACT_FROM", from), ("SOCKACT_USER", &user)]);
    }

    pub(super) fn tell_step(&self, step: Step, took: Duration, done: Result<&String, &Fault>) {
        let (name, took) = (step.name(), usec(took));
        let common = [("SOCKACT_STEP", name), ("SOCKACT_TOOK_USEC", &*took)];
        match done {
            Ok(detail) => {
                let fields = [common[0], common[1], ("SOCKACT_OUTCOME", "done")];
                self.tell(Message::StepDone, &format!("{name}: {detail}"), &fields);
            }
            Err(Fault { reason }) => {
                let fields = [
                    common[0],
                    common[1],
                    ("SOCKACT_OUTCOME", "failed"),
                    ("SOCKACT_REASON", reason),
                ];
                self.tell(Message::StepFailed, &format!("{name} failed: {reason}"), &fields);
            }
        }
    }

    pub(super) fn tell_end(&self, outcome: &Outcome) {
        let took = usec(self.session.account.total());
        let what = described(&self.desired);
        let (message, word, reason, text) = match outcome {
            Outcome::Live => (Message::DeployLive, "live", "", format!("{what} is live")),
            Outcome::RolledBack(reason) => (
                Message::RolledBack,
                "rolled-back",
                reason.as_str(),
                format!("{what} was given up: {reason}"),
            ),
            Outcome::Kept(reason) => (
                Message::Kept,
                "kept",
                reason.as_str(),
                format!("{what} failed and stays, for the old one does not start: {reason}"),
            ),
            Outcome::Undone(reason) => (
                Message::Undone,
                "undone",
                reason.as_str(),
                format!("{what} was given up: {reason}"),
            ),
        };
        let mut fields = vec![("SOCKACT_OUTCOME", word), ("SOCKACT_TOOK_USEC", &*took)];
        if !reason.is_empty() {
            fields.push(("SOCKACT_REASON", reason));
        }
        self.tell(message, &format!("{}: {text}", self.session.app.name()), &fields);
    }
}
