use std::path::PathBuf;

use super::*;
use crate::install::systemd::UnitState;
use crate::render;

const RELEASE: &str = "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\n\
                       listen = \"127.0.0.1:8080\"\n";

fn program() -> String {
    RELEASE.replace("bin/shop", "/usr/bin/shop")
}

/// The machine after an install of this manifest, with nothing started.
fn installed(manifest: &str) -> Snapshot {
    let app = App::parse(manifest).unwrap();
    let mut now = fresh();
    for unit in render(&app) {
        now.found.insert(unit.name.to_string(), Found::File(unit.text.clone()));
        now.ours.insert(unit.name.to_string(), unit.text);
    }
    now.manifest = Some(manifest.to_owned());
    now
}

/// A machine with systemd and nothing of ours.
fn fresh() -> Snapshot {
    Snapshot { states: Some(Default::default()), ..Snapshot::default() }
}

fn start(now: &mut Snapshot, unit: &str) {
    let state = UnitState { active: "active".into(), need_reload: false, enabled: true };
    now.states.as_mut().unwrap().insert(unit.to_owned(), state);
}

fn decide(manifest: &str, now: &Snapshot) -> Result<Plan, Vec<Problem>> {
    let app = App::parse(manifest).unwrap();
    let (plan, problems) = plan(Path::new("/"), &app, manifest, &render(&app), now);
    if problems.is_empty() { Ok(plan) } else { Err(problems) }
}

#[track_caller]
fn refused(manifest: &str, now: &Snapshot, says: &str) {
    let problems = decide(manifest, now).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains(says), "{says:?} is not in {problems:?}");
    assert!(!problems[0].hint.is_empty());
}

#[test]
fn a_fresh_machine_gets_everything_and_a_second_install_nothing() {
    let plan = decide(RELEASE, &fresh()).unwrap();
    assert_eq!(plan.changes.len(), 8);
    assert!(plan.reload && plan.enable.is_none());
    assert_eq!(plan.next, ["systemctl enable --now shop.target", "sockctl deploy shop PATH"]);
    let plan = decide(RELEASE, &installed(RELEASE)).unwrap();
    assert!(plan.changes.is_empty() && !plan.reload);
}

#[test]
fn units_that_systemd_has_not_read_are_read() {
    let mut now = installed(RELEASE);
    start(&mut now, "shop.target");
    now.states.as_mut().unwrap().get_mut("shop.target").unwrap().need_reload = true;
    let plan = decide(RELEASE, &now).unwrap();
    assert!(plan.changes.is_empty() && plan.reload);
}

#[test]
fn the_alias_is_made_for_a_program_and_only_when_there_is_none() {
    let mut now = fresh();
    now.program = Some(Program::Fine);
    let plan = decide(&program(), &now).unwrap();
    assert_eq!(plan.enable.unwrap().as_ref(), "shop-blue.service");
    assert_eq!(plan.next, ["systemctl enable --now shop.target"]);
    let green = Found::Link(PathBuf::from("/etc/systemd/system/shop-green.service"));
    now.found.insert("shop.service".into(), green);
    assert_eq!(decide(&program(), &now).unwrap().enable, None);
}

#[test]
fn an_open_socket_keeps_its_address_and_its_unit() {
    let mut now = installed(RELEASE);
    start(&mut now, "shop-http.socket");
    refused(&RELEASE.replace("8080", "8081"), &now, "its address would become 127.0.0.1:8081");
    refused(&RELEASE.replace("listeners.http", "listeners.web"), &now, "would be removed");
    // One that nobody takes the place of stays open, and its file stays with it.
    let plan = decide(&RELEASE.replace("http]", "web]").replace("8080", "8081"), &now).unwrap();
    assert!(plan.changes.iter().all(|change| change.text.is_some()));
    assert!(plan.notes.iter().any(|note| note.starts_with("shop-http.socket stays open")));
    // Closed, both are done.
    let now = installed(RELEASE);
    assert!(decide(&RELEASE.replace("8080", "8081"), &now).is_ok());
    let plan = decide(&RELEASE.replace("listeners.http", "listeners.web"), &now).unwrap();
    let deleted: Vec<_> = plan.changes.iter().filter(|c| c.text.is_none()).collect();
    assert_eq!(deleted.len(), 1);
    assert_eq!(deleted[0].path, Path::new("/etc/systemd/system/shop-http.socket"));
}

#[test]
fn a_new_listener_of_a_running_application_is_opened_by_the_next_restart() {
    let mut now = installed(RELEASE);
    start(&mut now, "shop-http.socket");
    start(&mut now, "shop.target");
    let alias = Found::Link(PathBuf::from("shop-blue.service"));
    now.found.insert("shop.service".into(), alias);
    let more = format!("{RELEASE}[listeners.two]\nlisten = \"127.0.0.1:8082\"\n");
    let plan = decide(&more, &now).unwrap();
    assert_eq!(plan.next, ["sockctl restart shop"]);
    // Also when the units were installed before, and nobody has restarted it yet.
    let mut waiting = installed(&more);
    waiting.states = now.states.clone();
    waiting.found.insert("shop.service".into(), Found::Link(PathBuf::from("shop-blue.service")));
    assert_eq!(decide(&more, &waiting).unwrap().next, ["sockctl restart shop"]);
}

#[test]
fn a_slot_goes_when_it_does_not_run() {
    let three = |gate: &str| {
        format!("slots = [\"blue\", \"green\", \"amber\"]\n{RELEASE}").replacen('\n', gate, 1)
    };
    let ungated = "gate = false\nhealth.exec = [\"bin/healthy\"]\n";
    for gate in ["\n", &format!("\n{ungated}")] {
        let two = RELEASE.replacen('\n', gate, 1);
        let mut now = installed(&three(gate));
        start(&mut now, "shop.target");
        let plan = decide(&two, &now).unwrap();
        assert!(plan.notes.iter().any(|note| note.starts_with("slot amber does not run")));
        assert!(
            plan.changes.iter().any(|c| c.text.is_none() && c.path.ends_with("shop-amber.service"))
        );
        start(&mut now, "shop-amber.service");
        start(&mut now, "shop-amber-admin.socket");
        refused(&two, &now, "slot amber runs, and is not in the manifest any more");
        let alias = Found::Link(PathBuf::from("/etc/systemd/system/shop-amber.service"));
        now.found.insert("shop.service".into(), alias.clone());
        refused(&two, &now, "amber is the live slot");
        // Stopped, it is still the one that traffic starts.
        let mut now = installed(&three(gate));
        now.found.insert("shop.service".into(), alias);
        refused(&two, &now, "amber is the live slot");
    }
}

/// A slot of an earlier manifest whose unit is called as proxies are; new manifests cannot have one.
#[test]
fn a_slot_that_is_called_proxy_is_no_proxy() {
    let mut now = installed(RELEASE);
    let slot = now.ours["shop-blue.service"].replace("blue", "proxy");
    now.ours.insert("shop-proxy.service".into(), slot);
    start(&mut now, "shop-proxy.service");
    refused(RELEASE, &now, "slot proxy runs, and is not in the manifest any more");
    let alias = Found::Link(PathBuf::from("/etc/systemd/system/shop-proxy.service"));
    now.found.insert("shop.service".into(), alias);
    refused(RELEASE, &now, "proxy is the live slot");
}

#[test]
fn a_proxy_that_runs_keeps_its_unit() {
    let proxied = format!(
        "{}[proxy.to]\nblue = \"127.0.0.1:1\"\ngreen = \"127.0.0.1:2\"\namber = \"127.0.0.1:3\"\n",
        RELEASE.replace(
            "[listeners",
            "gate = false\nslots = [\"blue\", \"green\", \"amber\"]\n[listeners"
        )
    );
    let mut now = installed(&proxied);
    assert!(decide(RELEASE, &now).is_ok(), "nothing runs");
    start(&mut now, "shop-blue.service");
    start(&mut now, "shop-blue-proxy.service");
    refused(
        RELEASE,
        &now,
        "shop-blue-proxy.service runs, and the manifest has no [proxy] any more",
    );
    // A slot with a proxy goes as any other.
    let two = proxied.replace(", \"amber\"]", "]").replace("amber = \"127.0.0.1:3\"\n", "");
    let plan = decide(&two, &now).unwrap();
    assert!(plan.deletes("shop-amber.service") && plan.deletes("shop-amber-proxy.service"));
    assert_eq!(plan.notes.iter().filter(|note| note.contains("amber")).count(), 1);
}

#[test]
fn files_of_others_stay() {
    let mut now = fresh();
    now.found.insert("shop.target".into(), Found::File("[Unit]\n".into()));
    refused(RELEASE, &now, "shop.target was not written by sockgen");
    let text = "# Generated by sockgen for the application web from its manifest.\n";
    now.found.insert("shop.target".into(), Found::File(text.into()));
    refused(RELEASE, &now, "belongs to the application web");
    now.found.insert("shop.target".into(), Found::Link("/dev/null".into()));
    refused(RELEASE, &now, "is a link to /dev/null");
    now.found.clear();
    now.found.insert("shop.service".into(), Found::File("[Service]\n".into()));
    refused(RELEASE, &now, "must become the alias");
    now.found.insert("shop.service".into(), Found::Link("/lib/systemd/system/x.service".into()));
    refused(RELEASE, &now, "is a link to /lib/systemd/system/x.service");
    now.found.clear();
    now.elsewhere.insert("shop.target".into(), "/usr/lib/systemd/system/shop.target".into());
    refused(RELEASE, &now, "would hide /usr/lib/systemd/system/shop.target");
}

#[test]
fn applications_do_not_share_names_or_addresses() {
    let mut now = fresh();
    let other = RELEASE.replace("\"shop\"", "\"web\"");
    now.others = vec![App::parse(&other).unwrap()];
    refused(RELEASE, &now, "127.0.0.1:8080 is the address of listener http of the application web");
    let other = RELEASE.replace("\"shop\"", "\"shop-blue\"").replace("8080", "8081");
    now.others = vec![App::parse(&other).unwrap()];
    refused(RELEASE, &now, "shop-blue.service would belong to both");
}

#[test]
fn addresses_and_programs_that_are_no_good() {
    let mut now = fresh();
    let holder =
        Holder { pid: Some(7), command: "nginx".into(), unit: Some("nginx.service".into()) };
    now.tried.insert("http".into(), Tried::Taken(holder));
    refused(RELEASE, &now, "in use by nginx (pid 7, nginx.service)");
    now.tried.insert("http".into(), Tried::Refused("no".into()));
    refused(RELEASE, &now, "cannot be used: no");
    now.tried.insert("http".into(), Tried::NotHere);
    refused(RELEASE, &now, "is no address of this machine now");
    let later = RELEASE.replace("127.0.0.1", "192.0.2.7");
    assert_eq!(decide(&later, &now).unwrap().notes.len(), 1);
    now.tried.clear();
    for (program_is, says) in [
        (Program::Missing, "does not exist"),
        (Program::NoFile, "is not a file"),
        (Program::NotExecutable, "is not executable"),
    ] {
        now.program = Some(program_is);
        refused(&program(), &now, says);
    }
}

#[test]
fn a_known_account_is_never_taken_by_mistake() {
    let mut now = fresh();
    now.accounts = vec!["_shop".into()];
    refused(RELEASE, &now, "the account _shop exists");
    let meant = format!("user = \"_shop\"\n{RELEASE}");
    assert!(decide(&meant, &now).unwrap().notes.is_empty());
    let unknown = format!("user = \"nobody-here\"\n{RELEASE}");
    assert_eq!(decide(&unknown, &now).unwrap().notes.len(), 1);
}

#[test]
fn a_changed_socket_that_is_open_is_told() {
    let mut now = installed(RELEASE);
    let backlog = format!("{RELEASE}backlog = 17\n");
    assert!(decide(&backlog, &now).unwrap().notes.is_empty());
    start(&mut now, "shop-http.socket");
    let notes = decide(&backlog, &now).unwrap().notes;
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("shop-http.socket is open and stays as it is"), "{notes:?}");
}

#[test]
fn a_release_without_the_new_exec_has_to_be_followed_by_one_that_has_it() {
    let mut now = installed(RELEASE);
    start(&mut now, "shop.target");
    let green = Found::Link(PathBuf::from("/etc/systemd/system/shop-green.service"));
    now.found.insert("shop.service".into(), green);
    now.lacking = Some("green".parse().unwrap());
    let plan = decide(&RELEASE.replace("bin/shop", "bin/new"), &now).unwrap();
    assert!(plan.notes[0].contains("green has no release with bin/new"), "{:?}", plan.notes);
    assert_eq!(plan.next.last().unwrap(), "sockctl deploy shop PATH");
}

#[test]
fn a_live_socket_keeps_its_kind_and_address_and_may_change_its_options() {
    let mut now = installed(RELEASE);
    start(&mut now, "shop-http.socket");
    let datagrams = format!("{RELEASE}type = \"datagram\"\n");
    refused(&datagrams, &now, "its address would become 127.0.0.1:8080 (UDP)");
    let options = format!("{RELEASE}no_delay = true\n");
    let plan = decide(&options, &now).unwrap();
    assert!(plan.notes[0].contains("is open and stays as it is"), "{:?}", plan.notes);
}

#[test]
fn what_the_generator_made_is_protected_and_taken_over() {
    let mut now = installed(RELEASE);
    now.from_generator = std::mem::take(&mut now.found).into_keys().collect();
    start(&mut now, "shop-http.socket");
    refused(&RELEASE.replace("8080", "8081"), &now, "its address would become 127.0.0.1:8081");
    assert_eq!(decide(RELEASE, &now).unwrap().changes.len(), 7, "all units, whatever is generated");
    // The socket that is still open has a file of its own from now on.
    let plan = decide(&RELEASE.replace("http]", "web]").replace("8080", "8081"), &now).unwrap();
    let kept = plan.changes.iter().find(|change| change.path.ends_with("shop-http.socket"));
    assert!(kept.unwrap().text.as_ref().unwrap().contains("127.0.0.1:8080"));
}

#[test]
fn an_edit_by_hand_does_not_say_where_a_socket_is_open() {
    let mut now = installed(RELEASE);
    start(&mut now, "shop-http.socket");
    let at = App::parse(RELEASE).unwrap().listeners()[0].address.clone();
    now.open.insert("shop-http.socket".into(), at);
    let elsewhere = RELEASE.replace("8080", "9090");
    let text = now.ours.get_mut("shop-http.socket").unwrap();
    *text = text.replace("8080", "9090");
    for _ in ["edited", "deleted"] {
        let plan = decide(RELEASE, &now).unwrap();
        assert!(plan.changes.len() == 1 && plan.changes[0].path.ends_with("shop-http.socket"));
        refused(&elsewhere, &now, "is open at 127.0.0.1:8080, and its address would become");
        now.ours.remove("shop-http.socket");
        now.found.remove("shop-http.socket");
    }
}

#[test]
fn a_drop_in_that_would_close_an_open_socket_is_in_the_way() {
    let mut now = installed(RELEASE);
    now.readdressing.insert("shop-http.socket".into(), vec!["/etc/port.conf".into()]);
    refused(RELEASE, &now, "/etc/port.conf would take its address away");
}
