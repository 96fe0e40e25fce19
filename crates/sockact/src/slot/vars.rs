//! The variables a slot is started with, as a snapshot, and what they say.

use std::time::Duration;

use super::Setting;

/// What the environment says, read once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars {
    pub(crate) slot: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) gate: Option<String>,
    pub(crate) drain_usec: Option<String>,
}

/// Who is asked over the admin socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "gate"), expect(dead_code, reason = "nobody asks"))]
pub(crate) struct Identity {
    /// The slot's name; empty when started by hand.
    pub(crate) slot: String,
    /// This run's `$INVOCATION_ID`, systemd.exec(5); `None` when systemd did not start it.
    pub(crate) run: Option<String>,
}

/// What it means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Orders {
    pub(crate) who: Identity,
    pub(crate) gate: Setting,
    pub(crate) drain: Option<Duration>,
}

/// What means nothing, with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Meaningless {
    Gate(String),
    DrainUsec(String),
}

impl Vars {
    pub(crate) fn from_env() -> Vars {
        let var = |name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        Vars {
            slot: var("SOCKACT_SLOT"),
            run: var("INVOCATION_ID"),
            gate: var("SOCKACT_GATE"),
            drain_usec: var("SOCKACT_DRAIN_USEC"),
        }
    }

    pub(crate) fn orders(self) -> Result<Orders, Meaningless> {
        Ok(Orders {
            who: Identity { slot: self.slot.unwrap_or_default(), run: self.run },
            gate: match self.gate {
                None => Setting::OPEN,
                Some(text) => gate(&text).ok_or(Meaningless::Gate(text))?,
            },
            drain: match self.drain_usec {
                None => None,
                Some(text) => match text.parse() {
                    Ok(usec) => Some(Duration::from_micros(usec)),
                    Err(_) => return Err(Meaningless::DrainUsec(text)),
                },
            },
        })
    }
}

fn gate(text: &str) -> Option<Setting> {
    match text {
        "open" => Some(Setting::OPEN),
        "closed" => Some(Setting::CLOSED),
        share => Setting::new(share.parse().ok()?, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(gate: Option<&str>, drain: Option<&str>, expected: Option<(f64, Option<u64>)>) {
        let vars = Vars {
            gate: gate.map(str::to_owned),
            drain_usec: drain.map(str::to_owned),
            ..Vars::default()
        };
        let got =
            vars.orders().ok().map(|o| (o.gate.share(), o.drain.map(|d| d.as_micros() as u64)));
        assert_eq!(got, expected, "{gate:?} {drain:?}");
    }

    #[test]
    fn what_the_variables_say() {
        check(None, None, Some((1.0, None)));
        check(Some("open"), None, Some((1.0, None)));
        check(Some("closed"), Some("2500000"), Some((0.0, Some(2_500_000))));
        check(Some("0.25"), Some("0"), Some((0.25, Some(0))));
        check(Some("1"), None, Some((1.0, None)));
        check(Some(""), None, None);
        check(Some("shut"), None, None);
        check(Some("1.5"), None, None);
        check(Some("-0"), None, Some((0.0, None)));
        check(Some("NaN"), None, None);
        check(None, Some("30s"), None);
        check(None, Some("-1"), None);
        check(None, Some(""), None);
    }
}
