//! Values as systemd splits them into words (systemd.service(5), "Command lines"; systemd.exec(5), `Environment=`).

use std::collections::BTreeMap;

use crate::check::Unit;

/// The words of a value, unquoted; the error says why there are none.
pub(super) fn words(value: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut chars = value.chars().peekable();
    loop {
        while chars.next_if(char::is_ascii_whitespace).is_some() {}
        if chars.peek().is_none() {
            return Ok(words);
        }
        let (mut word, mut quote) = (String::new(), None);
        while let Some(c) = chars.next() {
            match (c, quote) {
                ('\\', _) => word.push(escape(&mut chars)?),
                ('"' | '\'', None) => quote = Some(c),
                (c, Some(open)) if c == open => quote = None,
                (c, None) if c.is_ascii_whitespace() => break,
                (c, _) => word.push(c),
            }
        }
        if quote.is_some() {
            return Err("a quote is left open");
        }
        words.push(word);
    }
}

/// One of the escapes of C that systemd knows (systemd.syntax(7)); those of bytes that are no character are not carried over.
fn escape(chars: &mut impl Iterator<Item = char>) -> Result<char, &'static str> {
    const BAD: &str = "it has an escape that is not known here";
    let code = |chars: &mut dyn Iterator<Item = char>, first: Option<char>, count, radix| {
        let text: String = first.into_iter().chain(chars.take(count)).collect();
        let whole = text.len() == count + usize::from(first.is_some());
        let ascii = |code: &u32| count > 2 || *code < 0x80;
        let code = u32::from_str_radix(&text, radix).ok().filter(ascii);
        code.filter(|_| whole).and_then(char::from_u32).filter(|c| *c != '\0').ok_or(BAD)
    };
    Ok(match chars.next().ok_or(BAD)? {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        's' => ' ',
        c @ ('\\' | '"' | '\'') => c,
        'x' => return code(chars, None, 2, 16),
        'u' => return code(chars, None, 4, 16),
        'U' => return code(chars, None, 8, 16),
        c @ '0'..='7' => return code(chars, Some(c), 2, 8),
        _ => return Err(BAD),
    })
}

/// A word with its specifiers put in; the error names the one that only a running systemd could tell.
pub(super) fn expand(unit: &Unit, word: &str) -> Result<String, String> {
    unit.expand(word).ok_or_else(|| {
        let at = word.find('%').unwrap_or_default();
        let specifier: String = word[at..].chars().take(2).collect();
        format!("the specifier {specifier} is not one that can be told from the file")
    })
}

/// A command line with its variables put in: `${A}` inside a word, `$A` as words of its own, `$$` a dollar. One that is not set is nothing, as it
/// is to systemd; its name is added to `unset`.
pub(super) fn with_variables(
    words: Vec<String>,
    variables: &BTreeMap<String, String>,
    unset: &mut Vec<String>,
) -> Vec<String> {
    let mut done = Vec::new();
    for word in words {
        let alone = word.strip_prefix('$').filter(|name| is_name(name));
        let Some(name) = alone else {
            done.push(inside(&word, variables, unset));
            continue;
        };
        match variables.get(name) {
            Some(value) => done.extend(value.split_ascii_whitespace().map(str::to_owned)),
            None => unset.push(name.to_owned()),
        }
    }
    done
}

fn inside(word: &str, variables: &BTreeMap<String, String>, unset: &mut Vec<String>) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        text.push_str(before);
        let braced = after.strip_prefix('{').and_then(|after| after.split_once('}'));
        rest = match braced.filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                match variables.get(name) {
                    Some(value) => text.push_str(value),
                    None => unset.push(name.to_owned()),
                }
                after
            }
            None => {
                text.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    text.push_str(rest);
    text
}

pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The assignments of a file of `EnvironmentFile=` (systemd.exec(5)): one a line, quotes and comments as a shell has them.
pub(super) fn environment_file(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    lines
        .filter_map(|line| {
            let (name, value) = line.split_once('=')?;
            let value = value.trim();
            let bare = ['"', '\'']
                .iter()
                .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            Some((name.trim().to_owned(), bare.unwrap_or(value).to_owned()))
        })
        .filter(|(name, _)| is_name(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: &str, expected: &[&str]) {
        assert_eq!(words(value), Ok(expected.iter().map(ToString::to_string).collect()), "{value}");
    }

    #[test]
    fn words_are_split_as_systemd_splits_them() {
        check("/bin/a  b\t'c d' \"e'f\"", &["/bin/a", "b", "c d", "e'f"]);
        check(r#"a\x20b c\\d "\"" 'x'y \u00e9"#, &["a b", r"c\d", "\"", "xy", "é"]);
        check("''", &[""]);
        for bad in ["'a", r"a\q", r"\xff", r"\x4", "a\\", r"\x00"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn variables_are_put_in_as_systemd_puts_them_in() {
        let known = BTreeMap::from([("A".to_owned(), "1 2".to_owned())]);
        let mut unset = Vec::new();
        let given = ["$A", "x${A}y", "$$A", "${B}", "$B", "a$A", "$"].map(str::to_owned);
        let found = with_variables(given.into(), &known, &mut unset);
        assert_eq!(found, ["1", "2", "x1 2y", "$A", "", "a$A", "$"]);
        assert_eq!(unset, ["B", "B"]);
    }

    #[test]
    fn environment_files() {
        let text = "# no\nA=1\n B = \"two words\" \nexport C=3\nD='4'\nbad\n";
        let expected = [("A", "1"), ("B", "two words"), ("D", "4")];
        assert_eq!(environment_file(text), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    proptest! {
        #[test]
        fn no_value_is_too_odd(value in "(\\PC|[\\\\'\"$%{}\n\0 ])*") {
            if let Ok(found) = words(&value) {
                with_variables(found, &BTreeMap::new(), &mut Vec::new());
            }
            environment_file(&value);
        }

        #[test]
        fn what_we_write_is_read_back(args in prop::collection::vec("[^\0\n]{0,12}", 0..4)) {
            let line = args.iter().map(|arg| crate::quote::argument(arg)).collect::<Vec<_>>().join(" ");
            let unit = Unit::parse("x.service", "");
            let found: Vec<_> =
                words(&line).unwrap().iter().map(|word| expand(&unit, word).unwrap()).collect();
            prop_assert_eq!(with_variables(found, &BTreeMap::new(), &mut Vec::new()), args);
        }
    }
}
