//! `sockctl abort` after the commit: as long as the old slot stands by it leads back, and after that it says that it was too late.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use serde_json::Value;

/// An abort that has told the controller at work, which is stopped, and waits for it.
fn waiting(shop: &Shop) -> Child {
    let mut abort = shop.sandbox.command("sockctl");
    abort.args(["--json", "abort", "shop"]).stdin(Stdio::null());
    let mut abort = abort.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let out = BufReader::new(abort.stdout.as_mut().expect("stdout is piped"));
    let first = out.lines().next().expect("a line").expect("text");
    let first: Value = serde_json::from_str(&first).expect("JSON");
    assert_eq!((&first["event"], &first["step"]), (&"wait".into(), &"abort".into()), "{first}");
    abort
}

/// How it ended, and what it said on standard error.
fn ended(abort: Child) -> (Option<i32>, String) {
    let output = abort.wait_with_output().expect("it ends");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn last(shop: &Shop) -> Value {
    let history = shop.sockctl(["--json", "history", "shop", "-n", "1"]).ok().stdout;
    serde_json::from_str(&history).expect("one line of JSON")
}

#[test]
fn after_the_commit_it_leads_back_until_the_old_slot_goes() {
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let v2 = shop.release("v2", None);

    // Nobody is at work any more: the alias names the new slot, then users are there as well.
    for step in ["commit", "close"] {
        shop.paused_after(step, &["deploy", "shop", &v2]).kill();
        assert_eq!(shop.status()["live"], "green", "after {step}");
        let abort = shop.sockctl(["abort", "shop"]).ok();
        assert!(abort.stdout.contains("shop: aborted; blue serves, as before"), "{abort}");
        assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));
        let last = last(&shop);
        assert_eq!(last["outcome"], "rolled-back", "{last:#}");
        assert_eq!(last["reason"], "aborted by root", "{last:#}");
    }

    // Somebody is at work, with the watch before it.
    let deploy = shop.paused_after("close", &["deploy", "shop", &v2]);
    let abort = waiting(&shop);
    let (code, said) = deploy.go_on();
    assert_eq!(code, Some(3), "{said}");
    assert_eq!(ended(abort).0, Some(0));
    assert_eq!((shop.one_live_slot(), shop.get()), ("blue".into(), "v1".into()));

    // The old slot goes already.
    let deploy = shop.paused_after("retire", &["deploy", "shop", &v2]);
    let abort = waiting(&shop);
    let (code, said) = deploy.go_on();
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = ended(abort);
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("it was too late: the deploy came to its end, green is live"), "{said}");
    assert!(said.contains("hint: `sockctl rollback shop` leads back"), "{said}");
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
    load.finish().assert_clean();
}
