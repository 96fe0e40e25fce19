//! Calls that are repeated while PID 1 is away, and given up when it does not answer.

use std::time::{Duration, Instant};

use super::SystemdError;
use super::error::away;

/// How long a call is repeated while PID 1 is not on the bus.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Makes the `call` for the `unit`, which may be none, until it is answered.
///
/// # Errors
/// [`SystemdError::Call`] with a refusal; [`SystemdError::Deaf`] when no answer comes.
pub(super) async fn patient<T, F>(
    call: &'static str,
    unit: &str,
    ask: impl Fn() -> F,
) -> Result<T, SystemdError>
where
    F: Future<Output = zbus::Result<T>>,
{
    let (began, within) = (Instant::now(), limit(call));
    loop {
        match tokio::time::timeout(within, ask()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) if away(&error) && began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(Err(source)) => return Err(SystemdError::Call { call, unit: unit.into(), source }),
            Err(_) => return Err(SystemdError::Deaf { call, unit: unit.into(), within }),
        }
    }
}

/// How long an answer may take. PID 1 reads what services tell it before it reads the bus: one that talks without a pause keeps it from
/// ever answering (seen on 252).
fn limit(call: &str) -> Duration {
    // systemctl(1) gives a reload as long: all generators run, and all units are read.
    Duration::from_secs(if call == "Reload" { 180 } else { 30 })
}
