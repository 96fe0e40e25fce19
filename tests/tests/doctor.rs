//! Every hazard that doctor knows, really made: doctor finds it, the command it prints or `--fix` mends it, and nothing is left.

use std::collections::BTreeSet;

use e2e::shop::Shop;
use serde_json::Value;
use sockctl::doctor::{Hazard, Severity};

/// How a hazard is mended.
enum Mend {
    /// `sockctl doctor shop --fix`.
    Fix,
    /// The command that the finding prints.
    Printed,
    /// A person's decision; this shell command is one.
    Hand(&'static str),
}

use Mend::{Fix, Hand, Printed};

struct Case {
    hazard: Hazard,
    /// Shell commands that make it.
    make: &'static str,
    mend: Mend,
}

const fn case(hazard: Hazard, make: &'static str, mend: Mend) -> Case {
    Case { hazard, make, mend }
}

/// Blue is live, green was never started.
const CASES: &[Case] = &[
    case(
        Hazard::StartLimit,
        "drop_in shop-green.service '[Unit]' StartLimitIntervalSec=10",
        Printed,
    ),
    case(
        Hazard::TriggerLimit,
        "drop_in shop-http.socket '[Socket]' TriggerLimitIntervalSec=2",
        Printed,
    ),
    case(Hazard::FlushPending, "drop_in shop-http.socket '[Socket]' FlushPending=yes", Printed),
    case(Hazard::ManualStop, "drop_in shop-http.socket '[Unit]' RefuseManualStop=no", Printed),
    case(
        Hazard::Condition,
        "drop_in shop-green.service '[Unit]' ConditionPathExists=/nowhere",
        Printed,
    ),
    case(Hazard::NoReadiness, "drop_in shop-green.service '[Service]' Type=simple", Printed),
    case(Hazard::BlockingStart, "drop_in shop-green.service '[Service]' NonBlocking=no", Printed),
    case(
        Hazard::FewDescriptors,
        "drop_in shop-green.service '[Service]' LimitNOFILE=1024",
        Printed,
    ),
    case(Hazard::DropIn, "drop_in shop-green.service '[Service]' Nice=5", Printed),
    // The live slot alone reads it.
    case(Hazard::DropIn, "drop_in shop.service '[Service]' Nice=5", Printed),
    case(
        Hazard::BlockingListener,
        "drop_in shop-green.service '[Service]' NonBlocking=no
         echo SOCKACT_GATE=closed >/run/sockact/shop/green.env
         ln -sfn \"$(readlink /var/lib/sockact/shop/slots/blue)\" /var/lib/sockact/shop/slots/green
         systemctl start shop-green.service
         systemctl stop shop-green.service
         rm -r /etc/systemd/system/shop-green.service.d
         systemctl daemon-reload",
        Fix,
    ),
    case(
        Hazard::StaleAlias,
        "ln -sfn shop-green.service /etc/systemd/system/shop.service
         systemctl daemon-reload
         ln -sfn shop-blue.service /etc/systemd/system/shop.service",
        Fix,
    ),
    case(
        Hazard::ForeignAlias,
        "printf '[Service]\\nExecStart=/bin/true\\n' >/etc/systemd/system/other.service
         ln -sfn other.service /etc/systemd/system/shop.service
         systemctl daemon-reload",
        Fix,
    ),
    case(Hazard::NotReloaded, "touch --date='1 hour' /etc/systemd/system/shop-blue.service", Fix),
    case(
        Hazard::ChangedUnit,
        "echo '# edited' >>/etc/systemd/system/shop-activate.service",
        Printed,
    ),
    case(
        Hazard::NotLoaded,
        "drop_in shop-green.service '[Service]' Type=oneshot 'Restart=always'",
        Printed,
    ),
    case(
        Hazard::TwoOpen,
        "rm -f /run/sockact/shop/green.env; systemctl start shop-green.service",
        Fix,
    ),
    case(
        Hazard::LiveClosed,
        "curl -sS --unix-socket /run/sockact/shop/blue.sock -X PUT -d '{\"share\":0}' http://s/-/gate",
        Fix,
    ),
    case(Hazard::StartsClosed, "echo SOCKACT_GATE=closed >/run/sockact/shop/blue.env", Fix),
    case(Hazard::StrayAdmin, "systemctl start shop-green-admin.socket", Fix),
    case(
        Hazard::Dangling,
        "mv /var/lib/sockact/shop/releases /var/lib/sockact/shop/away",
        Hand("mv /var/lib/sockact/shop/away /var/lib/sockact/shop/releases"),
    ),
    case(
        Hazard::DiskFull,
        "mount -t tmpfs -o size=1M full /var/lib/sockact/shop/releases/.. ",
        Hand("umount /var/lib/sockact/shop"),
    ),
    case(
        Hazard::NoInodes,
        "mount -t tmpfs -o size=100M,nr_inodes=50 few /var/lib/sockact/shop",
        Hand("umount /var/lib/sockact/shop"),
    ),
    case(
        Hazard::ClockBack,
        "sed '$!d;s/\"since\":\"20/\"since\":\"21/' /var/lib/sockact/shop/history.jsonl >>/var/lib/sockact/shop/history.jsonl",
        Hand("sed -i '$d' /var/lib/sockact/shop/history.jsonl"),
    ),
    case(
        Hazard::CredentialsTooLarge,
        "truncate --size=600K /root/a /root/b
         drop_in shop-green.service '[Service]' LoadCredential=a:/root/a LoadCredential=b:/root/b",
        Hand("rm -r /etc/systemd/system/shop-green.service.d && systemctl daemon-reload"),
    ),
    case(Hazard::LiveStopped, "systemctl stop shop-blue.service", Fix),
    // Nobody is left who listens: no slot runs, and without an alias the activator starts none.
    case(
        Hazard::ClosedSocket,
        "drop_in shop-activate.service '[Unit]' StartLimitIntervalSec=1h StartLimitBurst=1
         systemctl stop shop-blue.service
         mv /etc/systemd/system/shop.service /root
         systemctl daemon-reload
         systemctl start shop-activate.service
         systemctl start shop-activate.service
         curl -s --max-time 1 http://127.0.0.1:8080/
         mv /root/shop.service /etc/systemd/system
         rm -r /etc/systemd/system/shop-activate.service.d
         systemctl daemon-reload",
        Fix,
    ),
    case(
        Hazard::LostSocket,
        "sed -i s/8080/8081/ /etc/systemd/system/shop-http.socket
         systemctl daemon-reload
         sed -i s/8081/8080/ /etc/systemd/system/shop-http.socket
         systemctl daemon-reload",
        Printed,
    ),
    case(
        Hazard::Accept,
        "drop_in shop-http.socket '[Socket]' Accept=yes Service=",
        Hand(
            "rm -r /etc/systemd/system/shop-http.socket.d && systemctl daemon-reload && systemctl restart shop.target",
        ),
    ),
];

const PRELUDE: &str = r#"
drop_in() {
    mkdir -p "/etc/systemd/system/$1.d"
    file="/etc/systemd/system/$1.d/hazard.conf"
    shift
    printf '%s\n' "$@" >"$file"
    systemctl daemon-reload
}
"#;

/// What doctor says, notes left out, and whether its exit status fits.
fn findings(shop: &Shop, args: &[&str]) -> Vec<Value> {
    let argv = [&["sockctl", "--json", "doctor", "shop"], args].concat();
    let output = shop.sandbox.run(argv);
    let visit: Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}:\n{output}"));
    let found = visit["findings"].as_array().expect("findings").iter();
    let found: Vec<_> = found.filter(|f| f["severity"] != "note").cloned().collect();
    output.exits(i32::from(!found.is_empty()));
    found
}

fn sh(shop: &Shop, script: &str) -> e2e::sandbox::Output {
    shop.sandbox.run(["sh", "-c", &format!("{PRELUDE}{script}")])
}

fn check(shop: &Shop, Case { hazard, make, mend }: &Case) {
    println!("{}: {}", hazard.id(), hazard.title());
    let this = found(shop, *hazard, make);
    match mend {
        Fix => {
            assert_eq!(this["fixable"], true, "{this:#}");
            findings(shop, &["--fix"]);
            all_is_well(shop, "--fix");
            // The command does the same for who wants to see what is done.
            let command = found(shop, *hazard, make)["mend"].to_string();
            sh(shop, &serde_json::from_str::<String>(&command).expect("a command")).ok();
        }
        Printed => {
            sh(shop, this["mend"].as_str().expect("a command")).ok();
        }
        Hand(command) => {
            assert_eq!(this["fixable"], false, "{this:#}");
            sh(shop, command).ok();
        }
    }
    all_is_well(shop, "the command");
}

/// Makes it, and gives what doctor says of it.
fn found(shop: &Shop, hazard: Hazard, make: &str) -> Value {
    let made = sh(shop, make);
    let found = findings(shop, &[]);
    let this = found.iter().find(|finding| finding["id"] == hazard.id());
    let this = this.unwrap_or_else(|| panic!("not found: {found:#?}\nmade by {made}"));
    println!("    {}: {}", this["subject"], this["cause"]);
    this.clone()
}

fn all_is_well(shop: &Shop, after: &str) {
    let left = findings(shop, &[]);
    assert!(left.is_empty(), "left after {after}: {left:#?}");
    assert_eq!(shop.get(), "v1");
}

#[test]
fn every_hazard_is_found_and_mended() {
    let shop = Shop::deployed();
    assert_eq!(findings(&shop, &[]), Vec::<Value>::new(), "a clean machine");
    for case in CASES {
        check(&shop, case);
    }
    readdressed(&shop);
    unfinished(&shop);
    no_alias(&shop);
    let met: BTreeSet<_> = CASES.iter().map(|case| case.hazard).collect();
    let of_their_own = [Hazard::Unfinished, Hazard::Unsynchronised];
    let missing: Vec<_> = Hazard::ALL
        .iter()
        .filter(|hazard| !met.contains(hazard) && !of_their_own.contains(hazard))
        .collect();
    assert!(missing.is_empty(), "no case of {missing:?}");
    clock(&shop);
}

/// A reload would make systemd drop the descriptor: `--fix` leaves it open, and what is printed puts the address back.
fn readdressed(shop: &Shop) {
    let unit = "/etc/systemd/system/shop-http.socket";
    for make in [
        format!("sed -i s/8080/9090/ {unit}"),
        format!(
            "mkdir {unit}.d; printf '[Socket]\\nListenStream=\\nListenStream=9090\\n' >{unit}.d/port.conf"
        ),
    ] {
        sh(shop, &make).ok();
        let found = findings(shop, &["--fix"]);
        let this =
            found.iter().find(|f| f["id"] == Hazard::NotReloaded.id()).expect("not reloaded");
        assert_eq!(this["fixable"], false, "{this:#}");
        assert!(found.iter().all(|f| f["id"] != Hazard::LostSocket.id()), "{found:#?}");
        let refused = shop.sockctl(["restart", "shop"]).exits(4);
        assert!(refused.stderr.contains("reload would close 127.0.0.1:8080"), "{refused}");
        sh(shop, this["mend"].as_str().expect("a command")).ok();
        all_is_well(shop, "the address is back");
    }
}

/// While a deploy is at work its states are no findings; when it was killed, that is the finding.
fn unfinished(shop: &Shop) {
    let paused = shop.paused_after("open", &["deploy", "shop", &shop.release("v2", None)]);
    assert_eq!(findings(shop, &[]), Vec::<Value>::new(), "a deploy is at work");
    shop.sockctl(["doctor", "shop", "--fix"]).exits(5);
    paused.kill();
    let found = findings(shop, &["--fix"]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["id"], Hazard::Unfinished.id());
    sh(shop, found[0]["mend"].as_str().expect("a command")).ok();
    assert_eq!(findings(shop, &[]), Vec::<Value>::new());
    assert_eq!((shop.one_live_slot(), shop.get()), ("green".into(), "v2".into()));
}

/// The slot serves on, and after a boot nothing would.
fn no_alias(shop: &Shop) {
    let this = found(
        shop,
        Hazard::ForeignAlias,
        "rm /etc/systemd/system/shop.service; systemctl daemon-reload",
    );
    assert_eq!(this["fixable"], false, "{this:#}");
    shop.deploy(&shop.release("v3", None)).ok();
    assert_eq!(findings(shop, &[]), Vec::<Value>::new());
    assert_eq!(shop.get(), "v3");
}

/// Nobody may set the machine's clock for a test: doctor has to say what timedatectl(1) says.
fn clock(shop: &Shop) {
    assert_eq!(Hazard::Unsynchronised.severity(), Severity::Note);
    let says = shop.sandbox.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]);
    let text = shop.sockctl(["doctor"]).ok().stdout;
    assert_eq!(
        text.contains(Hazard::Unsynchronised.id()),
        says.ok().stdout.trim() == "no",
        "{text}"
    );
}
