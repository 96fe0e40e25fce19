//! net/http of Go's own library, and what is built on it.

use super::source::VERSION;
use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "go",
    summary: "Go: net/http and whatever serves a net.Listener",
    notes: &[
        "Go has no gate: users meet a release as soon as it runs, beside the old one.",
        "The program serves net.FileListener of descriptor 3, which holds for one listener alone; it opens $SOCKACT_HEALTH;",
        "and at SIGTERM it ends what it still answers. `sockgen init --preset go --main` writes one that does.",
    ],
    exec: "bin/shop",
    args: &[],
    gated: false,
    ready: Ready::Exec,
    allow: &[],
    health: Asks::Own,
    finds: Finds::Third,
    signs: &[("go.mod", &[])],
    sources: &[
        Source::text("main.go", include_str!("../../presets/go/main.go")),
        Source::text("go.mod", include_str!("../../presets/go/go.mod")),
        VERSION,
    ],
    build: &["go build -o bin/shop"],
    release: ".",
};
