//! A secret that a person types: the terminal shows nothing of it.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::secrets::SECRET_MAX;

/// What is typed before Enter, when standard input is a terminal.
pub(super) fn hidden(prompt: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    if !io::stdin().is_terminal() {
        return Ok(None);
    }
    // Standard output may be a file.
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let quiet = Quiet::on(&terminal)?;
    (&terminal).write_all(prompt.as_bytes())?;
    let typed = line(&terminal);
    drop(quiet);
    (&terminal).write_all(b"\n")?;
    typed.map(Some)
}

/// Keys, until Enter. Ctrl-C and the end of the input are keys here, so that the terminal is put right in any case.
fn line(mut terminal: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    const BACKSPACE: [u8; 2] = [8, 127];
    const ERASE_ALL: u8 = 21;
    // Its place is never too small, so that no copy of a part stays in memory.
    let mut typed = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 1));
    let mut key = Zeroizing::new([0]);
    loop {
        if terminal.read(&mut key[..])? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match key[0] {
            b'\n' | b'\r' => return Ok(typed),
            END if !typed.is_empty() => return Ok(typed),
            INTERRUPT | END => return Err(io::ErrorKind::Interrupted.into()),
            ERASE_ALL => typed.clear(),
            byte if BACKSPACE.contains(&byte) => erase(&mut typed),
            byte if typed.len() <= SECRET_MAX => typed.push(byte),
            _ => {}
        }
    }
}

/// The last character, which may be several bytes of UTF-8.
fn erase(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// A terminal that shows nothing and sends no signals, until dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn on(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        // What was typed too early was shown, and is no secret.
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_erased_whole() {
        let mut typed = "aß€".as_bytes().to_vec();
        for left in ["aß", "a", "", ""] {
            erase(&mut typed);
            assert_eq!(typed, left.as_bytes());
        }
    }
}
