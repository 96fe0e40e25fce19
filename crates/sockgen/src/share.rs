//! A share of the connections, as people write it: `0.1` or `"10%"`.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

use crate::shown::shown;

/// A share of the connections, more than none and less than all, to the millionth: as fine as a slot's gate takes it.
///
/// ```
/// let share: sockgen::Share = "10%".parse()?;
/// assert_eq!((share, share.part()), ("0.1".parse()?, 0.1));
/// assert_eq!(share.to_string(), "10%");
/// # Ok::<(), sockgen::ShareError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

/// Millionths of the whole.
const WHOLE: f64 = 1e6;

pub(crate) const HINT: &str = "write 0.1 or \"10%\" for a tenth";

/// What was given is no share of the connections.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a share of the connections: more than 0 and less than 1")]
pub struct ShareError {
    given: String,
}

impl ShareError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        HINT
    }
}

impl Share {
    /// The share that a gate says it has; `None` when it is closed or open.
    #[must_use]
    pub fn of_gate(part: f64) -> Option<Self> {
        let millionths = (part * WHOLE).round();
        (1.0..WHOLE).contains(&millionths).then_some(Self(millionths as u32))
    }

    /// The part of the whole: 0.1 for a tenth.
    #[must_use]
    pub fn part(self) -> f64 {
        f64::from(self.0) / WHOLE
    }
}

impl FromStr for Share {
    type Err = ShareError;
    fn from_str(given: &str) -> Result<Self, ShareError> {
        let (number, whole) = match given.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 100.0),
            None => (given, 1.0),
        };
        let part = number.parse::<f64>().ok().map(|number| number / whole);
        part.and_then(Self::of_gate).ok_or_else(|| ShareError { given: shown(given) })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", f64::from(self.0) / 1e4)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.part())
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share of the connections, such as 0.1 or \"10%\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Share, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_f64<E: Error>(self, part: f64) -> Result<Share, E> {
                part.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, whole: i64) -> Result<Share, E> {
                whole.to_string().parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, whole: u64) -> Result<Share, E> {
                whole.to_string().parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: &str, shown: Option<&str>) {
        assert_eq!(given.parse::<Share>().ok().map(|share| share.to_string()).as_deref(), shown);
    }

    #[test]
    fn shares() {
        check("0.1", Some("10%"));
        check("10%", Some("10%"));
        check("12.5 %", Some("12.5%"));
        check("0.000001", Some("0.0001%"));
        for none in
            ["0", "1", "100%", "-0.1", "1e-9", "0.9999999", "NaN", "inf", "", "%", "a tenth"]
        {
            check(none, None);
        }
    }
}
