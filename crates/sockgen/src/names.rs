//! Every unit name and every path of an application, spelt here and nowhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::shown::shown;

/// The file name of a manifest beside an application's sources.
pub const MANIFEST_FILE: &str = "sockact.toml";
/// `FileDescriptorName=` of a slot's admin socket; no listener can be called so.
pub const ADMIN_FD_NAME: &str = "sockact-admin";
/// How the name of a slot's proxy ends; no slot can be called so.
pub(crate) const PROXY: &str = "proxy";

/// Why a name was refused: what was given, the rule it breaks, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given} is not a name for {kind}: {broken}")]
pub struct NameError {
    kind: &'static str,
    given: String,
    broken: &'static str,
    hint: &'static str,
}

impl NameError {
    /// What to do about it, for a `hint:` line.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        self.hint
    }
}

/// What one kind of name allows.
struct Rule {
    kind: &'static str,
    longest: usize,
    first: fn(char) -> bool,
    rest: fn(char) -> bool,
    first_text: &'static str,
    rest_text: &'static str,
    too_long: &'static str,
    hint: &'static str,
    more: fn(&str) -> Option<&'static str>,
}

impl Rule {
    fn broken_by(&self, given: &str) -> Option<&'static str> {
        if given.is_empty() {
            return Some("it is empty");
        }
        if given.chars().count() > self.longest {
            return Some(self.too_long);
        }
        if !given.starts_with(self.first) {
            return Some(self.first_text);
        }
        if !given.chars().all(self.rest) {
            return Some(self.rest_text);
        }
        (self.more)(given)
    }

    fn check(&self, given: &str) -> Result<String, NameError> {
        match self.broken_by(given) {
            None => Ok(given.to_owned()),
            Some(broken) => {
                let (kind, hint) = (self.kind, self.hint);
                Err(NameError { kind, given: shown(given), broken, hint })
            }
        }
    }
}

/// The hint that belongs to the message of a [`NameError`], where only the message came through.
pub(crate) fn hint_in(message: &str) -> Option<&'static str> {
    let rules = [&APP, &SLOT, &LISTENER, &SECRET];
    rules.iter().find(|rule| message.contains(rule.kind)).map(|rule| rule.hint)
}

const APP: Rule = Rule {
    kind: "an application",
    // `_` and the name make the user's name, which Linux limits to 31 characters.
    longest: 30,
    first: |c| c.is_ascii_lowercase(),
    rest: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-',
    first_text: "it must begin with a letter a to z",
    rest_text: "only a to z, 0 to 9 and - may stand in it",
    too_long: "it is longer than 30 characters",
    hint: "use a short name such as shop or billing-api",
    more: |name| {
        if name.contains("--") {
            Some("two - must not follow each other")
        } else if name.ends_with('-') {
            Some("it must not end with -")
        } else {
            None
        }
    },
};

const SLOT: Rule = Rule {
    kind: "a slot",
    longest: 16,
    first: |c| c.is_ascii_lowercase(),
    rest: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
    first_text: "it must begin with a letter a to z",
    rest_text: "only a to z and 0 to 9 may stand in it",
    too_long: "it is longer than 16 characters",
    hint: "use a short word such as blue, green or amber",
    more: |_| None,
};

const LISTENER: Rule = Rule {
    kind: "a listener",
    longest: 32,
    first: |c| c.is_ascii_lowercase() || c.is_ascii_digit(),
    rest: |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_',
    first_text: "it must begin with a letter a to z or a digit",
    rest_text: "only a to z, 0 to 9, - and _ may stand in it",
    too_long: "it is longer than 32 characters",
    hint: "use the name the program asks for, such as http",
    more: |name| {
        name.starts_with("sockact-").then_some("names that begin with sockact- are sockact's own")
    },
};

const SECRET: Rule = Rule {
    kind: "a secret",
    longest: 64,
    first: |c| c.is_ascii_alphanumeric() || c == '_',
    rest: |c| c.is_ascii_alphanumeric() || "._-".contains(c),
    first_text: "it must begin with a letter, a digit or _",
    rest_text: "only letters, digits, ., - and _ may stand in it",
    too_long: "it is longer than 64 characters",
    hint: "use the name under which the program looks for it, such as db-password",
    more: |name| {
        name.ends_with(".cred").then_some("an encrypted secret's file has the ending .cred")
    },
};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(given: &str) -> Result<Self, NameError> {
                $rule.check(given).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(given: String) -> Result<Self, NameError> {
                given.parse()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// An application: `[a-z][a-z0-9-]*`, at most 30 characters, no `--`, no `-` at the end.
    ///
    /// ```
    /// let app: sockgen::AppName = "shop".parse()?;
    /// assert_eq!(app.target().as_ref(), "shop.target");
    /// assert!("../x".parse::<sockgen::AppName>().is_err());
    /// # Ok::<(), sockgen::NameError>(())
    /// ```
    AppName, APP
}
name! {
    /// A slot: `[a-z][a-z0-9]*`, at most 16 characters. Without others an application has `blue` and `green`.
    SlotName, SLOT
}
name! {
    /// A listener: `[a-z0-9][a-z0-9_-]*`, at most 32 characters, not beginning with `sockact-`.
    ListenerName, LISTENER
}
name! {
    /// A secret: letters, digits, `.`, `-` and `_`, at most 64. It is the name of the credential (systemd.exec(5), "Credentials").
    SecretName, SECRET
}

/// The name of a unit, such as `shop-blue.service`. Only made from validated names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UnitName(String);

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for UnitName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Units of the application.
impl AppName {
    /// The public socket of one listener: `shop-http.socket`.
    #[must_use]
    pub fn socket_unit(&self, listener: &ListenerName) -> UnitName {
        UnitName(format!("{self}-{listener}.socket"))
    }

    /// The service of one slot: `shop-blue.service`.
    #[must_use]
    pub fn slot_unit(&self, slot: &SlotName) -> UnitName {
        UnitName(format!("{self}-{slot}.service"))
    }

    /// The private socket of one slot: `shop-blue-admin.socket`.
    #[must_use]
    pub fn admin_socket_unit(&self, slot: &SlotName) -> UnitName {
        UnitName(format!("{self}-{slot}-admin.socket"))
    }

    /// What carries connections to the program of one slot that takes no socket of systemd's: `shop-blue-proxy.service`.
    #[must_use]
    pub fn proxy_unit(&self, slot: &SlotName) -> UnitName {
        UnitName(format!("{self}-{slot}-{PROXY}.service"))
    }

    /// The slot before which a unit stands: the way back from [`AppName::proxy_unit`].
    pub(crate) fn slot_of_proxy(&self, unit: &str) -> Option<SlotName> {
        let rest = unit.strip_prefix(self.as_ref())?.strip_prefix('-')?;
        // No slot has a `-` in its name.
        rest.strip_suffix(".service")?.strip_suffix(PROXY)?.strip_suffix('-')?.parse().ok()
    }

    /// A command of the application that runs for a while: `shop--migrate.service`. No other application's unit has this name,
    /// because no name has two `-` in it.
    #[must_use]
    pub fn task_unit(&self, task: &str) -> UnitName {
        UnitName(format!("{self}--{task}.service"))
    }

    /// The transient timer that ends a standby, one run of a slot (`$INVOCATION_ID`): `shop-blue-retire-1f2e….timer`.
    ///
    /// The run is part of the name: a timer that was made for an earlier run cannot be taken for this one's.
    #[must_use]
    pub fn retire_timer(&self, slot: &SlotName, run: &str) -> UnitName {
        UnitName(format!("{self}-{slot}-retire-{run}.timer"))
    }

    /// What the timer of [`AppName::retire_timer`] starts.
    #[must_use]
    pub fn retire_service(&self, slot: &SlotName, run: &str) -> UnitName {
        UnitName(format!("{self}-{slot}-retire-{run}.service"))
    }

    /// The alias of the live slot: `shop.service`.
    #[must_use]
    pub fn alias(&self) -> UnitName {
        UnitName(format!("{self}.service"))
    }

    /// What traffic starts when no slot runs: `shop-activate.service`.
    #[must_use]
    pub fn activator(&self) -> UnitName {
        UnitName(format!("{self}-activate.service"))
    }

    /// What is enabled, started and stopped by people: `shop.target`.
    #[must_use]
    pub fn target(&self) -> UnitName {
        UnitName(format!("{self}.target"))
    }

    /// The user the slots run as when the manifest names none: `_shop`.
    #[must_use]
    pub fn dynamic_user(&self) -> String {
        format!("_{self}")
    }

    /// The value of `StateDirectory=`: `sockact-shop`, so `/var/lib/sockact-shop`.
    ///
    /// Not `shop`: with a dynamic user systemd moves an existing `/var/lib/shop` of somebody else
    /// below `/var/lib/private`. Not below `/var/lib/sockact/shop`: that is the controller's.
    #[must_use]
    pub fn state_directory(&self) -> String {
        format!("sockact-{self}")
    }

    /// The value of `LogNamespace=`: `sockact-shop`, so that no other program's journal has the name.
    #[must_use]
    pub fn log_namespace(&self) -> String {
        format!("sockact-{self}")
    }
}
