use std::path::PathBuf;

use jiff::Timestamp;
use sockgen::App;
use sockgen::install::Readdressed;
use sockgen::listening::Inode;

use super::*;
use crate::doctor::facts::{Clock, FileIs, Link, Slot, Unit};
use crate::doctor::finding::Fix;
use crate::plan::Active;
use crate::sockets::Seen;

const MANIFEST: &str =
    "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\nlisten = \"127.0.0.1:8080\"\n";

/// Blue is live and serves, and nothing is wrong.
fn well() -> Facts {
    let app = App::parse(MANIFEST).unwrap();
    let slot = |(active, name): (Active, &sockgen::SlotName)| Slot {
        name: name.clone(),
        active,
        gate: (active == Active::Active).then_some(1.0),
        held: false,
        admin_listens: active == Active::Active,
        link: Link::Fine,
        credentials: 0,
    };
    let states = [Active::Active, Active::Inactive].into_iter();
    let seen = Seen { listening: true, held: Some(Inode::Socket(7)), blocking: false };
    let loaded = Unit { load: "loaded".into(), active: Active::Active, ..Unit::default() };
    let blue = Some("shop-blue.service".to_owned());
    Facts {
        at_work: None,
        unfinished: None,
        target: Active::Active,
        alias_on_disk: blue.clone(),
        alias_loaded: blue,
        slots: states.zip(app.slots()).map(slot).collect(),
        units: [("shop-http.socket".to_owned(), loaded)].into(),
        listeners: [(app.listeners()[0].name.clone(), seen)].into(),
        readdressed: [].into(),
        disks: Vec::new(),
        clock: Clock { now: Timestamp::UNIX_EPOCH, synchronised: None, newest: None },
        app,
    }
}

fn one(facts: &Facts) -> Finding {
    let mut found = diagnose(facts);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn nothing_is_wrong() {
    assert_eq!(diagnose(&well()), []);
}

#[test]
fn what_reloads_is_by_hand_while_that_would_close_a_port() {
    let mut facts = well();
    facts.units.get_mut("shop-http.socket").unwrap().stale = true;
    assert_eq!(one(&facts).cure, Cure::Fix(Fix::Reload));
    let drop_in = PathBuf::from("/etc/systemd/system/shop-http.socket.d/port.conf");
    let by = Readdressed { file: None, drop_ins: vec![drop_in] };
    facts.readdressed.insert(facts.app.listeners()[0].name.clone(), by);
    let stale = one(&facts);
    assert!(matches!(stale.cure, Cure::ByHand(why) if why.contains("put it back first")));
    assert!(stale.cause.contains("a reload would close 127.0.0.1:8080"), "{}", stale.cause);
    let rm = "rm /etc/systemd/system/shop-http.socket.d/port.conf && systemctl daemon-reload";
    assert_eq!(stale.mend, rm);
    // The alias, too, is not to be read again nor written.
    for disk in ["shop-green.service", "other.service"] {
        let facts = Facts { alias_on_disk: Some(disk.into()), ..facts.clone() };
        let found = diagnose(&facts);
        let fixes =
            found.iter().any(|f| matches!(f.cure, Cure::Fix(Fix::Reload | Fix::PointAlias(_))));
        assert!(!fixes && found.iter().any(|f| f.subject == "shop.service"), "{found:#?}");
    }
    // A deploy reloads, too.
    let unfinished = Facts { unfinished: Some("deploy into green".into()), ..facts.clone() };
    assert!(diagnose(&unfinished).iter().all(|finding| finding.mend == rm));
    // An install writes the file anew before it reloads.
    let by = facts.readdressed.values_mut().next().unwrap();
    *by = Readdressed { file: Some("/nowhere/shop-http.socket".into()), drop_ins: Vec::new() };
    assert_eq!(one(&facts).mend, "sockgen install /etc/sockact/shop.toml");
    // Nothing is open that could be lost.
    facts.listeners.values_mut().next().unwrap().held = None;
    facts.target = Active::Inactive;
    assert_eq!(one(&facts).cure, Cure::Fix(Fix::Reload));
}

#[test]
fn an_alias_that_is_gone_while_a_slot_serves_is_found() {
    let mut facts = Facts { alias_on_disk: None, alias_loaded: None, ..well() };
    let gone = one(&facts);
    assert_eq!((gone.hazard, gone.subject.as_str()), (Hazard::ForeignAlias, "shop.service"));
    assert_eq!(gone.mend, "sockctl deploy shop PATH");
    // Pointing it at a slot that runs makes systemd take that slot for dead.
    assert!(matches!(gone.cure, Cure::ByHand(_)));
    let at_work = Facts { at_work: Some("deploy".into()), ..facts.clone() };
    assert_eq!(diagnose(&at_work), []);
    // No release can be deployed.
    let program = App::parse(&MANIFEST.replace("bin/shop", "/opt/shop/bin/shop")).unwrap();
    let program = one(&Facts { app: program, ..facts.clone() }).mend;
    let [stop, enable, start] = ["stop", "enable --force", "start"]
        .map(|verb| format!("systemctl {verb} shop-blue.service"));
    assert_eq!(program, [stop, enable, start].join(" && "));
    // Never deployed.
    facts
        .slots
        .iter_mut()
        .for_each(|slot| (slot.active, slot.admin_listens) = (Active::Inactive, false));
    assert_eq!(diagnose(&facts), []);
}

#[test]
fn what_a_generator_made_is_not_installed_and_not_enabled() {
    let mut facts = well();
    let socket = facts.units.get_mut("shop-http.socket").unwrap();
    (socket.made, socket.file) = (true, FileIs::Other);
    let changed = one(&facts);
    assert_eq!(changed.cause, "it is not what the manifest gives");
    assert_eq!(changed.mend, "systemctl daemon-reload");
    facts.units.get_mut("shop-http.socket").unwrap().file = FileIs::Same;
    facts.alias_on_disk = Some("other.service".into());
    let foreign = one(&facts);
    assert_eq!(foreign.mend, "sockctl doctor shop --fix");
    assert!(matches!(foreign.cure, Cure::Fix(Fix::PointAlias(_))));
}
