//! Words for people that depend on whose systemd it is.

use sockgen::Scope;

/// The commands in the text that stand between backticks, as they are typed for this systemd.
pub fn typed(scope: Scope, text: &str) -> String {
    match scope {
        Scope::System => text.to_owned(),
        Scope::User => ["sockctl", "systemctl", "sockgen install"]
            .iter()
            .fold(text.to_owned(), |text, program| with_user(&text, program)),
    }
}

fn with_user(text: &str, program: &str) -> String {
    let begin = format!("`{program}");
    let mut parts = text.split(&begin);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, rest| {
        let said = !rest.starts_with([' ', '`']) || rest.starts_with(" --user");
        format!("{text}{begin}{}{rest}", if said { "" } else { " --user" })
    })
}

/// What to do when the kernel or D-Bus says that it is not allowed.
pub fn permission(scope: Scope) -> &'static str {
    match scope {
        Scope::System => "run it as root: `sudo sockctl …`",
        Scope::User => "with --user everything has to be yours: `ls -ld` shows whose it is",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_the_persons_own_systemd() {
        let text =
            "`sockctl resume shop` first, or `systemctl --user stop x`; `sockgen install`, sockctl";
        assert_eq!(typed(Scope::System, text), text);
        assert_eq!(
            typed(Scope::User, text),
            "`sockctl --user resume shop` first, or `systemctl --user stop x`; \
             `sockgen install --user`, sockctl"
        );
        assert!(!permission(Scope::User).contains("sudo"));
    }
}
