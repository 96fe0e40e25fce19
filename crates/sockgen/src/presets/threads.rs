//! Plain threads of Rust, with `sockact::threads::Drain`.

use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "threads",
    summary: "Rust on sockact::threads: plain threads, no runtime",
    notes: &[],
    exec: "bin/shop",
    args: &[],
    gated: true,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Admin,
    finds: Finds::Names,
    signs: &[],
    sources: &[
        Source::text("Cargo.toml", include_str!("../../presets/threads/manifest.toml")),
        Source::text("src/main.rs", include_str!("../../presets/threads/main.rs")),
    ],
    build: &["cargo build --release"],
    release: "target/release/shop",
};
