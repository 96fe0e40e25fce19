//! One file of anybody's, read without trust: it may be a FIFO, a device, a book or a picture.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};

/// No unit is as large as this; what is, is not read.
const LARGEST: u64 = 16 << 20;

/// The longest line that systemd reads: `LONG_LINE_MAX` in its source.
const LONGEST_LINE: usize = 1 << 20;

/// What stands in a file.
pub(super) struct Text {
    pub(super) text: String,
    /// Lines, and what systemd makes of them.
    pub(super) problems: Vec<(Option<usize>, String)>,
}

/// Reads a unit or a drop-in; the error says why nothing can be read.
pub(super) fn read(path: &Path) -> Result<Text, String> {
    // A FIFO would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        open(path, flags, Mode::empty()).map(File::from).map_err(|errno| why(errno.into()))?;
    let kind = file.metadata().map_err(why)?;
    if !kind.is_file() {
        return Err("it is no regular file: systemd does not read it".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(why)?;
    if bytes.len() as u64 > LARGEST {
        return Err("it is larger than 16 MiB, and was not read".to_owned());
    }
    Ok(text(&bytes))
}

fn why(error: io::Error) -> String {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::LOOP) => "its links go in a circle".to_owned(),
        _ if error.kind() == io::ErrorKind::NotFound => {
            "it is a link to a file that does not exist".to_owned()
        }
        _ => format!("it cannot be read: {error}"),
    }
}

fn text(bytes: &[u8]) -> Text {
    let mut problems = Vec::new();
    let line_of = |at: usize| Some(1 + bytes[..at].iter().filter(|byte| **byte == b'\n').count());
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        problems.push((line_of(at), "it has a NUL byte, where systemd ends the line".to_owned()));
    } else if let Err(error) = std::str::from_utf8(bytes) {
        let message = "it is not UTF-8: systemd reads no further".to_owned();
        problems.push((line_of(error.valid_up_to()), message));
    }
    let long = bytes.split(|byte| *byte == b'\n').position(|line| line.len() >= LONGEST_LINE);
    if let Some(line) = long {
        let message = "the line is longer than 1 MiB: systemd does not load the unit".to_owned();
        problems.push((Some(line + 1), message));
    }
    Text { text: String::from_utf8_lossy(bytes).into_owned(), problems }
}
