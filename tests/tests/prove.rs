//! `sockctl prove`: nothing to find where nothing is wrong, and each fault with its place where something is.

use e2e::presets::NODE;
use e2e::shop::{HEALTH, Shop};
use e2e::terminal::Terminal;
use serde_json::{Value, json};

/// Upgraded connections go on until the drain's deadline.
const SWAP: &str = "swap = { stable = \"200ms\", watch = \"200ms\", drain = \"1s\" }\n";

fn shop() -> Shop {
    shop_with(SWAP)
}

fn shop_with(swap: &str) -> Shop {
    let shop = Shop::enabled_with(&format!("{swap}{HEALTH}"));
    shop.deploy(&shop.release("v1", None)).ok();
    shop
}

/// `sockctl --json prove shop …`: its exit status and its proof.
#[track_caller]
fn prove(shop: &Shop, words: &[&str]) -> (Option<i32>, Value) {
    let argv = ["sockctl", "--json", "prove", "shop"].iter().chain(words);
    let output = shop.sandbox.run(argv);
    let end = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let end = end.into_iter().find(|event| event["event"] == "end");
    let proof = end.unwrap_or_else(|| panic!("no end:\n{output}"))["proof"].take();
    (output.status.code(), proof)
}

/// What went wrong, for messages.
fn told(proof: &Value) -> String {
    format!("{:#}\n{:#}\n{:#}", proof["reasons"], proof["notes"], proof["findings"][0])
}

#[test]
fn every_kind_of_client_passes_two_deploys_in_both_loops() {
    let shop = shop();
    let v2 = shop.release("v2", None);
    let words =
        ["--deploys", "2", "--duration", "1s", "--websocket", "/ws", "--report", "/tmp/proof.html"];
    let releases =
        ["--releases", "/srv/releases/v1", v2.as_str(), "--expect", "v1", "--expect", "v2"];
    let (status, proof) = prove(&shop, &[&words[..], &releases[..]].concat());
    assert_eq!((status, &proof["verdict"]), (Some(0), &"pass".into()), "{}", told(&proof));
    let rounds = proof["rounds"].as_array().unwrap();
    assert_eq!(rounds.iter().map(|round| &round["loop"]).collect::<Vec<_>>(), ["open", "closed"]);
    for round in rounds {
        assert_eq!(round["deploys"].as_array().unwrap().len(), 2, "{round:#}");
        for deploy in round["deploys"].as_array().unwrap() {
            assert_eq!(deploy["outcome"], "live", "{deploy:#}");
        }
        let loads = round["loads"].as_array().unwrap();
        let kinds: Vec<_> =
            loads.iter().map(|load| load["record"]["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["keep-alive", "one-shot", "http2", "websocket"]);
        for load in loads {
            let record = &load["record"];
            assert_eq!(record["failed"], 0, "{:#}", record["faults"]);
            for part in ["steady", "swap"] {
                assert!(load[part]["answered"].as_u64().unwrap() > 100, "{load:#}");
            }
            if record["kind"] != "websocket" {
                let bodies = record["bodies"].as_array().unwrap();
                assert_eq!(bodies.len(), 2, "one of the releases was not met: {bodies:#?}");
            }
        }
        // Those that a drain's deadline cuts are told so, and connect again.
        assert!(loads[3]["record"]["moved"].as_u64().unwrap() > 0, "{:#}", loads[3]);
        assert!(!round["slots"].as_array().unwrap().is_empty());
    }
    let page = shop.sandbox.run(["cat", "/tmp/proof.html"]).ok().stdout;
    assert!(page.contains("PASS: 0 of ") && page.contains("<svg"), "{page}");
    assert!(!page.contains("<script") && !page.contains("src="), "it needs something else");
}

#[test]
fn one_dropped_request_of_100_000_and_one_stall_are_found_with_their_place() {
    let shop = shop();
    shop.deploy(&shop.release("drops", Some("drops-one-in=100000"))).ok();
    let words = ["--connections", "32", "--kinds", "keep-alive", "--duration", "3s"];
    let (status, proof) = prove(&shop, &words);
    assert_eq!((status, &proof["verdict"]), (Some(1), &"fail".into()), "{proof:#}");
    let record = &proof["rounds"][0]["loads"][0]["record"];
    let (failed, answered) =
        (record["failed"].as_u64().unwrap(), record["answered"].as_u64().unwrap());
    assert!(failed > 0 && failed <= answered / 90_000 + 1, "{failed} of {answered}");
    assert_eq!(record["failures"]["closed"], failed, "{:#}", record["failures"]);
    let mut findings = proof["findings"].as_array().unwrap().iter();
    let found = findings.find(|finding| finding["client"] == "keep-alive").unwrap();
    assert!(["blue", "green"].contains(&found["slots"][0].as_str().unwrap()), "{found:#}");

    shop.deploy(&shop.release("stalls", Some("stalls-after-requests=2000"))).ok();
    let words = ["--rate", "2000", "--kinds", "keep-alive,one-shot", "--duration", "3s"];
    let (status, proof) = prove(&shop, &words);
    assert_eq!((status, proof["failed"].as_u64()), (Some(1), Some(0)), "{}", told(&proof));
    let found = &proof["findings"][0];
    assert_eq!(
        (&found["what"], &found["client"]),
        (&"stall".into(), &"accept".into()),
        "{found:#}"
    );
}

/// A program that knows nothing of `sockact`, and no HTTP/2.
#[test]
fn without_a_gate_a_program_that_drains_passes_and_what_another_one_drops_is_found() {
    let shop = NODE.enabled();
    shop.deploy(&NODE.release(&shop, "v1", Some("v1"))).ok();
    let (status, proof) = prove(&shop, &["--rate", "500", "--duration", "1s", "--expect", "v1"]);
    assert_eq!((status, &proof["verdict"]), (Some(0), &"pass".into()), "{}", told(&proof));
    assert!(proof["notes"][0].as_str().unwrap().starts_with("no HTTP/2 clients: "), "{proof:#}");
    let round = &proof["rounds"][0];
    for load in round["loads"].as_array().unwrap() {
        for part in ["steady", "swap"] {
            assert!(load[part]["answered"].as_u64().unwrap() > 50, "{load:#}");
        }
    }
    let steps = round["deploys"][0]["steps"].as_array().unwrap();
    let steps: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert!(steps.contains(&"retire") && !steps.contains(&"open"), "{steps:?}");

    let v2 = NODE.release(&shop, "v2", Some("v2"));
    let server = shop.sandbox.run(["cat", &format!("{v2}/server.js")]).ok().stdout;
    // It has always begun some, and drops them when it is told to stop.
    let slow = "setTimeout(() => response.end(version), 5);";
    let ends =
        [("draining = true;", "process.exit(0);"), ("response.end(version || 'unknown');", slow)];
    let ends = ends.iter().fold(server, |server, (from, to)| {
        assert!(server.contains(from), "{server}");
        server.replace(from, to)
    });
    shop.sandbox.install_file(&format!("{v2}/server.js"), ends, 0o755);
    shop.deploy(&v2).ok();
    let (status, proof) = prove(&shop, &["--connections", "32", "--duration", "1s"]);
    assert_eq!((status, &proof["verdict"]), (Some(1), &"fail".into()), "{}", told(&proof));
    assert_eq!(proof["rounds"][0]["deploys"][0]["outcome"], "live", "{}", told(&proof));
    assert!(proof["failed"].as_u64().unwrap() > 0, "{}", told(&proof));
    // At full speed some thread of it waits for a processor now and then, and that is known without an admin socket.
    assert_ne!(proof["rounds"][0]["starved"], json!([]), "{}", told(&proof));
    let mut lost = proof["findings"].as_array().unwrap().iter();
    let found = lost.find(|finding| finding["client"] != "accept").unwrap();
    // Due just before its end, which is the step `retire`.
    let phases = ["watch", "after watch", "retire"];
    assert!(phases.contains(&found["phase"].as_str().unwrap()), "{found:#}");
    // Both accept from the start of the new slot to the end of the old one.
    assert_eq!(found["slots"], json!(["blue", "green"]), "{found:#}");
}

#[test]
fn ctrl_c_undoes_the_deploy_ends_the_load_and_leaves_a_part_of_the_proof() {
    // Long enough for a person's hand.
    let shop = shop_with(&SWAP.replacen("200ms", "5s", 1));
    let line = "exec sockctl prove shop --duration 500ms --report /tmp/part.html";
    let mut terminal = Terminal::run(&shop.sandbox, (100, 40), line);
    terminal.until("a deploy that goes on", |screen| {
        screen.contents().contains("deploy 1").then_some(())
    });
    terminal.press("\x03");
    let (code, parser, _) = terminal.end();
    let text = parser.screen().contents();
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("INTERRUPTED: 0 of "), "{text}");
    assert!(!text.contains('…'), "a wait is left over:\n{text}");
    assert_eq!((shop.one_live_slot().as_str(), shop.get().as_str()), ("blue", "v1"));
    let page = shop.sandbox.run(["cat", "/tmp/part.html"]).ok().stdout;
    assert!(
        page.contains("INTERRUPTED: 0 of ") && page.contains("a part of what was asked"),
        "{page}"
    );
}

#[test]
fn what_cannot_be_proved_is_said_with_the_next_step() {
    let shop = shop();
    let refused = |words: &[&str]| {
        let argv = ["sockctl", "prove", "shop"].iter().chain(words);
        let output = shop.sandbox.run(argv);
        (output.status.code(), output.stderr)
    };
    let (status, words) = refused(&["--path", "/nowhere"]);
    assert_eq!(status, Some(1), "{words}");
    assert!(
        words.contains(
            "keep-alive clients get no good answer at 127.0.0.1:8080/nowhere: not 2xx: status 404"
        ),
        "{words}"
    );
    assert!(words.contains("\nhint: give a path that answers 200 with --path"), "{words}");
    let (status, words) = refused(&["--listener", "https"]);
    assert_eq!(status, Some(1), "{words}");
    assert!(
        words.contains("shop has no listener \"https\"") && words.contains("it has: http"),
        "{words}"
    );
    assert_eq!(refused(&["--rate", "1", "--connections", "1"]).0, Some(2));
    for words in [["--probe-interval", "0s"], ["--max-slowdown", "nan"], ["--duration", "2h"]] {
        assert_eq!(refused(&words).0, Some(2), "{words:?}");
    }
    // Nobody would look at that interval; without it that is a note.
    let (status, words) = refused(&["--kinds", "http2", "--probe-interval", "5ms"]);
    assert_eq!(status, Some(2), "{words}");
    assert!(words.contains("`--probe-interval` has no effect with `--kinds http2`: "), "{words}");
    let (status, words) = refused(&["--rate", "1"]);
    assert_eq!(status, Some(1), "{words}");
    let few = "1 requests each second are less than one for each of 3 kinds of clients";
    assert!(words.contains(few) && words.contains("\nhint: ask for more, or"), "{words}");
    shop.sandbox.run(["mkfifo", "/tmp/pipe"]).ok();
    let (status, words) = refused(&["--report", "/tmp/pipe"]);
    assert_eq!(status, Some(1), "{words}");
    assert!(words.contains("/tmp/pipe is no file, and the report would"), "{words}");
    shop.sandbox.run(["test", "-p", "/tmp/pipe"]).ok();
    // Before anything is deployed.
    let (status, words) = refused(&["--report", "/no/such/page.html"]);
    assert_eq!(status, Some(1), "{words}");
    assert!(words.starts_with("error: cannot write /no/such/page.html: "), "{words}");

    shop.sandbox.run(["rm", "/usr/local/bin/sockprove"]).ok();
    let (status, words) = refused(&[]);
    assert_eq!(status, Some(1), "{words}");
    assert!(words.starts_with("error: cannot start sockprove, which makes the load: "), "{words}");
    assert!(words.contains("\nhint: it is a package of its own"), "{words}");
}
