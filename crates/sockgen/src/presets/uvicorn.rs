//! uvicorn: ASGI applications such as FastAPI's and Starlette's.

use super::gunicorn::VENV;
use super::source::VERSION;
use super::{Asks, Finds, Preset, Source};
use crate::model::Ready;

pub(super) const PRESET: Preset = Preset {
    name: "uvicorn",
    summary: "uvicorn: ASGI, such as FastAPI and Starlette",
    notes: &[
        "uvicorn has no gate: users meet a release as soon as it runs, beside the old one. It closes idle connections at",
        "once when it is stopped, also one whose next request is on its way: that request is lost.",
        "It takes descriptor 3, which holds for one listener alone. --timeout-graceful-shutdown is swap.drain in seconds.",
        "The release holds its virtual environment: a symbolic link to /usr/bin/python3 that runs where it lies, which the",
        "scripts beside it do not. The application opens $SOCKACT_HEALTH and says READY=1 when it starts, so it is one process,",
        "not --workers.",
    ],
    exec: "venv/bin/python",
    args: &[
        "-m",
        "uvicorn",
        "--fd=3",
        "--timeout-graceful-shutdown=30",
        "--no-access-log",
        "app:app",
    ],
    gated: false,
    ready: Ready::Notify,
    allow: &[],
    health: Asks::Own,
    finds: Finds::Third,
    signs: &[
        ("requirements.txt", &["uvicorn", "fastapi", "starlette"]),
        ("pyproject.toml", &["uvicorn", "fastapi", "starlette"]),
    ],
    sources: &[
        Source::text("app.py", include_str!("../../presets/uvicorn/app.py")),
        Source::text("requirements.txt", include_str!("../../presets/uvicorn/requirements.txt")),
        VERSION,
    ],
    build: VENV,
    release: ".",
};
