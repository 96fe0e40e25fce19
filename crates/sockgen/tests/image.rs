//! `diff`, `install` and `remove` on the image of a machine, for each systemd: all that needs no systemd that runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const SHOP: &str =
    "name = \"shop\"\nexec = \"bin/shop\"\n[listeners.http]\nlisten = \"127.0.0.1:8080\"\n";

/// An image, and a manifest beside it.
struct Image {
    folder: TempDir,
}

impl Image {
    /// The image of a machine with this systemd.
    fn of(systemd: &str) -> Self {
        let image = Self { folder: TempDir::new().unwrap() };
        let library =
            image.path(&format!("usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{systemd}.so"));
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        fs::write(library, "").unwrap();
        image.manifest(SHOP);
        image
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("root").join(path)
    }

    fn manifest(&self, text: &str) {
        fs::create_dir_all(self.path("")).unwrap();
        fs::write(self.folder.path().join("sockact.toml"), text).unwrap();
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sockgen"));
        command
            .current_dir(self.folder.path())
            .args(args)
            .args(["--root", "root"])
            .output()
            .unwrap()
    }

    fn slot(&self) -> String {
        fs::read_to_string(self.path("etc/systemd/system/shop-blue.service")).unwrap()
    }

    /// All files and links, but for systemd's library.
    fn left(&self) -> Vec<String> {
        let find = Command::new("find")
            .current_dir(self.path(""))
            .args([".", "!", "-type", "d", "!", "-name", "lib*"])
            .output();
        let mut left: Vec<_> =
            String::from_utf8(find.unwrap().stdout).unwrap().lines().map(String::from).collect();
        left.sort();
        left
    }
}

#[track_caller]
fn ends(output: &Output, status: i32, says: &[&str]) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(status), "{text}");
    for words in says {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
}

#[test]
fn the_systemd_of_the_image_decides_unless_it_is_said() {
    let image = Image::of("257.7-1");
    ends(&image.run(&["install"]), 0, &["wrote root/etc/systemd/system/shop-blue.service"]);
    assert!(image.slot().contains("\nProtectControlGroups=strict\n"));
    ends(&image.run(&["diff"]), 0, &[]);
    let older = [
        "-ProtectControlGroups=strict\n+ProtectControlGroups=yes\n",
        "ProtectControlGroups=strict needs systemd 257 and this one is 252: ProtectControlGroups=yes stands for it",
    ];
    ends(&image.run(&["diff", "--systemd", "252"]), 1, &older);
    ends(
        &image.run(&["install", "--systemd", "252"]),
        0,
        &["note: ProtectControlGroups=strict needs systemd 257"],
    );
    assert!(image.slot().contains("\nProtectControlGroups=yes\n"));
    ends(
        &image.run(&["install", "--systemd", "251"]),
        2,
        &["systemd 251 is older than 252", "252 (Debian 12) and newer"],
    );
    ends(&image.run(&["install", "--systemd", "x"]), 2, &["\"x\" is no version of systemd"]);
    ends(&image.run(&["diff", "--systemd", "300"]), 1, &["systemd 300 is newer than 262"]);
    let old = Image::of("249");
    ends(&old.run(&["install"]), 1, &["systemd 249 is older than 252"]);
    assert_eq!(old.left(), [""; 0], "nothing is written");
    let none = Image::of("x");
    ends(
        &none.run(&["install"]),
        0,
        &["it cannot be told which systemd is in root: the units are those for 252"],
    );
}

#[test]
fn a_diff_is_one_of_files_and_its_json_says_the_same() {
    let image = Image::of("252");
    ends(
        &image.run(&["diff"]),
        1,
        &["--- /dev/null\n+++ root/etc/systemd/system/shop-http.socket\n@@ -0,0 +1,"],
    );
    assert_eq!(image.left(), [""; 0], "nothing is written");
    ends(&image.run(&["install"]), 0, &[]);
    image.manifest(&SHOP.replace("http]", "web]"));
    let changed = image.run(&["diff"]);
    ends(
        &changed,
        1,
        &[
            "--- root/etc/systemd/system/shop-http.socket\n+++ /dev/null\n",
            "+Sockets=shop-web.socket\n",
        ],
    );
    let object: Value = serde_json::from_slice(&image.run(&["diff", "--json"]).stdout).unwrap();
    let gone =
        object["files"].as_array().unwrap().iter().find(|file| file["after"].is_null()).unwrap();
    assert_eq!(gone["path"], "root/etc/systemd/system/shop-http.socket");
    ends(&image.run(&["install"]), 0, &["deleted root/etc/systemd/system/shop-http.socket\n"]);
    fs::write(image.path("etc/systemd/system/shop.target"), "mine \u{1b}[2J\n").unwrap();
    let refused = image.run(&["diff"]);
    ends(
        &refused,
        2,
        &[
            "-mine \\u{1b}[2J\n",
            "Refused, so that nothing would change:\n",
            "do this instead: remove it",
        ],
    );
    ends(&image.run(&["install"]), 1, &["was not written by sockgen"]);
    image.manifest("name = 7");
    ends(&image.run(&["diff"]), 2, &["error: ", "hint: "]);
}

#[test]
fn remove_takes_what_is_ours_and_leaves_what_is_not() {
    let image = Image::of("252");
    ends(
        &image.run(&["remove", "shop"]),
        1,
        &["there is no application shop here", "hint: no application is installed"],
    );
    ends(&image.run(&["remove", "../x"]), 2, &["must begin with a letter"]);
    ends(&image.run(&["install"]), 0, &[]);
    let units = |name: &str| image.path(&format!("etc/systemd/system/{name}"));
    for folder in ["shop-blue.service.d", "multi-user.target.wants", "web.target.wants"] {
        fs::create_dir_all(units(folder)).unwrap();
    }
    fs::write(units("shop-blue.service.d/mine.conf"), "[Service]\nRestart=no\n").unwrap();
    fs::write(units("shop-mine.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    symlink("/etc/systemd/system/shop-green.service", units("shop.service")).unwrap();
    for wants in ["multi-user.target.wants", "web.target.wants"] {
        symlink("/etc/systemd/system/shop.target", units(wants).join("shop.target")).unwrap();
    }
    symlink(
        "/etc/systemd/system/shop-mine.service",
        units("multi-user.target.wants/shop-mine.service"),
    )
    .unwrap();
    for state in ["var/lib/sockact/shop/releases/1", "var/lib/private/sockact-shop"] {
        fs::create_dir_all(image.path(state)).unwrap();
    }
    let elsewhere = image.folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "").unwrap();
    symlink(&elsewhere, image.path("var/lib/sockact-shop")).unwrap();
    // Broken manifests are removed, too.
    fs::write(image.path("etc/sockact/shop.toml"), "no TOML").unwrap();

    let before = image.left();
    ends(
        &image.run(&["remove", "shop", "--dry-run"]),
        0,
        &["would delete root/etc/systemd/system/shop.service\n"],
    );
    assert_eq!(image.left(), before);
    let removed = image.run(&["remove", "shop"]);
    ends(
        &removed,
        0,
        &["kept root/var/lib/sockact/shop\n", "mine.conf, which an administrator wrote"],
    );
    let kept = [
        "./etc/systemd/system/multi-user.target.wants/shop-mine.service",
        "./etc/systemd/system/shop-blue.service.d/mine.conf",
        "./etc/systemd/system/shop-mine.service",
        "./var/lib/sockact-shop",
    ];
    assert_eq!(image.left(), kept);
    ends(&image.run(&["remove", "shop"]), 1, &["goes with `sockgen remove shop --purge`"]);
    ends(
        &image.run(&["remove", "shop", "--purge"]),
        0,
        &["deleted root/var/lib/private/sockact-shop\n"],
    );
    assert_eq!(image.left(), kept[..3]);
    assert!(elsewhere.join("precious").exists(), "where a link leads is not ours");
    let folders = ["var/lib/sockact/shop", "var/lib/private/sockact-shop"];
    assert!(folders.iter().all(|folder| !Path::exists(&image.path(folder))));
}
