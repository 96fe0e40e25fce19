//! The admin protocol without its transport: bounds, what a request asks for, what is answered.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Identity, Setting, Status};

/// Connections at a time; more wait in the backlog.
pub(crate) const CONNECTIONS: usize = 16;
/// From the first byte awaited to the end of a head; also ends an idle connection.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(5);
/// For the body of a request to one of our own paths.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(5);
/// The whole life of an admin connection.
pub(crate) const LIFE: Duration = Duration::from_secs(120);
/// Bytes of a request's head, and of the body of `PUT /-/gate`.
pub(crate) const HEAD_SIZE: usize = 16 * 1024;
pub(crate) const BODY_SIZE: usize = 1024;
/// Time between requests in the long run, and how much may be saved up for a burst.
const BETWEEN: Duration = Duration::from_millis(2);
const BURST: Duration = Duration::from_millis(200);

/// What a request to one of our own paths asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Status,
    Metrics,
    PutGate,
    /// Another method than these.
    NotAllowed(&'static str),
}

/// What this asks for; `None` when the path is the application's.
pub(crate) fn asked(method: &str, path: &str) -> Option<Asked> {
    let reads = matches!(method, "GET" | "HEAD");
    Some(match path {
        "/-/gate" if method == "PUT" => Asked::PutGate,
        "/-/gate" => Asked::NotAllowed("PUT"),
        "/-/status" | "/-/metrics" if !reads => Asked::NotAllowed("GET, HEAD"),
        "/-/status" => Asked::Status,
        "/-/metrics" => Asked::Metrics,
        _ => return None,
    })
}

/// The body of `PUT /-/gate`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutGate {
    share: f64,
    from: Option<f64>,
    /// `$INVOCATION_ID` of the run that is meant; none is whoever reads it.
    run: Option<String>,
}

/// The setting that this body of `PUT /-/gate` wishes; an answer when it may not be had.
///
/// The socket is systemd's: what was said to a run that died before it read it waits there for the next one, which it was not meant for.
pub(crate) fn wish(body: &[u8], draining: bool, who: &Identity) -> Result<Setting, Answer> {
    let gate: PutGate = serde_json::from_slice(body).map_err(|e| {
        Answer::bad(&format!("expected {{\"share\":0.0}}, a share from 0 to 1: {e}"))
    })?;
    let setting = Setting::new(gate.share, gate.from).ok_or_else(|| {
        Answer::bad(&format!("share {} (from {:?}) is not from 0 to 1", gate.share, gate.from))
    })?;
    if let (Some(meant), Some(run)) = (&gate.run, &who.run)
        && meant != run
    {
        return Err(Answer::line(409, &format!("this is run {run}, and run {meant} is meant")));
    }
    if draining && gate.share > 0.0 {
        return Err(Answer::line(409, "draining: this process accepts no more"));
    }
    Ok(setting)
}

/// An answer of our own.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    pub(crate) allow: Option<&'static str>,
}

impl Answer {
    pub(crate) fn status(status: &Status<'_>) -> Answer {
        Answer { code: 200, kind: "application/json", text: status.json(), allow: None }
    }

    pub(crate) fn metrics(status: &Status<'_>) -> Answer {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        Answer { code: 200, kind, text: status.open_metrics(), allow: None }
    }

    pub(crate) fn not_allowed(allowed: &'static str) -> Answer {
        let answer = Answer::line(405, &format!("allowed here: {allowed}"));
        Answer { allow: Some(allowed), ..answer }
    }

    pub(crate) fn bad(why: &str) -> Answer {
        Answer::line(400, why)
    }

    /// One line of text.
    pub(crate) fn line(code: u16, text: &str) -> Answer {
        let text = text.replace('\n', " ") + "\n";
        Answer { code, kind: "text/plain; charset=utf-8", text, allow: None }
    }
}

/// Hands out turns: a burst at once, then one each [`BETWEEN`].
#[derive(Debug)]
pub(crate) struct Pace(Mutex<Instant>);

impl Pace {
    /// With a whole burst saved up.
    pub(crate) fn new() -> Pace {
        let now = Instant::now();
        Pace(Mutex::new(now.checked_sub(BURST).unwrap_or(now)))
    }

    /// Until when the next one has to wait.
    pub(crate) fn turn(&self) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let at = (*next).max(now.checked_sub(BURST).unwrap_or(now));
        *next = at + BETWEEN;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_methods() {
        for (method, path, expected) in [
            ("GET", "/-/status", Some(Asked::Status)),
            ("HEAD", "/-/metrics", Some(Asked::Metrics)),
            ("PUT", "/-/gate", Some(Asked::PutGate)),
            ("GET", "/-/gate", Some(Asked::NotAllowed("PUT"))),
            ("POST", "/-/status", Some(Asked::NotAllowed("GET, HEAD"))),
            ("PUT", "/-/metrics", Some(Asked::NotAllowed("GET, HEAD"))),
            ("GET", "/-/other", None),
            ("GET", "/health", None),
        ] {
            assert_eq!(asked(method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn wishes() {
        let who = Identity { slot: "blue".to_owned(), run: Some("77e1".to_owned()) };
        let code = |body: &str, draining| wish(body.as_bytes(), draining, &who).map_err(|a| a.code);
        assert_eq!(code(r#"{"share":0.25}"#, false), Ok(Setting::new(0.25, None).unwrap()));
        assert_eq!(
            code(r#"{"share":0,"from":1}"#, true),
            Ok(Setting::new(0.0, Some(1.0)).unwrap())
        );
        assert_eq!(code(r#"{"share":0.25}"#, true), Err(409));
        assert_eq!(code(r#"{"share":1,"run":"77e1"}"#, false), Ok(Setting::OPEN));
        assert_eq!(code(r#"{"share":1,"run":"77e2"}"#, false), Err(409));
        let by_hand = wish(br#"{"share":1,"run":"77e2"}"#, false, &Identity::default());
        assert_eq!(by_hand, Ok(Setting::OPEN));
        for body in ["", "{}", "1", r#"{"share":1.5}"#, r#"{"share":"1"}"#, r#"{"share":1,"x":1}"#]
        {
            assert_eq!(code(body, false), Err(400), "{body:?}");
        }
    }

    #[test]
    fn a_burst_then_one_each_two_milliseconds() {
        let (pace, begin) = (Pace::new(), Instant::now());
        let last = (0..=200).map(|_| pace.turn()).last().unwrap();
        let ahead = last.saturating_duration_since(begin);
        assert!(ahead >= Duration::from_millis(200), "{ahead:?}");
    }
}
