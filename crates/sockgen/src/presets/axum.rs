//! axum on `sockact::serve`: what a manifest is for when nothing else is said.

use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "axum",
    summary: "Rust on sockact::serve: axum, or any tower service",
    notes: &[],
    exec: "bin/shop",
    args: &[],
    gated: true,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Admin,
    finds: Finds::Names,
    signs: &[("Cargo.toml", &["axum", "actix-web", "tower"]), ("Cargo.toml", &[])],
    sources: &[
        Source::text("Cargo.toml", include_str!("../../presets/axum/manifest.toml")),
        Source::text("src/main.rs", include_str!("../../presets/axum/main.rs")),
    ],
    build: &["cargo build --release"],
    release: "target/release/shop",
};
