//! The sandbox itself: it boots, two do not meet, and it leaves nothing behind however its process ends.

mod footprint;

use std::io::{BufRead as _, BufReader, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use e2e::Sandbox;
use footprint::Footprint;
use rustix::process::{Pid, Signal, kill_process};

const ADDRESS: &str = "127.0.0.1:7000";

/// A socket unit that starts `cat` for each connection.
fn install_echo(sandbox: &Sandbox) {
    let socket =
        "[Socket]\nListenStream=127.0.0.1:7000\nAccept=yes\n[Install]\nWantedBy=sockets.target\n";
    let service = "[Service]\nExecStart=cat\nStandardInput=socket\n";
    sandbox.install_file("/etc/systemd/system/echo.socket", socket, 0o644);
    sandbox.install_file("/etc/systemd/system/echo@.service", service, 0o644);
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    sandbox.run(["systemctl", "enable", "--now", "echo.socket"]).ok();
}

fn ask_echo(sandbox: &Sandbox) {
    let client = "exec 3<>/dev/tcp/127.0.0.1/7000; echo it answers >&3; head -n 1 <&3";
    assert_eq!(sandbox.run(["bash", "-c", client]).ok().stdout, "it answers\n");
}

#[test]
fn runs_programs_and_units() {
    let sandbox = Sandbox::boot();
    assert_eq!(sandbox.run(["cat", "/proc/1/comm"]).ok().stdout, "systemd\n");
    let argv = ["systemd-run", "--wait", "--unit=hello", "--property=DynamicUser=yes"];
    sandbox.run(argv.into_iter().chain(["echo", "hello"])).ok();
    assert!(sandbox.journal("hello.service").lines().any(|line| line == "hello"));
    sandbox.run(["sh", "-c", "exit 3"]).exits(3);
    sandbox.install_file("/usr/local/bin/tool", "#!/bin/sh\necho tool\n", 0o755);
    assert_eq!(sandbox.run(["tool"]).ok().stdout, "tool\n");
    assert!(!Path::new("/usr/local/bin/tool").exists(), "written to the machine itself");
}

#[test]
fn pid1_holds_the_socket_of_a_socket_unit() {
    let sandbox = Sandbox::boot();
    assert_eq!(sandbox.listening_inode(ADDRESS), None);
    install_echo(&sandbox);
    ask_echo(&sandbox);
    let inode = sandbox.listening_inode(ADDRESS).expect("it listens");
    assert!(sandbox.pid1_holds(inode));
    sandbox.run(["systemctl", "daemon-reexec"]).ok();
    assert_eq!(sandbox.listening_inode(ADDRESS), Some(inode));
    assert!(sandbox.pid1_holds(inode));
    ask_echo(&sandbox);
    sandbox.run(["systemctl", "stop", "echo.socket"]).ok();
    assert!(!sandbox.pid1_holds(inode));
}

#[test]
fn two_at_once_do_not_meet() {
    let boot = || {
        let sandbox = Sandbox::boot();
        install_echo(&sandbox);
        sandbox
    };
    let (one, two) = thread::scope(|scope| {
        let (one, two) = (scope.spawn(boot), scope.spawn(boot));
        (one.join().expect("boots"), two.join().expect("boots"))
    });
    assert_ne!(one.listening_inode(ADDRESS), two.listening_inode(ADDRESS));
    drop(one);
    ask_echo(&two);
}

#[test]
fn a_reboot_keeps_the_disk_and_nothing_else() {
    let mut sandbox = Sandbox::boot();
    install_echo(&sandbox);
    sandbox.install_file("/var/lib/kept", "kept", 0o600);
    sandbox.install_file("/run/lost", "lost", 0o600);
    let before = Footprint::of(&sandbox);
    sandbox.reboot();
    before.machine_is_gone();
    sandbox.run(["test", "-e", "/var/lib/kept"]).ok();
    sandbox.run(["test", "-e", "/run/lost"]).exits(1);
    ask_echo(&sandbox);
}

#[test]
fn a_killed_child_takes_its_program_with_it() {
    let sandbox = Sandbox::boot();
    let mut child = sandbox.command("sh");
    let mut child = child
        .args(["-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do read line; done"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    sandbox.signal(&child, Signal::TERM);
    drop(child.stdin.take());
    assert_eq!(lines.next().unwrap().unwrap(), "told");
    assert_eq!(child.wait().unwrap().code(), Some(5));

    let mut child = sandbox.command("sh");
    let script = "echo ready; exec sleep 600";
    let mut child = child.args(["-c", script]).stdout(Stdio::piped()).spawn().expect("starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut String::new()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // Standard output ends when the program inside is gone, not when nsenter is.
    assert_eq!(stdout.read_to_end(&mut Vec::new()).unwrap(), 0);
}

#[test]
fn dropped_it_leaves_nothing() {
    let sandbox = Sandbox::boot();
    install_echo(&sandbox);
    let footprint = Footprint::of(&sandbox);
    drop(sandbox);
    footprint.is_gone();
}

#[test]
fn a_panic_leaves_nothing() {
    let mut footprint = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let sandbox = Sandbox::boot();
        footprint = Some(Footprint::of(&sandbox));
        sandbox.run(["false"]).ok();
    }));
    let message = *panic.expect_err("false fails").downcast::<String>().expect("a message");
    assert!(message.contains("$ false\nexit status: 1"), "{message}");
    footprint.expect("it booted").is_gone();
}

#[test]
fn a_killed_test_process_leaves_nothing() {
    // The last with a controller that is stopped in the middle, as every rehearsal of a crash has one.
    for (signal, program) in
        [(Signal::KILL, ""), (Signal::INT, ""), (Signal::TERM, ""), (Signal::KILL, "kill -STOP $$")]
    {
        let mut holder = Command::new(env!("CARGO_BIN_EXE_holder"))
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the test executable starts");
        let lines =
            BufReader::new(holder.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let pid1 = lines.map(|line| line.strip_prefix("holding ").map(str::to_owned));
        let pid1: i32 = pid1.flatten().next().expect("it says that it holds one").parse().unwrap();
        let footprint = Footprint::of_machine(Pid::from_raw(pid1).unwrap());
        kill_process(Pid::from_child(&holder), signal).unwrap();
        holder.wait().unwrap();
        footprint.await_supervisor();
        footprint.is_gone();
    }
}

#[test]
fn a_killed_supervisor_leaves_what_the_next_boot_removes() {
    let sandbox = Sandbox::boot();
    let footprint = Footprint::of(&sandbox);
    footprint.kill_supervisor();
    footprint.await_machine();
    drop(sandbox);
    drop(Sandbox::boot());
    footprint.is_gone();
}
