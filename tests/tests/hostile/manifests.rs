//! The strings of a manifest, and the manifest with another one in a place.

use serde_json::{Value, json};

/// One string of a manifest: the keys and indexes that lead to it.
pub(super) type Leaf = Vec<String>;

pub(super) fn leaves(value: &Value, at: &[String], found: &mut Vec<Leaf>) {
    let below = |step: String| [at, &[step]].concat();
    match value {
        Value::String(_) => found.push(at.to_vec()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| leaves(item, &below(index.to_string()), found)),
        Value::Object(table) => {
            table.iter().for_each(|(key, item)| leaves(item, &below(key.clone()), found));
        }
        _ => {}
    }
}

/// `listeners.*.listen`: with `*` for a name that the user chooses and for an index, as the schema has it.
pub(super) fn pattern(leaf: &Leaf) -> String {
    let chosen = |index: usize| match (leaf[0].as_str(), index) {
        ("listeners" | "environment", 1) => true,
        ("health", 2) => leaf[1] == "at",
        ("proxy", 2) => ["to", "environment"].contains(&leaf[1].as_str()),
        _ => false,
    };
    let steps = leaf.iter().enumerate();
    let steps = steps.map(|(index, step)| match chosen(index) || step.parse::<usize>().is_ok() {
        true => "*",
        false => step,
    });
    steps.collect::<Vec<_>>().join(".")
}

pub(super) fn with(manifest: &Value, leaf: &Leaf, text: &str) -> Value {
    let mut changed = manifest.clone();
    let place = leaf.iter().fold(&mut changed, |value, step| match value {
        Value::Array(items) => &mut items[step.parse::<usize>().expect("an index")],
        table => &mut table[step],
    });
    *place = json!(text);
    changed
}

/// TOML in which every table is inline. A string of JSON is one of TOML, but for one character.
fn toml(value: &Value) -> String {
    let text = |text: &str| json!(text).to_string().replace('\x7f', "\\u007f");
    match value {
        Value::Object(table) => {
            let pairs: Vec<_> = table
                .iter()
                .map(|(key, value)| format!("{} = {}", text(key), toml(value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", "))
        }
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

pub(super) fn document(manifest: &Value) -> String {
    let table = manifest.as_object().expect("a manifest is a table");
    table.iter().map(|(key, value)| format!("{key} = {}\n", toml(value))).collect()
}
