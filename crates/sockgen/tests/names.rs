//! Names, addresses and whole manifests against anything that can be typed.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use proptest::prelude::*;
use sockgen::{Address, App, AppName, ListenerName, Place, SlotName, render, shown};

fn valid_app() -> impl Strategy<Value = String> {
    "[a-z](-?[a-z0-9]){0,14}".prop_map(|name| name.chars().take(30).collect::<String>())
}

#[track_caller]
fn check(given: &str, app: bool, slot: bool, listener: bool) {
    assert_eq!(given.parse::<AppName>().is_ok(), app, "as an application: {given:?}");
    assert_eq!(given.parse::<SlotName>().is_ok(), slot, "as a slot: {given:?}");
    assert_eq!(given.parse::<ListenerName>().is_ok(), listener, "as a listener: {given:?}");
}

#[test]
fn names_by_example() {
    check("shop", true, true, true);
    check("shop-2", true, false, true);
    check("a", true, true, true);
    check("2shop", false, false, true);
    check("shop_x", false, false, true);
    check("shop--x", false, false, true);
    check("shop-", false, false, true);
    check("-shop", false, false, false);
    check("_shop", false, false, false);
    check("Shop", false, false, false);
    check("größe", false, false, false);
    check("sockact-x", true, false, false);
    check(&"x".repeat(16), true, true, true);
    check(&"x".repeat(17), true, false, true);
    check(&"x".repeat(30), true, false, true);
    check(&"x".repeat(31), false, false, true);
    check(&"x".repeat(33), false, false, false);
    for bad in ["", "../x", "a/b", "a\nb", "a b", "%n", "a.service", "a\0", "a@b", "\u{202e}a"] {
        check(bad, false, false, false);
    }
}

proptest! {
    #[test]
    fn a_refusal_never_repeats_control_characters_or_long_input(given in any::<String>()) {
        let errors = [given.parse::<AppName>().err(), given.parse::<ListenerName>().err()];
        for error in errors.into_iter().flatten() {
            let text = error.to_string();
            prop_assert!(!text.chars().any(char::is_control), "{text:?}");
            prop_assert!(text.len() < 1000, "{text}");
            prop_assert!(!error.hint().is_empty());
        }
    }

    #[test]
    fn what_is_shown_is_short(given in any::<String>()) {
        prop_assert!(!shown(&given).chars().any(char::is_control));
    }

    #[test]
    fn a_valid_name_gives_files_and_nothing_else(name in valid_app()) {
        let Ok(app) = name.parse::<AppName>() else { return Ok(()) };
        let (slot, place): (SlotName, _) = ("blue".parse().unwrap(), Place::system());
        for path in [place.admin_path(&app, &slot), place.env_path(&app, &slot), place.slot_link(&app, &slot),
                     place.manifest(&app), place.lock_path(&app)] {
            prop_assert!(path.components().all(|c| !matches!(c, Component::ParentDir)));
            prop_assert!(path.as_os_str().len() < 108, "too long for a unix socket");
        }
        prop_assert!(app.dynamic_user().len() <= 31);
        prop_assert!(app.slot_unit(&slot).as_ref().len() <= 255);
    }

    #[test]
    fn a_name_comes_back_as_it_was(name in valid_app()) {
        if let Ok(app) = name.parse::<AppName>() {
            prop_assert_eq!(app.to_string(), name);
        }
    }

    #[test]
    fn an_address_comes_back_and_overlaps_itself(port in 1u16.., v6 in any::<bool>()) {
        let text = if v6 { format!("[::1]:{port}") } else { format!("127.0.0.1:{port}") };
        let address: Address = text.parse().unwrap();
        prop_assert_eq!(address.to_string(), text);
        prop_assert!(address.overlaps(&address));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[\\[\\]a-z=\" \\n.0-9{}#-]{0,200}") {
        let _ = App::parse(&text);
    }

    /// Hostile values change no directive but their own: the directives are the same, line for
    /// line, as those of harmless values.
    #[test]
    fn hostile_values_stay_in_their_directives(
        arg in "[^\0\n]{0,40}",
        value in "[^\0\n]{0,40}",
        exec in "[^\0\n\\\\\"'$/\\p{Cc}]{3,20}",
        path in "/run/[^\0\\s\\\\\"'\\p{Cc}/]{3,20}",
    ) {
        let manifest = |exec: &str, arg: &str, value: &str, path: &str| {
            let json = |text: &str| {
                serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
            };
            format!(
                "name = \"shop\"\nexec = {}\nargs = [{}]\n[listeners.http]\nlisten = {}\n\
                 [environment]\nA = {}\n",
                json(exec), json(arg), json(path), json(value)
            )
        };
        let good = App::parse(&manifest("bin", "arg", "value", "/run/path")).unwrap();
        let bad = App::parse(&manifest(&exec, &arg, &value, &path)).unwrap();
        let keys = |app: &App| -> Vec<String> {
            render(app)
                .iter()
                .flat_map(|unit| unit.text.lines().map(str::to_owned).collect::<Vec<_>>())
                .map(|line| {
                    assert!(!line.ends_with('\\'), "{line}");
                    line.split('=').next().unwrap().to_owned()
                })
                .collect()
        };
        prop_assert_eq!(keys(&bad), keys(&good));
    }
}

#[test]
fn addresses_that_cannot_be_open_at_once() {
    for (a, b, expected) in [
        ("127.0.0.1:80", "127.0.0.1:80", true),
        ("127.0.0.1:80", "127.0.0.1:81", false),
        ("127.0.0.1:80", "127.0.0.2:80", false),
        ("0.0.0.0:80", "127.0.0.1:80", true),
        ("0.0.0.0:80", "[::1]:80", false),
        ("[::]:80", "[::1]:80", true),
        ("[::]:80", "127.0.0.1:80", true),
        ("[::]:80", "0.0.0.0:80", true),
        ("/run/a", "/run/a", true),
        ("/run/a", "/run/b", false),
        ("/run/a", "127.0.0.1:80", false),
    ] {
        let (left, right): (Address, Address) = (a.parse().unwrap(), b.parse().unwrap());
        assert_eq!(left.overlaps(&right), expected, "{a} and {b}");
        assert_eq!(right.overlaps(&left), expected, "{b} and {a}");
    }
}

#[test]
fn all_names_of_an_application_differ() {
    let text = "name = \"shop\"\nexec = \"x\"\n[listeners.blue]\nlisten = \"127.0.0.1:1\"\n\
                [listeners.activate]\nlisten = \"127.0.0.1:2\"\n[listeners.admin]\n\
                listen = \"127.0.0.1:3\"\n";
    let units = render(&App::parse(text).unwrap());
    let names: BTreeSet<&str> = units.iter().map(|unit| unit.name.as_ref()).collect();
    assert_eq!(names.len(), units.len());
}

#[test]
fn an_unknown_application_lists_those_that_are_there() {
    let root = tempfile::tempdir().unwrap();
    let load =
        |name: &str| App::load(root.path(), &Place::system(), &name.parse().unwrap()).unwrap_err();
    assert!(load("shop").hint().unwrap().contains("no application is installed"));
    let folder = root.path().join("etc/sockact");
    std::fs::create_dir_all(&folder).unwrap();
    for name in ["billing", "web"] {
        std::fs::write(folder.join(format!("{name}.toml")), "").unwrap();
    }
    let error = load("shop");
    assert!(error.to_string().contains("there is no application shop"), "{error}");
    assert!(error.hint().unwrap().contains("billing, web"), "{:?}", error.hint());
    assert!(load("web").to_string().contains("web.toml: line 1"), "{}", load("web"));
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../units/sockact.toml"),
    );
    std::fs::write(folder.join("web.toml"), text.unwrap()).unwrap();
    assert!(load("web").to_string().contains("is the manifest of shop, not of web"));
}
