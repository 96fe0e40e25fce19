//! What others do to a deploy: the target is stopped, a job is cancelled, another service talks without end, the journal hangs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use rustix::process::{Signal, kill_process};

/// Starts `sockctl --json deploy` and returns when it waits in `step`.
fn deploy_until(shop: &Shop, release: &str, step: &str) -> Child {
    let mut command = shop.sandbox.command("sockctl");
    command.args(["--json", "deploy", "shop", release]).stdin(Stdio::null());
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("nsenter starts");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let awaited = format!(r#""step":"{step}""#);
    let met = stdout.lines().map_while(Result::ok).any(|line| line.contains(&awaited));
    assert!(met, "the deploy ended before {step}: {}", words(child));
    child
}

/// What it said on standard error until its end, with its exit status.
fn words(mut child: Child) -> String {
    let stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let words: Vec<_> = stderr.lines().map_while(Result::ok).collect();
    let status = child.wait().expect("nsenter can be waited for").code();
    format!("{status:?}: {}", words.join("\n"))
}

/// Asks again until it is so; nothing in systemctl(1) waits for these.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(20), "never so: {what}");
    }
}

#[test]
fn who_stops_the_target_is_not_overruled() {
    let shop = Shop::deployed();
    let paused = shop.paused_after("close", &["deploy", "shop", &shop.release("v2", None)]);
    shop.sandbox.run(["systemctl", "stop", "shop.target"]).ok();
    let (status, words) = paused.go_on();
    assert_eq!(status, Some(6), "{words}");
    assert!(words.contains("shop.target was stopped"), "{words}");
    for slot in shop.status()["slots"].as_array().expect("slots") {
        assert_eq!(slot["active"], "inactive", "{slot:#}");
    }
    let refused = shop.sockctl(["resume", "shop"]).exits(4);
    assert!(refused.stderr.contains("systemctl start shop.target"), "{refused}");
    shop.sandbox.run(["systemctl", "start", "shop.target"]).ok();
    shop.sockctl(["resume", "shop"]).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
}

/// The new release serves by then: nothing may lead back, and `resume` waits for the old slot's drain.
#[test]
fn a_cancelled_stop_of_the_old_slot_is_half_done() {
    let shop = Shop::deployed();
    // Nearly as long as the drain may be: a deploy under load takes its time.
    let slow =
        ["--silent", "--show-error", "--max-time", "30", "http://127.0.0.1:8080/slow?ms=9000"];
    let mut client =
        shop.sandbox.command("curl").args(slow).stdout(Stdio::null()).spawn().expect("curl starts");
    until("blue has a request", || shop.status()["slots"][0]["status"]["in_flight"] == 1);
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let deploy = deploy_until(&shop, &shop.release("v2", None), "drain");
    until("blue is being stopped", || {
        shop.sandbox.run(["systemctl", "cancel"]);
        shop.status()["slots"][0]["active"] == "deactivating"
    });
    until("the job is cancelled", || {
        shop.sandbox.run(["systemctl", "cancel"]);
        shop.sandbox.run(["systemctl", "list-jobs", "--no-legend"]).ok().stdout.trim().is_empty()
    });
    let words = words(deploy);
    assert!(words.starts_with("Some(6)") && words.contains("retire failed"), "{words}");
    assert!(words.contains("sockctl resume shop"), "{words}");
    assert_eq!(shop.get(), "v2");
    shop.sockctl(["resume", "shop"]).ok();
    assert!(client.wait().expect("curl can be waited for").success(), "the request was cut");
    assert_eq!(shop.one_live_slot(), "green");
    load.finish().assert_clean();
}

/// Every `STATUS=` makes systemd tell all who listen on the bus. It pauses: notifications come before the bus in PID 1, so that without a
/// pause nobody would be answered at all where the talker is as fast as PID 1, which the next case is about.
#[test]
fn a_service_that_talks_without_end() {
    let shop = Shop::deployed();
    let chatter = "import os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(os.environ['NOTIFY_SOCKET']); s.send(b'READY=1')
n = 0
while True: n += 1; s.send(b'STATUS=%d' % n); time.sleep(0.002)";
    shop.sandbox
        .run(["systemd-run", "--service-type=notify", "--unit=chatter", "python3", "-c", chatter])
        .ok();
    let deploy = shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()), "{deploy}");
    let end = deploy.stdout.lines().last().expect("an account");
    let end: serde_json::Value = serde_json::from_str(end).expect("JSON");
    assert!(end["peak_memory_kib"].as_u64().is_some_and(|kib| kib < 12 * 1024), "{end}");
}

/// As it is for a client whose PID 1 is kept busy.
#[test]
fn systemd_does_not_answer() {
    let shop = Shop::deployed();
    let pid1 = |signal| kill_process(shop.sandbox.pid1(), signal).expect("PID 1 is ours");
    pid1(Signal::STOP);
    let refused = shop.deploy(&shop.release("v2", None));
    assert_eq!(shop.get(), "v1");
    pid1(Signal::CONT);
    let refused = refused.exits(1);
    assert!(refused.stderr.contains("systemd has not answered Subscribe within 30 s"), "{refused}");
    assert!(refused.stderr.contains("top -p 1"), "{refused}");
    shop.deploy(&shop.release("v2", None)).ok();
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
}

/// The last words of a release cannot be had then; its failure is told all the same.
#[test]
fn the_journal_hangs() {
    let shop = Shop::deployed();
    let journald = |signal| {
        let signal = format!("--signal={signal}");
        shop.sandbox.run(["systemctl", "kill", &signal, "systemd-journald.service"]).ok();
    };
    journald("STOP");
    let deploy = shop.deploy(&shop.release("v2", Some("exit")));
    journald("CONT");
    let deploy = deploy.exits(3);
    assert!(deploy.stderr.contains("green exited with status 7 before READY=1"), "{deploy}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
}

/// As if the controller had died between the removal of the alias and the reload.
#[test]
fn an_alias_that_only_systemd_remembers() {
    let shop = Shop::enabled();
    let sick = shop.release("sick", Some("sickens-after-requests=0"));
    let mut users = shop.sandbox.command("sh");
    users.args(["-c", "while :; do curl --silent --output /dev/null --max-time 1 $0; done", URL]);
    let mut users = users.spawn().expect("sh starts");
    shop.paused_after("watch", &["deploy", "shop", &sick]).kill();
    shop.sandbox.run(["rm", "/etc/systemd/system/shop.service"]).ok();
    shop.sockctl(["resume", "shop"]).exits(1);
    users.kill().expect("sh runs");
    users.wait().expect("sh can be waited for");
    assert!(shop.status()["live"].is_null());
    let mut waits = shop.sandbox.command("curl");
    let mut waits = waits.args(["--silent", "--max-time", "60", URL]).spawn().expect("curl starts");
    shop.deploy(&shop.release("v1", None)).ok();
    assert!(waits.wait().expect("curl can be waited for").success());
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
}

#[test]
fn ctrl_c_while_a_release_is_copied() {
    let shop = Shop::deployed();
    let before = shop.status();
    let release = shop.release("huge", None);
    shop.sandbox.run(["truncate", "--size=2G", &format!("{release}/data")]).ok();
    let mut command = shop.sandbox.command("sockctl");
    let args = ["deploy", "shop", &release];
    let child = command
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("nsenter starts");
    let releases =
        || shop.sandbox.run(["ls", "--almost-all", "/var/lib/sockact/shop/releases"]).ok().stdout;
    until("it copies", || releases().contains(".staging-"));
    shop.sandbox.signal(&child, Signal::INT);
    let words = words(child);
    assert!(words.starts_with("Some(1)") && words.contains("nothing was changed"), "{words}");
    assert_eq!(releases().lines().count(), 1, "{}", releases());
    assert_eq!(shop.status(), before);
}
