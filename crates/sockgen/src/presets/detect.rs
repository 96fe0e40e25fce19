//! Which preset fits what is in a folder.

use super::{PRESETS, Preset};

/// A preset that fits, and why.
#[derive(Debug)]
pub struct Detected {
    /// The preset.
    pub preset: &'static Preset,
    /// What was found, for a person: `package.json is here`.
    pub reason: String,
}

/// The preset that fits files, which `read` gives by their names; one that is named in a file before one whose file is there.
#[must_use]
pub fn detect(read: impl Fn(&str) -> Option<String>) -> Option<Detected> {
    let signs = || {
        PRESETS.into_iter().flat_map(|preset| preset.signs.iter().map(move |sign| (preset, *sign)))
    };
    let named = signs().find_map(|(preset, (file, words))| {
        let text = read(file)?.to_lowercase();
        let word = words.iter().find(|word| has_word(&text, word))?;
        Some(Detected { preset, reason: format!("{file} names {word}") })
    });
    named.or_else(|| {
        let here =
            |(_, (file, words)): &(_, (&str, &[&str]))| words.is_empty() && read(file).is_some();
        let (preset, (file, _)) = signs().find(here)?;
        Some(Detected { preset, reason: format!("{file} is here") })
    })
}

/// Whether the word stands in the text, and not as a part of another: `flask` is not in `flask-cors`.
fn has_word(text: &str, word: &str) -> bool {
    let apart = |c: char| !c.is_alphanumeric() && c != '-' && c != '_';
    text.split(apart).any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: Option<(&str, &str)>) {
        let read = |name: &str| Some(files.iter().find(|file| file.0 == name)?.1.to_owned());
        let found = detect(read);
        let found = found.as_ref().map(|found| (found.preset.name, found.reason.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn by_what_is_there() {
        check(&[], None);
        check(&[("package.json", "{}")], Some(("node", "package.json is here")));
        check(&[("go.mod", "module x")], Some(("go", "go.mod is here")));
        check(&[("Caddyfile", "")], Some(("caddy", "Caddyfile is here")));
        check(&[("Cargo.toml", "serde = 1")], Some(("axum", "Cargo.toml is here")));
        check(&[("Cargo.toml", "hyper = 1")], Some(("hyper", "Cargo.toml names hyper")));
        check(
            &[("Cargo.toml", "[dependencies.axum]\nhyper = 1")],
            Some(("axum", "Cargo.toml names axum")),
        );
        check(
            &[("requirements.txt", "FastAPI>=0.1")],
            Some(("uvicorn", "requirements.txt names fastapi")),
        );
        check(&[("requirements.txt", "flask-cors")], None);
        check(
            &[("pyproject.toml", "'Django~=5'")],
            Some(("gunicorn", "pyproject.toml names django")),
        );
        check(&[("Gemfile", "gem \"rails\"")], Some(("puma", "Gemfile names rails")));
    }

    /// A front end in the folder of a back end is no server.
    #[test]
    fn what_is_named_goes_before_what_is_there() {
        let files = [("package.json", "{}"), ("Cargo.toml", "axum = 1")];
        check(&files, Some(("axum", "Cargo.toml names axum")));
    }
}
