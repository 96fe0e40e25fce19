//! What a person is told: what changed, what is lost, what is left to do, and the commands for the one time that costs something.

use std::fmt::{self, Write as _};
use std::path::Path;

use super::convert::Converted;
use super::found::Found;
use crate::model::{App, Proxy};
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
    if found.sockets.is_empty() {
        proxy(text, converted, app)?;
    }
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

/// The way of a program that cannot be passed a socket, where there is one.
fn proxy(text: &mut String, converted: &Converted, app: &App) -> fmt::Result {
    let (carried, left): (Vec<_>, Vec<_>) =
        app.listeners().iter().partition(|listener| Proxy::carries(&listener.address));
    if carried.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\nIf the program cannot be passed a socket:\n  \
         systemd-socket-proxyd can stand before it in each slot ([proxy]), and the program opens an address of its own. It costs a\n  \
         hop for each connection. This writes a manifest with it: put its [proxy] into this one, its [health] in the place of the\n  \
         one here, and {{host}}, {{port}} or {{address}} where the program is told what it opens.\n"
    )?;
    write!(text, "  sockgen init --preset proxyd --dir \"$(mktemp -d)\" --name {}", app.name())?;
    for listener in carried {
        write!(text, " --listen {}={}", listener.name, argument(&listener.address.to_string()))?;
    }
    writeln!(text, " --exec {}", argument(&converted.draft.exec))?;
    let left: Vec<&str> = left.iter().map(|listener| listener.name.as_ref()).collect();
    if !left.is_empty() {
        let left = left.join(", ");
        writeln!(text, "\n  It carries streams of TCP and unix sockets alone: leave out {left}.")?;
    }
    Ok(())
}

/// A program or an address as it is typed in a shell: neither may have a quote in it.
fn argument(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._:@+-".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{text}'") }
}

/// The same for a line that stands in single quotes itself, with any text: whoever types that line is root.
fn nested(text: &str) -> String {
    let plain = argument(text);
    if plain == text {
        return plain;
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' | '$' | '`' => quoted.extend(['\\', c]),
            '\'' => quoted.push_str(r"'\''"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
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
            found.in_the_way.iter().map(|path| nested(&path.display().to_string())).collect();
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
        writeln!(text, "    sockgen secret set {} {name} < {} &&", app.name(), nested(path))?;
    }
    writeln!(text, "    sockgen install {} &&", nested(&manifest.display().to_string()))?;
    writeln!(text, "    systemctl enable --now {}{end}", app.target())?;
    if let Some(release) = &converted.release {
        writeln!(text, "    sockctl deploy {} {}'", app.name(), nested(release))?;
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_in_a_shell_reads_what_was_meant() {
        for text in [
            "/srv/shop",
            "/srv/a b",
            "/srv/$HOME",
            "/srv/`id`$(id)",
            "/srv/it's",
            r#"/srv/\"x\""#,
            "/srv/;id",
            "'",
            "''\"'",
        ] {
            let line = format!("sh -c 'printf %s {}'", nested(text));
            let said = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&said.stdout), text, "{line}");
        }
    }
}
