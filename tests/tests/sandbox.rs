//! The sandbox itself: boots, keeps its promises about what it leaves behind.

use e2e::Sandbox;

#[test]
fn boots_and_runs_a_unit() {
    let sandbox = Sandbox::boot();
    assert_eq!(sandbox.run(["cat", "/proc/1/comm"]).ok().stdout, "systemd\n");
    sandbox.run(["systemd-run", "--wait", "--unit=hello", "echo", "hello"]).ok();
    assert!(sandbox.journal("hello").contains("hello\n"));
}
