//! The names and paths of one application, so that nobody has to bring its name and its place together.

use std::path::PathBuf;

use super::App;
use crate::names::{ListenerName, SlotName, UnitName};
use crate::place::Place;

/// The names that [`crate::AppName`] gives and the paths of its [`Place`], for this application.
impl App {
    /// Whose systemd runs it, and where its files are.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// `/etc/sockact/shop.toml`
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.place.manifest(&self.name)
    }

    /// `shop-http.socket`
    #[must_use]
    pub fn socket_unit(&self, listener: &ListenerName) -> UnitName {
        self.name.socket_unit(listener)
    }

    /// `shop-blue.service`
    #[must_use]
    pub fn slot_unit(&self, slot: &SlotName) -> UnitName {
        self.name.slot_unit(slot)
    }

    /// `shop-blue-admin.socket`
    #[must_use]
    pub fn admin_socket_unit(&self, slot: &SlotName) -> UnitName {
        self.name.admin_socket_unit(slot)
    }

    /// `shop-blue-proxy.service`
    #[must_use]
    pub fn proxy_unit(&self, slot: &SlotName) -> UnitName {
        self.name.proxy_unit(slot)
    }

    /// `shop.service`
    #[must_use]
    pub fn alias(&self) -> UnitName {
        self.name.alias()
    }

    /// `shop-activate.service`
    #[must_use]
    pub fn activator(&self) -> UnitName {
        self.name.activator()
    }

    /// `shop.target`
    #[must_use]
    pub fn target(&self) -> UnitName {
        self.name.target()
    }

    /// `/run/sockact/shop/blue.sock`
    #[must_use]
    pub fn admin_path(&self, slot: &SlotName) -> PathBuf {
        self.place.admin_path(&self.name, slot)
    }

    /// `/run/sockact/shop/blue.env`
    #[must_use]
    pub fn env_path(&self, slot: &SlotName) -> PathBuf {
        self.place.env_path(&self.name, slot)
    }

    /// `/var/lib/sockact/shop/slots/blue`
    #[must_use]
    pub fn slot_link(&self, slot: &SlotName) -> PathBuf {
        self.place.slot_link(&self.name, slot)
    }

    /// `/var/lib/sockact/shop/releases`
    #[must_use]
    pub fn releases_dir(&self) -> PathBuf {
        self.place.releases_dir(&self.name)
    }

    /// `/var/lib/sockact/shop`
    #[must_use]
    pub fn state_dir(&self) -> PathBuf {
        self.place.state_dir(&self.name)
    }

    /// `/run/sockact/shop`
    #[must_use]
    pub fn run_dir(&self) -> PathBuf {
        self.place.run_dir(&self.name)
    }

    /// `/run/sockact/shop/lock`
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.place.lock_path(&self.name)
    }
}
