//! The controller killed after each single step, then `resume`: one live slot at the end, and no failed request.

use std::cell::RefCell;
use std::collections::BTreeSet;

use e2e::load::{Generator, Load};
use e2e::shop::{Shop, URL};
use sockctl::plan::Step;

/// Kills `sockctl ARGS` after the step, resumes, and checks.
struct Rehearsal<'a> {
    shop: &'a Shop,
    met: &'a RefCell<BTreeSet<&'static str>>,
}

impl Rehearsal<'_> {
    #[track_caller]
    fn kill(&self, step: &'static str, args: &[&str]) {
        println!("killed after {step}: sockctl {}", args.join(" "));
        self.shop.paused_after(step, args).kill();
        self.met.borrow_mut().insert(step);
    }

    /// Kills and resumes; `ends` is the exit status of `resume`.
    #[track_caller]
    fn check(&self, step: &'static str, args: &[&str], ends: i32) {
        self.kill(step, args);
        self.shop.sockctl(["resume", "shop"]).exits(ends);
        self.shop.one_live_slot();
    }
}

const HOOKS: &str = "[hooks]\nmigrate = [\"/bin/true\"]\npre_stop = [\"/bin/true\"]";

#[test]
fn killed_after_each_step() {
    let met = RefCell::new(BTreeSet::from(["record"]));
    let shop = Shop::deployed();
    let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
    let rehearsal = Rehearsal { shop: &shop, met: &met };

    let forward = [
        "stage", "link", "hold", "start", "probe", "commit", "open", "close", "watch", "retire",
        "record",
    ];
    for step in forward {
        let release = shop.release(&format!("killed-after-{step}"), None);
        // A retired slot stays held, so that there is nothing left to hold.
        let env = format!("/run/sockact/shop/{}.env", idle(&shop));
        shop.sandbox.run(["rm", "--force", &env]).ok();
        rehearsal.check(step, &["deploy", "shop", &release], 0);
    }

    // The idle slot still runs: somebody started it by hand. It comes up closed.
    shop.sandbox.run(["systemctl", "start", &format!("shop-{}.service", idle(&shop))]).ok();
    rehearsal.check("clear", &["deploy", "shop", &shop.release("cleared", None)], 0);

    for step in ["canary", "trial"] {
        let release = shop.release(&format!("killed-after-{step}"), None);
        let deploy = ["deploy", "shop", &release, "--canary", "10%,50%", "--hold", "200ms"];
        rehearsal.check(step, &deploy, 0);
    }

    for step in ["reopen", "shut", "return", "withdraw"] {
        let release = shop.release(&format!("sick-at-{step}"), Some("sickens-after-requests=1"));
        rehearsal.check(step, &["deploy", "shop", &release], 3);
    }

    // The old slot was stopped by hand while it stood by, and then the new one fails.
    let (old, sick) =
        (shop.one_live_slot(), shop.release("sick-alone", Some("sickens-after-requests=1")));
    rehearsal.kill("close", &["deploy", "shop", &sick]);
    shop.sandbox.run(["systemctl", "stop", &format!("shop-{old}.service")]).ok();
    rehearsal.check("revive", &["resume", "shop"], 3);

    shop.install_more("", HOOKS);
    for step in ["migrate", "pre-stop"] {
        let release = shop.release(&format!("killed-after-{step}"), None);
        rehearsal.check(step, &["deploy", "shop", &release], 0);
    }

    let listeners = [("listen", "listeners.second.listen = \"127.0.0.1:8082\""), ("unlisten", "")];
    for (step, manifest) in listeners {
        shop.install_more(manifest, "");
        let release = shop.release(&format!("killed-after-{step}"), None);
        rehearsal.check(step, &["deploy", "shop", &release], 0);
    }

    shop.install_more("", "keep_warm = \"1h\"");
    rehearsal.kill("warm", &["deploy", "shop", &shop.release("kept", None)]);
    shop.sockctl(["resume", "shop"]).ok();
    shop.install_short("bin/shop");
    shop.deploy(&shop.release("last", None)).ok();
    shop.one_live_slot();

    load.finish().assert_clean();

    first_deploy(&met);
    let missing: Vec<_> =
        Step::ALL.iter().filter(|step| !met.borrow().contains(step.name())).collect();
    assert!(missing.is_empty(), "no rehearsal of {missing:?}");
}

/// The way back from a first deploy ends with nothing deployed, and waiting connections go on waiting.
fn first_deploy(met: &RefCell<BTreeSet<&'static str>>) {
    let shop = Shop::enabled();
    let rehearsal = Rehearsal { shop: &shop, met };
    let curl = ["--silent", "--max-time", "60", URL];
    let mut client = shop.sandbox.command("curl").args(curl).spawn().expect("nsenter starts");
    rehearsal
        .kill("rest", &["deploy", "shop", &shop.release("sick", Some("sickens-after-requests=0"))]);
    rehearsal.kill("disable", &["resume", "shop"]);
    shop.sockctl(["resume", "shop"]).exits(1);
    assert!(shop.status()["live"].is_null());
    shop.deploy(&shop.release("v1", None)).ok();
    assert!(client.wait().expect("curl can be waited for").success());
    shop.one_live_slot();
}

fn idle(shop: &Shop) -> &'static str {
    if shop.one_live_slot() == "blue" { "green" } else { "blue" }
}
