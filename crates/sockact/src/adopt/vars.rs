//! The variables of the socket activation protocol, as a snapshot, and what they say.
//!
//! Everything here is pure: no environment, no descriptor is touched.

use super::AdoptError;

/// What the environment said about passed descriptors, read once.
///
/// See `sd_listen_fds(3)`, "Environment".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vars {
    pub(crate) listen_fds: Option<String>,
    pub(crate) listen_pid: Option<String>,
    pub(crate) listen_fdnames: Option<String>,
}

impl Vars {
    /// Reads the three variables. The environment is not changed: other threads may be reading it,
    /// and every descriptor is marked close-on-exec, so that a child has nothing to adopt.
    pub(crate) fn from_env() -> Vars {
        let var = |name| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        Vars {
            listen_fds: var("LISTEN_FDS"),
            listen_pid: var("LISTEN_PID"),
            listen_fdnames: var("LISTEN_FDNAMES"),
        }
    }

    /// The names of the descriptors meant for process `pid`, in the order in which they were
    /// passed; `None` when no descriptors were passed at all (`LISTEN_FDS` is not set).
    pub(crate) fn names_for(&self, pid: u32) -> Result<Option<Vec<String>>, AdoptError> {
        let Some(fds) = &self.listen_fds else { return Ok(None) };
        let count = number(fds).filter(|n| *n <= MAX_FDS);
        let count = count.ok_or_else(|| malformed("LISTEN_FDS", fds))? as usize;
        let whose = self.listen_pid.as_ref().ok_or(AdoptError::NoPid)?;
        let whose = number(whose).ok_or_else(|| malformed("LISTEN_PID", whose))?;
        if whose != pid {
            return Err(AdoptError::Pid { found: whose, own: pid });
        }
        let Some(names) = &self.listen_fdnames else {
            return Ok(Some(vec!["unknown".to_owned(); count]));
        };
        let names: Vec<String> = match (count, names.as_str()) {
            (0, "") => Vec::new(),
            _ => names.split(':').map(str::to_owned).collect(),
        };
        if names.len() != count {
            return Err(AdoptError::NameCount { fds: count, names: names.len() });
        }
        Ok(Some(names))
    }
}

/// More descriptors than any service manager passes, and small enough to be no wrong allocation.
const MAX_FDS: u32 = 65_536;

/// A decimal number as systemd prints it: digits only, no sign, no blank.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

fn malformed(var: &'static str, value: &str) -> AdoptError {
    AdoptError::Malformed { var, value: value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn vars(fds: &str, pid: &str, names: Option<&str>) -> Vars {
        Vars {
            listen_fds: Some(fds.to_owned()),
            listen_pid: Some(pid.to_owned()),
            listen_fdnames: names.map(str::to_owned),
        }
    }

    #[track_caller]
    fn check(vars: Vars, expected: &str) {
        let got = match vars.names_for(7) {
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

    proptest! {
        #[test]
        fn never_panics_and_never_invents(fds in ".{0,12}", pid in ".{0,12}", names in ".{0,40}") {
            let vars = vars(&fds, &pid, Some(&names));
            if let Ok(Some(names)) = vars.names_for(7) {
                prop_assert_eq!(Ok(names.len()), fds.parse());
                prop_assert_eq!(pid.trim_start_matches('0'), "7");
            }
        }

        #[test]
        fn names_come_back_in_order(names in prop::collection::vec("[a-z0-9_.-]{1,12}", 1..20)) {
            let count = names.len().to_string();
            let vars = vars(&count, "7", Some(&names.join(":")));
            prop_assert_eq!(vars.names_for(7).unwrap().unwrap(), names);
        }

        #[test]
        fn another_process_gets_nothing(own in 1u32.., other in 1u32.., n in 0u32..100) {
            prop_assume!(own != other);
            let vars = vars(&n.to_string(), &other.to_string(), None);
            let refused = matches!(vars.names_for(own), Err(AdoptError::Pid { found, .. }) if found == other);
            prop_assert!(refused);
        }
    }
}
