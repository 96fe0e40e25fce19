//! The starting program of every preset, each as its registry has it, deployed and rolled back under load. No connection is
//! refused and none waits for ever; what a program itself drops when it is told to stop is counted, printed and explained:
//! `cargo test -p e2e --test presets -- --nocapture --test-threads=1`.

use std::collections::BTreeSet;

use e2e::load::{Generator, Load, LoadReport};
use e2e::presets::{
    AXUM, CADDY, GO, GUNICORN, HYPER, NODE, PROXYD, PUMA, Program, THREADS, UVICORN,
};
use e2e::shop::{Shop, URL};
use sockgen::presets::{PRESETS, Preset};

/// Connections on this machine that got no answer to their SYN but a reset, since its boot: `AttemptFails` of
/// `/proc/net/snmp` (RFC 4022, `tcpAttemptFails`).
fn refused(shop: &Shop) -> u64 {
    let snmp = shop.sandbox.run(["cat", "/proc/net/snmp"]).ok().stdout;
    let mut tcp = snmp.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (tcp.next().expect("names"), tcp.next().expect("values"));
    let mut columns = names.split(' ').zip(values.split(' '));
    let found = columns.find(|(name, _)| *name == "AttemptFails").expect("AttemptFails");
    found.1.parse().expect("a number")
}

/// The live slot; asserts that it alone runs, and that PID 1 holds the socket.
#[track_caller]
fn one_live_slot(shop: &Shop) -> String {
    let status = shop.status();
    let live = status["live"].as_str().unwrap_or_else(|| panic!("no live slot: {status:#}"));
    for slot in status["slots"].as_array().expect("slots") {
        let expected = if slot["slot"] == live { "active" } else { "inactive" };
        assert_eq!(slot["active"], expected, "{status:#}");
    }
    assert!(status["unfinished"].is_null(), "{status:#}");
    assert!(status["listeners"][0]["inode"].is_u64(), "PID 1 lost the socket: {status:#}");
    live.to_owned()
}

/// What was lost, by the generator's account; nothing hangs, and no answer is wrong.
#[track_caller]
fn account(what: &str, report: &LoadReport) -> u64 {
    let errors = &report.errors;
    assert!(report.requests > 0, "no request was answered:\n{report}");
    assert_eq!((errors.timeout, errors.unanswered), (0, 0), "{what}: requests hang:\n{report}");
    assert!(errors.status.is_empty() && errors.other.is_empty(), "wrong answers:\n{report}");
    // What dies with a process is at most what its connections had begun.
    let most = 64 * 2;
    assert!(errors.total() <= most, "{what}: more than a request of each connection:\n{report}");
    errors.total()
}

/// How one preset's program fares.
struct Story {
    program: Program,
    /// Why it loses requests of keep-alive connections, when it does.
    keep_alive: Option<&'static str>,
    /// Why it loses requests on connections of their own.
    one_shot: Option<&'static str>,
}

impl Story {
    fn tell(&self) {
        let program = &self.program;
        let preset = Preset::named(program.preset).expect("a preset");
        let shop = program.enabled();
        shop.deploy(&program.release(&shop, "v1", Some("v1"))).ok();
        assert_eq!((one_live_slot(&shop), shop.get()), ("blue".into(), "v1".into()));
        let status = shop.status();
        assert_eq!(status["gated"], preset.gated, "{status:#}");
        if !preset.gated {
            let plan = shop.sockctl(["plan", "shop", "--restart"]).ok().stdout;
            assert!(plan.contains("ungated: users meet a release before it is proven"), "{plan}");
            assert!(!plan.contains("hold") && !plan.contains("close"), "{plan}");
        }

        let (before, inode) = (refused(&shop), shop.socket_inode());
        let v2 = program.release(&shop, "v2", Some("v2"));
        let kinds = [(Generator::KeepAlive, self.keep_alive), (Generator::OneShot, self.one_shot)];
        for (generator, why) in kinds {
            let load = Load::new(generator, URL).start(&shop.sandbox);
            shop.deploy(&v2).ok();
            shop.sockctl(["rollback", "shop"]).ok();
            let report = load.finish();
            assert!(report.release("v1").is_some() && report.release("v2").is_some(), "{report}");
            assert_eq!(shop.get(), "v1");
            let lost = account(&format!("{}, {generator}", program.preset), &report);
            let (name, requests) = (program.preset, report.requests);
            let said = why.filter(|_| lost > 0).unwrap_or("-");
            println!("{name:<9} {generator} {requests:>8} {lost:>5}  {said}");
            assert!(lost == 0 || why.is_some(), "{name}: {lost} lost, nobody knows why\n{report}");
        }
        if !preset.gated {
            self.sick(&shop);
        }
        assert_eq!(refused(&shop), before, "connections were refused");
        assert_eq!(shop.socket_inode(), inode);
    }

    /// Sick by its own account: users meet it until that is known, and it is withdrawn.
    fn sick(&self, shop: &Shop) {
        let sick = self.program.release(shop, "v3", None);
        let load = Load::new(Generator::OneShot, URL).start(&shop.sandbox);
        let deploy = shop.deploy(&sick).exits(3);
        assert!(deploy.stderr.contains("is unhealthy"), "{deploy}");
        let report = load.finish();
        let errors = &report.errors;
        assert_eq!((errors.timeout, errors.unanswered), (0, 0), "requests hang:\n{report}");
        assert_eq!((one_live_slot(shop), shop.get()), ("blue".into(), "v1".into()));
    }
}

macro_rules! stories {
    ($($name:ident: $program:expr, $keep_alive:expr, $one_shot:expr;)*) => {
        $(
            #[test]
            fn $name() {
                Story { program: $program, keep_alive: $keep_alive, one_shot: $one_shot }.tell();
            }
        )*

        #[test]
        fn every_preset_has_its_story() {
            let told = [$($program.preset),*];
            let presets: BTreeSet<_> = PRESETS.iter().map(|preset| preset.name).collect();
            assert_eq!(BTreeSet::from(told), presets);
        }
    };
}

// Read in the sources of the programs, in the versions that run here.
const GUNICORN_ENDS: Option<&str> =
    Some("its workers wait only for what a thread has begun (23.0.0, gthread.py, run)");
const UVICORN_ENDS: Option<&str> =
    Some("it closes connections that have no request in work (h11_impl.py, shutdown)");
const CADDY_ENDS: Option<&str> = Some("Go's Shutdown closes idle connections");
const COUNTED: Option<&str> = Some("why is not known");
const PUMA_ENDS: Option<&str> = Some(
    "it closes connections of whose next request it has read nothing (5.6.5, server.rb, reactor_wakeup)",
);

stories! {
    axum: AXUM, None, None;
    hyper: HYPER, None, None;
    threads: THREADS, None, None;
    gunicorn: GUNICORN, GUNICORN_ENDS, GUNICORN_ENDS;
    uvicorn: UVICORN, UVICORN_ENDS, UVICORN_ENDS;
    node: NODE, None, None;
    go: GO, None, None;
    caddy: CADDY, CADDY_ENDS, COUNTED;
    puma: PUMA, PUMA_ENDS, PUMA_ENDS;
    proxyd: PROXYD, None, None;
}
