//! What the slots say of themselves while the load goes on, and what the scheduler says of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sockctl::admin::Admin;
use sockgen::App;
use tokio::task::JoinHandle;

use super::groups::Group;
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

impl Seen {
    /// Takes in a process of this slot; nothing, when it is known.
    fn add(&mut self, slot: &str, pid: u32) {
        if !self.processes.iter().any(|process| process.pid == pid) {
            self.processes.push(Process::new(slot, pid));
        }
    }

    /// Looks at how long each process had no processor since the last time.
    fn look(&mut self) {
        self.starved.extend(self.processes.iter_mut().flat_map(Process::look));
    }
}

/// Asks every slot until it is ended; one that does not run gives no answer. One without a gate has no admin socket: of its processes systemd
/// knows.
pub(super) struct Watch {
    seen: Rc<RefCell<Seen>>,
    tasks: [JoinHandle<()>; 3],
}

impl Watch {
    pub(super) fn begin(app: &App) -> Self {
        let seen = Rc::<RefCell<Seen>>::default();
        let slots = app.slots().iter().filter(|_| app.gated());
        let slots: Vec<_> =
            slots.map(|slot| (slot.to_string(), Admin::new(app.admin_path(slot)))).collect();
        let ask = tokio::task::spawn_local(ask(slots, Rc::clone(&seen)));
        let app = (!app.gated()).then(|| app.clone());
        let find = tokio::task::spawn_local(find(app, Rc::clone(&seen)));
        let look = tokio::task::spawn_local(look(Rc::clone(&seen)));
        Self { seen, tasks: [ask, find, look] }
    }

    /// Looks once more: while the last answers of the load were waited for, nobody did.
    pub(super) fn end(self) -> Seen {
        self.tasks.iter().for_each(JoinHandle::abort);
        let mut seen = self.seen.take();
        seen.look();
        seen
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
            seen.add(slot, status.pid);
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

/// Finds the processes of an application without a gate.
async fn find(app: Option<App>, seen: Rc<RefCell<Seen>>) {
    let Some(app) = app else { return };
    let groups = Group::all(&app).await;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        for group in &groups {
            group.processes().into_iter().for_each(|pid| seen.borrow_mut().add(&group.slot, pid));
        }
    }
}

async fn look(seen: Rc<RefCell<Seen>>) {
    let mut ticks = tokio::time::interval(LOOK);
    loop {
        ticks.tick().await;
        seen.borrow_mut().look();
    }
}
