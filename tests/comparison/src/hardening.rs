//! The sandbox of a generated slot around a service that is not ours: what the sandbox costs, and what sockact costs, are two things.

/// What says of a slot's service which program it is, where, and with which sockets. All else is what it may do and how it is kept.
const OWN: [&str; 6] =
    ["ExecStart", "WorkingDirectory", "Environment", "EnvironmentFile", "Sockets", "NonBlocking"];

/// A drop-in with all other directives of this unit's service, in its order: an empty value empties a list.
#[must_use]
pub fn drop_in(unit: &str) -> String {
    let service = unit.lines().skip_while(|line| *line != "[Service]").skip(1);
    let service = service.take_while(|line| !line.starts_with('['));
    let directives = service.filter(|line| {
        let key = line.split_once('=').map(|(key, _)| key);
        key.is_some_and(|key| !line.starts_with('#') && !OWN.contains(&key))
    });
    directives.fold(String::from("[Service]\n"), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::drop_in;

    #[test]
    fn all_but_the_program_and_its_sockets() {
        let unit = "[Unit]\nA=1\n\n[Service]\nExecStart=/x\nSockets=a.socket\n# NonBlocking=\nDynamicUser=yes\n\nAmbientCapabilities=\n\
                    Environment=B=2\nSystemCallFilter=~@c\n\n[Install]\nAlias=d\n";
        let expected = "[Service]\nDynamicUser=yes\nAmbientCapabilities=\nSystemCallFilter=~@c\n";
        assert_eq!(drop_in(unit), expected);
    }
}
