//! The manifest that a unit becomes, as text with its reasons.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::init::{string, strings};

/// What is said in it; everything else is left at its default.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) exec: String,
    pub(super) args: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) notify: bool,
    pub(super) start_timeout: Option<String>,
    pub(super) drain: Option<String>,
    pub(super) migrate: Option<Vec<String>>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) listeners: Vec<Listener>,
    /// What else there are keys for.
    pub(super) kept: Vec<Kept>,
    /// A name in `secrets`, and the file that held it.
    pub(super) secrets: Vec<(String, String)>,
}

/// A table of the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Top,
    Resources,
    Storage,
    Unit,
    Service,
}

/// One key that is carried over.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) table: Table,
    pub(super) key: String,
    pub(super) value: Value,
}

/// What a key is set to.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// As TOML has it.
    One(String),
    /// The texts of a list, which several directives can add to.
    List(Vec<String>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(toml) => f.write_str(toml),
            Self::List(texts) => f.write_str(&strings(texts)),
        }
    }
}

/// A listener: its name, and its keys as TOML has them.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) keys: Vec<(&'static str, String)>,
}

impl Draft {
    pub(super) fn text(&self, from: &str) -> String {
        let mut text = String::new();
        self.write(&mut text, from).expect("writing to a string cannot fail");
        text
    }

    fn write(&self, text: &mut String, from: &str) -> fmt::Result {
        writeln!(text, "# Made of {from} by `sockgen init --from`.")?;
        writeln!(text, "# After a change: sockgen install. `sockgen schema` has every key.\n")?;
        writeln!(text, "name = {}", string(&self.name))?;
        writeln!(text, "exec = {}", string(&self.exec))?;
        if !self.args.is_empty() {
            writeln!(text, "args = {}", strings(&self.args))?;
        }
        if let Some(user) = &self.user {
            writeln!(text, "user = {}", string(user))?;
        }
        self.table(text, Table::Top, "")?;
        text.push_str(
            "\n# It is not built on sockact. When it is, leave this out, and [start] and [health], too.\ngate = false\n",
        );
        text.push_str("\n# The program takes each socket by its name ($LISTEN_FDNAMES), or as descriptor 3 when it is the only one.\n");
        for (index, listener) in self.listeners.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            writeln!(text, "{gap}[listeners.{}]", listener.name)?;
            for (key, value) in &listener.keys {
                writeln!(text, "{key} = {value}")?;
            }
        }
        if !self.environment.is_empty() {
            text.push_str("\n[environment]\n");
            for (name, value) in &self.environment {
                writeln!(text, "{name} = {}", string(value))?;
            }
        }
        text.push_str("\n[start]\n");
        writeln!(text, "ready = {}", if self.notify { "\"notify\"" } else { "\"exec\"" })?;
        if let Some(timeout) = &self.start_timeout {
            writeln!(text, "timeout = {}", string(timeout))?;
        }
        text.push_str("\n# Healthy is as yet whatever stays up. Write a command that asks this one slot, or [health.at].\n[health]\nexec = [\"/bin/true\"]\n");
        if let Some(drain) = &self.drain {
            write!(text, "\n[swap]\ndrain = {}\n", string(drain))?;
        }
        text.push_str("\n# What no ordinary program notices. Try it without: the default, strict, is what a program built for it needs.\n[hardening]\nlevel = \"standard\"\n");
        if let Some(migrate) = &self.migrate {
            write!(text, "\n[hooks]\nmigrate = {}\n", strings(migrate))?;
        }
        self.table(
            text,
            Table::Resources,
            "\n# What each slot may use; during a deploy two run.\n[resources]\n",
        )?;
        self.table(
            text,
            Table::Storage,
            "\n# Where the slots may write, besides $STATE_DIRECTORY.\n[storage]\n",
        )?;
        self.table(
            text,
            Table::Unit,
            "\n# As they stood in the unit: there is no key for them.\n[directives.unit]\n",
        )?;
        self.table(
            text,
            Table::Service,
            "\n# As they stood in the unit: there is no key for them.\n[directives.service]\n",
        )
    }

    /// What is kept of one table, under its title.
    fn table(&self, text: &mut String, table: Table, title: &str) -> fmt::Result {
        let mut lines = self.kept.iter().filter(|kept| kept.table == table).peekable();
        if lines.peek().is_some() {
            text.push_str(title);
        }
        lines.try_for_each(|Kept { key, value, .. }| writeln!(text, "{key} = {value}"))
    }
}
