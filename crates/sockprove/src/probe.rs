//! Connections at a steady pace that look whether anybody accepts: at the service and, at the same moments, at a witness.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::accepts::Opened;
use crate::client::Counters;
use crate::client::http1::Http1;
use crate::failure::{Failure, FailureKind};
use crate::load::Going;
use crate::priority::be_on_time;
use crate::schedule::Pace;
use crate::tally::{Fault, Tally};
use crate::target::{Address, Target};
use crate::timer::{Timer, micros};
use crate::witness::Witness;

/// Connections that are waited for at a time. More are not begun: a service that is slow at full speed should not have these as a load of
/// their own, and a gap is as long however many wait in it.
const AT_ONCE: usize = 8;

/// What the connections saw.
#[derive(Debug, Clone, Default)]
pub struct Probes {
    /// Of the service.
    pub service: Vec<Opened>,
    /// Of the witness.
    pub witness: Vec<Opened>,
    /// Those of the service that failed, or could not be opened.
    pub tally: Tally,
}

struct Prober {
    going: Going,
    probes: RefCell<Probes>,
}

/// Connects every `interval` until the load ends.
pub(crate) async fn run(going: Going, interval: Duration) -> io::Result<Probes> {
    let witness = Witness::start()?;
    // Not the witness, whose threads are scheduled as the service's are.
    if let Pace::Open { .. } = going.load.pace {
        be_on_time();
    }
    let service = Rc::new(going.load.target.clone());
    let own = Rc::new(Target {
        address: Address::Tcp(witness.address),
        authority: witness.address.to_string(),
        path: "/".into(),
    });
    let prober = Rc::new(Prober { going, probes: RefCell::default() });
    let timer = Timer::new()?;
    let mut due = prober.going.start;
    while !prober.going.is_over() {
        due += interval;
        tokio::select! {
            () = prober.going.over() => break,
            waited = timer.until(due) => waited?,
        }
        for (target, is_service) in [(&service, true), (&own, false)] {
            if under_way(target) < AT_ONCE {
                let (prober, target) = (Rc::clone(&prober), Rc::clone(target));
                tokio::task::spawn_local(
                    async move { prober.connect(target, is_service, due).await },
                );
            }
        }
    }
    // Those that are under way have their time.
    let end = Instant::now() + prober.going.load.timeout;
    while under_way(&service) > 0 && Instant::now() < end {
        timer.until(Instant::now() + Duration::from_millis(1)).await?;
    }
    Ok(prober.probes.take())
}

/// Connections to it that are waited for: each holds it.
fn under_way(target: &Rc<Target>) -> usize {
    Rc::strong_count(target) - 1
}

impl Prober {
    async fn connect(&self, target: Rc<Target>, is_service: bool, due: Instant) {
        let Going { start, load, .. } = &self.going;
        // While this process stands still the service's connections wait as well: what the witness waits counts from when it was due.
        let begun = if is_service { Instant::now() } else { due };
        let mut client = Http1::new(target, Rc::new(Counters::default()), true);
        let exchange = tokio::time::timeout(load.timeout, client.exchange()).await;
        if let Some(accepted) = client.first_byte {
            let opened =
                Opened { begun_us: micros(*start, begun), accepted_us: micros(*start, accepted) };
            let mut probes = self.probes.borrow_mut();
            if is_service { probes.service.push(opened) } else { probes.witness.push(opened) }
        }
        let failure = match exchange {
            Err(_) => Failure::new(FailureKind::Timeout, "a connection that nobody accepted"),
            Ok(Ok(_)) => return,
            Ok(Err(failure)) => failure,
        };
        if is_service {
            let (due_us, at_us) = (micros(*start, begun), micros(*start, Instant::now()));
            self.probes.borrow_mut().tally.failed(Fault { due_us, at_us, failure });
        }
    }
}
