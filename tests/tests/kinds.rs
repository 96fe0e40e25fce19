//! Listeners of every kind that is not a stream: installed, deployed and restarted while messages arrive. Each message is read once, none is
//! lost in its queue, and PID 1 holds the same sockets all the time.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use e2e::binaries::workspace;
use e2e::shop::{SWAP, Shop};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, socket};

const MANIFEST: &str = r#"
name = "shop"
exec = "bin/shop"
gate = false
health = { exec = ["bin/healthy"], interval = "50ms" }

[listeners.udp]
listen = "[::]:5300"
type = "datagram"
receive_buffer = "4MiB"

[listeners.tcp]
listen = "[::]:5301"
keep_alive = true
no_delay = true

# Beside the one above: that takes IPv4 on its own port alone.
[listeners.six]
listen = "[::]:5302"
dual_stack = false

[listeners.four]
listen = "0.0.0.0:5302"

[listeners.log]
listen = "/run/shop/log"
type = "datagram"
mode = "0666"

[listeners.packets]
listen = "/run/shop/packets"
type = "seqpacket"

[listeners.fifo]
listen = "/run/shop/fifo"
type = "fifo"
group = "adm"
"#;

/// A port of vsock is the machine's, not the network namespace's.
const VSOCK: &str = "\n[listeners.machine]\nlisten = \"vsock::75300\"\n";

/// What `send` calls its messages.
const KINDS: [&str; 7] = ["four", "six", "log", "fifo", "pack", "tcp6", "tcp4"];

/// The inode of each listener, by its name: `None` is lost.
fn inodes(shop: &Shop) -> BTreeMap<String, Option<u64>> {
    let status = shop.status();
    let listeners = status["listeners"].as_array().expect("listeners");
    let name = |value: &serde_json::Value| value["listener"].as_str().expect("a name").to_owned();
    listeners.iter().map(|value| (name(value), value["inode"].as_u64())).collect()
}

fn release(shop: &Shop, version: &str) -> String {
    let home = format!("/srv/releases/{version}");
    let program = std::fs::read(workspace().join("tests/foreign/kinds/shop")).expect("its source");
    shop.sandbox.install_file(&format!("{home}/bin/shop"), program, 0o755);
    shop.sandbox.install_file(&format!("{home}/bin/healthy"), "#!/bin/sh\n", 0o755);
    shop.sandbox.install_file(&format!("{home}/VERSION"), version, 0o644);
    home
}

/// What the slots wrote down: the kind of each message, with all that arrived of it.
fn notes(shop: &Shop) -> BTreeMap<String, Vec<u64>> {
    let text = shop.sandbox.run(["cat", "/var/lib/sockact-shop/notes"]).ok().stdout;
    let mut notes: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in text.lines() {
        // Listener, slot, kind, number.
        let mut words = line.split_whitespace().skip(2);
        let kind = words.next().unwrap_or_else(|| panic!("a note without a message: {line:?}"));
        let number = words.next().and_then(|number| number.parse().ok());
        let number = number.unwrap_or_else(|| panic!("a message that was cut: {line:?}"));
        notes.entry(kind.to_owned()).or_default().push(number);
    }
    notes
}

#[test]
fn every_kind_goes_through_two_deploys() {
    let shop = Shop::machine();
    let sandbox = &shop.sandbox;
    let vsock = match socket(AddressFamily::VSOCK, SocketType::STREAM, None) {
        Ok(_) => VSOCK,
        // A kernel without it: that is what the install then says.
        Err(Errno::AFNOSUPPORT) => {
            sandbox.install_file("/srv/v.toml", format!("{MANIFEST}{VSOCK}{SWAP}"), 0o644);
            let refused = sandbox.run(["sockgen", "install", "/srv/v.toml"]).exits(1);
            assert!(refused.stderr.contains("not supported"), "{refused}");
            ""
        }
        Err(e) => panic!("socket(AF_VSOCK): {e}"),
    };
    shop.install(&format!("{MANIFEST}{vsock}{SWAP}"));
    shop.enable();
    let before = inodes(&shop);
    let lost: Vec<_> = before.iter().filter(|(_, inode)| inode.is_none()).collect();
    assert!(lost.is_empty(), "PID 1 does not hold {lost:?}");
    let different: BTreeSet<_> = before.values().collect();
    assert_eq!(different.len(), before.len(), "each is another one: {before:?}");

    // What comes before the first release waits for it.
    let send = std::fs::read(workspace().join("tests/foreign/kinds/send")).expect("its source");
    sandbox.install_file("/usr/local/bin/send", send, 0o755);
    let mut sender = sandbox.command("send");
    let sender = sender.arg("/run/stop").stdout(Stdio::piped()).spawn().expect("nsenter starts");
    shop.deploy(&release(&shop, "v1")).ok();
    let plan = shop.sockctl(["plan", "shop", "--restart"]).ok().stdout;
    assert!(plan.contains("datagrams and FIFOs know no share"), "{plan}");
    for version in ["v2", "v3"] {
        shop.deploy(&release(&shop, version)).ok();
        assert_eq!(inodes(&shop), before, "after {version}");
    }
    // In place: for a moment nobody reads.
    sandbox.run(["systemctl", "restart", "shop.service"]).ok();

    sandbox.install_file("/run/stop", "", 0o644);
    let sender = sender.wait_with_output().expect("the sender ends");
    assert!(sender.status.success(), "a connection got no answer");
    let rounds: u64 = String::from_utf8_lossy(&sender.stdout).trim().parse().expect("a number");
    await_notes(&shop, rounds * KINDS.len() as u64);
    let notes = notes(&shop);
    for kind in KINDS {
        let mut numbers = notes.get(kind).cloned().unwrap_or_default();
        numbers.sort_unstable();
        let sent: Vec<u64> = (0..rounds).collect();
        assert_eq!(numbers, sent, "{kind}: each message is read once");
    }
    println!("{rounds} rounds of {} messages, none lost, none twice", KINDS.len());
    assert_eq!(inodes(&shop), before);
    shop.sockctl(["doctor", "shop"]).ok();

    a_datagram_starts_the_live_slot(&shop, rounds * KINDS.len() as u64);
    a_fifo_opens_again(&shop);
    a_lost_socket_is_seen(&shop);
}

/// Waits until so many messages are written down.
#[track_caller]
fn await_notes(shop: &Shop, count: u64) {
    let enough = format!(
        "until test \"$(wc -l </var/lib/sockact-shop/notes)\" -ge {count}; do sleep 0.1; done"
    );
    shop.sandbox.run(["timeout", "30", "sh", "-c", &enough]).ok();
}

fn a_datagram_starts_the_live_slot(shop: &Shop, noted: u64) {
    shop.sandbox.run(["systemctl", "stop", "shop.service"]).ok();
    let send = "printf 'four 00000000000' >/dev/udp/127.0.0.1/5300";
    shop.sandbox.run(["bash", "-c", send]).ok();
    await_notes(shop, noted + 1);
}

/// systemd takes a FIFO that is there only when it is root's own, and `group` makes it another's: so it goes with its socket.
fn a_fifo_opens_again(shop: &Shop) {
    // The target's stop is done before that of its sockets, and a start in between would take theirs back. systemd opens no socket while what it
    // starts is active, and the activator's throttle is 0.2 s.
    let again = || {
        shop.sandbox.run(["systemctl", "stop", "shop.target"]).ok();
        await_state(shop, "shop-activate.service", "inactive");
        await_state(shop, "shop-fifo.socket", "inactive");
        shop.sandbox.run(["systemctl", "start", "shop.target"]).ok();
    };
    again();
    await_state(shop, "shop-fifo.socket", "active");
    let group = shop.sandbox.run(["stat", "--format=%F %a %G", "/run/shop/fifo"]).ok().stdout;
    assert_eq!(group.trim(), "fifo 660 adm");
    // The harm, without that.
    let drop_in = "/run/systemd/system/shop-fifo.socket.d/keep.conf";
    shop.sandbox.install_file(drop_in, "[Socket]\nRemoveOnStop=no\n", 0o644);
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    again();
    await_state(shop, "shop-fifo.socket", "failed");
    let journal = shop.sandbox.journal("shop-fifo.socket");
    assert!(journal.contains("File exists"), "{journal}");
    shop.sandbox.run(["rm", drop_in, "/run/shop/fifo"]).ok();
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    shop.sandbox.run(["systemctl", "reset-failed"]).ok();
    again();
    await_state(shop, "shop-fifo.socket", "active");
}

/// Waits until systemd has the unit in this state; `running` and `listening` of a socket are both active.
#[track_caller]
fn await_state(shop: &Shop, unit: &str, state: &str) {
    let there = format!(
        "until test \"$(systemctl show --property=ActiveState --value {unit})\" = {state}; do sleep 0.1; done"
    );
    shop.sandbox.run(["timeout", "30", "sh", "-c", &there]).ok();
}

/// systemd drops a socket whose address changes: of every kind it is seen, although the unit shows active.
fn a_lost_socket_is_seen(shop: &Shop) {
    let lost = ["udp", "log", "packets", "fifo", "machine"];
    let lost: Vec<_> = lost.into_iter().filter(|name| inodes(shop).contains_key(*name)).collect();
    for name in &lost {
        let unit = format!("/etc/systemd/system/shop-{name}.socket");
        let other = "s,^\\(Listen.*=.*\\)\\([0-9a-z]\\)$,\\11\\2,";
        shop.sandbox.run(["sed", "--in-place", other, &unit]).ok();
    }
    shop.sandbox.run(["systemctl", "daemon-reload"]).ok();
    let now = inodes(shop);
    for (name, inode) in &now {
        assert_eq!(inode.is_none(), lost.contains(&name.as_str()), "{name}: {now:?}");
    }
    let doctor = shop.sockctl(["doctor", "shop"]);
    assert!(!doctor.status.success(), "{doctor}");
    for name in lost {
        assert!(doctor.stdout.contains(&format!("shop-{name}.socket")), "{name}: {doctor}");
    }
}
