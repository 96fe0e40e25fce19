//! One unit as lines of `Key=value` under a section (systemd.syntax(7)).

use std::sync::Arc;

use crate::render::owner_of;

/// What a unit is, by its suffix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Socket,
    Service,
    Other,
}

/// One assignment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) section: Arc<str>,
    pub(crate) key: String,
    pub(crate) value: String,
    /// The file it stands in: the unit's own, or a drop-in.
    pub(crate) file: Arc<str>,
    /// The first line of the assignment, counted from 1 in its own file; `None` for what is no
    /// line, such as a link in a `.wants` folder.
    pub(crate) line: Option<usize>,
}

/// A unit: its name and every assignment, those of drop-ins at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unit {
    pub(crate) name: String,
    /// Its own file.
    pub(crate) file: Arc<str>,
    pub(crate) entries: Vec<Entry>,
    /// A link to `/dev/null`, or an empty file: systemd refuses to start it (systemd.unit(5)).
    pub(crate) masked: bool,
    /// Whether sockgen wrote it.
    pub(crate) ours: bool,
}

impl Unit {
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        Self::read(name, name, text)
    }

    /// A unit out of a file that lies somewhere.
    pub(crate) fn read(name: &str, file: &str, text: &str) -> Self {
        let mut unit = Self {
            name: name.to_owned(),
            file: file.into(),
            entries: Vec::new(),
            masked: false,
            ours: owner_of(text).is_some(),
        };
        unit.append(&unit.file.clone(), text);
        unit
    }

    /// Reads a further file, as systemd reads a drop-in after the unit.
    pub(crate) fn append(&mut self, file: &Arc<str>, text: &str) {
        let mut section: Arc<str> = "".into();
        for (line, logical) in logical_lines(text) {
            let logical = logical.trim();
            if let Some(name) = logical.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.into();
            } else if let Some((key, value)) = logical.split_once('=') {
                self.entries.push(Entry {
                    section: section.clone(),
                    key: key.trim().to_owned(),
                    value: value.trim().to_owned(),
                    file: file.clone(),
                    line: Some(line),
                });
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.name.rsplit_once('.') {
            Some((_, "socket")) => Kind::Socket,
            Some((_, "service")) => Kind::Service,
            _ => Kind::Other,
        }
    }

    /// The name without its suffix.
    pub(crate) fn stem(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(stem, _)| stem)
    }

    /// The assignments of a key that count: an empty one forgets those before it.
    pub(crate) fn all<'a>(&'a self, section: &str, key: &str) -> Vec<&'a Entry> {
        self.all_of(&[(section, key)])
    }

    /// The last assignment under any of the names that one setting has, each with its section.
    pub(crate) fn last_of<'a>(&'a self, names: &[(&str, &str)]) -> Option<&'a Entry> {
        self.all_of(names).pop()
    }

    fn all_of<'a>(&'a self, names: &[(&str, &str)]) -> Vec<&'a Entry> {
        let mut found = Vec::new();
        let named = |e: &&Entry| names.contains(&(&*e.section, e.key.as_str()));
        for entry in self.entries.iter().filter(named) {
            if entry.value.is_empty() {
                found.clear();
            } else {
                found.push(entry);
            }
        }
        found
    }

    /// The last assignment of a key.
    pub(crate) fn last<'a>(&'a self, section: &str, key: &str) -> Option<&'a Entry> {
        self.all(section, key).pop()
    }

    /// The value of the last assignment of a key.
    pub(crate) fn value<'a>(&'a self, section: &str, key: &str) -> Option<&'a str> {
        self.last(section, key).map(|entry| entry.value.as_str())
    }

    /// The words of a key that is a list, each with the entry it stands in.
    pub(crate) fn words<'a>(&'a self, section: &str, key: &str) -> Vec<(&'a Entry, &'a str)> {
        self.all(section, key)
            .into_iter()
            .flat_map(|entry| entry.value.split_whitespace().map(move |word| (entry, word)))
            .collect()
    }

    /// Whether a list has a word.
    pub(crate) fn names(&self, section: &str, key: &str, word: &str) -> bool {
        self.words(section, key).iter().any(|(_, found)| *found == word)
    }

    /// A boolean; `None` when not set or not a boolean.
    pub(crate) fn flag(&self, section: &str, key: &str) -> Option<bool> {
        match self.value(section, key)?.to_ascii_lowercase().as_str() {
            "1" | "yes" | "y" | "true" | "t" | "on" => Some(true),
            "0" | "no" | "n" | "false" | "f" | "off" => Some(false),
            _ => None,
        }
    }

    /// A value with its specifiers put in, as far as a file can tell them (systemd.unit(5));
    /// `None` when it has another one.
    pub(crate) fn expand(&self, value: &str) -> Option<String> {
        let (prefix, instance) = self.stem().split_once('@').unwrap_or((self.stem(), ""));
        let mut text = String::new();
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            text.push_str(before);
            let specifier = after.chars().next()?;
            rest = &after[specifier.len_utf8()..];
            match specifier {
                '%' => text.push('%'),
                'n' => text.push_str(&self.name),
                'N' => text.push_str(self.stem()),
                'p' => text.push_str(prefix),
                'i' if !instance.is_empty() => text.push_str(instance),
                't' => text.push_str("/run"),
                'S' => text.push_str("/var/lib"),
                'C' => text.push_str("/var/cache"),
                'E' => text.push_str("/etc"),
                'T' => text.push_str("/tmp"),
                'V' => text.push_str("/var/tmp"),
                _ => return None,
            }
        }
        text.push_str(rest);
        Some(text)
    }
}

/// Where systemd sees the end of a line.
fn physical_lines(text: &str) -> impl Iterator<Item = &str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r', '\0']) else {
            rest = None;
            return (!text.is_empty()).then_some(text);
        };
        let ends = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&text[end + ends..]);
        Some(&text[..end])
    })
}

/// Lines joined at a backslash; comments left out, also between joined lines.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, raw) in physical_lines(text).enumerate() {
        if raw.trim_start().starts_with(['#', ';']) {
            continue;
        }
        // A backslash that is itself escaped goes on with nothing.
        let goes_on = raw.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
        let body = if goes_on { &raw[..raw.len() - 1] } else { raw };
        let (line, mut joined) = match open.take() {
            Some((line, before)) => (line, before + " "),
            None => (index + 1, String::new()),
        };
        joined.push_str(body);
        if goes_on {
            open = Some((line, joined));
        } else if !joined.trim().is_empty() {
            lines.push((line, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Microseconds of a time span as systemd.time(7) writes it; a bare number is seconds.
/// `None` for `infinity` and for what is no time span.
pub(crate) fn micros(text: &str) -> Option<u64> {
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let factor = match unit {
            "us" | "usec" | "µs" | "μs" => 1.0,
            "ms" | "msec" => 1e3,
            "" | "s" | "sec" | "second" | "seconds" => 1e6,
            "m" | "min" | "minute" | "minutes" => 60e6,
            "h" | "hr" | "hour" | "hours" => 3_600e6,
            "d" | "day" | "days" => 86_400e6,
            "w" | "week" | "weeks" => 604_800e6,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * factor;
        rest = after.trim_start();
    }
    // Saturates, which is right for a time that never ends.
    Some(total as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, &str, &str, usize)]) {
        let unit = Unit::parse("x.service", text);
        let found: Vec<_> = unit
            .entries
            .iter()
            .map(|e| (&*e.section, e.key.as_str(), e.value.as_str(), e.line.expect("a line")))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_joined_and_comments_skipped() {
        check("[Unit]\nA=1\n; no\n  # no\nB = 2 ", &[("Unit", "A", "1", 2), ("Unit", "B", "2", 5)]);
        check("[S]\nA=1 \\\n# no\n  2\nB=3", &[("S", "A", "1    2", 2), ("S", "B", "3", 5)]);
        check("[S]\nA=1\\", &[("S", "A", "1", 2)]);
        check("[S]\nA=1\\\\\nB=2", &[("S", "A", "1\\\\", 2), ("S", "B", "2", 3)]);
        check("[S]\nA=1\\ \nB=2", &[("S", "A", "1\\", 2), ("S", "B", "2", 3)]);
    }

    #[test]
    fn lines_end_where_systemd_ends_them() {
        check(
            "\u{feff}[S]\r\nA=1\rB=2\0C=3",
            &[("S", "A", "1", 2), ("S", "B", "2", 3), ("S", "C", "3", 4)],
        );
    }

    #[test]
    fn an_empty_assignment_forgets() {
        let unit = Unit::parse("x.service", "[S]\nA=1 2\nA=\nA=3\n");
        assert!(!unit.names("S", "A", "1") && unit.names("S", "A", "3"));
    }

    #[test]
    fn specifiers() {
        for (name, value, expected) in [
            ("a@b.socket", "%t/%p/%i", Some("/run/a/b")),
            ("a@.socket", "%t/%i", None),
            ("a.socket", "%n %N 100%%", Some("a.socket a 100%")),
            ("a.socket", "%H", None),
            ("a.socket", "%", None),
            ("a.socket", "%ü", None),
        ] {
            let unit = Unit::parse(name, "");
            assert_eq!(unit.expand(value).as_deref(), expected, "{name} {value}");
        }
    }

    #[test]
    fn time_spans() {
        for (text, expected) in [
            ("200ms", Some(200_000)),
            ("5", Some(5_000_000)),
            ("1min 30s", Some(90_000_000)),
            ("1min30s", Some(90_000_000)),
            ("0", Some(0)),
            ("0.2", Some(200_000)),
            ("infinity", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(text in "(\\PC|[\\[\\]=\\\\%#;\r\n\0])*") {
            let unit = Unit::parse("x@.socket", &text);
            for entry in &unit.entries {
                unit.expand(&entry.value);
                micros(&entry.value);
            }
        }
    }
}
