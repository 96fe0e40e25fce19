//! Who watches or follows a deploy: each change is seen, and whoever goes away takes nothing with them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

/// Starts `sockctl ARGS` with its output in pipes.
fn start(shop: &Shop, args: &[&str]) -> Child {
    let mut command = shop.sandbox.command("sockctl");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("nsenter starts")
}

fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok)
}

#[test]
fn status_watch_has_a_line_for_each_change() {
    let shop = Shop::deployed();
    let mut text = start(&shop, &["status", "--watch", "shop"]);
    let mut json = start(&shop, &["status", "-w", "--json", "shop"]);
    let (mut text_lines, mut json_lines) = (lines(&mut text), lines(&mut json));
    assert_eq!(text_lines.next().as_deref(), Some("shop: blue is live"));
    let first: Value = serde_json::from_str(&json_lines.next().expect("a status")).expect("JSON");
    assert_eq!(first["live"], "blue");
    shop.deploy(&shop.release("v2", None)).ok();
    let seen: Vec<_> = text_lines
        .by_ref()
        .take_while(|line| !line.contains("blue sub: ") || !line.ends_with("dead"))
        .collect();
    for change in ["live: blue -> green", "unfinished: no -> yes", "green gate: none -> 0.0"] {
        assert!(seen.iter().any(|line| line.contains(change)), "no {change:?} in {seen:#?}");
    }
    let live = json_lines.map(|line| serde_json::from_str::<Value>(&line).expect("JSON"));
    assert!(
        live.into_iter().any(|status| status["live"] == "green" && status["unfinished"].is_null())
    );
    for mut child in [text, json] {
        child.kill().expect("it runs until it is killed");
        child.wait().expect("it can be waited for");
    }
}

#[test]
fn a_detached_deploy_is_followed_and_outlives_its_follower() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);

    let done =
        shop.sandbox.run(["sockctl", "deploy", "shop", &shop.release("v2", None), "--detach"]).ok();
    assert!(done.stdout.contains("retire") && done.stdout.contains("is live in green"), "{done}");
    assert!(done.stderr.contains("follow it again: journalctl --follow"), "{done}");

    // Exit status and error are those of the command.
    let sick = shop.release("sick", Some("sick"));
    let failed = shop.sockctl(["--json", "deploy", "shop", &sick, "--detach"]).exits(3);
    assert!(failed.stderr.contains("error: shop: release"), "{failed}");
    assert!(
        failed.stdout.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()),
        "{failed}"
    );
    shop.sockctl(["--detach", "resume", "shop"]).ok();
    shop.sockctl(["--detach", "status", "shop"]).exits(4);

    // A relative path is that of the directory where it was typed.
    let mut child = shop.sandbox.command("sh");
    let _ = shop.release("v3", None);
    child.args(["-c", "cd /srv/releases && exec sockctl --json --detach deploy shop v3"]);
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("sh starts");
    let met = lines(&mut child).any(|line| line.contains(r#""step":"start""#));
    assert!(met, "the deploy ended before it started a slot");
    child.kill().expect("it follows");
    child.wait().expect("it can be waited for");
    let began = Instant::now();
    while shop.get() != "v3" || !shop.status()["unfinished"].is_null() {
        assert!(began.elapsed() < Duration::from_secs(20), "{:#}", shop.status());
    }
    shop.one_live_slot();
    load.finish().assert_clean();
    let left = ["systemctl", "list-units", "--all", "--plain", "--no-legend", "sockact-*"];
    let began = Instant::now();
    while !shop.sandbox.run(left).ok().stdout.is_empty() {
        assert!(began.elapsed() < Duration::from_secs(20), "units are left over");
    }
}
