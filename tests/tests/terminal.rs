//! What a person at a terminal sees: each wait as it goes on, in one line, and a clean screen after it; plain text everywhere else.

use std::collections::BTreeSet;

use e2e::shop::Shop;
use e2e::terminal::Terminal;

/// Narrower than any line that says what is waited for.
const NARROW: (u16, u16) = (60, 40);

/// Long enough to be rewritten a few times.
fn deployed() -> Shop {
    let shop = Shop::enabled();
    let manifest = shop.sandbox.run(["cat", "/srv/shop/sockact.toml"]).ok().stdout;
    shop.install(&manifest.replace("stable = \"300ms\"", "stable = \"4s\""));
    shop.deploy(&shop.release("v1", None)).ok();
    shop
}

/// The elapsed time and the rest of the row that shows a wait for this step.
fn wait<'a>(screen: &'a str, step: &str) -> Option<(&'a str, &'a str)> {
    let row = screen.lines().find_map(|row| row.trim_start().strip_prefix(step));
    let (took, what) = row?.split_once(" … ")?;
    Some((took.trim(), what))
}

/// Select graphic rendition, which is colour among others (ECMA-48, 8.3.117).
fn colours(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    let sequences = text.split("\x1b[").skip(1);
    sequences
        .filter(|rest| {
            rest.trim_start_matches([';', ':', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                .starts_with('m')
        })
        .count()
}

#[test]
fn a_deploy_shows_its_waits_in_one_line_and_leaves_its_steps() {
    let shop = deployed();
    let v2 = shop.release("v2", None);
    let mut terminal =
        Terminal::run(&shop.sandbox, NARROW, &format!("exec sockctl deploy shop {v2}"));
    let mut seen = BTreeSet::new();
    terminal.until("a probe that goes on", |screen| {
        let text = screen.contents();
        let (took, what) = wait(&text, "probe")?;
        assert!(what.starts_with("until ") && what.contains("Z: /health"), "{text}");
        assert_eq!(text.matches("probe").count(), 1, "a wait was written twice:\n{text}");
        seen.insert(took.to_owned());
        (seen.len() > 2).then_some(())
    });
    let (code, parser, bytes) = terminal.end();
    let text = parser.screen().contents();
    assert_eq!((code, shop.get()), (0, "v2".into()), "{text}");
    assert!(!text.contains('…'), "a wait is left over:\n{text}");
    assert_eq!(colours(&bytes), 0);
    let rows: Vec<_> = text.lines().collect();
    let (first, last) = (rows[0], *rows.last().expect("rows"));
    assert!(first.trim_start().starts_with("stage "), "{text}");
    assert!(last.contains("is live in green after"), "{text}");
    let steps = rows.iter().filter(|row| row.starts_with("  ")).count();
    assert_eq!(
        steps,
        rows.len() - 2,
        "a row is neither a step, nor the first or last line:\n{text}"
    );
}

#[test]
fn ctrl_c_leaves_the_error_on_a_line_of_its_own() {
    let shop = deployed();
    let v2 = shop.release("v2", None);
    let mut terminal =
        Terminal::run(&shop.sandbox, NARROW, &format!("exec sockctl deploy shop {v2}"));
    terminal.until("the probe", |screen| wait(&screen.contents(), "probe").map(drop));
    terminal.press("\x03");
    let (code, parser, _) = terminal.end();
    let text = parser.screen().contents();
    assert_eq!((code, shop.get()), (3, "v1".into()), "{text}");
    assert!(!text.contains('…'), "a wait is left over:\n{text}");
    assert!(text.lines().any(|row| row.starts_with("error: shop: release")), "{text}");
    assert!(text.contains("FAILED: interrupted"), "{text}");

    // An error that ends a wait: systemd goes on stopping, and nobody waits for it any more.
    let mut slow = shop.sandbox.command("curl");
    let mut slow = slow
        .args(["--silent", "--max-time", "30", "http://127.0.0.1:8080/slow?ms=8000"])
        .spawn()
        .expect("nsenter starts");
    let begun = "until sockctl status shop | grep -q '1 requests in flight'; do sleep 0.05; done";
    shop.sandbox.run(["timeout", "30", "sh", "-c", begun]).ok();
    let mut terminal = Terminal::run(&shop.sandbox, (80, 40), "exec sockctl stop shop");
    terminal.until("what is left", |screen| {
        let text = screen.contents();
        let (_, what) = wait(&text, "drain")?;
        what.ends_with("1 connections, 1 requests left").then_some(())
    });
    terminal.press("\x03");
    let (code, parser, _) = terminal.end();
    let text = parser.screen().contents();
    let rows: Vec<_> = text.lines().collect();
    assert_eq!(code, 1, "{text}");
    assert!(
        rows[0].starts_with("error: interrupted; systemd goes on stopping shop.target"),
        "{text}"
    );
    assert!(rows[1].starts_with("hint: the same command waits for its end"), "{text}");
    shop.sockctl(["stop", "shop"]).ok();
    assert!(slow.wait().expect("curl ends").success(), "what had begun was not answered");
    assert_eq!(shop.slot("blue")["active"], "inactive");
}

#[test]
fn status_watch_gives_the_terminal_back_as_it_was() {
    let shop = deployed();
    let line = "echo precious; exec sockctl status --watch shop";
    let mut terminal = Terminal::run(&shop.sandbox, (80, 12), line);
    let shows = |screen: &vt100::Screen, slot: &str| {
        let text = screen.contents();
        let live = text.starts_with(&format!("shop: {slot} is live"));
        let whole = live && text.contains("gate 1") && text.contains("held by PID 1");
        (screen.alternate_screen() && whole).then_some(text)
    };
    let text = terminal.until("the status", |screen| shows(screen, "blue"));
    assert!(text.contains("listener http") && !text.contains("precious"), "{text}");
    shop.deploy(&shop.release("v2", None)).ok();
    terminal.until("the change", |screen| shows(screen, "green"));

    // Ctrl-Z gives the terminal back, fg takes it again.
    terminal.press("\x1a");
    terminal.stopped();
    let before = terminal.bytes.len();
    terminal.go_on();
    terminal.until_sent("the other screen, and back", |bytes| {
        let text = String::from_utf8_lossy(&bytes[before..]);
        let left = text.find("\x1b[?1049l")?;
        text[left..].contains("\x1b[?1049h").then_some(())
    });
    terminal.until("the status again", |screen| shows(screen, "green"));
    terminal.press("\x03");
    let (code, parser, bytes) = terminal.end();
    let screen = parser.screen();
    let text = screen.contents();
    assert_eq!(code, 0, "{text}");
    assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{text}");
    assert!(text.starts_with("precious\n") && text.contains("shop: green is live\n"), "{text}");
    assert_eq!(colours(&bytes), 0);
}

#[test]
fn plain_where_nobody_looks_and_where_nobody_wants_colours() {
    let shop = Shop::deployed();
    let run = |line: &str| Terminal::run(&shop.sandbox, (100, 40), line).end();
    assert!(colours(&run("sockctl --help").2) > 0, "help has colours");
    assert_eq!(colours(&run("NO_COLOR=1 sockctl --help").2), 0);
    assert_eq!(colours(&run("NO_COLOR=1 sockctl status nothing").2), 0);

    let v2 = shop.release("v2", None);
    let (code, parser, bytes) = run(&format!("TERM=dumb sockctl deploy shop {v2}"));
    assert_eq!(code, 0, "{}", parser.screen().contents());
    assert!(!bytes.contains(&0x1b), "{}", String::from_utf8_lossy(&bytes));
    let plain = |text: &str| assert!(!text.contains(['\x1b', '\r']), "{text:?}");
    let piped = shop.sockctl(["rollback", "shop"]).ok();
    plain(&piped.stdout);
    plain(&piped.stderr);
    assert!(piped.stdout.contains("; 300 ms at most, until "), "{piped}");
    plain(&shop.sockctl(["status", "shop"]).ok().stdout);
    plain(&shop.sockctl(["rollback", "shop", "0123456789abcdef"]).exits(4).stderr);
}

#[test]
fn init_asks_for_what_was_not_said_and_ctrl_c_leaves_nothing() {
    let shop = Shop::machine();
    shop.sandbox.install_file("/srv/till/package.json", "{}", 0o644);
    let init = "cd /srv/till && exec sockgen init";
    let answer = |terminal: &mut Terminal, question: &str, why: &str, keys: &str| {
        terminal.until(question, |screen| {
            let text = screen.contents();
            (text.contains(question) && text.contains(why)).then_some(())
        });
        terminal.press(keys);
    };

    let mut terminal = Terminal::run(&shop.sandbox, (100, 40), init);
    answer(&mut terminal, "Name of the application: (till)", "the name of this folder", "\r");
    answer(&mut terminal, "Kind of program:", "package.json is here", "\x03");
    let (code, parser, _) = terminal.end();
    let text = parser.screen().contents();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("nothing was written") && !parser.screen().hide_cursor(), "{text}");
    assert_eq!(shop.sandbox.run(["ls", "/srv/till"]).ok().stdout, "package.json\n");

    let mut terminal = Terminal::run(&shop.sandbox, (100, 40), init);
    answer(&mut terminal, "Name of the application: (till)", "", "No\r");
    // Said at once, and asked again.
    answer(&mut terminal, "must begin with a letter", "", "\x7f\x7f\r");
    answer(&mut terminal, "Kind of program:", "> node", "\r");
    answer(&mut terminal, "Listens on: (127.0.0.1:8080)", "everybody", "\r");
    answer(&mut terminal, "Program: (server.js)", "a path inside the release", "\r");
    answer(&mut terminal, "Health path: (/health)", "before it is trusted", "\r");
    answer(&mut terminal, "Write a program to start with, too?", "(Y/n)", "\r");
    let (code, parser, _) = terminal.end();
    let text = parser.screen().contents();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("wrote server.js") && text.contains("deploy till ."), "{text}");
    let flags = "cd /srv && mkdir said && cd said && exec sockgen init --preset node --main --name till --listen http=127.0.0.1:8080";
    shop.sandbox.run(["sh", "-c", flags]).ok();
    shop.sandbox.run(["rm", "/srv/till/package.json"]).ok();
    shop.sandbox.run(["diff", "--recursive", "/srv/till", "/srv/said"]).ok();
}
