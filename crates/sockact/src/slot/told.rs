//! The words that systemd gets.

use std::time::Duration;

use crate::NotifyState;

/// How long a drain waits until systemd has taken `STOPPING=1`.
pub(crate) const STOPPING_TIME: Duration = Duration::from_secs(1);

/// How much longer than the drain's deadline systemd is asked to wait.
const MARGIN: Duration = Duration::from_secs(2);

/// The drain begins: systemd is asked to wait as long as it may take. `EXTEND_TIMEOUT_USEC` lengthens
/// a shorter `TimeoutStopSec=` and never shortens one.
pub(crate) fn stopping(deadline: Duration) -> Vec<NotifyState<'static>> {
    let time = u32::try_from(deadline.saturating_add(MARGIN).as_micros()).unwrap_or(u32::MAX);
    vec![NotifyState::Stopping, NotifyState::ExtendTimeoutUsec(time)]
}

/// The status line of a slot with this gate.
pub(crate) fn serving(share: f64) -> String {
    match share {
        share if share >= 1.0 => "Serving".to_owned(),
        share if share <= 0.0 => "Ready, gate closed".to_owned(),
        share => format!("Serving a share of {share}"),
    }
}
