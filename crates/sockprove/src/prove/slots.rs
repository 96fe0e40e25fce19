//! What the slots say of themselves while the load goes on, and what the scheduler says of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockctl::admin::Admin;
use sockgen::App;
use tokio::task::JoinHandle;

use super::proof::{SlotSample, Starved};
use super::starved::Process;
use crate::load::monotonic_ns;

/// How often they are asked.
const EVERY: Duration = Duration::from_millis(100);

/// How often it is looked whether they could run.
const LOOK: Duration = Duration::from_millis(5);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) slots: Vec<SlotSample>,
    pub(super) starved: Vec<Starved>,
    processes: Vec<Process>,
}

/// Asks every slot until it is ended; one that does not run gives no answer, and one without a gate has no admin socket.
pub(super) struct Watch {
    seen: Rc<RefCell<Seen>>,
    tasks: [JoinHandle<()>; 2],
}

impl Watch {
    pub(super) fn begin(app: &App) -> Self {
        let seen = Rc::<RefCell<Seen>>::default();
        let slots = app.slots().iter().filter(|_| app.gated());
        let slots: Vec<_> =
            slots.map(|slot| (slot.to_string(), Admin::new(app.admin_path(slot)))).collect();
        let ask = tokio::task::spawn_local(ask(slots, Rc::clone(&seen)));
        let look = tokio::task::spawn_local(look(Rc::clone(&seen)));
        Self { seen, tasks: [ask, look] }
    }

    pub(super) fn end(self) -> Seen {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.seen.take()
    }
}

async fn ask(slots: Vec<(String, Admin)>, seen: Rc<RefCell<Seen>>) {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        for (slot, admin) in &slots {
            let at_ns = monotonic_ns();
            let Ok(status) = admin.status().await else { continue };
            let mut seen = seen.borrow_mut();
            if !seen.processes.iter().any(|process| process.pid == status.pid) {
                seen.processes.push(Process::new(slot, status.pid));
            }
            seen.slots.push(SlotSample {
                at_ns,
                slot: slot.clone(),
                gate: status.gate,
                connections: status.connections,
                in_flight: status.in_flight,
            });
        }
    }
}

async fn look(seen: Rc<RefCell<Seen>>) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        let Seen { starved, processes, .. } = &mut *seen.borrow_mut();
        starved.extend(processes.iter_mut().filter_map(Process::look));
    }
}
