//! Programs that cannot be passed a socket: systemd-socket-proxyd takes the connections of each slot and carries them there.

use super::source::VERSION;
use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "proxyd",
    summary: "a program that cannot be passed a socket, behind systemd-socket-proxyd",
    notes: &[
        "systemd-socket-proxyd takes the connections of each slot, and carries them to an address that the program opens itself.",
        "This costs a hop for each connection; the program sees the proxy in the place of its clients (no client address); a client",
        "that ends its side of a connection before it has the answer does not get it; and there is no gate: users meet a",
        "release as soon as it listens, beside the old one. A program that can take a socket is better off with its own preset.",
        "At a switch the proxy stops to accept, the program gets SIGTERM, and the proxy carries on what the program still",
        "answers: what is lost is what the program itself drops when it is told to stop.",
    ],
    exec: "server.js",
    args: &[],
    gated: false,
    ready: Ready::Exec,
    allow: &["jit"],
    health: Asks::Own,
    finds: Finds::Proxy {
        environment: &[("HOST", "{host}"), ("PORT", "{port}")],
        to: ["127.0.0.1:9101", "127.0.0.1:9102"],
    },
    signs: &[],
    sources: &[
        Source::script("server.js", include_str!("../../presets/proxyd/server.js")),
        VERSION,
    ],
    build: &[],
    release: ".",
};
