//! hyper by hand, with `sockact::Drain` around its connections.

use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "hyper",
    summary: "Rust on sockact::Drain: hyper by hand",
    notes: &[],
    exec: "bin/shop",
    args: &[],
    gated: true,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Admin,
    finds: Finds::Names,
    signs: &[("Cargo.toml", &["hyper"])],
    sources: &[
        Source::text("Cargo.toml", include_str!("../../presets/hyper/manifest.toml")),
        Source::text("src/main.rs", include_str!("../../presets/hyper/main.rs")),
    ],
    build: &["cargo build --release"],
    release: "target/release/shop",
};
