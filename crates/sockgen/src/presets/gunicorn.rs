//! gunicorn: WSGI applications such as Django's and Flask's.

use super::source::VERSION;
use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "gunicorn",
    summary: "gunicorn: WSGI, such as Django and Flask",
    notes: &[
        "gunicorn has no gate: users meet a release as soon as it runs, beside the old one. It closes connections that it",
        "has accepted when it is stopped, also such as wait for their first answer: some requests are lost at each deploy.",
        "It takes every socket that systemd passes and says READY=1. The release holds its virtual environment: a symbolic",
        "link to /usr/bin/python3 that runs where it lies, which the scripts beside it do not.",
    ],
    exec: "venv/bin/python",
    args: &["-m", "gunicorn", "wsgi:application"],
    gated: false,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Exec(&["venv/bin/python", "healthy.py"]),
    finds: Finds::All,
    signs: &[
        ("requirements.txt", &["gunicorn", "django", "flask"]),
        ("pyproject.toml", &["gunicorn", "django", "flask"]),
    ],
    sources: &[
        Source::text("wsgi.py", include_str!("../../presets/gunicorn/wsgi.py")),
        Source::text("healthy.py", include_str!("../../presets/gunicorn/healthy.py")),
        Source::text("gunicorn.conf.py", include_str!("../../presets/gunicorn/gunicorn.conf.py")),
        Source::text("requirements.txt", include_str!("../../presets/gunicorn/requirements.txt")),
        VERSION,
    ],
    build: VENV,
    release: ".",
};

/// Made by the system's Python: another one may lie where the sandbox of a slot hides it.
pub(super) const VENV: &[&str] =
    &["/usr/bin/python3 -m venv venv", "venv/bin/python -m pip install -r requirements.txt"];
