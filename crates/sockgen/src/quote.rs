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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Splits as systemd does (`extract_first_word` with unquoting and C escapes): written from
    /// systemd.syntax(7) and systemd.service(5), not from the code above.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut chars = line.chars().peekable();
        loop {
            while chars.next_if(|c| " \t\r\n".contains(*c)).is_some() {}
            if chars.peek().is_none() {
                return words;
            }
            let mut word = String::new();
            let mut quote = None;
            while let Some(c) = chars.next() {
                match (c, quote) {
                    ('\\', _) => word.push(escape(&mut chars)),
                    ('"' | '\'', None) => quote = Some(c),
                    (c, Some(open)) if c == open => quote = None,
                    (' ' | '\t' | '\r' | '\n', None) => break,
                    (c, _) => word.push(c),
                }
            }
            assert_eq!(quote, None, "a quote is left open in {line}");
            words.push(word);
        }
    }

    fn escape(chars: &mut impl Iterator<Item = char>) -> char {
        match chars.next().expect("a backslash is left at the end") {
            'x' => {
                let digits: String = chars.take(2).collect();
                char::from(u8::from_str_radix(&digits, 16).expect("two digits"))
            }
            c @ ('\\' | '"' | '\'') => c,
            other => panic!("an escape that is not used here: {other}"),
        }
    }

    /// Undoes the doubling of `special`; alone it would be a specifier or a variable.
    fn halved(text: &str, special: char) -> String {
        let mut plain = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c == special {
                assert_eq!(chars.next(), Some(special), "a lone {special} in {text}");
            }
            plain.push(c);
        }
        plain
    }

    /// What a manifest may have: everything but NUL and newline.
    fn value() -> impl Strategy<Value = String> {
        let nasty = prop::sample::select(vec![
            "%", "$", "\\", "\"", "'", " ", ";", "#", "\r", "\t", "\u{85}", "\u{2028}", "${", "=",
            "\\x", "\\\n", "a", "é", "\u{7f}", "\u{1}", "@", "-", "|", "!",
        ]);
        let word = prop_oneof![
            nasty.prop_map(str::to_owned),
            "\\PC{0,4}",
            any::<char>().prop_map(String::from)
        ];
        prop::collection::vec(word, 0..12)
            .prop_map(|parts| parts.concat().replace(['\0', '\n'], ""))
    }

    proptest! {
        #[test]
        fn arguments_come_back(args in prop::collection::vec(value(), 0..5)) {
            let line = args.iter().map(|arg| argument(arg)).collect::<Vec<_>>().join(" ");
            let back: Vec<String> =
                words(&line).iter().map(|word| halved(&halved(word, '%'), '$')).collect();
            prop_assert_eq!(back, args);
        }

        #[test]
        fn an_argument_is_never_a_separator_or_the_end_of_a_line(arg in value()) {
            let text = argument(&arg);
            prop_assert!(text != ";" && !text.ends_with('\\'));
            prop_assert!(!text.chars().any(|c| c.is_ascii_control()));
        }

        #[test]
        fn assignments_come_back(value in value()) {
            let text = assignment("KEY", &value);
            let back: Vec<String> = words(&text).iter().map(|word| halved(word, '%')).collect();
            prop_assert_eq!(back, vec![format!("KEY={value}")]);
            prop_assert!(!text.ends_with('\\') && !text.chars().any(|c| c.is_ascii_control()));
        }

        #[test]
        fn programs_come_back(path in "/[^\0\n\\\\\"'$\\p{Cc}]{1,20}") {
            prop_assert_eq!(halved(&words(&program(&path))[0], '%'), path);
        }
    }
}
