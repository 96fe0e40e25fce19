//! oha's command line and its JSON.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::report::{Errors, Latency, LoadReport};
use super::{Load, STREAMS, THREADS};

/// What hyper says of a request that it has not begun to write. After GOAWAY it takes no new one, and oha, unlike a
/// client that is made for more than measuring, does not give such a request to its next connection.
const UNSENT: &str = "operation was canceled";

pub(super) fn argv(load: &Load) -> Vec<String> {
    assert_eq!(load.connections % STREAMS, 0, "each connection has {STREAMS} streams");
    let words = [
        "oha",
        "--http2",
        "--no-tui",
        "--output-format=json",
        "--redirect=0",
        // At the end no request is cut off. One that gets no answer is timed out.
        "--wait-ongoing-requests-after-deadline",
    ];
    let mut argv: Vec<String> = words.map(String::from).into();
    argv.extend([
        format!("--worker-threads={THREADS}"),
        format!("-c={}", load.connections / STREAMS),
        format!("-p={STREAMS}"),
        format!("-t={}ms", load.timeout.as_millis()),
        format!("-z={}s", load.at_most.as_secs()),
        load.url.clone(),
    ]);
    argv
}

/// Only what is read, but of that nothing may be missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    summary: Summary,
    latency_percentiles: Percentiles,
    status_code_distribution: BTreeMap<u16, u64>,
    error_distribution: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Summary {
    /// Seconds.
    total: f64,
    slowest: Option<f64>,
}

/// Seconds; none when nothing was answered.
#[derive(Deserialize)]
struct Percentiles {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
    #[serde(rename = "p99.9")]
    p99_9: Option<f64>,
}

/// The report from all that oha printed; panics when it is not understood.
pub(super) fn report(command: &str, lines: &[String]) -> LoadReport {
    let told = lines.join("\n");
    let Output { summary, latency_percentiles, status_code_distribution, mut error_distribution } =
        serde_json::from_str(&told).unwrap_or_else(|e| panic!("not what oha prints: {e}\n{told}"));
    let requests = status_code_distribution.values().sum();
    let microseconds = |seconds: Option<f64>| (seconds.unwrap_or_default() * 1e6).round() as u64;
    LoadReport {
        command: command.into(),
        requests,
        unsent: error_distribution.remove(UNSENT).unwrap_or_default(),
        errors: Errors {
            timeout: error_distribution.remove("timeout").unwrap_or_default(),
            status: status_code_distribution
                .into_iter()
                .filter(|(status, _)| *status != 200)
                .collect(),
            other: error_distribution,
            ..Errors::default()
        },
        by_release: BTreeMap::new(),
        latency: Latency {
            p50: microseconds(latency_percentiles.p50),
            p90: microseconds(latency_percentiles.p90),
            p99: microseconds(latency_percentiles.p99),
            p99_9: microseconds(latency_percentiles.p99_9),
            max: microseconds(summary.slowest),
        },
        duration: Duration::from_secs_f64(summary.total),
    }
}
