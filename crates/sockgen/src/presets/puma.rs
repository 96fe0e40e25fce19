//! Puma: Rack applications such as Rails' and Sinatra's.

use super::source::VERSION;
use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "puma",
    summary: "Puma: Rack, such as Rails and Sinatra",
    notes: &[
        "Puma has no gate: users meet a release as soon as it runs, beside the old one.",
        "When it is stopped, it closes connections of whose next request it has read nothing: that request is lost.",
        "It takes every socket that systemd passes (bind_to_activated_sockets) and says READY=1; Puma 5.6.5 needs the gem",
        "sd_notify for the latter.",
    ],
    exec: "serve",
    args: &[],
    gated: false,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Own,
    finds: Finds::All,
    signs: &[("Gemfile", &["puma", "rails"]), ("config.ru", &[])],
    sources: &[
        Source::script("serve", include_str!("../../presets/puma/serve")),
        Source::text("config.ru", include_str!("../../presets/puma/config.ru")),
        Source::text("puma.rb", include_str!("../../presets/puma/puma.rb")),
        VERSION,
    ],
    build: &[],
    release: ".",
};
