//! The kernel's log: at boot there is no other, and PID 1 does not read what a generator prints.

use std::fs::File;
use std::io::{self, Write};
use std::process;

use super::NAME;

/// As syslog(3) counts them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Level {
    Error = 3,
    Info = 6,
}

/// The log, or standard error where there is none, as on a person's terminal.
pub(super) struct Log {
    kernel: Option<File>,
}

/// What the kernel takes as one message.
const LONGEST: usize = 900;

impl Log {
    pub(super) fn open() -> Self {
        Self { kernel: File::options().append(true).open("/dev/kmsg").ok() }
    }

    #[cfg(test)]
    pub(super) fn to(file: File) -> Self {
        Self { kernel: Some(file) }
    }

    /// One message for each line of the text.
    pub(super) fn say(&mut self, level: Level, text: &str) {
        for line in text.lines() {
            let message = message(level, line);
            let written = match &mut self.kernel {
                // One write is one message.
                Some(kernel) => kernel.write_all(message.as_bytes()),
                None => io::stderr().write_all(message.as_bytes()),
            };
            // There is nobody to tell.
            drop(written);
        }
    }
}

fn message(level: Level, line: &str) -> String {
    let mut message = format!("<{}>{NAME}[{}]: ", level as u8, process::id());
    for c in line.chars() {
        if message.len() > LONGEST {
            message.push_str("...");
            break;
        }
        if c.is_control() {
            message.extend(c.escape_default());
        } else {
            message.push(c);
        }
    }
    message.push('\n');
    message
}
