//! Caddy, whose configuration and files are the release.

use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "caddy",
    summary: "Caddy: its configuration and its files are the release",
    notes: &[
        "Caddy has no gate: users meet a release as soon as it runs, beside the old one. When it is stopped, it closes idle",
        "connections, also one whose next request is on its way: that request is lost.",
        "It takes descriptor 3 (`bind fd/3`: Caddy 2.11.4 can, 2.6.2 cannot), which holds for one listener alone, and says READY=1.",
        "The release is the Caddyfile, what it serves, and a script that starts the installed Caddy with them.",
    ],
    exec: "serve",
    args: &[],
    gated: false,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Own,
    finds: Finds::Third,
    signs: &[("Caddyfile", &[])],
    sources: &[
        Source::script("serve", include_str!("../../presets/caddy/serve")),
        Source::text("Caddyfile", include_str!("../../presets/caddy/Caddyfile")),
        Source::text("public/index.html", "1\n"),
    ],
    build: &[],
    release: ".",
};
