//! `sockctl gc`: removes releases that are not kept any more, and what interrupted deploys left.

use std::fmt::Write as _;

use serde_json::json;
use sockgen::App;

use crate::error::Error;
use crate::history;
use crate::lock;
use crate::release::{self, ReleaseId, Removed, linked};
use crate::report::Format;
use crate::world;

/// The releases that stay, however old: those of the slots, the one that a rollback goes back to, and that of an unfinished deploy.
///
/// # Errors
/// When the record of an unfinished deploy cannot be read.
pub fn needed(app: &App, live: Option<ReleaseId>) -> Result<Vec<ReleaseId>, Error> {
    let mut needed: Vec<_> =
        app.slots().iter().filter_map(|slot| linked(&app.slot_link(slot))).collect();
    let history = history::read(app).unwrap_or_default();
    needed.extend(live.and_then(|live| history::previous(&history, &live)));
    needed.extend(history::remembered(app)?.and_then(|unfinished| unfinished.release));
    Ok(needed)
}

/// Removes, or says what it would, as text or JSON.
///
/// # Errors
/// When somebody deploys now, or something cannot be removed.
pub fn gc(app: &App, dry_run: bool, typed: &str, format: Format) -> Result<String, Error> {
    let _lock = lock::take(&app.lock_path(), typed)?;
    let live = world::live(app).and_then(|slot| linked(&app.slot_link(&slot)));
    let (releases, needed) = (app.releases_dir(), needed(app, live)?);
    let left = release::sweep(&releases, dry_run)?;
    let old = release::prune(&releases, app.keep(), &needed, dry_run)?;
    Ok(told(app, dry_run, &old, &left, format))
}

fn told(app: &App, dry_run: bool, old: &[Removed], left: &[Removed], format: Format) -> String {
    let bytes: u64 = old.iter().chain(left).map(|removed| removed.bytes).sum();
    if format == Format::Json {
        let rows = |all: &[Removed]| -> Vec<_> {
            all.iter().map(|one| json!({"name": one.name, "bytes": one.bytes})).collect()
        };
        let object = json!({
            "version": 1, "app": app.name().as_ref(), "dry_run": dry_run,
            "releases": rows(old), "left_overs": rows(left), "bytes": bytes,
        });
        return format!("{object}\n");
    }
    let mut text = String::new();
    let mib = |bytes: u64| bytes as f64 / 1048576.0;
    for (what, all) in [("release", old), ("left over", left)] {
        for one in all {
            let _ = writeln!(text, "  {what:<9} {}  {:.1} MiB", one.name, mib(one.bytes));
        }
    }
    let verb = if dry_run { "would remove" } else { "removed" };
    let (old, left, mib, keep) = (old.len(), left.len(), mib(bytes), app.keep());
    let _ = writeln!(
        text,
        "{}: {verb} {old} releases past the newest {keep} and {left} left-overs, {mib:.1} MiB",
        app.name()
    );
    text
}
