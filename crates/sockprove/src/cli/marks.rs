//! Marks, as somebody else says them: a line `mark NAME [NANOSECONDS]` each.

use crate::record::Mark;

/// The mark of a line that came at this time; a line that is none is an error, which says why.
pub(super) fn mark(line: &str, now_ns: u64) -> Result<Option<Mark>, String> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (None, ..) => Ok(None),
        (Some("mark"), Some(name), None, None) => {
            Ok(Some(Mark { name: name.into(), at_ns: now_ns }))
        }
        (Some("mark"), Some(name), Some(at), None) => {
            let at_ns = at.parse().map_err(|_| format!("{at:?} is no time in nanoseconds"))?;
            Ok(Some(Mark { name: name.into(), at_ns }))
        }
        _ => Err(format!("{line:?} is not `mark NAME` or `mark NAME NANOSECONDS`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_its_own_time_or_that_of_its_line() {
        let of = |line| mark(line, 7).unwrap().map(|mark| (mark.name, mark.at_ns));
        assert_eq!(of("mark swap"), Some(("swap".into(), 7)));
        assert_eq!(of("mark swap 9 \n"), Some(("swap".into(), 9)));
        assert_eq!(of("\n"), None);
        assert!(
            mark("mark", 7).is_err() && mark("mark a b", 7).is_err() && mark("swap", 7).is_err()
        );
    }
}
