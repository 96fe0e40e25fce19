//! Telling systemd on a thread of its own: the send blocks while PID 1 is busy (with a daemon-reload, say) and its queue
//! is full, and nobody who serves may wait for that.

use std::io;
use std::sync::mpsc;

use crate::{Notify, NotifyError, NotifyState};

/// Tells systemd, in order.
#[derive(Debug)]
pub(crate) struct Herald(mpsc::Sender<Errand>);

struct Errand {
    states: Vec<NotifyState<'static>>,
    status: Option<String>,
    done: Box<dyn FnOnce(Result<(), NotifyError>) + Send>,
}

impl Herald {
    /// Starts the thread; it ends with the herald.
    pub(crate) fn new(notify: Notify) -> io::Result<Herald> {
        let (errands, received) = mpsc::channel::<Errand>();
        std::thread::Builder::new().name("sockact-notify".to_owned()).spawn(move || {
            for Errand { states, status, done } in received {
                let status = status.iter().map(|text| NotifyState::Status(text));
                let states: Vec<_> = states.into_iter().chain(status).collect();
                done(notify.send(&states));
            }
        })?;
        Ok(Herald(errands))
    }

    /// Tells all of this in one datagram; `done` is called when systemd's socket has taken it.
    pub(crate) fn tell(
        &self,
        states: Vec<NotifyState<'static>>,
        status: Option<String>,
        done: impl FnOnce(Result<(), NotifyError>) + Send + 'static,
    ) {
        // The thread lives as long as this end of the channel.
        let _ = self.0.send(Errand { states, status, done: Box::new(done) });
    }
}
