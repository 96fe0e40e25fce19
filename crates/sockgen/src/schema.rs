//! The manifest as a JSON Schema, so that an editor completes `sockact.toml` and marks what is wrong in it.
//!
//! Tables and keys come from `manifest` itself. What a text may be is a pattern here; what only sockgen can tell, such as
//! whether two addresses overlap, a schema cannot say.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::duration::Span;
use crate::endpoint::Listen;
use crate::manifest::{At, Manifest, Mode};
use crate::model::{Bandwidth, Memory, RELAXATIONS, Tasks};
use crate::names::{AppName, ListenerName, SecretName, SlotName};
use crate::share::Share;
use crate::size::Size;

/// The schema of `sockact.toml`: JSON Schema draft 7, which the TOML editors read.
///
/// ```
/// let schema = sockgen::schema();
/// assert_eq!(schema["properties"]["name"]["type"], "string");
/// ```
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    let mut schema = settings.into_generator().into_root_schema_for::<Manifest>();
    schema.insert("title".to_owned(), "sockact.toml".into());
    schema.to_value()
}

/// A value that is written as a text with a form of its own.
macro_rules! text {
    ($name:ty, $title:literal, $schema:tt) => {
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $title.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(AppName, "name of an application", { "type": "string", "maxLength": 30, "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$" });
text!(SlotName, "name of a slot", { "type": "string", "pattern": "^[a-z][a-z0-9]{0,15}$" });
text!(ListenerName, "name of a listener", { "type": "string", "pattern": "^(?!sockact-)[a-z0-9][a-z0-9_-]{0,31}$" });
text!(Mode, "permissions", { "type": "string", "pattern": "^0?[0-7]{3}$" });
text!(Size, "size", { "type": "string", "pattern": "^[0-9]+ *(KiB|MiB|GiB|TiB)$" });
text!(At, "address", { "type": "string", "minLength": 1 });
text!(Listen, "address", { "type": "string", "minLength": 1 });
// What jiff reads is more than a pattern can say: a number with a unit at the least.
text!(Span, "duration", { "type": "string", "pattern": "^\\s*[0-9].*[a-zµ]\\s*$|^P" });
text!(Share, "share of the connections", {
    "anyOf": [
        { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
        { "type": "string", "pattern": "^[0-9.]+%?$" },
    ]
});

text!(SecretName, "name of a secret", { "type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$" });
text!(Memory, "amount of memory", { "type": "string", "pattern": "^(0|[0-9]+ *(KiB|MiB|GiB|TiB)|[0-9]+ *%)$" });
text!(Bandwidth, "part of a processor", { "type": "string", "pattern": "^[0-9]+ *%$" });
text!(Tasks, "number of processes", {
    "anyOf": [
        { "type": "integer", "minimum": 1 },
        { "type": "string", "pattern": "^[0-9]+( *%)?$" },
    ]
});

/// Every name that may stand in `hardening.allow`.
pub(crate) fn relaxations(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<String> = RELAXATIONS
        .iter()
        .flat_map(|kind| match kind.words() {
            Some(words) => words.iter().map(|word| format!("{}:{word}", kind.name)).collect(),
            None => vec![kind.name.to_owned()],
        })
        .collect();
    json_schema!({ "type": "array", "items": { "type": "string", "enum": names }, "uniqueItems": true })
}
