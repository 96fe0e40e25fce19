//! The text of a notification, `sd_notify(3)`: assignments, one a line.

use sd_notify::NotifyState;

use super::NotifyError;

/// The lines of these states. A line break within a status becomes a blank, within anything else
/// it is refused: what follows it would be an assignment that nobody meant.
pub(super) fn lines(states: &[NotifyState<'_>]) -> Result<String, NotifyError> {
    let mut message = String::new();
    for state in states {
        let mut text = state.to_string();
        if let NotifyState::Status(_) = state {
            text = text.replace(BREAKS, " ");
        }
        if text.contains(BREAKS) {
            return Err(NotifyError::Injection { text });
        }
        message += &text;
        message.push('\n');
    }
    Ok(message)
}

/// systemd ends a line at any of these (`NEWLINE` of its string-util.h), a C string at the last.
const BREAKS: [char; 3] = ['\n', '\r', '\0'];

/// Whether systemd stores a descriptor under this name (`sd_notify(3)`, `FDNAME=`).
pub(super) fn check_fd_name(name: &str) -> Result<(), NotifyError> {
    let printable = name.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b':');
    if printable && (1..=255).contains(&name.len()) {
        return Ok(());
    }
    Err(NotifyError::FdName { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(states: &[NotifyState<'_>], expected: Option<&str>) {
        assert_eq!(lines(states).ok().as_deref(), expected, "{states:?}");
    }

    #[test]
    fn text() {
        check(&[], Some(""));
        check(&[NotifyState::Ready, NotifyState::Status("up")], Some("READY=1\nSTATUS=up\n"));
        check(&[NotifyState::Status("a\nMAINPID=1\r\0b")], Some("STATUS=a MAINPID=1  b\n"));
        check(&[NotifyState::BusError("a\nMAINPID=1")], None);
        check(&[NotifyState::Custom("X_A=1\nMAINPID=1")], None);
        check(&[NotifyState::Custom("X_A=1")], Some("X_A=1\n"));
    }

    #[test]
    fn fd_names() {
        let long = "a".repeat(256);
        for (name, sound) in [
            ("session", true),
            ("a b", true),
            (&long[1..], true),
            (long.as_str(), false),
            ("", false),
            ("a:b", false),
            ("a\nb", false),
            ("ä", false),
        ] {
            assert_eq!(check_fd_name(name).is_ok(), sound, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_one_line(text in "(?s).{0,40}") {
            let status = lines(&[NotifyState::Status(&text)]).unwrap();
            prop_assert_eq!(status.lines().count(), 1);
            prop_assert!(status.starts_with("STATUS="));
            if let Ok(custom) = lines(&[NotifyState::Custom(&text)]) {
                prop_assert_eq!(custom, format!("{text}\n"));
            }
        }
    }
}
