//! What a deploy tells the journal: one entry for each thing that happened, with fields that a query can name.
//!
//! The protocol is a datagram of `KEY=value` lines to a socket of journald's (its documentation calls it the native journal protocol).
//! Thirty lines of ours write it; the crates for it bring a logging framework, or half of libsystemd. An entry that journald does not take at
//! once is dropped: a journal that hangs must not hold a deploy up.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use sockgen::{App, Scope, SlotName};

use crate::plan::Desired;

const SOCKET: &str = "/run/systemd/journal/socket";

macro_rules! messages {
    ($($(#[doc = $doc:literal])* $variant:ident = $id:literal, $priority:literal, $fields:literal;)*) => {
        /// What happened. Each has a `MESSAGE_ID` that never changes: `journalctl MESSAGE_ID=…`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Message { $($(#[doc = $doc])* $variant,)* }

        impl Message {
            /// Every message there is.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The `MESSAGE_ID`: 128 bits in hex (sd-id128(3)).
            pub fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)* }
            }

            /// syslog(3)'s level, 0 to 7.
            pub fn priority(self) -> u8 {
                match self { $(Self::$variant => $priority,)* }
            }

            /// The fields of its own, for the documentation.
            pub fn fields(self) -> &'static str {
                match self { $(Self::$variant => $fields,)* }
            }

            /// What it says, for the documentation.
            pub fn what(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),*),)* }
            }
        }
    };
}

messages! {
    /// A deploy, restart or rollback begins, or is resumed
    DeployBegins = "37d539590e74400481a3d207931ad8e8", 5, "`SOCKACT_FROM`, `SOCKACT_USER`";
    /// It came to its end: the release is live
    DeployLive = "1fd202de67c64a0eb721ee9272c8de94", 5, "`SOCKACT_OUTCOME=live`, `SOCKACT_TOOK_USEC`";
    /// The release was given up, and the old one is live again
    RolledBack = "629b15fba5ec4422981d3cbbff970fd5", 4, "`SOCKACT_OUTCOME=rolled-back`, `SOCKACT_REASON`, `SOCKACT_TOOK_USEC`";
    /// The release failed when it was live, and stays: the old one does not start any more
    Kept = "fd5359dde7fb46dda78a6604b94758d2", 3, "`SOCKACT_OUTCOME=kept`, `SOCKACT_REASON`, `SOCKACT_TOOK_USEC`";
    /// A first deploy was given up, and nothing is deployed
    Undone = "4369574c90a949f09b678b5f623ad529", 4, "`SOCKACT_OUTCOME=undone`, `SOCKACT_REASON`, `SOCKACT_TOOK_USEC`";
    /// It stopped in the middle: `sockctl resume`
    HalfDone = "98214c87c0124f2093c6d807ce9e52fc", 3, "`SOCKACT_OUTCOME=half-done`, `SOCKACT_REASON`, `SOCKACT_TOOK_USEC`";
    /// A step begins
    StepBegins = "09f908b639004f1cb6b3c8636f52b509", 6, "`SOCKACT_STEP`";
    /// A step is done
    StepDone = "14b57ddd80ab42a1ad1127f650a29b18", 6, "`SOCKACT_STEP`, `SOCKACT_OUTCOME=done`, `SOCKACT_TOOK_USEC`";
    /// A step failed
    StepFailed = "7d92b47a355645e5b11ba0e3c019b9ed", 4, "`SOCKACT_STEP`, `SOCKACT_OUTCOME=failed`, `SOCKACT_REASON`, `SOCKACT_TOOK_USEC`";
    /// `sockctl doctor --fix` mended something
    Mended = "d97b639111d041799a23dd661c943b30", 5, "`SOCKACT_FINDING`";
}

/// The table of the documentation, kept true by a test.
pub fn table() -> String {
    let mut table =
        String::from("| MESSAGE_ID | level | what | fields of its own |\n|---|---|---|---|\n");
    for message in Message::ALL {
        let (id, level, fields) = (message.id(), message.priority(), message.fields());
        table += &format!("| `{id}` | {level} | {} | {fields} |\n", message.what().trim());
    }
    table
}

/// The way to journald; without one nothing is said.
#[derive(Debug)]
pub struct Journal(Option<UnixDatagram>);

impl Journal {
    /// Connects; where there is no journal, entries go nowhere.
    pub fn open() -> Self {
        let socket = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(SOCKET)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        });
        Self(socket.ok())
    }

    /// Writes an entry about an application.
    pub fn tell(&self, app: &App, message: Message, text: &str, fields: &[(&str, &str)]) {
        let Some(socket) = &self.0 else { return };
        let mut entry = Vec::new();
        field(&mut entry, "MESSAGE", text);
        field(&mut entry, "MESSAGE_ID", message.id());
        field(&mut entry, "PRIORITY", &message.priority().to_string());
        field(&mut entry, "SYSLOG_IDENTIFIER", "sockctl");
        field(&mut entry, "SOCKACT_APP", app.name().as_ref());
        for (key, value) in fields {
            field(&mut entry, key, value);
        }
        // Full, gone or refused: a deploy goes on without its log.
        let _ = socket.send(&entry);
    }

    /// Writes the entry at which somebody who follows this unit knows that nothing comes after it.
    pub fn mark(&self, app: &App, unit: &str) {
        let Some(socket) = &self.0 else { return };
        let mut entry = Vec::new();
        field(&mut entry, "MESSAGE", "followed to its end");
        field(&mut entry, "PRIORITY", "7");
        field(&mut entry, "SOCKACT_APP", app.name().as_ref());
        field(&mut entry, "SOCKACT_FOLLOWED", unit);
        let _ = socket.send(&entry);
    }

    /// Writes an entry about a deploy: release, slot, and the slot's unit, so that `journalctl --unit` shows it among the slot's own lines.
    pub fn of_deploy(
        &self,
        app: &App,
        desired: &Desired,
        message: Message,
        text: &str,
        more: &[(&str, &str)],
    ) {
        let release = desired.release.as_ref().map(ToString::to_string).unwrap_or_default();
        let unit = app.slot_unit(&desired.into);
        let about = match app.place().scope() {
            Scope::System => ["UNIT", "OBJECT_SYSTEMD_UNIT"],
            Scope::User => ["USER_UNIT", "OBJECT_SYSTEMD_USER_UNIT"],
        };
        let mut fields = vec![
            ("SOCKACT_COMMAND", desired.command.name()),
            ("SOCKACT_SLOT", desired.into.as_ref()),
            (about[0], unit.as_ref()),
            (about[1], unit.as_ref()),
        ];
        if !release.is_empty() {
            fields.push(("SOCKACT_RELEASE", &release));
        }
        fields.extend_from_slice(more);
        self.tell(app, message, text, &fields);
    }
}

/// Microseconds, as fields have them.
pub fn usec(time: Duration) -> String {
    time.as_micros().to_string()
}

/// The slot's name, or nothing.
pub fn name_of(slot: Option<&SlotName>) -> &str {
    slot.map_or("", AsRef::as_ref)
}

/// `KEY=value`, or with a newline in it `KEY`, the length as 64 bits little endian, and the value.
fn field(entry: &mut Vec<u8>, key: &str, value: &str) {
    entry.extend(key.as_bytes());
    if value.contains('\n') {
        entry.push(b'\n');
        entry.extend((value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend(value.as_bytes());
    entry.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newline_cannot_make_a_field() {
        let mut entry = Vec::new();
        field(&mut entry, "MESSAGE", "well");
        field(&mut entry, "REASON", "a\nSOCKACT_APP=other");
        assert_eq!(entry, b"MESSAGE=well\nREASON\n\x13\0\0\0\0\0\0\0a\nSOCKACT_APP=other\n");
    }

    #[test]
    fn ids_are_ids_and_differ() {
        let mut ids: Vec<_> = Message::ALL.iter().map(|message| message.id()).collect();
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Message::ALL.len());
    }
}
