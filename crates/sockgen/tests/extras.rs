//! `sockgen print`: `tests/extras/sockact.toml` gives the files beside it, each accepted by the program that reads it (that is a test of `e2e`).
//! `UPDATE=1 cargo test -p sockgen --test extras` writes them anew.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use sockgen::{App, Extra, ExtraError};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/extras")
}

#[test]
fn each_is_as_expected() {
    let app = App::read(&folder().join("sockact.toml")).unwrap();
    for extra in Extra::value_variants() {
        let path = folder().join(extra.to_possible_value().unwrap().get_name());
        let text = extra.render(&app, "deploy").unwrap();
        if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "{}", path.display());
    }
}

#[test]
fn what_the_manifest_says_nothing_about_is_refused() {
    let text = "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\nlisten = \"127.0.0.1:80\"";
    let app = App::parse(text).unwrap();
    assert_eq!(Extra::Sysusers.render(&app, "deploy"), Err(ExtraError::NoAccount));
    assert_eq!(Extra::Prometheus.render(&app, "deploy"), Err(ExtraError::NoMetrics));
    assert_eq!(Extra::Journald.render(&app, "deploy"), Err(ExtraError::NoLimits));
    for group in ["", "a b", "\"", "x\");", "root", "größe", "0"] {
        let refused = Extra::Polkit.render(&app, group);
        assert!(matches!(refused, Err(ExtraError::Group(_))), "{group:?}: {refused:?}");
    }
}
