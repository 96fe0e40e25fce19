//! Credentials as systemd gives them, and where their values do not appear.

use e2e::Sandbox;

use super::machine::{Client, machine, property, try_start, unit};

const SECRET: &str = "postgres://keeper:hunter2@db";
const SEALED: &str = "sesame-open-7";
const IN_THE_UNIT: &str = "not secret: it stands in the unit";

fn start(sandbox: &Sandbox, settings: &str) {
    try_start(sandbox, "lines", &format!("NonBlocking=yes\n{settings}")).ok();
}

/// Nothing that a program says of itself without being asked has the value.
#[track_caller]
fn is_nowhere(sandbox: &Sandbox, value: &str) {
    sandbox.run(["journalctl", "--sync"]).ok();
    let journal = sandbox.run(["journalctl", "--no-pager", "--output=export"]).ok().stdout;
    assert!(journal.contains("keeper.service"), "the journal is empty");
    assert!(!journal.contains(value), "the journal has it");
    let pid = property(sandbox, "MainPID");
    for file in ["environ", "cmdline"] {
        let text = sandbox.run(["cat", &format!("/proc/{pid}/{file}")]).ok().stdout;
        assert!(text.contains("keeper"), "{file}: {text:?}");
        assert!(!text.contains(value), "{file} has it");
    }
    let shown = sandbox.run(["systemctl", "show", "--all", "keeper.service"]).ok().stdout;
    assert!(!shown.contains(value), "systemctl show has it");
}

#[test]
fn each_kind_is_read_by_its_name_and_shows_nowhere() {
    let sandbox = machine();
    sandbox.install_file("/etc/keeper/db_url", format!("{SECRET}\n"), 0o600);
    sandbox.install_file("/etc/keeper/plain", SEALED, 0o600);
    let encrypt =
        ["systemd-creds", "encrypt", "--name=token", "/etc/keeper/plain", "/etc/keeper/token"];
    sandbox.run(encrypt).ok();
    sandbox.run(["rm", "/etc/keeper/plain"]).ok();
    let sealed = sandbox.run(["cat", "/etc/keeper/token"]).ok().stdout;
    assert!(sealed.len() > SEALED.len() && !sealed.contains(SEALED), "{sealed}");
    // As nobody in particular: the files are root's.
    let settings = format!(
        "DynamicUser=yes\nLoadCredential=db_url:/etc/keeper/db_url\n\
         LoadCredentialEncrypted=token:/etc/keeper/token\nSetCredential=greeting:{IN_THE_UNIT}\n"
    );
    start(&sandbox, &settings);
    let mut client = Client::connect(&sandbox);
    assert_eq!(client.ask("credential db_url"), SECRET);
    assert_eq!(client.ask("credential token"), SEALED);
    assert_eq!(client.ask("credential greeting"), IN_THE_UNIT);
    let missing = client.ask("credential other");
    let there =
        "there are \"db_url\", \"greeting\", \"token\"; the unit needs LoadCredential=other:/path";
    assert!(missing.contains(there), "{missing}");
    let journal = sandbox.journal("keeper.service");
    assert!(journal.contains(there), "{journal}");
    is_nowhere(&sandbox, SECRET);
    is_nowhere(&sandbox, SEALED);
}

#[test]
fn one_that_is_too_large_is_named() {
    let sandbox = machine();
    // systemd itself gives no more than this, the names counted.
    let most = vec![b'x'; (1 << 20) - "most".len()];
    sandbox.install_file("/etc/keeper/most", &most, 0o600);
    start(&sandbox, "LoadCredential=most:/etc/keeper/most\n");
    assert_eq!(Client::connect(&sandbox).ask("credential most").len(), most.len());
    sandbox.install_file("/etc/keeper/most", [&most[..], b"more."].concat(), 0o600);
    let restart = sandbox.run(["systemctl", "restart", "keeper.service"]);
    assert!(!restart.status.success(), "{restart}");
    assert_eq!(property(&sandbox, "ExecMainStatus"), "243", "CREDENTIALS of systemd.exec(5)");

    // Who sets the directory by hand has no such bound.
    start(&sandbox, "Environment=CREDENTIALS_DIRECTORY=/etc/keeper\n");
    let refused = Client::connect(&sandbox).ask("credential most");
    assert_eq!(refused, "refused: credential \"most\" is larger than 1048576 bytes");
    let journal = sandbox.journal("keeper.service");
    assert!(journal.contains("credential \"most\" is larger than 1048576 bytes"), "{journal}");
}

#[test]
fn a_service_without_credentials_says_what_its_unit_needs() {
    let sandbox = machine();
    start(&sandbox, "");
    let refused = Client::connect(&sandbox).ask("credential db_url");
    let why = "CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential=db_url:/path";
    assert!(refused.contains(why), "{refused}");
    assert!(sandbox.journal("keeper.service").contains(why));
    unit(&sandbox, "keeper.service.d/missing.conf", "[Service]\nLoadCredential=db_url:/nowhere\n");
    sandbox.run(["systemctl", "daemon-reload"]).ok();
    let restart = sandbox.run(["systemctl", "restart", "keeper.service"]);
    assert!(!restart.status.success(), "{restart}");
    assert_eq!(property(&sandbox, "ExecMainStatus"), "243", "CREDENTIALS of systemd.exec(5)");
}
