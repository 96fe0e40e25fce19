//! Durations as people write them (`"10s"`, `"5min"`) and as systemd reads them.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

use crate::shown::shown;

/// The longest duration of a manifest; more is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A duration out of a manifest: a string with a unit, at least 1 ms or exactly 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) struct Span(pub(crate) Duration);

impl Span {
    fn parse(text: &str) -> Result<Self, String> {
        let found: SignedDuration =
            text.parse().map_err(|_| format!("{} is not a duration", shown(text)))?;
        let Ok(duration) = Duration::try_from(found) else {
            return Err(format!("{} as a duration is negative", shown(text)));
        };
        if duration > LONGEST {
            return Err(format!("{} is a duration of more than 7 days", shown(text)));
        }
        if !duration.is_zero() && duration < Duration::from_millis(1) {
            return Err(format!("{} is a duration of less than 1ms", shown(text)));
        }
        Ok(Self(duration))
    }
}

/// A duration as manifests have it: with its unit, at most 7 days.
///
/// # Errors
/// What is wrong with it, in words.
///
/// ```
/// assert_eq!(sockgen::duration("30s"), Ok(std::time::Duration::from_secs(30)));
/// assert!(sockgen::duration("30").is_err());
/// ```
pub fn duration(text: &str) -> Result<Duration, String> {
    Span::parse(text).map(|span| span.0)
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Text {
            fn number<E: Error>(given: Unexpected<'_>, text: &str) -> E {
                let with_unit = format!("a duration with its unit, such as \"{text}s\"");
                E::invalid_type(given, &with_unit.as_str())
            }
        }

        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as \"10s\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                Span::parse(text).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, n: i64) -> Result<Span, E> {
                Err(Self::number(Unexpected::Signed(n), &n.unsigned_abs().to_string()))
            }

            fn visit_u64<E: Error>(self, n: u64) -> Result<Span, E> {
                Err(Self::number(Unexpected::Unsigned(n), &n.to_string()))
            }

            fn visit_f64<E: Error>(self, n: f64) -> Result<Span, E> {
                Err(Self::number(Unexpected::Float(n), &n.abs().to_string()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// The duration in the largest unit that keeps it whole, as systemd.time(7) and manifests read it.
///
/// ```
/// use std::time::Duration;
/// assert_eq!(sockgen::short_duration(Duration::from_millis(250)), "250ms");
/// assert_eq!(sockgen::short_duration(Duration::from_secs(300)), "5min");
/// assert_eq!(sockgen::short_duration(Duration::ZERO), "0s");
/// ```
#[must_use]
pub fn short_duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 5] =
        [(3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms"), (1, "us")];
    let micros = duration.as_micros();
    if micros == 0 {
        return "0s".to_owned();
    }
    UNITS
        .iter()
        .find(|(unit, _)| micros.is_multiple_of(*unit))
        .map(|(unit, name)| format!("{}{name}", micros / unit))
        .unwrap_or_default()
}
