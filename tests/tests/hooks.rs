//! Hooks: run once, as the service's user in its sandbox; one that fails leaves everything as it was, whoever dies meanwhile.

use std::process::{Child, Stdio};

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use rustix::process::Signal;

const UNIT: &str = "shop--migrate.service";

fn hooks(timeout: &str) -> String {
    let pre_stop = r#"["/bin/sh", "-c", "word=goodbye; echo ${word} of $SOCKACT_SLOT"]"#;
    format!(
        "[hooks]\nmigrate = [\"bin/migrate\", \"--up\"]\npre_stop = {pre_stop}\ntimeout = \"{timeout}\""
    )
}

/// A release whose migration does this.
fn release(shop: &Shop, version: &str, migration: &str) -> String {
    let home = shop.release(version, None);
    let script = format!("#!/bin/sh\necho run >> \"$STATE_DIRECTORY/runs\"\n{migration}\n");
    shop.sandbox.install_file(&format!("{home}/bin/migrate"), script, 0o755);
    home
}

fn installed(timeout: &str) -> Shop {
    let shop = Shop::machine();
    shop.install_more("", &hooks(timeout));
    shop.enable();
    shop.deploy(&release(&shop, "v1", "true")).ok();
    shop
}

/// How often a migration has been run.
fn runs(shop: &Shop) -> usize {
    let path = "/var/lib/private/sockact-shop/runs";
    shop.sandbox.run(["cat", path]).ok().stdout.lines().count()
}

fn state(shop: &Shop) -> String {
    let show = ["systemctl", "show", "--property=ActiveState", "--value", UNIT];
    shop.sandbox.run(show).ok().stdout.trim().into()
}

/// Starts a deploy, and waits until its migration runs.
fn migrating(shop: &Shop, path: &str) -> Child {
    let mut deploy = shop.sandbox.command("sockctl");
    deploy.args(["deploy", "shop", path]).stdin(Stdio::null()).stdout(Stdio::null());
    let before = runs(shop);
    let child = deploy.stderr(Stdio::null()).spawn().expect("nsenter starts");
    let more = format!(
        "until [ \"$(wc -l < /var/lib/private/sockact-shop/runs)\" -gt {before} ]; do sleep 0.02; done"
    );
    shop.sandbox.run(["timeout", "20", "sh", "-c", &more]).ok();
    assert_eq!(state(shop), "activating");
    child
}

const UNTIL_GO: &str = "while [ ! -e \"$STATE_DIRECTORY/go\" ]; do sleep 0.05; done";

/// What the slots and the hooks wrote of the present deploy, each line with its unit.
fn logs_are_in_order(shop: &Shop) {
    let all = shop.sockctl(["logs", "shop"]).ok().stdout;
    let line = |words: &str| {
        let found = all.lines().position(|line| line.ends_with(words));
        found.unwrap_or_else(|| panic!("no line ends with {words:?}:\n{all}"))
    };
    let migrated = line("--up in green as _shop");
    let started = line("Started shop-green.service - shop: slot green.");
    let goodbye = line("goodbye of blue");
    assert!(migrated < started && started < goodbye, "{all}");
    let lines: Vec<_> = all.lines().collect();
    assert!(lines[migrated].contains(&format!(" {UNIT}[")), "{all}");
    assert!(lines[goodbye].contains(" shop--pre-stop.service["), "{all}");
    assert!(lines.iter().any(|line| line.contains(" shop-blue.service[")), "{all}");
    let one = shop.sockctl(["logs", "shop", "pre-stop"]).ok().stdout;
    assert!(one.contains("goodbye of blue") && !one.contains("--up in green"), "{one}");
}

#[test]
fn hooks_run_as_the_service_and_their_failure_is_no_ones_loss() {
    let shop = installed("2s");
    let load = Load::new(Generator::KeepAlive, URL).start(&shop.sandbox);
    let told =
        r#"echo "$1 in $SOCKACT_SLOT as $(id -un)"; touch /etc/x 2>/dev/null || echo sandboxed"#;
    let v2 = release(&shop, "v2", told);
    let plan = shop.sockctl(["plan", "shop", &v2]).ok().stdout;
    assert!(
        plan.contains("run bin/migrate --up before anything is changed, at most 2.0 s"),
        "{plan}"
    );
    assert!(plan.contains("pre-stop"), "{plan}");
    shop.deploy(&v2).ok();
    let journal = shop.sandbox.journal(UNIT);
    assert!(journal.contains("--up in green as _shop\nsandboxed\n"), "{journal}");
    let journal = shop.sandbox.journal("shop--pre-stop.service");
    assert!(journal.contains("goodbye of blue"), "{journal}");
    assert_eq!(state(&shop), "inactive", "it is forgotten");
    logs_are_in_order(&shop);

    let slots = || {
        ["blue", "green"]
            .map(|slot| ["invocation", "release", "active"].map(|key| shop.slot(slot)[key].clone()))
    };
    let before = slots();
    let broken = shop.deploy(&release(&shop, "v3", "echo no such column; exit 4")).exits(3);
    assert!(broken.stderr.contains("bin/migrate --up exited with status 4"), "{broken}");
    assert!(broken.stderr.contains("| no such column"), "{broken}");
    let hangs = shop.deploy(&release(&shop, "v4", "sleep 60")).exits(3);
    assert!(hangs.stderr.contains("bin/migrate --up did not end within 2.0 s"), "{hangs}");
    assert_eq!((slots(), state(&shop)), (before, "inactive".into()));

    // What was migrated stays: a rollback migrates nothing.
    let count = runs(&shop);
    shop.sockctl(["rollback", "shop"]).ok();
    assert_eq!((shop.get(), runs(&shop)), ("v1".into(), count));
    load.finish().assert_clean();
    shop.one_live_slot();
}

#[test]
fn a_migration_outlives_its_controller_and_runs_once() {
    let shop = installed("1min");
    let count = runs(&shop);
    let v2 = release(&shop, "v2", UNTIL_GO);
    let mut deploy = migrating(&shop, &v2);
    deploy.kill().expect("nsenter can be killed");
    deploy.wait().expect("nsenter can be waited for");
    assert_eq!(state(&shop), "activating", "it goes on");
    shop.sockctl(["deploy", "shop", &v2]).exits(4);
    let later = "(sleep 0.5; touch /var/lib/private/sockact-shop/go) & sockctl resume shop";
    shop.sandbox.run(["sh", "-c", later]).ok();
    assert_eq!((shop.get(), runs(&shop)), ("v2".into(), count + 1));

    // Ctrl-C ends it.
    shop.sandbox.run(["rm", "/var/lib/private/sockact-shop/go"]).ok();
    let mut deploy = migrating(&shop, &release(&shop, "v3", UNTIL_GO));
    shop.sandbox.signal(&deploy, Signal::INT);
    assert_eq!(deploy.wait().expect("nsenter can be waited for").code(), Some(3));
    assert_eq!((state(&shop), shop.get()), ("inactive".into(), "v2".into()));
    shop.one_live_slot();
}
