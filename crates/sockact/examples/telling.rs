//! Tells its service manager what its arguments say, in order, then waits for the end of its input:
//! the tests' view of notifications from a real process.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use sockact::{Notify, Watchdog};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let notify = Notify::from_env()?;
    let listeners = sockact::listeners()?;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "ready" => notify.ready()?,
            "reloading" => notify.reloading()?,
            "stopping" => notify.stopping()?,
            "store" => {
                let file = std::fs::File::open("/dev/null")?;
                notify.store("null", &[file.as_fd()])?;
            }
            "barrier" => notify.barrier(Duration::from_secs(20))?,
            "watchdog" => match Watchdog::from_env()? {
                Some(watchdog) => {
                    notify.status(&format!("watchdog {:?}", watchdog.interval()))?;
                    watchdog.ping()?;
                }
                None => notify.status("no watchdog")?,
            },
            "stored" => {
                for passed in listeners.any("null") {
                    notify.status(&format!("stored {passed}"))?;
                }
            }
            "exit" => return Ok(()),
            status => notify.status(status)?,
        }
    }
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
