//! The command line of our `http2_client`.

use super::{Load, STREAMS, THREADS};

pub(super) fn argv(load: &Load) -> Vec<String> {
    let at_once = STREAMS * THREADS;
    assert_eq!(load.connections % at_once, 0, "{THREADS} threads, {STREAMS} streams");
    vec![
        "http2_client".into(),
        format!("--threads={THREADS}"),
        format!("--connections={}", load.connections / STREAMS),
        format!("--streams={STREAMS}"),
        format!("--timeout-ms={}", load.timeout.as_millis()),
        format!("--seconds={}", load.at_most.as_secs()),
        load.url.clone(),
    ]
}
