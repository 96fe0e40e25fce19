//! What is wrong with the form of a manifest, in words for people: the parser's own, with the line, a hint, and an end.

use super::listener;
use crate::error::ManifestError;
use crate::shown::nearest;

/// Between a message and its hint inside a `serde` error, which has room for one text only.
pub(super) const HINT_MARK: char = '\u{1f}';

/// Puts the line, a pointer to the column, and a hint to what the parser said.
pub(super) fn form_error(text: &str, error: &toml::de::Error) -> ManifestError {
    let full = error.message();
    let (message, own_hint) = match full.split_once(HINT_MARK) {
        Some((message, hint)) => (message, Some(hint.to_owned())),
        None => (full, None),
    };
    let Some(span) = error.span() else {
        let hint = own_hint.or_else(|| hint_for(message, ""));
        let message = one_line(message);
        return ManifestError::Form { message, line: 0, column: 0, hint };
    };
    let start = span.start.min(text.len());
    let before = text.get(..start).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[line_start..].chars().count() + 1;
    let hint = own_hint.or_else(|| hint_for(message, text.get(span).unwrap_or_default()));
    let source_line = shown_line(text.lines().nth(line - 1).unwrap_or_default());
    let message = one_line(message);
    let mut message = format!("line {line}, column {column}: {message}");
    if !source_line.is_empty() {
        message.push_str("\n  | ");
        message.push_str(&source_line);
    }
    ManifestError::Form { message, line, column, hint }
}

/// What the parser said, without the line breaks that it or a value put in, without a list of keys, which is for the hint, and without the
/// middle of a value that is too long to read.
fn one_line(message: &str) -> String {
    const LONGEST: usize = 300;
    let unknown = message.starts_with("unknown field").then(|| message.split_once(", expected "));
    let message = unknown.flatten().map_or(message, |(message, _)| message);
    let calm: Vec<char> = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if calm.len() <= LONGEST {
        return calm.into_iter().collect();
    }
    let (start, end) = (&calm[..LONGEST / 2], &calm[calm.len() - LONGEST / 2..]);
    start.iter().chain(&['.'; 3]).chain(end).collect()
}

/// One line of the manifest as shown under a message: no control characters, not too long.
fn shown_line(line: &str) -> String {
    line.chars().take(100).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// All keys of a table, or, of a long one, those that stand first in it.
fn keys_here(keys: &[&str]) -> String {
    const FEW: usize = 12;
    match keys.split_at_checked(FEW) {
        Some((first, rest)) if !rest.is_empty() => {
            let (first, more) = (first.join(", "), rest.len());
            format!("the keys here are {first} and {more} more: `sockgen schema` has all")
        }
        _ => format!("the keys here are {}", keys.join(", ")),
    }
}

/// The hint for what `serde` and `toml` say themselves; they quote names in backquotes.
fn hint_for(message: &str, found: &str) -> Option<String> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if message.starts_with("unknown field") {
        let (given, expected) = quoted.split_first()?;
        if let Some(why) = listener::refused(given, expected) {
            return Some(why.to_owned());
        }
        return Some(match nearest(given, expected.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => keys_here(expected),
        });
    }
    if message.starts_with("unknown variant") {
        let (given, expected) = quoted.split_first()?;
        return Some(match nearest(given, expected.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write one of {}", expected.join(", ")),
        });
    }
    if message.starts_with("missing field") {
        return match *quoted.first()? {
            "listeners" => Some("add [listeners.http] with listen = \"127.0.0.1:8080\"".into()),
            "listen" => Some("add listen = \"127.0.0.1:8080\"".into()),
            "exec" => Some("add exec = \"bin/shop\", the program inside a release".into()),
            "name" => Some("add name = \"shop\", the name of the application".into()),
            "to" => Some(
                "add [proxy.to] with an address for each slot: blue = \"127.0.0.1:9101\"".into(),
            ),
            other => Some(format!("add {other}")),
        };
    }
    if message.contains("a size") {
        return Some("write it as \"500MiB\" or \"4GiB\"".to_owned());
    }
    if message.contains("a duration") {
        let bare = found.trim_matches('"');
        return Some(match bare.parse::<f64>() {
            Ok(_) => format!("write \"{bare}s\" for seconds, \"{bare}ms\" for milliseconds"),
            Err(_) => "write it as \"10s\", \"5min\" or \"500ms\"".to_owned(),
        });
    }
    let forms = [
        ("an amount of memory", "write it as \"512MiB\" or \"20%\""),
        ("a part of a processor", "write \"150%\" for one processor and half of another"),
        ("a number of processes", "write 200 or \"10%\""),
        ("a list of strings", "write \"one\", or [\"one\", \"two\"]"),
    ];
    if let Some((_, hint)) = forms.iter().find(|(form, _)| message.contains(form)) {
        return Some((*hint).to_owned());
    }
    if message.contains("a share of the connections") {
        return Some(crate::share::HINT.to_owned());
    }
    if message.starts_with("invalid type") && message.ends_with("expected a string") {
        return Some(format!("put it in quotes: \"{found}\""));
    }
    let of_name = crate::names::hint_in(message);
    Some(of_name.unwrap_or("`sockgen init` writes a manifest that shows every key").to_owned())
}
