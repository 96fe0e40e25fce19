//! What `sockgen print` gives, read by the programs that it is for.

use e2e::sandbox::Output;
use e2e::shop::Shop;

/// `sockgen print` of the installed manifest, with the lines of `more` before its tables.
fn print(shop: &Shop, more: &str, argv: &[&str]) -> String {
    let manifest = shop.sandbox.run(["cat", "/etc/sockact/shop.toml"]).ok().stdout;
    shop.sandbox.install_file("/srv/print.toml", format!("{more}\n{manifest}"), 0o644);
    let all = [&["sockgen", "print"], argv, &["/srv/print.toml"]].concat();
    shop.sandbox.run(all).ok().stdout
}

#[test]
fn accounts_and_directories() {
    let shop = Shop::enabled();
    let conf = print(&shop, "user = \"shopkeeper\"", &["sysusers"]);
    shop.sandbox.install_file("/etc/sysusers.d/shop.conf", conf, 0o644);
    shop.sandbox.run(["systemd-sysusers"]).ok();
    let account = shop.sandbox.run(["getent", "passwd", "shopkeeper"]).ok().stdout;
    assert!(account.contains(":/var/lib/sockact-shop:"), "{account}");

    let conf = print(&shop, "", &["tmpfiles"]);
    shop.sandbox.install_file("/etc/tmpfiles.d/shop.conf", conf, 0o644);
    shop.sandbox.run(["rm", "-rf", "/var/lib/sockact/shop/releases"]).ok();
    let made = shop.sandbox.run(["systemd-tmpfiles", "--create", "shop.conf"]).ok();
    assert_eq!(made.stderr, "", "{made}");
    let mode = shop.sandbox.run(["stat", "--format=%a %U", "/var/lib/sockact/shop/releases"]);
    assert_eq!(mode.ok().stdout.trim(), "755 root");
}

/// As somebody who is not root, out of a shell: pkexec(1) asks about the process that started it.
fn as_user(shop: &Shop, user: &str, argv: &[&str]) -> Output {
    let who = ["setpriv", "--reuid", user, "--regid", "users", "--init-groups", "--reset-env"];
    let shell = ["sh", "-c", r#""$@"; exit $?"#, "sh"];
    shop.sandbox.run([&who[..], &shell, argv].concat())
}

#[test]
fn the_rule_lets_the_group_do_what_it_says_and_nothing_else() {
    let shop = Shop::deployed();
    let rule = print(&shop, "", &["polkit", "--group", "deploy"]);
    shop.sandbox.install_file("/etc/polkit-1/rules.d/50-shop.rules", rule, 0o644);
    shop.sandbox.run(["groupadd", "deploy"]).ok();
    for (user, group) in [("dora", "deploy"), ("eve", "users")] {
        shop.sandbox.run(["useradd", "--groups", group, user]).ok();
    }
    let may = |user: &str, argv: &[&str]| as_user(&shop, user, argv).ok();
    let may_not = |user: &str, argv: &[&str]| {
        let refused = as_user(&shop, user, argv);
        assert!(!refused.status.success(), "{user} may:\n{refused}");
    };
    let live = shop.one_live_slot();
    may("dora", &["pkexec", "/usr/local/bin/sockctl", "restart", "shop"]);
    assert_ne!(shop.one_live_slot(), live);

    let binary = "/usr/local/bin/sockctl";
    may_not("eve", &["pkexec", binary, "restart", "shop"]);
    may_not("dora", &["pkexec", binary, "deploy", "shop", "/root"]);
    may_not("dora", &["pkexec", binary, "restart", "bar"]);
    may_not("dora", &["pkexec", "/bin/true", "restart", "shop"]);
    let systemctl = ["systemctl", "--no-ask-password"];
    for (verb, unit) in
        [("stop", "shop-green.service"), ("stop", "dbus.service"), ("restart", "shop.target")]
    {
        may_not("dora", &[&systemctl[..], &[verb, unit]].concat());
    }
    may_not("eve", &[&systemctl[..], &["stop", "shop.target"]].concat());
    assert_eq!(shop.get(), "v1", "nobody stopped it");
    may("dora", &[&systemctl[..], &["stop", "shop.target"]].concat());
    may("dora", &[&systemctl[..], &["start", "shop.target"]].concat());
    assert_eq!(shop.get(), "v1");
}
