//! What is weaker for a program that is not built on `sockact`, which takes systemd's sockets and has no gate and no admin socket; and for what
//! arrives without a connection, before which no gate stands.

use sockgen::{App, Ready};

/// What this application cannot be promised, a sentence each; empty when its slots have gates.
pub fn weaker(app: &App) -> Vec<&'static str> {
    let mut sentences = Vec::new();
    if app.listeners().iter().any(|listener| !listener.address.has_connections()) {
        sentences.push(
            "datagrams and FIFOs know no share: slots that run at once read from one queue, and each message goes to whichever reads it first; \
             what nobody has read waits for the next slot",
        );
    }
    if app.gated() {
        return sentences;
    }
    if app.proxy().is_some() {
        sentences.push(
            "systemd-socket-proxyd stands before the program, which sees it in the place of its clients: a hop for each connection, and no address of \
             a client",
        );
    }
    sentences.extend([
        "users meet a release before it is proven: from its start it takes connections beside the old one, and is stopped as soon as \
         it is found to be sick",
        "there is no standby and no share: both accept until the old one is stopped",
        "requests that the program itself drops when it is told to stop (SIGTERM) are lost; those that wait in the queue are not",
    ]);
    if app.ready() == Ready::Exec && app.proxy().is_none() {
        sentences.push(
            "it counts as started when its program is executed, which may be before it can answer",
        );
    }
    sentences
}
