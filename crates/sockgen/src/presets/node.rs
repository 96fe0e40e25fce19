//! Node's own http, and what is built on it.

use super::source::VERSION;
use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "node",
    summary: "Node: http, Express, Fastify, whatever takes listen({ fd: 3 })",
    notes: &[
        "Node has no gate: users meet a release as soon as it runs, beside the old one.",
        "The program listens on { fd: 3 }, which holds for one listener alone; it opens $SOCKACT_HEALTH; and at SIGTERM it",
        "ends what it still answers. `sockgen init --preset node --main` writes one that does.",
    ],
    exec: "server.js",
    args: &[],
    gated: false,
    ready: Ready::Exec,
    allow: &["jit"],
    health: Asks::Own,
    finds: Finds::Third,
    signs: &[("package.json", &[])],
    sources: &[Source::script("server.js", include_str!("../../presets/node/server.js")), VERSION],
    build: &[],
    release: ".",
};
