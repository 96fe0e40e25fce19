//! Bad input: a clear error, a hint, the right exit status, and nothing written, started or stopped.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use e2e::Sandbox;
use e2e::sandbox::Output;
use e2e::shop::Shop;
use serde_json::json;

const ERROR: i32 = 1;
const USAGE: i32 = 2;
const REFUSED: i32 = 4;

const NOBODY: [&str; 4] = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"];
const INSTALL: [&str; 3] = ["sockgen", "install", "/srv/bad/sockact.toml"];
const LISTEN: &str = "127.0.0.1:8080";

/// Names that are none, of applications as of listeners, and how each is shown.
const BAD_NAMES: [(&str, &str); 6] = [
    ("../x", r#""../x""#),
    ("a\nb", r#""a\nb""#),
    ("\x1b[1m", r#""\u{1b}[1m""#),
    ("50%", r#""50%""#),
    ("", r#""" is not a name"#),
    (LONG, r#"aaa..." (300 characters)"#),
];

const LONG: &str = match str::from_utf8(&[b'a'; 300]) {
    Ok(text) => text,
    Err(_) => unreachable!(),
};

/// Runs it; it has to fail with this status, to say all of `says`, to give a hint, and to change nothing.
#[track_caller]
fn check<S: AsRef<str>>(sandbox: &Sandbox, argv: &[S], status: i32, says: &[&str]) {
    let argv: Vec<_> = argv.iter().map(AsRef::as_ref).collect();
    let before = machine(sandbox);
    let output = sandbox.run(&argv);
    check_output(&output, status, says);
    let after = machine(sandbox);
    let changed: Vec<_> = after.symmetric_difference(&before).collect();
    assert!(changed.is_empty(), "changed: {changed:#?} by\n{output}");
}

#[track_caller]
fn check_output(output: &Output, status: i32, says: &[&str]) {
    let (shown, stderr) = (output.to_string().replace(LONG, "(long)"), &output.stderr);
    println!("{shown}\n");
    assert_eq!(output.status.code(), Some(status), "the exit status:\n{shown}");
    assert!(stderr.starts_with("error: "), "no error first:\n{shown}");
    let mut hints = stderr.lines().filter_map(|line| line.strip_prefix("hint: "));
    assert!(hints.next().is_some_and(|hint| !hint.is_empty()), "no hint:\n{shown}");
    for words in says {
        assert!(stderr.contains(words), "does not say {words:?}:\n{shown}");
    }
    assert_eq!(output.stdout, "", "an error is for standard error:\n{shown}");
    assert!(!stderr.chars().any(|c| c.is_control() && c != '\n'), "control characters:\n{shown}");
    assert!(stderr.lines().all(|line| line.len() < 300), "a line that nobody reads:\n{shown}");
}

/// Each file, directory and link where anything could be written, and each unit of an application's. Without the
/// lock, which names who held it last, and the directories above it.
fn machine(sandbox: &Sandbox) -> BTreeSet<String> {
    // Those directories that do not exist yet are told on standard error.
    let script = r#"
        set -- /etc/systemd/system /etc/sockact /var/lib/sockact /run/sockact /srv
        find "$@" ! -path '/run/sockact*/lock' ! \( -path '/run/sockact*' -type d \) \
            -printf '%p %y %m %U %l\n'
        find "$@" -type f ! -path '/run/sockact*/lock' -exec sha256sum {} +
        for unit in $(systemctl list-units --all --plain --no-legend 'shop*' | cut -d ' ' -f 1); do
            echo $(systemctl show --property=Id,ActiveState,InvocationID,NeedDaemonReload $unit)
        done"#;
    sandbox.run(["sh", "-c", script]).stdout.lines().map(String::from).collect()
}

/// A manifest; JSON's strings are among those of TOML.
fn manifest(name: &str, listen: &str, exec: &str) -> String {
    let [name, listen, exec] = [name, listen, exec].map(|text| json!(text));
    format!("name = {name}\nexec = {exec}\n[listeners.http]\nlisten = {listen}\n")
}

/// `sockgen install` of this manifest is refused.
#[track_caller]
fn check_manifest(sandbox: &Sandbox, text: &str, says: &[&str]) {
    sandbox.install_file(INSTALL[2], text, 0o644);
    check(sandbox, &INSTALL, ERROR, says);
}

fn init<'a>(name: &'a str, listen: &'a str, exec: &'a str) -> [&'a str; 9] {
    ["sockgen", "init", "--dir=/srv", "--name", name, "--listen", listen, "--exec", exec]
}

#[test]
fn sockgen_refuses_what_was_written_or_typed() {
    let Shop { sandbox, .. } = &Shop::machine();
    for (name, shown) in BAD_NAMES {
        let listen = format!("{name}={LISTEN}");
        check(
            sandbox,
            &init(name, &format!("http={LISTEN}"), "bin/shop"),
            USAGE,
            &["--name", shown],
        );
        check(sandbox, &init("shop", &listen, "bin/shop"), USAGE, &["--listen", shown]);
        check_manifest(sandbox, &manifest(name, LISTEN, "bin/shop"), &["line 1", shown]);
        let listener =
            manifest("shop", LISTEN, "bin/shop").replace("http", &json!(name).to_string());
        check_manifest(sandbox, &listener, &["line 3", shown]);
    }
    for address in ["nonsense", "127.0.0.1", "127.0.0.1:99999", "localhost:80", "a\nb", ""] {
        let (listen, shown) = (format!("http={address}"), format!("{address:?} is not an address"));
        check(sandbox, &init("shop", &listen, "bin/shop"), USAGE, &["--listen", &shown]);
        check_manifest(sandbox, &manifest("shop", address, "bin/shop"), &["line 4", &shown]);
    }
    for exec in ["", "../shop", "a\nb"] {
        let (listen, shown) = (format!("http={LISTEN}"), format!("{exec:?}"));
        check(sandbox, &init("shop", &listen, exec), USAGE, &["--exec", &shown]);
        check_manifest(sandbox, &manifest("shop", LISTEN, exec), &["exec", &shown]);
    }
    let good = manifest("shop", LISTEN, "bin/shop");
    check_manifest(
        sandbox,
        &format!("exce = \"x\"\n{good}"),
        &["line 1", "`exce`", "did you mean exec?"],
    );
    check_manifest(sandbox, &format!("{good}port = 1\n"), &["line 5", "`port`"]);
}

#[test]
fn sockgen_refuses_what_the_machine_does_not_allow() {
    let Shop { sandbox, .. } = &Shop::machine();
    check(sandbox, &INSTALL, ERROR, &["/srv/bad/sockact.toml", "sockgen init"]);
    let missing = manifest("shop", LISTEN, "/opt/none/shop");
    check_manifest(sandbox, &missing, &["/opt/none/shop"]);
    sandbox.install_file("/opt/plain", "", 0o644);
    check_manifest(sandbox, &manifest("shop", LISTEN, "/opt/plain"), &["/opt/plain", "executable"]);

    let good = manifest("shop", LISTEN, "bin/shop");
    sandbox.install_file(INSTALL[2], &good, 0o644);
    let nobody = [&NOBODY[..], &INSTALL].concat();
    check(sandbox, &nobody, ERROR, &["/etc/", "sudo"]);
    let listen = format!("http={LISTEN}");
    let nobody = [&NOBODY[..], &init("other", &listen, "bin/shop")].concat();
    check(sandbox, &nobody, ERROR, &["/srv", "a user who may write there"]);

    let mut taken = listening(sandbox, LISTEN);
    check_manifest(sandbox, &good, &[LISTEN, "python3 (pid "]);
    taken.kill().expect("nsenter can be killed");
    taken.wait().expect("nsenter can be waited for");
}

/// A process that listens there.
fn listening(sandbox: &Sandbox, address: &str) -> Child {
    let (host, port) = address.split_once(':').expect("host:port");
    let program = format!(
        "import signal, socket\ns = socket.create_server(({host:?}, {port}))\nprint('listens', flush=True)\nsignal.pause()"
    );
    let mut command = sandbox.command("python3");
    let mut child =
        command.args(["-c", &program]).stdout(Stdio::piped()).spawn().expect("nsenter starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("stdout is piped");
    BufReader::new(stdout).read_line(&mut line).expect("its standard output can be read");
    assert_eq!(line, "listens\n");
    child
}

#[test]
fn sockctl_refuses_what_was_typed() {
    let sandbox = &Shop::deployed().sandbox;
    for verb in ["status", "rollback", "restart", "resume"] {
        check(sandbox, &["sockctl", verb, "nobody-knows"], ERROR, &["nobody-knows", "here: shop"]);
    }
    sandbox.install_file("/srv/no-exec/README", "", 0o644);
    sandbox.install_file("/srv/plain/bin/shop", "", 0o644);
    sandbox.run(["cp", "--recursive", "/srv/plain", "/srv/pipe"]).ok();
    sandbox.run(["mkfifo", "/srv/pipe/fifo"]).ok();
    sandbox.run(["chmod", "+x", "/srv/pipe/bin/shop"]).ok();
    let paths = [
        ("/srv/none", &["/srv/none", "No such file"][..]),
        ("/srv/no-exec", &["/srv/no-exec", "bin/shop"]),
        ("/srv/plain", &["/srv/plain/bin/shop is not executable", "chmod +x"]),
        ("/srv/plain/bin/shop", &["/srv/plain/bin/shop is not executable", "chmod +x"]),
        ("/srv/pipe", &["/srv/pipe/fifo is a pipe"]),
        ("/dev/null", &["/dev/null is a device"]),
    ];
    for (path, says) in paths {
        check(sandbox, &["sockctl", "deploy", "shop", path], ERROR, says);
    }
}

#[test]
fn sockctl_refuses_names() {
    let sandbox = &Shop::machine().sandbox;
    for (name, shown) in BAD_NAMES {
        check(sandbox, &["sockctl", "deploy", name, "/srv/release"], USAGE, &[shown]);
        check(sandbox, &["sockctl", "status", name], USAGE, &[shown]);
    }
}

#[test]
fn sockctl_refuses_what_the_machine_does_not_allow() {
    let shop = &Shop::machine();
    let sandbox = &shop.sandbox;
    let release = shop.release("v1", None);
    let deploy = ["sockctl", "deploy", "shop", &release];
    check(sandbox, &deploy, ERROR, &["no application shop", "sockgen install"]);

    shop.install_short("bin/shop");
    check(
        sandbox,
        &deploy,
        REFUSED,
        &["shop.target is not active", "systemctl enable --now shop.target"],
    );

    shop.enable();
    for verb in ["restart", "rollback"] {
        let says = ["nothing is deployed yet", "sockctl deploy shop"];
        check(sandbox, &["sockctl", verb, "shop"], REFUSED, &says);
    }
    check(sandbox, &["sockctl", "rollback", "shop", "../x"], USAGE, &["`../x` is no release"]);
    let says = ["shop has no slot or hook \"../x\"", "blue, green"];
    check(sandbox, &["sockctl", "logs", "shop", "../x"], REFUSED, &says);
    let says = ["/dev/null is a device", "a single executable file"];
    check(sandbox, &["sockctl", "deploy", "shop", "/dev/null"], ERROR, &says);

    for argv in [&deploy[..], &["sockctl", "restart", "shop"], &["sockctl", "resume", "shop"]] {
        check(sandbox, &[&NOBODY[..], argv].concat(), ERROR, &["/run/sockact", "sudo"]);
    }

    let all = |argv: &[&str]| {
        for verb in [&deploy[1..], &["restart", "shop"], &["resume", "shop"], &["status", "shop"]] {
            check(sandbox, &[argv, verb].concat(), ERROR, &["D-Bus", "dbus.socket"]);
        }
    };
    all(&["env", "DBUS_SYSTEM_BUS_ADDRESS=unix:path=/nowhere", "sockctl"]);
    sandbox.run(["systemctl", "stop", "dbus.socket", "dbus.service"]).ok();
    all(&["sockctl"]);
}
