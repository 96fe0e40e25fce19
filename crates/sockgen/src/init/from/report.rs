//! What a person is told: what changed, what is lost, what is left to do, and the commands for the one time that costs something.

use std::fmt::{self, Write as _};
use std::path::Path;

use super::convert::Converted;
use super::found::Found;
use crate::model::App;
use crate::names::MANIFEST_FILE;

pub(super) fn report(found: &Found, converted: &Converted, app: &App, folder: &Path) -> String {
    let mut text = String::new();
    write(&mut text, found, converted, app, folder).expect("writing to a string cannot fail");
    text
}

fn write(
    text: &mut String,
    found: &Found,
    converted: &Converted,
    app: &App,
    folder: &Path,
) -> fmt::Result {
    let notes = &converted.notes;
    writeln!(text, "\n{} becomes the application {}:", found.unit.name, app.name())?;
    for listener in app.listeners() {
        writeln!(text, "  listener {} on {}", listener.name, listener.address)?;
    }
    part(text, "What changes", &notes.changed)?;
    let lost = notes.lost.iter().map(|(line, why)| format!("{}\n      {why}", printed(line)));
    part(text, "Not carried over", &lost.collect::<Vec<_>>())?;
    part(text, "Left for you", &notes.todo)?;
    cost(text, found, converted, app, folder)
}

fn part(text: &mut String, title: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title}:")?;
    lines.iter().try_for_each(|line| writeln!(text, "  - {line}"))
}

/// A line of somebody's unit on a terminal: nothing but what can be seen, and not too much of it.
fn printed(line: &str) -> String {
    let mut chars = line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let head: String = chars.by_ref().take(100).collect();
    if chars.next().is_some() { format!("{head}...") } else { head }
}

/// The old service has the port, and its unit has the alias' name: it stops before the sockets can open, once.
fn cost(
    text: &mut String,
    found: &Found,
    converted: &Converted,
    app: &App,
    folder: &Path,
) -> fmt::Result {
    let mut old: Vec<&str> = found.sockets.iter().map(|socket| socket.name.as_str()).collect();
    old.push(&found.unit.name);
    let manifest = folder.join(MANIFEST_FILE);
    let taken = app.alias().as_ref() == found.unit.name;
    writeln!(text, "\nThe one time that it costs something:")?;
    writeln!(
        text,
        "  The old service has the port. From its end until {} has opened the sockets (its stop, and less than a\n  \
         second) connections are refused; from then on they wait. Have everything ready, and type this as one line:\n",
        app.target()
    )?;
    writeln!(text, "  sudo sh -c 'systemctl disable --now {} &&", old.join(" "))?;
    if taken && !found.in_the_way.is_empty() {
        let files: Vec<_> =
            found.in_the_way.iter().map(|path| path.display().to_string()).collect();
        writeln!(
            text,
            "    mkdir -p /root/{}.old && mv {} /root/{}.old/ &&",
            found.unit.name,
            files.join(" "),
            found.unit.name
        )?;
    }
    let end = if converted.release.is_some() { " &&" } else { "'" };
    for (name, path) in &converted.draft.secrets {
        writeln!(text, "    sockgen secret set {} {name} < {path} &&", app.name())?;
    }
    writeln!(text, "    sockgen install {} &&", manifest.display())?;
    writeln!(text, "    systemctl enable --now {}{end}", app.target())?;
    if let Some(release) = &converted.release {
        writeln!(text, "    sockctl deploy {} {release}'", app.name())?;
    }
    if taken {
        writeln!(
            text,
            "\n  {} becomes the alias of the live slot, so that its old file cannot stay; drop-ins of that name would go on\n  \
             to change the slot. To go back: stop {}, put the files back, and start the old service.",
            found.unit.name,
            app.target()
        )?;
    }
    Ok(())
}
