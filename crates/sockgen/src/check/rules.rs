//! The table of rules. What each of them says to people is a file in `rules/`.

use super::Severity::{Error, Warning};
use super::{At, Roles, Severity, files, plain, slots, sockets};

/// One rule on a set of units.
pub struct Rule {
    /// Its number, such as `S05`; a number is never used again.
    pub id: &'static str,
    /// How bad it is when broken, as a rule.
    pub severity: Severity,
    /// `rules/S05.md`: the title, why, and the lines `Shown:`, `Fix:` and `See:`.
    text: &'static str,
    pub(super) check: fn(&Roles<'_>) -> Vec<At>,
}

impl Rule {
    /// The rule with this number, in either case.
    #[must_use]
    pub fn find(id: &str) -> Option<&'static Self> {
        RULES.iter().find(|rule| rule.id.eq_ignore_ascii_case(id))
    }

    /// What must be so.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// What happens otherwise, and why.
    #[must_use]
    pub fn why(&self) -> &'static str {
        let after = self.text.split_once("\n\n").map_or("", |(_, rest)| rest);
        after.split_once("\n\nShown: ").map_or(after, |(why, _)| why)
    }

    /// How the harm was shown on a real systemd.
    #[must_use]
    pub fn shown(&self) -> &'static str {
        self.line("Shown: ")
    }

    /// What to do, in one line.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        self.line("Fix: ")
    }

    /// The manual pages it rests on.
    #[must_use]
    pub fn see(&self) -> &'static str {
        self.line("See: ")
    }

    /// The whole text, in Markdown.
    #[must_use]
    pub fn markdown(&self) -> &'static str {
        self.text
    }

    fn line(&self, start: &str) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default()
    }
}

macro_rules! rules {
    ($($id:ident $severity:ident $check:path;)*) => {
        /// Every rule, by number.
        pub static RULES: &[Rule] = &[$(Rule {
            id: stringify!($id),
            severity: $severity,
            text: include_str!(concat!("../../rules/", stringify!($id), ".md")),
            check: $check,
        }),*];
    };
}

rules! {
    S01 Error slots::start_limit;
    S02 Error sockets::trigger_limit;
    S03 Error slots::restart;
    S04 Error sockets::flush_pending;
    S05 Error slots::non_blocking;
    S06 Error slots::condition;
    S07 Warning sockets::refuse_manual_stop;
    S08 Warning sockets::part_of_target;
    S09 Error slots::bound_to_socket;
    S10 Error sockets::admin_part_of_slot;
    S11 Warning slots::specifiers;
    S12 Warning sockets::fd_name;
    S13 Error sockets::fd_name_twice;
    S14 Error sockets::one_address;
    S15 Error sockets::references;
    S16 Error sockets::activator;
    S17 Error sockets::activator_wants_alias;
    S18 Error slots::alias;
    S19 Error slots::notify;
    S20 Error sockets::accept;
    S21 Error slots::drain;
    S22 Error slots::conflicts;
    S23 Error sockets::bound_to_service;
    S24 Error slots::contract;
    S25 Error sockets::activator_ends;
    S26 Error sockets::admin_mode;
    S27 Warning files::edited;
    S28 Error files::unreadable;
    S29 Error plain::masked;
    S30 Warning plain::runtime_directory;
    S31 Warning plain::free_bind;
    S32 Warning sockets::reuse_port;
    S33 Warning slots::descriptors;
    S34 Warning plain::backlog;
    S35 Error sockets::re_addressed;
    S36 Warning files::unread;
    S37 Warning sockets::admin_start_limit;
}
