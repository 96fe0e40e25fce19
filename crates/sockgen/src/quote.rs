//! Values in unit files: quoted so that systemd reads back exactly what was meant, and so that a
//! value can change no directive but its own (systemd.syntax(7), systemd.service(5)).

use std::fmt::Write as _;

/// A word of `ExecStart=` that is an argument: specifiers and variables are not expanded.
pub(crate) fn argument(word: &str) -> String {
    quoted(word, |c| matches!(c, '%' | '$'))
}

/// The path of a program in `ExecStart=`: systemd expands specifiers in it, but no variables.
pub(crate) fn program(path: &str) -> String {
    quoted(path, |c| c == '%')
}

/// One assignment of `Environment=`: specifiers are expanded, variables are not.
pub(crate) fn assignment(key: &str, value: &str) -> String {
    quoted(&format!("{key}={value}"), |c| c == '%')
}

/// A value that is not split into words, such as `ListenStream=`; only specifiers are expanded.
/// The caller has refused blanks, backslashes and control characters.
pub(crate) fn plain(value: &str) -> String {
    value.replace('%', "%%")
}

/// `word` in double quotes where it needs them, with the characters for which `doubled` holds
/// written twice.
fn quoted(word: &str, doubled: fn(char) -> bool) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    let mut text = String::with_capacity(word.len() + 2);
    text.push('"');
    for c in word.chars() {
        match c {
            '\\' | '"' => text.extend(['\\', c]),
            c if c.is_ascii_control() => write!(text, "\\x{:02x}", u32::from(c)).expect("memory"),
            c if doubled(c) => text.extend([c, c]),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}
