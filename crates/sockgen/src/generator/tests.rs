use std::fs::File;

use super::*;

const SHOP: &str =
    "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\nlisten = \"127.0.0.1:1\"\n";

/// A machine's files, its folder of generated units, and its kernel's log.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/sockact")).unwrap();
        Self { root }
    }

    fn manifest(&self, name: &str, text: &str) {
        fs::write(self.root.path().join(format!("etc/sockact/{name}.toml")), text).unwrap();
    }

    /// A boot's or a reload's run: the units' names, how many failed, and what was said.
    fn run(&self) -> (Vec<String>, usize, String) {
        let root = self.root.path();
        let normal = root.join("normal");
        let _ = fs::remove_dir_all(&normal);
        fs::create_dir_all(&normal).unwrap();
        let mut log = Log::to(File::create(root.join("kmsg")).unwrap());
        let failed = Generator::new(root, &normal, &mut log).run();
        let mut names: Vec<String> = fs::read_dir(&normal)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        (names, failed, fs::read_to_string(root.join("kmsg")).unwrap())
    }

    fn unit(&self, name: &str) -> String {
        fs::read_to_string(self.root.path().join("normal").join(name)).unwrap_or_default()
    }
}

#[test]
fn a_broken_manifest_touches_no_other_application_and_keeps_what_it_had() {
    let machine = Machine::new();
    machine.manifest("shop", SHOP);
    machine.manifest("web", &SHOP.replace("shop", "web").replace(":1\"", ":2\""));
    machine.manifest("bad", "name = \"bad\"\nexecc = 7\n");
    let (names, failed, said) = machine.run();
    assert_eq!(failed, 1, "{said}");
    assert_eq!(names.len(), 2 * 7 + 1, "{names:?}");
    assert!(machine.root.path().join("normal/multi-user.target.wants/shop.target").exists());
    assert!(said.contains("<3>sockact-generator["), "{said}");
    assert!(
        said.contains("/etc/sockact/bad.toml: ") && said.contains("bad gets no units"),
        "{said}"
    );
    machine.manifest("shop", "name = \"shop\"\n\u{1b}[31m");
    let (again, failed, said) = machine.run();
    assert_eq!((&again, failed), (&names, 2), "{said}");
    assert!(said.contains("shop keeps the units of its last good manifest"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    machine.manifest("shop", &SHOP.replace(":1\"", ":3\""));
    machine.manifest("bad", &SHOP.replace("shop", "bad").replace(":1\"", ":4\""));
    assert_eq!(machine.run().1, 0);
    assert!(machine.unit("shop-http.socket").contains("ListenStream=127.0.0.1:3\n"));
}

#[test]
fn an_open_socket_keeps_its_address() {
    let machine = Machine::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let shop = SHOP.replace("127.0.0.1:1", &at);
    machine.manifest("shop", &shop);
    assert_eq!(machine.run().1, 0);
    machine.manifest("shop", SHOP);
    let (_, failed, said) = machine.run();
    assert_eq!(failed, 1);
    assert!(said.contains("its address would become 127.0.0.1:1"), "{said}");
    assert!(machine.unit("shop-http.socket").contains(&format!("ListenStream={at}\n")));
    // A listener that goes has its socket until it is closed, and so has one whose manifest is gone.
    machine.manifest("shop", &SHOP.replace("listeners.http", "listeners.two"));
    assert_eq!(machine.run().1, 0);
    assert!(
        machine.unit("shop-http.socket").contains(&at)
            && !machine.unit("shop-two.socket").is_empty()
    );
    fs::remove_file(machine.root.path().join("etc/sockact/shop.toml")).unwrap();
    let (_, failed, said) = machine.run();
    assert!(failed == 1 && said.contains("it is gone, and the application is open"), "{said}");
    drop(listener);
    let (names, failed, _) = machine.run();
    assert_eq!((names.len(), failed), (0, 0));
    assert!(!machine.root.path().join("run/sockact/shop/units.json").exists());
}

#[test]
fn what_is_installed_wins_and_names_belong_to_the_first() {
    let machine = Machine::new();
    machine.manifest("shop", SHOP);
    machine.manifest("web", &SHOP.replace("shop", "web"));
    let (_, failed, said) = machine.run();
    assert_eq!(failed, 1);
    assert!(said.contains("127.0.0.1:1 of web-http.socket is taken by shop-http.socket"), "{said}");
    let units = machine.root.path().join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    for unit in crate::render(&App::parse(SHOP).unwrap()) {
        fs::write(units.join(unit.name.as_ref()), unit.text).unwrap();
    }
    let (names, failed, said) = machine.run();
    assert_eq!((names.len(), failed), (0, 1), "{names:?} {said}");
    assert!(said.contains("shop is installed"), "{said}");
    // What is installed opens its addresses at the next boot, whoever has kept units or a name before it.
    assert!(said.contains("127.0.0.1:1 of web-http.socket is taken by shop-http.socket"), "{said}");
    assert!(!machine.run().2.contains("shop is installed"), "it is said once");
    machine.manifest("web", &SHOP.replace("shop", "web").replace(":1\"", ":2\""));
    assert_eq!(machine.run().1, 0);
    machine.manifest("also", &SHOP.replace("shop", "also"));
    assert_eq!(machine.run().1, 1);
}

#[test]
fn a_program_is_live_from_the_start_and_its_alias_is_never_touched() {
    let machine = Machine::new();
    machine.manifest("shop", &SHOP.replace("bin/shop", "/usr/bin/shop"));
    machine.run();
    let link = |folder: &str| fs::read_link(machine.root.path().join(folder).join("shop.service"));
    assert_eq!(link("normal").unwrap(), Path::new("shop-blue.service"));
    // Another slot comes first now: the live one stays.
    let amber = format!("slots = [\"amber\", \"blue\", \"green\"]\n{SHOP}")
        .replace("bin/shop", "/usr/bin/shop");
    machine.manifest("shop", &amber);
    machine.run();
    assert_eq!(link("normal").unwrap(), Path::new("shop-blue.service"));
    let units = machine.root.path().join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    std::os::unix::fs::symlink(
        "/etc/systemd/system/shop-green.service",
        units.join("shop.service"),
    )
    .unwrap();
    assert_eq!(machine.run().1, 0);
    assert!(link("normal").is_err());
    assert_eq!(
        link("etc/systemd/system").unwrap(),
        Path::new("/etc/systemd/system/shop-green.service")
    );
}

#[test]
fn what_is_no_file_or_too_long_is_not_waited_for() {
    let machine = Machine::new();
    fs::create_dir(machine.root.path().join("etc/sockact/dir.toml")).unwrap();
    machine.manifest("long", &"#".repeat(2 << 20));
    let pipe = machine.root.path().join("etc/sockact/pipe.toml");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    machine.manifest("shop", SHOP);
    let (names, failed, said) = machine.run();
    assert_eq!((names.len(), failed), (8, 3), "{said}");
    for words in
        ["dir.toml: it is no file", "pipe.toml: it is no file", "long.toml: it is longer than"]
    {
        assert!(said.contains(words), "{said}");
    }
}
