//! A service as many machines have one becomes an application: what `sockgen init --from` prints is typed as it is, and what it costs is counted.

use std::process::{Child, Stdio};

use e2e::Sandbox;
use e2e::binaries::workspace;
use e2e::sandbox::Output;
use e2e::shop::{SWAP, Shop};

const UNIT: &str = "\
[Unit]
Description=The shop
After=network-online.target

[Service]
EnvironmentFile=/etc/default/shop
WorkingDirectory=/srv/shop
ExecStart=/srv/shop/bin/shopd $SHOP_OPTS
Restart=on-failure
LimitCORE=0
MemoryMax=512M

[Install]
WantedBy=multi-user.target
";

fn install(sandbox: &Sandbox, source: &str, path: &str) {
    let text = std::fs::read(workspace().join("tests/foreign/from").join(source));
    sandbox.install_file(path, text.expect("its source"), 0o755);
}

/// A client that asks without a pause, and stops when it is told.
fn gap(sandbox: &Sandbox, stop: &str) -> Child {
    let mut gap = sandbox.command("gap");
    gap.arg(stop).stdout(Stdio::piped()).spawn().expect("nsenter starts")
}

/// For how many milliseconds connections were refused, and the longest wait for an answer.
fn measured(sandbox: &Sandbox, stop: &str, client: Child) -> (u64, u64) {
    sandbox.install_file(stop, "", 0o644);
    let output = client.wait_with_output().expect("the client ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = text.split_whitespace().map(|n| n.parse().expect("a number"));
    (numbers.next().expect("the gap"), numbers.next().expect("the wait"))
}

/// The command that is printed, as a shell takes it.
fn printed(converted: &Output) -> &str {
    let command =
        converted.stdout.split_once("sudo sh -c '").and_then(|(_, rest)| rest.split_once('\''));
    command.unwrap_or_else(|| panic!("no command in {converted}")).0
}

#[test]
fn a_running_service_is_converted_and_deployed() {
    let shop = Shop::machine();
    let sandbox = &shop.sandbox;
    install(sandbox, "shopd", "/srv/shop/bin/shopd");
    install(sandbox, "gap", "/usr/local/bin/gap");
    sandbox.install_file("/etc/default/shop", "GREETING=hello\nSHOP_OPTS=--loud\n", 0o644);
    sandbox.install_file("/etc/systemd/system/shop.service", UNIT, 0o644);
    let drop_in = "/etc/systemd/system/shop.service.d/local.conf";
    sandbox.install_file(drop_in, "[Service]\nEnvironment=GREETING=overridden EXTRA=1\n", 0o644);
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    sandbox.run(["systemctl", "enable", "--now", "shop.service"]).ok();
    let answers = "until curl --silent http://127.0.0.1:8080/; do sleep 0.1; done";
    sandbox.run(["timeout", "30", "sh", "-c", answers]).ok();

    sandbox.run(["mkdir", "/srv/new"]).ok();
    let converted = sandbox.run(["sockgen", "init", "--from", "shop", "--dir", "/srv/new"]).ok();
    // What its process listens on, and the drop-in's word.
    assert!(converted.stdout.contains("listener http on 127.0.0.1:8080\n"), "{converted}");
    let manifest = sandbox.run(["cat", "/srv/new/sockact.toml"]).ok().stdout;
    for line in [
        "exec = \"bin/shopd\"",
        "args = [\"--loud\"]",
        "GREETING = \"hello\"",
        "EXTRA = \"1\"",
        "memory_max = \"512MiB\"",
        "LimitCORE = \"0\"",
    ] {
        assert!(manifest.lines().any(|l| l == line), "{line} is not in\n{manifest}");
    }
    // While the old service has the port nothing can be installed.
    let early = sandbox.run(["sockgen", "install", "/srv/new/sockact.toml"]).exits(1);
    assert!(early.stderr.contains("shop.service is a unit file"), "{early}");

    // Short times, as a person would set who looks through it.
    sandbox.install_file("/srv/new/sockact.toml", format!("{manifest}{SWAP}"), 0o644);
    let client = gap(sandbox, "/run/stop");
    sandbox.run(["sh", "-c", printed(&converted)]).ok();
    let (refused, waited) = measured(sandbox, "/run/stop", client);
    println!("refused for {refused} ms, the longest wait {waited} ms");
    assert!(refused < 5_000, "more than a stop and an install: {refused} ms");
    assert_eq!(shop.get(), "hello");
    let unit = sandbox.run(["systemctl", "cat", "shop.service"]).ok().stdout;
    assert!(unit.contains("slot blue") && !unit.contains("local.conf"), "{unit}");
    shop.sockctl(["doctor", "shop"]).ok();

    // From now on it costs nothing.
    let client = gap(sandbox, "/run/stop-again");
    sandbox.run(["cp", "--recursive", "/srv/shop", "/srv/second"]).ok();
    sandbox.install_file("/srv/second/VERSION", "2", 0o644);
    shop.deploy("/srv/second").ok();
    let (refused, _) = measured(sandbox, "/run/stop-again", client);
    assert_eq!((refused, shop.status()["live"].as_str()), (0, Some("green")));
}
