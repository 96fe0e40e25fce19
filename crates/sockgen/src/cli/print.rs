//! `sockgen print`

use std::path::Path;

use super::{Failure, Report};
use crate::extras::Extra;
use crate::model::App;

pub(super) fn run(what: Extra, manifest: &Path, group: &str) -> Result<Report, Failure> {
    let app = App::read(manifest).map_err(|error| Failure::new(&error, error.hint()))?;
    let text = what
        .render(&app, group)
        .map_err(|error| Failure::new(&error, Some(error.hint().to_owned())))?;
    Ok(Report::done(text))
}
