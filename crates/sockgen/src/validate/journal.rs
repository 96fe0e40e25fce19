//! Where the lines of the slots go, and how long they stay.

use std::ops::RangeInclusive;

use super::Checked;
use crate::error::ManifestError;
use crate::manifest;
use crate::model::Journal;
use crate::place::Place;

/// journald does not go below it.
const LEAST_USE: u64 = 1 << 20;

const DAYS: RangeInclusive<i64> = 1..=3650;

pub(super) fn journal(raw: manifest::Journal, place: &Place) -> Checked<Option<Journal>> {
    let refuse = |key: &str, problem: String, hint: &str| {
        Err(ManifestError::value(format!("journal.{key}"), problem).with_hint(hint))
    };
    let limits = [("max_use", raw.max_use.is_some()), ("keep_days", raw.keep_days.is_some())];
    if !raw.namespace {
        return match limits.into_iter().find(|(_, given)| *given) {
            Some((key, _)) => {
                let problem = "the machine's journal has limits of its own".to_owned();
                refuse(key, problem, "write journal.namespace = true beside it, or leave it out")
            }
            None => Ok(None),
        };
    }
    if place.is_user() {
        let problem = "your own systemd has no journals apart from the machine's".to_owned();
        return refuse("namespace", problem, "leave it out, or install without --user");
    }
    let max_use = raw.max_use.map(|size| size.0);
    if let Some(bytes) = max_use.filter(|bytes| *bytes < LEAST_USE) {
        let problem = format!("{bytes} bytes are less than journald takes, 1MiB");
        return refuse("max_use", problem, "such as \"500MiB\"");
    }
    let Some(days) = raw.keep_days else {
        return Ok(Some(Journal { max_use, keep_days: None }));
    };
    match u16::try_from(days) {
        Ok(keep_days) if DAYS.contains(&days) => {
            Ok(Some(Journal { max_use, keep_days: Some(keep_days) }))
        }
        _ => {
            let (least, most) = DAYS.into_inner();
            let problem = format!("{days} is not between {least} and {most}");
            refuse("keep_days", problem, "such as 30; leave it out for no limit of time")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_own_systemd_has_no_journals_apart() {
        let place = Place::user(|_| Some("/home/ann".into())).unwrap();
        let raw = || manifest::Journal { namespace: true, ..Default::default() };
        let error = journal(raw(), &place).unwrap_err();
        assert_eq!(error.hint().unwrap(), "leave it out, or install without --user");
        assert_eq!(journal(raw(), &Place::system()).unwrap(), Some(Journal::default()));
    }
}
