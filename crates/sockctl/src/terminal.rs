//! The terminal that a person looks at: what fits on it, and that it is left as it was found.

use std::io::{self, IsTerminal as _, Write as _};

/// Erases the line that the cursor is in, and begins it anew (console_codes(4)).
const AGAIN: &str = "\r\x1b[K";
/// xterm's other screen, with no way to scroll back: what a person sees on the first one is there again afterwards.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Whether standard output is a terminal on which a line can be rewritten. Emacs, for one, calls its own `dumb`.
pub fn is_one() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Columns and rows of the terminal now (tty_ioctl(4), `TIOCGWINSZ`); what a VT100 had where it does not know itself.
pub fn size() -> (usize, usize) {
    let known = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let known = known.filter(|size| size.ws_col > 0 && size.ws_row > 0);
    known.map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
}

/// As much of the line as `room` characters hold.
pub fn clipped(line: &str, room: usize) -> String {
    if line.chars().count() <= room {
        return line.to_owned();
    }
    line.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// Writes the line in place of the one that the cursor is in. One that wraps could not be rewritten, so it is cut: with room for the `^C`
/// that the terminal itself writes behind it.
///
/// # Errors
/// When the terminal is gone.
pub fn rewrite(line: &str) -> io::Result<()> {
    say(&format!("{AGAIN}{}", clipped(line, size().0.saturating_sub("^C".len() + 1))))
}

/// Erases what [`rewrite`] wrote.
///
/// # Errors
/// When the terminal is gone.
pub fn erase() -> io::Result<()> {
    say(AGAIN)
}

/// The text in lines of at most so many characters, broken between words; what follows a break is indented.
pub fn folded(text: &str, room: usize) -> Vec<String> {
    const INDENT: &str = "        ";
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut begun = String::new();
        for word in line.split_inclusive(' ') {
            let long = begun.chars().count() + word.trim_end().chars().count() > room;
            if long && !begun.trim().is_empty() {
                lines.push(std::mem::replace(&mut begun, INDENT.into()));
            }
            begun.push_str(word);
        }
        lines.push(begun);
    }
    lines.iter().map(|line| clipped(line.trim_end(), room)).collect()
}

/// A screen of its own for what is drawn again and again; the terminal is as it was before when this is dropped.
#[derive(Debug)]
#[must_use = "it is left when this is dropped"]
pub struct Screen(());

impl Screen {
    /// Goes to the other screen. An error of the terminal's shows at the first [`Screen::draw`].
    pub fn enter() -> Self {
        let _ = say(ENTER);
        Self(())
    }

    /// Draws the text in place of what was drawn before, as much of it as there is room for.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&self, text: &str) -> io::Result<()> {
        let (columns, rows) = size();
        let lines = folded(text, columns.saturating_sub(1));
        let shown: Vec<_> = lines.iter().take(rows).map(|line| format!("{line}\x1b[K")).collect();
        // Each line is erased only behind what was just written, so that nothing flickers.
        say(&format!("\x1b[H{}\x1b[J", shown.join("\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = say(LEAVE);
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_there_is_no_room() {
        assert_eq!(clipped("four", 4), "four");
        assert_eq!(clipped("fives", 4), "fiv…");
        assert_eq!(clipped("x", 0), "…");
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(folded("a bc\n\nde", 80), ["a bc", "", "de"]);
        assert_eq!(
            folded("  one two three four", 13),
            ["  one two", "        three", "        four"]
        );
        assert_eq!(folded("unbreakable", 5), ["unbr…"]);
    }
}
