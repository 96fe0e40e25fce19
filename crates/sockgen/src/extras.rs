//! What other programs want to know of an application: files beside its units, each only when it is asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use askama::Template;

use crate::model::{App, Journal, Memory};

/// One of those files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Extra {
    /// Its accounts, for systemd-sysusers: /etc/sysusers.d/APP.conf
    Sysusers,
    /// Its directories, for systemd-tmpfiles: /etc/tmpfiles.d/APP.conf
    Tmpfiles,
    /// What members of a group may do without being root: /etc/polkit-1/rules.d/50-APP.rules
    Polkit,
    /// What Prometheus scrapes, a part of prometheus.yml
    Prometheus,
    /// The limits of its journal: /etc/systemd/journald@sockact-APP.conf
    Journald,
}

/// The manifest lacks what such a file is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtraError {
    /// No account is named.
    #[error(
        "the manifest names no account: the slots' user exists only while they run, and systemd makes it"
    )]
    NoAccount,
    /// No metrics are written.
    #[error("metrics.textfile is not set, so that no metrics are written")]
    NoMetrics,
    /// Its journal has no limits of its own.
    #[error(
        "neither journal.max_use nor journal.keep_days is set, so that journald's own limits hold"
    )]
    NoLimits,
    /// The group's name is none.
    #[error("{0} is not the name of a group")]
    Group(String),
}

impl ExtraError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoAccount => "write user = \"...\" for an account of your own",
            Self::NoMetrics => {
                "[metrics] textfile = \"/var/lib/prometheus/node-exporter\" is the folder that node_exporter reads"
            }
            Self::NoLimits => {
                "[journal] namespace = true and max_use = \"500MiB\" keep the application's lines apart and within that"
            }
            Self::Group(_) => "letters, digits, _ and -, at most 31, such as --group deploy",
        }
    }
}

#[derive(Template)]
#[template(path = "extras/sysusers.conf", escape = "none")]
struct Sysusers<'a> {
    app: &'a str,
    users: Vec<(&'a str, String)>,
    groups: BTreeSet<&'a str>,
}

#[derive(Template)]
#[template(path = "extras/tmpfiles.conf", escape = "none")]
struct Tmpfiles<'a> {
    app: &'a str,
    /// Each with mode, user and group.
    folders: BTreeMap<String, String>,
    kept: BTreeSet<String>,
}

#[derive(Template)]
#[template(path = "extras/polkit.rules", escape = "none")]
struct Polkit<'a> {
    app: &'a str,
    group: &'a str,
    target: String,
}

#[derive(Template)]
#[template(path = "extras/prometheus.yml", escape = "none")]
struct Prometheus<'a> {
    app: &'a str,
    textfile: String,
}

#[derive(Template)]
#[template(path = "extras/journald.conf", escape = "none")]
struct Journald<'a> {
    app: &'a str,
    namespace: String,
    max_use: Option<Memory>,
    keep_days: Option<u16>,
}

impl Extra {
    /// The text of the file; `group` is the one whose members the polkit rule is for.
    ///
    /// ```
    /// use sockgen::Extra;
    ///
    /// let text = "name = \"shop\"\nexec = \"bin/shop\"\nuser = \"shop\"\n[listeners.http]\nlisten = \"127.0.0.1:8080\"";
    /// let file = Extra::Sysusers.render(&sockgen::App::parse(text)?, "deploy")?;
    /// assert!(file.contains("u shop - \"shop\" /var/lib/sockact-shop -"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the manifest says nothing that such a file would be about, and when the group's name is none.
    ///
    /// # Panics
    /// Never: writing to a string cannot fail.
    pub fn render(self, app: &App, group: &str) -> Result<String, ExtraError> {
        let text = match self {
            Self::Sysusers => sysusers(app)?.render(),
            Self::Tmpfiles => tmpfiles(app).render(),
            Self::Polkit => polkit(app, group)?.render(),
            Self::Prometheus => prometheus(app)?.render(),
            Self::Journald => journald(app)?.render(),
        };
        let mut text = text.expect("writing to a string cannot fail");
        text.truncate(text.trim_end().len());
        text.push('\n');
        Ok(text)
    }
}

/// A number is an account that is there.
fn named(account: &str) -> bool {
    account != "root" && !account.starts_with(|c: char| c.is_ascii_digit())
}

fn sysusers(app: &App) -> Result<Sysusers<'_>, ExtraError> {
    let access = || app.listeners().iter().filter_map(|listener| listener.access.as_ref());
    let mut users = Vec::new();
    if let Some(user) = app.user().filter(|user| named(user)) {
        users.push((user, format!("/var/lib/{}", app.name().state_directory())));
    }
    for user in access().filter_map(|access| access.user.as_deref()).filter(|user| named(user)) {
        if users.iter().all(|(there, _)| *there != user) {
            users.push((user, "-".to_owned()));
        }
    }
    let groups = access().filter_map(|access| access.group.as_deref());
    let groups: BTreeSet<_> = groups
        .filter(|group| named(group) && users.iter().all(|(user, _)| user != group))
        .collect();
    if users.is_empty() && groups.is_empty() {
        return Err(ExtraError::NoAccount);
    }
    Ok(Sysusers { app: app.name().as_ref(), users, groups })
}

fn tmpfiles(app: &App) -> Tmpfiles<'_> {
    // Specifiers are expanded in it, as in a unit (tmpfiles.d(5)).
    let text = |path: &Path| path.display().to_string().replace('%', "%%");
    let mut folders = BTreeMap::from([
        (text(app.place().manifests()), "0755 root root".to_owned()),
        (text(&app.releases_dir()), "0755 root root".to_owned()),
        (text(&app.run_dir()), "0755 root root".to_owned()),
    ]);
    let mut kept = BTreeSet::from([text(&app.state_dir()), text(&app.run_dir())]);
    for listener in app.listeners() {
        let Some(path) = listener.address.path() else { continue };
        kept.insert(text(path));
        let mode = listener.access.as_ref().and_then(|access| access.directory_mode);
        let own = path.parent().filter(|folder| folder.parent() != Some(Path::new("/")));
        if let Some(folder) = own {
            // Only where it makes it: one that is there, such as /var/tmp, stays as it is.
            let made = format!(":{:04o} :root :root", mode.unwrap_or(0o755));
            folders.entry(text(folder)).or_insert(made);
        }
    }
    Tmpfiles { app: app.name().as_ref(), folders, kept }
}

fn polkit<'a>(app: &'a App, group: &'a str) -> Result<Polkit<'a>, ExtraError> {
    let name = crate::validate::account("group", group.to_owned());
    if name.is_err() || !named(group) {
        return Err(ExtraError::Group(crate::shown(group)));
    }
    Ok(Polkit { app: app.name().as_ref(), group, target: app.target().to_string() })
}

fn prometheus(app: &App) -> Result<Prometheus<'_>, ExtraError> {
    let textfile = app.textfile().ok_or(ExtraError::NoMetrics)?.display().to_string();
    Ok(Prometheus { app: app.name().as_ref(), textfile })
}

fn journald(app: &App) -> Result<Journald<'_>, ExtraError> {
    let limits = |journal: &&Journal| journal.max_use.is_some() || journal.keep_days.is_some();
    let journal = app.journal().filter(limits).ok_or(ExtraError::NoLimits)?;
    Ok(Journald {
        app: app.name().as_ref(),
        namespace: app.name().log_namespace(),
        max_use: journal.max_use.map(Memory::Bytes),
        keep_days: journal.keep_days,
    })
}
