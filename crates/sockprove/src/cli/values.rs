//! What is typed, valid.

use std::time::Duration;

use sockgen::duration;

use crate::load::LONGEST;

/// A time that is not nothing.
pub(super) fn some_time(typed: &str) -> Result<Duration, String> {
    let time = duration(typed).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("it must be at least 1ms".into()) } else { Ok(time) }
}

/// As long as a load may be.
pub(super) fn within_an_hour(typed: &str) -> Result<Duration, String> {
    let time = some_time(typed)?;
    if time > LONGEST { Err("a load is an hour at most: 1h".into()) } else { Ok(time) }
}

/// How many times as slow it may get.
pub(super) fn ratio(typed: &str) -> Result<f64, String> {
    let ratio: f64 = typed.parse().map_err(|_| "give a number, as 1.5".to_owned())?;
    if ratio.is_finite() && ratio > 0.0 { Ok(ratio) } else { Err("it must be above 0".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_look_at_nothing_is_refused() {
        assert!(some_time("0s").is_err() && some_time("soon").is_err());
        assert_eq!(some_time("1ms"), Ok(Duration::from_millis(1)));
        assert!(within_an_hour("61min").is_err() && within_an_hour("1h").is_ok());
        for typed in ["nan", "inf", "0", "-1", "", "x"] {
            assert!(ratio(typed).is_err(), "{typed}");
        }
        assert_eq!(ratio("1.1"), Ok(1.1));
    }
}
