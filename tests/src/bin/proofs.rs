//! How often `sockctl prove` is right: many runs on a service without a fault, on one that drops one request in 100 000, and on one that
//! stands still for 50 ms, once. The page of the last run on each is left in `target/proofs`; the pictures of the open loop of two of them
//! go into docs.

use std::process::ExitCode;

use e2e::binaries;
use e2e::sandbox::Output;
use e2e::shop::{HEALTH, Shop};
use serde_json::Value;

/// Runs on each service, when no number is given.
const RUNS: u32 = 10;

/// Short times, so that a run takes seconds.
const SWAP: &str = "swap = { stable = \"500ms\", watch = \"500ms\", drain = \"2s\" }\n";

/// Services whose picture the README shows.
const PICTURES: [&str; 2] = ["faultless", "stalls"];

/// Where a run writes it.
const PAGE: &str = "/tmp/proof.html";

fn main() -> ExitCode {
    let _ = binaries::get();
    let runs = std::env::args().nth(1).map_or(RUNS, |runs| runs.parse().expect("a number of runs"));
    let shop = Shop::enabled_with(&format!("{SWAP}{HEALTH}"));
    let cases = [
        ("drops", Some("drops-one-in=100000"), "fail", &["--connections", "64"][..]),
        ("stalls", Some("stalls-after-requests=3000"), "fail", &["--rate", "1000"]),
        ("faultless", None, "pass", &["--deploys", "2", "--websocket", "/ws"]),
    ];
    let mut wrong = 0;
    for (name, fault, expected, words) in cases {
        shop.deploy(&shop.release(name, fault)).ok();
        for run in 1..=runs {
            // What stands still once does so again only in a new process.
            shop.sockctl(["restart", "shop"]).ok();
            let first =
                ["sockctl", "--json", "prove", "shop", "--duration", "4s", "--report", PAGE];
            let proof = proof(&shop.sandbox.run(first.iter().chain(words)));
            let verdict = proof["verdict"].as_str().expect("a verdict");
            let right = if verdict == expected { "" } else { "WRONG: " };
            wrong += u32::from(verdict != expected);
            println!("{right}{name} {run}: {verdict}, {}", told(&proof));
        }
        keep_page(&shop, name);
    }
    println!("{wrong} verdicts were wrong");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The page, and its first picture where the documents show it.
fn keep_page(shop: &Shop, name: &str) {
    let folder = binaries::workspace().join("target/proofs");
    std::fs::create_dir_all(&folder).expect("target can be written");
    let page = shop.sandbox.run(["cat", PAGE]).ok().stdout;
    std::fs::write(folder.join(format!("{name}.html")), &page).expect("target can be written");
    if let Some((_, rest)) = page.split_once("<svg").filter(|_| PICTURES.contains(&name)) {
        let (svg, _) = rest.split_once("</svg>").expect("it ends");
        // A page has a colour of its own, also a dark one.
        let paper = "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>";
        let (head, lines) = svg.split_once('\n').expect("a line for each thing");
        let docs = binaries::workspace().join(format!("docs/prove-{name}.svg"));
        std::fs::write(docs, format!("<svg{head}\n{paper}\n{lines}</svg>\n"))
            .expect("docs can be written");
    }
}

fn proof(output: &Output) -> Value {
    let lines = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let end = lines.into_iter().find(|event| event["event"] == "end");
    end.unwrap_or_else(|| panic!("no end:\n{output}"))["proof"].take()
}

/// What it was decided by.
fn told(proof: &Value) -> String {
    let rounds = proof["rounds"].as_array().into_iter().flatten();
    let gaps = rounds.map(|round| {
        let accepts = &round["loads"][0]["record"]["accepts"];
        let ms = |us: &Value| us.as_f64().unwrap_or_default() / 1e3;
        let (longest, witness) = (&accepts["gaps"][0], ms(&accepts["gaps"][0]["witness_us"]));
        let loop_ = round["loop"].as_str().expect("open or closed");
        let (gap, usual) = (ms(&longest["us"]), ms(&accepts["usual_us"]));
        format!("{loop_} loop: no accept for {gap:.1} ms (witness {witness:.1}, usual {usual:.1})")
    });
    let gaps = gaps.collect::<Vec<_>>().join("; ");
    let (requests, failed, first) = (&proof["requests"], &proof["failed"], &proof["reasons"][0]);
    format!("{failed} of {requests} failed; {gaps}; {first}")
}
