//! Who watches or follows a deploy: each change is seen, and whoever goes away takes nothing with them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use e2e::terminal::Terminal;
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

/// Types it on a terminal, which is gone as soon as the command says that this is no matter; returns when the command has ended.
fn on_a_terminal_that_goes(shop: &Shop, command: &str) {
    let mut terminal = Terminal::run(&shop.sandbox, (200, 40), &format!("exec {command}"));
    terminal.until("that it goes on", |screen| {
        screen.contents().contains("goes on whatever becomes of this terminal").then_some(())
    });
    drop(terminal);
    let gone = "while systemctl list-units --all --plain --no-legend 'sockact-*' | grep -q .; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "60", "sh", "-c", gone]).ok();
}

#[test]
fn every_command_that_changes_something_outlives_its_terminal() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let is = |slot: &str, version: &str| {
        assert_eq!((shop.one_live_slot(), shop.get()), (slot.into(), version.into()));
    };
    let (v2, v3) = (shop.release("v2", None), shop.release("v3", None));
    let canary = |release: &str| {
        let flags = ["--canary", "10%", "--hold", "100ms", "--until", "canary"];
        shop.sandbox.run([&["sockctl", "deploy", "shop", release], &flags[..]].concat()).ok();
        assert_ne!(shop.status()["unfinished"], Value::Null);
    };
    canary(&v2);
    on_a_terminal_that_goes(&shop, "sockctl --detach promote shop");
    is("green", "v2");
    canary(&v3);
    on_a_terminal_that_goes(&shop, "sockctl abort shop --detach");
    is("green", "v2");
    on_a_terminal_that_goes(&shop, "sockctl --detach rollback shop");
    is("blue", "v1");
    on_a_terminal_that_goes(&shop, "sockctl --detach restart shop");
    is("green", "v1");
    shop.paused_after("commit", &["deploy", "shop", &v3]).kill();
    on_a_terminal_that_goes(&shop, "sockctl --detach resume shop");
    is("blue", "v3");
    load.finish().assert_clean();

    let slow = ["--silent", "--max-time", "30", "http://127.0.0.1:8080/slow?ms=6000"];
    let mut request = shop.sandbox.command("curl");
    let mut request = request.args(slow).stdout(Stdio::null()).spawn().expect("nsenter starts");
    let begun = "until sockctl status shop | grep -q '1 requests in flight'; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "30", "sh", "-c", begun]).ok();
    on_a_terminal_that_goes(&shop, "sockctl --detach stop shop --disable");
    assert!(request.wait().expect("curl ends").success(), "what had begun was not answered");
    assert_eq!(shop.slot("blue")["active"], "inactive");
    shop.sandbox.run(["systemctl", "is-enabled", "shop.target"]).exits(1);
}
