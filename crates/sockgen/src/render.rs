//! The unit files of an application: text out of `templates/`, every value quoted here.

use askama::Template;

use crate::address::Address;
use crate::duration::short_duration;
use crate::model::{App, Exec, Listener};
use crate::names::{ADMIN_FD_NAME, SlotName, UnitName};
use crate::quote;

/// A unit file: its name and its whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFile {
    /// The unit, which is also the file's name.
    pub name: UnitName,
    /// The text, ending with a newline.
    pub text: String,
}

#[derive(Template)]
#[template(path = "public.socket", escape = "none")]
struct PublicSocket<'a> {
    app: &'a str,
    listener: &'a str,
    address: String,
    v6: bool,
    free_bind: bool,
    backlog: u32,
    mode: Option<String>,
    user: Option<&'a str>,
    group: Option<&'a str>,
    activator: UnitName,
    target: UnitName,
}

#[derive(Template)]
#[template(path = "admin.socket", escape = "none")]
struct AdminSocket<'a> {
    app: &'a str,
    slot: &'a str,
    path: String,
    fd_name: &'a str,
    service: UnitName,
}

#[derive(Template)]
#[template(path = "slot.service", escape = "none")]
struct Slot<'a> {
    app: &'a str,
    slot: &'a str,
    target: UnitName,
    alias: UnitName,
    sockets: Vec<UnitName>,
    working_directory: Option<String>,
    command: String,
    environment: Vec<String>,
    drain_usec: u128,
    env_file: String,
    start_timeout: String,
    stop_timeout: String,
    dynamic: bool,
    user: String,
    state_directory: String,
}

#[derive(Template)]
#[template(path = "activate.service", escape = "none")]
struct Activate<'a> {
    app: &'a str,
    alias: UnitName,
}

#[derive(Template)]
#[template(path = "app.target", escape = "none")]
struct Target<'a> {
    app: &'a str,
    alias: UnitName,
    sockets: Vec<UnitName>,
}

/// All units of the application, sorted by name. The same application gives the same bytes.
///
/// # Panics
/// Never: writing to a string cannot fail.
#[must_use]
pub fn render(app: &App) -> Vec<UnitFile> {
    let mut units: Vec<UnitFile> = Vec::new();
    for listener in app.listeners() {
        units.push(unit(app.socket_unit(&listener.name), &public_socket(app, listener)));
    }
    for slot in app.slots() {
        units.push(unit(app.admin_socket_unit(slot), &admin_socket(app, slot)));
        units.push(unit(app.slot_unit(slot), &slot_service(app, slot)));
    }
    let name = app.name().as_ref();
    units.push(unit(app.activator(), &Activate { app: name, alias: app.alias() }));
    let sockets = public_sockets(app);
    units.push(unit(app.target(), &Target { app: name, alias: app.alias(), sockets }));
    units.sort_by(|a, b| a.name.cmp(&b.name));
    units
}

fn unit(name: UnitName, template: &impl Template) -> UnitFile {
    let mut text = template.render().expect("writing to a string cannot fail");
    text.truncate(text.trim_end().len());
    text.push('\n');
    UnitFile { name, text }
}

fn public_sockets(app: &App) -> Vec<UnitName> {
    app.listeners().iter().map(|listener| app.socket_unit(&listener.name)).collect()
}

fn public_socket<'a>(app: &'a App, listener: &'a Listener) -> PublicSocket<'a> {
    let access = listener.access.as_ref();
    PublicSocket {
        app: app.name().as_ref(),
        listener: listener.name.as_ref(),
        address: quote::plain(&listener.address.to_string()),
        v6: matches!(&listener.address, Address::Tcp(address) if address.is_ipv6()),
        free_bind: listener.address.may_come_later(),
        backlog: listener.backlog,
        mode: access.map(|access| format!("{:04o}", access.mode)),
        user: access.and_then(|access| access.user.as_deref()),
        group: access.and_then(|access| access.group.as_deref()),
        activator: app.activator(),
        target: app.target(),
    }
}

fn admin_socket<'a>(app: &'a App, slot: &'a SlotName) -> AdminSocket<'a> {
    AdminSocket {
        app: app.name().as_ref(),
        slot: slot.as_ref(),
        path: app.admin_path(slot).display().to_string(),
        fd_name: ADMIN_FD_NAME,
        service: app.slot_unit(slot),
    }
}

fn slot_service<'a>(app: &'a App, slot: &'a SlotName) -> Slot<'a> {
    let (working_directory, program) = match app.exec() {
        Exec::Release(path) => {
            let link = app.slot_link(slot);
            (Some(link.display().to_string()), link.join(path))
        }
        Exec::Program(path) => (None, path.clone()),
    };
    let mut command = quote::program(&program.display().to_string());
    for arg in app.args() {
        command.push(' ');
        command.push_str(&quote::argument(arg));
    }
    let mut sockets = public_sockets(app);
    sockets.push(app.admin_socket_unit(slot));
    // The slot says itself when its drain deadline passes; systemd kills only what does not.
    let stop_timeout = app.swap().drain + std::time::Duration::from_secs(5);
    Slot {
        app: app.name().as_ref(),
        slot: slot.as_ref(),
        target: app.target(),
        alias: app.alias(),
        sockets,
        working_directory,
        command,
        environment: app.environment().iter().map(|(k, v)| quote::assignment(k, v)).collect(),
        drain_usec: app.swap().drain.as_micros(),
        env_file: app.env_path(slot).display().to_string(),
        start_timeout: short_duration(app.start_timeout()),
        stop_timeout: short_duration(stop_timeout),
        dynamic: app.user().is_none(),
        user: app.user().map_or_else(|| app.name().dynamic_user(), str::to_owned),
        state_directory: app.name().state_directory(),
    }
}
