//! The gate: what a slot accepts, and when.

mod support;

use std::process::Command;

use rustix::process::{Resource, Rlimit};
use support::{Client, Start, activated, example, public};

const GET: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn a_slot_behind_a_closed_gate_is_ready_and_accepts_nothing_until_it_opens() {
    let (http, address) = public();
    let mut slot = Start::new("blue", &http).env("SOCKACT_GATE", "closed").ready();
    slot.hears("STATUS=Ready, gate closed");
    let mut client = Client::connect(address);
    client.send(GET);
    let (code, body) = slot.ask("GET", "/", "");
    assert_eq!((code, body.as_str()), (200, "blue"), "the application answers its probe");
    let status = slot.status();
    assert_eq!((&status["gate"], &status["accepted"]), (&0.0.into(), &0.into()));
    slot.gate(1.0);
    assert_eq!(client.answer().expect("an answer").body, "blue");
    slot.hears("STATUS=Serving");
}

#[test]
fn a_gate_is_in_force_when_the_answer_comes() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let mut kept = Client::connect(address);
    kept.get("/");
    for round in 0..20 {
        slot.gate(0.0);
        let mut clients = [(); 20].map(|()| Client::connect(address));
        clients.iter_mut().for_each(|c| c.send(GET));
        assert_eq!(slot.status()["accepted"], 1 + round * 21);
        let last = kept.get("/");
        assert_eq!(
            (&*last.body, last.close),
            ("blue", true),
            "what is connected is sent away with an answer"
        );
        slot.gate(1.0);
        kept = Client::connect(address);
        assert!(!kept.get("/").close);
        assert!(clients.iter_mut().all(|c| c.answer().is_some()));
    }
}

#[test]
fn a_gate_that_is_none_fails_the_start() {
    let (http, _) = public();
    let fds = [("http", std::os::fd::AsFd::as_fd(&http))];
    let (mut command, _kept): (Command, _) = activated(&example("slot"), &fds);
    let output = command.env("SOCKACT_GATE", "ajar").output().expect("start");
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("ajar"), "{text}");
}

#[test]
fn without_descriptors_it_says_so_once_and_goes_on_when_there_are_some() {
    let (http, address) = public();
    let slot = Start::new("blue", &http).ready();
    let few = Rlimit { current: Some(40), maximum: Some(40) };
    rustix::process::prlimit(Some(slot.pid()), Resource::Nofile, few).expect("prlimit");
    let mut clients: Vec<_> = (0..60).map(|_| Client::connect(address)).collect();
    clients.iter_mut().for_each(|c| c.send(GET));
    let before = cpu_ticks(&slot);
    // The first ones are answered; each that leaves makes room for one that waits.
    let answers = clients.drain(..).map(|mut c| c.answer().expect("an answer").body);
    assert!(answers.collect::<Vec<_>>().iter().all(|body| body == "blue"));
    assert!(cpu_ticks(&slot) - before < 50, "no busy loop");
    let said = slot.stderr().matches("cannot accept").count();
    assert!((1..=30).contains(&said), "once an episode: {}", slot.stderr());
}

/// User and system time of the slot, in ticks of 10 ms (`proc_pid_stat(5)`).
fn cpu_ticks(slot: &support::Slot) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", slot.pid().as_raw_pid()));
    let stat = stat.expect("stat");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}
