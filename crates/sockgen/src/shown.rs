//! How a value that somebody typed is shown in a message: escaped, and shortened when long.

/// The longest part of a typed value that a message repeats, in characters.
const SHOWN: usize = 40;

/// Quotes `value` for a message: control characters escaped, so that a newline or an escape
/// sequence in a bad value cannot forge lines of our output, and a long value cut.
///
/// ```
/// assert_eq!(sockgen::shown("a\nb"), r#""a\nb""#);
/// assert_eq!(sockgen::shown(&"x".repeat(300)), format!("\"{}...\" (300 characters)", "x".repeat(40)));
/// ```
#[must_use]
pub fn shown(value: &str) -> String {
    let length = value.chars().count();
    if length <= SHOWN {
        return format!("{value:?}");
    }
    let head: String = value.chars().take(SHOWN).collect();
    let quoted = format!("{head:?}");
    format!("{}...\" ({length} characters)", &quoted[..quoted.len() - 1])
}

/// The candidate that `given` was most likely meant to be, when one is near enough.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(given, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}
