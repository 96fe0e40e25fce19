//! The alias of an application whose units a generator made: systemd enables none of those (`EnableUnitFiles` refuses a unit that is
//! "transient or generated", on 252, 257 and 262), and follows a link like the one that it would have made.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use sockgen::{App, UnitName, generator};

use crate::files::{self, FileError};

/// Points the alias at a slot, by a rename; false when systemd itself can.
///
/// # Errors
/// When the link cannot be made.
pub(crate) fn point(app: &App, unit: &UnitName) -> Result<bool, FileError> {
    if !generator::is_made(app.place(), unit.as_ref()) {
        return Ok(false);
    }
    let units = app.place().units();
    let (link, beside) =
        (units.join(app.alias().as_ref()), units.join(format!(".{}.new", app.alias())));
    files::directory(units)?;
    files::remove(&beside)?;
    // What `systemctl enable` makes: it leads nowhere, and says the name.
    symlink(units.join(unit.as_ref()), &beside).map_err(FileError::of("create", &beside))?;
    fs::rename(&beside, &link).map_err(FileError::of("replace", &link))?;
    fs::File::open(units)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::of("sync", units))?;
    Ok(true)
}

/// Takes the alias away; false when systemd itself can.
///
/// # Errors
/// When the link cannot be removed.
pub(crate) fn drop(app: &App, unit: &UnitName) -> Result<bool, FileError> {
    if !generator::is_made(app.place(), unit.as_ref()) {
        return Ok(false);
    }
    let link = app.place().units().join(app.alias().as_ref());
    match fs::remove_file(&link) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::of("remove", &link)(error))
        }
        _ => Ok(true),
    }
}
