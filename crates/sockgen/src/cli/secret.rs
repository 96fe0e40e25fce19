//! `sockgen secret`

mod typed;

use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::args::{Secret, SecretOf};
use super::{Failure, Report};
use crate::error::ManifestError;
use crate::model::App;
use crate::names::{AppName, SecretName};
use crate::place::Place;
use crate::secrets::{Form, SECRET_MAX, SecretError, Store, Stored};

pub(super) fn run(command: &Secret) -> Result<Report, Failure> {
    match command {
        Secret::Set { of, name } => set(&Context::of(of)?, &secret_name(name)?),
        Secret::List { of, json } => list(&Context::of(of)?, *json),
        Secret::Remove { of, name } => remove(&Context::of(of)?, &secret_name(name)?),
    }
}

/// Whose secrets they are.
struct Context {
    app: AppName,
    place: Place,
    root: PathBuf,
    store: Store,
}

impl Context {
    fn of(typed: &SecretOf) -> Result<Self, Failure> {
        let app: AppName = typed.app.parse().map_err(|error: crate::NameError| {
            let hint = error.hint();
            Failure::usage("APP", &error, hint)
        })?;
        let place = Place::asked(typed.user)
            .map_err(|error| Failure::typed(format!("--user: {error}"), error.hint()))?;
        let root = typed.root.clone().unwrap_or_else(|| PathBuf::from("/"));
        let store = Store::of(&root, &place, &app);
        Ok(Self { app, place, root, store })
    }

    /// The secrets that the installed manifest names; `None` when none is installed.
    fn named(&self) -> Result<Option<Vec<SecretName>>, Failure> {
        match App::load(&self.root, &self.place, &self.app) {
            Ok(app) => Ok(Some(app.secrets().iter().map(|one| one.name.clone()).collect())),
            Err(ManifestError::Unknown { .. }) => Ok(None),
            Err(error) => {
                let hint = error.hint();
                Err(Failure::new(&error, hint))
            }
        }
    }
}

fn secret_name(typed: &str) -> Result<SecretName, Failure> {
    typed.parse().map_err(|error: crate::NameError| {
        let hint = error.hint();
        Failure::usage("NAME", &error, hint)
    })
}

fn failure(error: &SecretError) -> Failure {
    Failure::new(error, error.hint())
}

fn set(context: &Context, name: &SecretName) -> Result<Report, Failure> {
    let secret = given(context, name)?;
    let form = context.store.set(name, &secret).map_err(|error| failure(&error))?;
    let app = &context.app;
    let how = words(form);
    let mut text = format!("stored {name} of {app}, {how}\n");
    if secret.ends_with(b"\n") {
        text.push_str("note: it ends with a line break, which is a part of it\n");
    }
    let sockctl = context.place.typed("sockctl");
    match context.named()? {
        Some(named) if named.contains(name) => {
            writeln!(text, "note: a slot reads it when it starts: {sockctl} restart {app}")
        }
        _ => writeln!(
            text,
            "note: no slot gets it before the manifest names it (secrets = [\"{name}\"]) and is installed"
        ),
    }
    .expect("memory");
    Ok(Report::done(text))
}

fn words(form: Form) -> &'static str {
    match form {
        Form::Encrypted => "encrypted with the key of this machine (systemd-creds)",
        Form::File => "not encrypted, in a file that only its owner may read (mode 0400)",
    }
}

/// What is typed without being shown, or all of standard input, byte for byte.
fn given(context: &Context, name: &SecretName) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let failed = |error: io::Error| {
        let message = format!("cannot read the secret: {error}");
        Failure::typed(message, "give it on standard input: ... <file").status(1)
    };
    let stdin = io::stdin();
    if let Some(secret) = typed::hidden(&format!("{name} of {}: ", context.app)).map_err(failed)? {
        return Ok(secret);
    }
    // One byte more than there may be, so that it is seen; never more than that in memory.
    let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_MAX + 1));
    stdin.lock().take(SECRET_MAX as u64 + 1).read_to_end(&mut secret).map_err(failed)?;
    Ok(secret)
}

fn list(context: &Context, json: bool) -> Result<Report, Failure> {
    let stored = context.store.list().map_err(|error| failure(&error))?;
    let named = context.named()?.unwrap_or_default();
    let missing = named.iter().filter(|name| !stored.iter().any(|one| one.name == **name));
    if json {
        let missing: Vec<_> = missing.collect();
        let document = serde_json::json!({ "version": 1, "stored": stored, "missing": missing });
        return Ok(Report::done(format!("{document:#}\n")));
    }
    let mut text = String::new();
    for Stored { name, form } in &stored {
        let unused = if named.contains(name) { "" } else { "; no installed manifest names it" };
        writeln!(text, "{name}: {}{unused}", words(*form)).expect("memory");
    }
    for name in missing {
        writeln!(text, "{name}: missing; no slot starts without it").expect("memory");
    }
    if text.is_empty() {
        writeln!(text, "{} has no secrets", context.app).expect("memory");
    }
    Ok(Report::done(text))
}

fn remove(context: &Context, name: &SecretName) -> Result<Report, Failure> {
    let app = context.app.clone();
    if context.named()?.is_some_and(|named| named.contains(name)) {
        return Err(failure(&SecretError::Needed { app, name: name.clone() }));
    }
    context.store.remove(name).map_err(|error| failure(&error))?;
    Ok(Report::done(format!("removed {name} of {app}\n")))
}
