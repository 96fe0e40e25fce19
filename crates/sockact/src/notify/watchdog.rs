//! The watchdog of a service: `WatchdogSec=` of `systemd.service(5)`, `sd_watchdog_enabled(3)`.

use std::time::Duration;

use sd_notify::NotifyState;

use super::{Notify, NotifyError};

/// The service manager expects a sign of life.
///
/// Ping it from the place whose life matters: a task on the runtime that serves, the loop that
/// accepts. A thread of its own that pings proves nothing but that it runs itself.
///
/// ```no_run
/// if let Some(watchdog) = sockact::Watchdog::from_env()? {
///     println!("ping each {:?}", watchdog.interval());
///     watchdog.ping()?;
/// }
/// # Ok::<(), sockact::NotifyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Watchdog {
    notify: Notify,
    timeout: Duration,
}

impl Watchdog {
    /// The watchdog of this process: `None` when `WATCHDOG_USEC` is not set, `WATCHDOG_PID` names
    /// another process or there is no `NOTIFY_SOCKET` to ping.
    ///
    /// # Errors
    /// A variable that is malformed.
    pub fn from_env() -> Result<Option<Watchdog>, NotifyError> {
        let var = |name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        let (usec, pid) = (var("WATCHDOG_USEC"), var("WATCHDOG_PID"));
        let Some(timeout) = timeout(usec.as_deref(), pid.as_deref(), std::process::id())? else {
            return Ok(None);
        };
        let notify = Notify::from_env()?;
        Ok(notify.is_heard().then_some(Watchdog { notify, timeout }))
    }

    /// After so long without a ping the service manager takes the service for dead.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How often to ping: half of the time that is allowed, as `sd_watchdog_enabled(3)` advises.
    pub fn interval(&self) -> Duration {
        self.timeout / 2
    }

    /// Says `WATCHDOG=1`: alive.
    ///
    /// # Errors
    /// The message cannot be sent.
    pub fn ping(&self) -> Result<(), NotifyError> {
        self.notify.send(&[NotifyState::Watchdog])
    }

    /// Says `WATCHDOG=trigger`: an error within that only a restart mends.
    ///
    /// # Errors
    /// The message cannot be sent.
    pub fn trigger(&self) -> Result<(), NotifyError> {
        self.notify.send(&[NotifyState::WatchdogTrigger])
    }
}

fn timeout(
    usec: Option<&str>,
    pid: Option<&str>,
    own: u32,
) -> Result<Option<Duration>, NotifyError> {
    let Some(usec) = usec else { return Ok(None) };
    if let Some(pid) = pid {
        let found = number("WATCHDOG_PID", pid)?;
        if found != u64::from(own) {
            return Ok(None);
        }
    }
    Ok(Some(Duration::from_micros(number("WATCHDOG_USEC", usec)?)))
}

fn number(var: &'static str, value: &str) -> Result<u64, NotifyError> {
    let digits = value.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { value.parse().ok() } else { None };
    number.filter(|n| *n > 0).ok_or_else(|| NotifyError::Watchdog { var, value: value.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_and_how_long() {
        let at = |usec, pid| timeout(usec, pid, 7);
        assert_eq!(at(None, Some("7")).unwrap(), None);
        assert_eq!(at(Some("30000000"), None).unwrap(), Some(Duration::from_secs(30)));
        assert_eq!(at(Some("1"), Some("7")).unwrap(), Some(Duration::from_micros(1)));
        assert_eq!(at(Some("1"), Some("8")).unwrap(), None);
        for wrong in ["", "0", "-1", "+1", "1s", "99999999999999999999"] {
            assert!(at(Some(wrong), None).is_err(), "{wrong:?}");
            assert!(at(Some("1"), Some(wrong)).is_err(), "{wrong:?}");
        }
    }
}
