use proptest::prelude::*;

use super::*;

const OWN: Own = Own { pid: 7, pidfd_id: Some(900) };

fn vars(fds: &str, pid: &str, names: Option<&str>) -> Vars {
    Vars {
        listen_fds: Some(fds.to_owned()),
        listen_pid: Some(pid.to_owned()),
        listen_pidfdid: None,
        listen_fdnames: names.map(str::to_owned),
    }
}

fn names_for(vars: &Vars, own: Own) -> Result<Option<Vec<String>>, AdoptError> {
    let Some(count) = vars.count_for(own)? else { return Ok(None) };
    Ok(Some(vars.names(count)?.into_iter().map(|n| n.text).collect()))
}

#[track_caller]
fn check(vars: Vars, expected: &str) {
    let got = match names_for(&vars, OWN) {
        Ok(None) => "none".to_owned(),
        Ok(Some(names)) => format!("[{}]", names.join(",")),
        Err(e) => e.to_string(),
    };
    assert!(got.contains(expected), "{vars:?}: expected {expected:?}, got {got:?}");
}

#[test]
fn what_the_variables_say() {
    check(Vars::default(), "none");
    check(Vars { listen_pid: Some("7".into()), ..Vars::default() }, "none");
    check(vars("2", "7", Some("http:api")), "[http,api]");
    check(vars("2", "7", Some("http:http")), "[http,http]");
    check(vars("2", "7", None), "[unknown,unknown]");
    check(vars("2", "7", Some(":")), "[,]");
    check(vars("0", "7", Some("")), "[]");
    check(vars("1", "7", Some("")), "[]");
    check(vars("1", "8", Some("http")), "for process 8");
    check(vars("2", "7", Some("http")), "2 descriptors");
    check(vars("1", "7", Some("a:b")), "2 names");
    check(vars("-1", "7", None), "LISTEN_FDS");
    check(vars("+1", "7", None), "LISTEN_FDS");
    check(vars(" 1", "7", None), "LISTEN_FDS");
    check(vars("", "7", None), "LISTEN_FDS");
    check(vars("99999999999999", "7", None), "LISTEN_FDS");
    check(vars("4000000000", "7", None), "LISTEN_FDS");
    check(vars("1", "seven", None), "LISTEN_PID");
    check(Vars { listen_fds: Some("1".into()), ..Vars::default() }, "LISTEN_PID is not");
}

#[test]
fn names_with_backslashes() {
    check(vars("2", "7", Some(r"a\:b:c")), "[a:b,c]");
    check(vars("1", "7", Some(r"a\\b")), r"[a\b]");
    check(vars("1", "7", Some(r"shop\x2dhttp.socket")), r"[shop\x2dhttp.socket]");
    check(vars("1", "7", Some(r"a\")), "LISTEN_FDNAMES");
    let names = vars("1", "7", Some(r"shop\x2dhttp.socket")).names(1).unwrap();
    assert!(names[0].is(r"shop\x2dhttp.socket") && names[0].is("shopx2dhttp.socket"));
    assert!(!names[0].is("shop-http.socket"));
}

#[test]
fn the_pidfd_id_tells_a_reused_pid() {
    let with = |id: &str| Vars { listen_pidfdid: Some(id.into()), ..vars("1", "7", Some("http")) };
    check(with("900"), "[http]");
    check(with("901"), "LISTEN_PIDFDID");
    check(with("x"), "LISTEN_PIDFDID");
    check(with("18446744073709551615"), "LISTEN_PIDFDID");
    // A kernel that cannot tell does not refuse.
    let blind = Own { pid: 7, pidfd_id: None };
    assert_eq!(names_for(&with("901"), blind).unwrap(), Some(vec!["http".to_owned()]));
}

proptest! {
    #[test]
    fn never_panics_and_never_invents(fds in ".{0,12}", pid in ".{0,12}", names in ".{0,40}") {
        let vars = vars(&fds, &pid, Some(&names));
        if let Ok(Some(names)) = names_for(&vars, OWN) {
            prop_assert_eq!(Ok(names.len()), fds.parse());
            prop_assert_eq!(pid.trim_start_matches('0'), "7");
        }
    }

    #[test]
    fn names_come_back_in_order(names in prop::collection::vec("[ -9;-~]{1,12}", 1..20)) {
        let escaped: Vec<_> =
            names.iter().map(|n| n.replace('\\', r"\\").replace(':', r"\:")).collect();
        let count = names.len().to_string();
        let vars = vars(&count, "7", Some(&escaped.join(":")));
        prop_assert_eq!(names_for(&vars, OWN).unwrap().unwrap(), names);
    }

    #[test]
    fn any_names_are_read_alike_by_libsystemds_rule(text in r"[a:\\]{0,24}") {
        let mut expected = vec![String::new()];
        let mut chars = text.chars();
        let mut sound = true;
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some(c) => expected.last_mut().unwrap().push(c),
                    None => sound = false,
                },
                ':' => expected.push(String::new()),
                c => expected.last_mut().unwrap().push(c),
            }
        }
        let got = split(&text);
        prop_assert_eq!(got.is_some(), sound);
        for (got, expected) in got.iter().flatten().zip(&expected) {
            prop_assert!(got.is(expected));
        }
    }

    #[test]
    fn another_process_gets_nothing(own in 1u32.., other in 1u32.., n in 0u32..100) {
        prop_assume!(own != other);
        let vars = vars(&n.to_string(), &other.to_string(), None);
        let own = Own { pid: own, pidfd_id: None };
        let refused = matches!(vars.count_for(own), Err(AdoptError::Pid { found, .. }) if found == other);
        prop_assert!(refused);
    }
}
