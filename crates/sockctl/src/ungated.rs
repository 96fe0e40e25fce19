//! What is weaker for a program that is not built on `sockact`: it takes systemd's sockets, and has no gate and no admin socket.

use sockgen::{App, Ready};

/// What this application cannot be promised, a sentence each; empty when its slots have gates.
pub fn weaker(app: &App) -> Vec<&'static str> {
    if app.gated() {
        return Vec::new();
    }
    let mut sentences = vec![
        "users meet a release before it is proven: from its start it takes connections beside the old one, and is stopped as soon as \
         it is found to be sick",
        "there is no standby and no share: both accept until the old one is stopped",
        "requests that the program itself drops when it is told to stop (SIGTERM) are lost; those that wait in the queue are not",
    ];
    if app.ready() == Ready::Exec {
        sentences.push(
            "it counts as started when its program is executed, which may be before it can answer",
        );
    }
    sentences
}
