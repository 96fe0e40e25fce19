//! `health.exec`: the command's own end decides, also when whoever asked could not listen at that moment.

use std::process::Stdio;

use e2e::shop::Shop;
use rustix::process::{Pid, Signal, kill_process};

/// Without a gate users meet the release already: after the first healthy answer one miss is its end.
const CHECK: &str = r#"
gate = false
health = { exec = ["bin/healthy"], interval = "50ms", timeout = "30s" }
swap = { stable = "4s", deadline = "1min", watch = "100ms", drain = "10s" }
"#;

/// Healthy each time that somebody says so.
const HEALTHY: &str = r#"#!/bin/sh
cd "$STATE_DIRECTORY" && until rm go 2>/dev/null; do sleep 0.02; done
"#;

#[test]
fn a_check_that_ends_unheard_is_healthy() {
    let shop = Shop::enabled_with(CHECK);
    let release = shop.release("v1", None);
    shop.sandbox.install_file(&format!("{release}/bin/healthy"), HEALTHY, 0o755);
    let mut deploy = shop.sandbox.command("sockctl");
    deploy.args(["deploy", "shop", &release]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut deploy = deploy.spawn().expect("nsenter starts");
    let within = |script: &str| shop.sandbox.run(["timeout", "20", "sh", "-c", script]).ok();
    let state = "\"$(systemctl is-active shop--blue-health.service)\"";
    let begun = format!("until [ {state} = activating ] || ! pgrep sockctl; do sleep 0.02; done");
    // Longer than the time after which sockctl asks systemd itself.
    let over = format!("until [ {state} != activating ]; do sleep 0.02; done; sleep 0.7");
    let mut checks = 0;
    let status = loop {
        within(&begun);
        if let Some(status) = deploy.try_wait().expect("nsenter can be waited for") {
            break status;
        }
        shop.sandbox.signal(&deploy, Signal::STOP);
        within(&format!("touch /var/lib/private/sockact-shop/go; {over}"));
        kill_process(Pid::from_child(&deploy), Signal::CONT).expect("nsenter runs");
        checks += 1;
    };
    assert!(status.success() && checks > 2, "{status} after {checks} checks");
    assert_eq!(shop.get(), "v1");
    let refused = shop.sockctl(["restart", "shop", "--canary", "10%"]).exits(4);
    assert!(refused.stderr.contains("without a gate a slot cannot be given a share"), "{refused}");
    let left = ["systemctl", "list-units", "--all", "--no-legend", "shop--*"];
    assert_eq!(shop.sandbox.run(left).ok().stdout, "", "transient units are left");

    // Ctrl-C while one is under way.
    let mut restart = shop.sandbox.command("sockctl");
    restart.args(["restart", "shop"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut restart = restart.spawn().expect("nsenter starts");
    within(&begun.replace("blue", "green"));
    shop.sandbox.signal(&restart, Signal::INT);
    assert_eq!(restart.wait().expect("nsenter can be waited for").code(), Some(3));
    assert_eq!(shop.sandbox.run(left).ok().stdout, "", "transient units are left");
}
