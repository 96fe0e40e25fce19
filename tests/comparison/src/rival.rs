//! What one could pick: each a folder of `rivals/`, with the units and settings that it needs, a script `start` that brings the
//! first release up, and one `swap` that replaces it, as a person would type them. Both get the folder of the release.

use std::path::PathBuf;

use e2e::binaries::workspace;

/// A way to deploy.
#[derive(Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its folder, and its name on the command line.
    pub name: &'static str,
    /// Its name in tables.
    pub title: &'static str,
    /// What the application is written in.
    pub language: Language,
    /// The folder of its own baseline, the application with no deploy tool.
    pub baseline: &'static str,
    /// The application as such, which is never replaced.
    pub is_baseline: bool,
    /// Programs that Debian's packages bring.
    pub packages: bool,
    /// What it says which version it is.
    pub version: &'static [&'static str],
    /// How it is set up, for people.
    pub note: &'static str,
}

/// What the application is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// axum.
    Rust,
    /// net/http.
    Go,
}

/// The name of ours.
pub const OURS: &str = "sockact";
/// The name of the application with no deploy tool.
pub const BARE: &str = "bare";
const BARE_GO: &str = "bare-go";

const fn rival(name: &'static str, title: &'static str, note: &'static str) -> Rival {
    Rival {
        name,
        title,
        language: Language::Rust,
        baseline: BARE,
        is_baseline: false,
        packages: false,
        version: &[],
        note,
    }
}

const fn go(rival: Rival) -> Rival {
    Rival { language: Language::Go, baseline: BARE_GO, ..rival }
}

const fn packaged(rival: Rival) -> Rival {
    Rival { packages: true, ..rival }
}

const fn baseline(rival: Rival) -> Rival {
    Rival { is_baseline: true, ..rival }
}

const fn version(version: &'static [&'static str], rival: Rival) -> Rival {
    Rival { version, ..rival }
}

const PROXYD: &str = "/lib/systemd/systemd-socket-proxyd";

/// All of them, in the order of the tables.
pub const RIVALS: [Rival; 12] = [
    baseline(rival(
        BARE,
        "no deploy",
        "The application alone, never replaced. Its second window has no swap in it.",
    )),
    rival(
        "restart",
        "`systemctl restart`",
        "The application binds its port itself, and drains as axum does when it is told to stop.",
    ),
    rival(
        "socket-restart",
        "systemd's socket, restart",
        "systemd holds the port; connections wait until the application is back.",
    ),
    rival(
        "two-slots",
        "two slots, axum's drain",
        "Two services share systemd's socket; the new one is ready before the old one drains as axum does.",
    ),
    rival(
        "ecdysis",
        "ecdysis",
        "Cloudflare's crate: the running process starts the next release and gives it the socket.",
    ),
    version(
        &["haproxy", "-v"],
        packaged(rival(
            "haproxy",
            "HAProxy",
            "In front of two backends, both always there. Each in turn: drained over the runtime API until it has no request in work, restarted, ready again.",
        )),
    ),
    version(
        &["nginx", "-v"],
        packaged(rival(
            "nginx",
            "nginx",
            "In front of two backends, both always there, restarted in turn; what one refuses goes to the other.",
        )),
    ),
    version(
        &["caddy", "version"],
        rival(
            "caddy",
            "Caddy",
            "In front of two backends, both always there, restarted in turn; what one refuses goes to the other.",
        ),
    ),
    version(
        &[PROXYD, "--version"],
        rival(
            "socket-proxyd",
            "systemd-socket-proxyd",
            "The first example of its manual page; the application behind it is restarted.",
        ),
    ),
    version(
        &["sockctl", "--version"],
        rival(
            OURS,
            "**sockact**",
            "`sockctl deploy`, the release live when it is ready and well once, as with all others here. By default it has to be well for ten seconds.",
        ),
    ),
    baseline(go(rival(
        BARE_GO,
        "no deploy (Go)",
        "The same application in Go: what tableflip is to be held beside.",
    ))),
    go(rival("tableflip", "tableflip (Go)", "As ecdysis, in Go; drains as Go's net/http does.")),
];

impl Rival {
    /// The one of this name.
    ///
    /// # Errors
    /// With all names, when there is none.
    pub fn named(name: &str) -> Result<&'static Self, String> {
        RIVALS.iter().find(|rival| rival.name == name).ok_or_else(|| {
            let names: Vec<_> = RIVALS.iter().map(|rival| rival.name).collect();
            format!("there is no {name:?}: {}", names.join(", "))
        })
    }

    /// Where its units and scripts are.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let folder = match self.name {
            BARE => "restart",
            BARE_GO => "go",
            name => name,
        };
        workspace().join("tests/comparison/rivals").join(folder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{RIVALS, Rival};

    #[test]
    fn every_folder_is_somebodys_and_can_be_started_and_swapped() {
        let of_rivals: BTreeSet<_> = RIVALS.iter().map(Rival::folder).collect();
        let parent = RIVALS[0].folder().parent().expect("a folder of folders").to_owned();
        let there = std::fs::read_dir(parent).expect("the rivals");
        let there: BTreeSet<_> = there.map(|entry| entry.expect("a folder").path()).collect();
        assert_eq!(there, of_rivals);
        for script in there.iter().flat_map(|folder| ["start", "swap"].map(|s| folder.join(s))) {
            let text = std::fs::read_to_string(&script).expect("a script");
            assert!(text.starts_with("#!/bin/sh -eu\n"), "{}", script.display());
        }
    }

    #[test]
    fn a_baseline_is_one_of_the_same_language() {
        for rival in &RIVALS {
            let baseline = Rival::named(rival.baseline).expect("its baseline");
            assert!(baseline.is_baseline && baseline.language == rival.language, "{}", rival.name);
        }
        assert!(Rival::named("nobody").unwrap_err().contains("tableflip"));
    }
}
