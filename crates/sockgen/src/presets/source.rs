//! The files of a starting program: real programs of an application `shop`, made another one's by four words.

use crate::names::AppName;

/// A file of a starting program.
#[derive(Debug)]
pub struct Source {
    /// Where it lies beside the manifest.
    pub path: &'static str,
    /// Its text for the application `shop` with the listener `http` on 127.0.0.1:8080 and the health path `/health`.
    pub text: &'static str,
    /// Whether it is run as it is.
    pub executable: bool,
}

impl Source {
    pub(super) const fn text(path: &'static str, text: &'static str) -> Self {
        Self { path, text, executable: false }
    }

    pub(super) const fn script(path: &'static str, text: &'static str) -> Self {
        Self { path, text, executable: true }
    }
}

/// What the release is called by whoever asks it: the starting programs answer with it.
pub(super) const VERSION: Source = Source::text("VERSION", "1\n");

/// What stands in a starting program in place of that of `shop`.
#[derive(Debug)]
pub struct Words<'a> {
    /// The application.
    pub name: &'a AppName,
    /// Its listener.
    pub listener: &'a str,
    /// Where that listens.
    pub address: &'a str,
    /// The path of the health request.
    pub health_path: &'a str,
}

impl Words<'_> {
    /// The text with these words: all at once, so that none is looked for in another.
    #[must_use]
    pub fn put_into(&self, text: &str) -> String {
        let listener = format!("\"{}\"", self.listener);
        let words = [
            ("shop", self.name.as_ref()),
            ("\"http\"", &listener),
            ("127.0.0.1:8080", self.address),
            ("/health", self.health_path),
        ];
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        let next = |rest: &str| {
            let found = words.iter().filter_map(|word| Some((rest.find(word.0)?, *word)));
            found.min_by_key(|(at, _)| *at)
        };
        while let Some((at, (from, to))) = next(rest) {
            out.push_str(&rest[..at]);
            out.push_str(to);
            rest = &rest[at + from.len()..];
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_looked_for_in_another() {
        let name = "health-http".parse().unwrap();
        let words =
            Words { name: &name, listener: "shop", address: "[::1]:80", health_path: "/shop" };
        let text = "shop /health \"http\" 127.0.0.1:8080.";
        assert_eq!(words.put_into(text), "health-http /shop \"shop\" [::1]:80.");
    }
}
