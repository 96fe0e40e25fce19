//! The published JSON Schema says what the parser does: its file is up to date, every manifest of the tests that is valid satisfies it, and every
//! key that it names stands in one of them. `UPDATE=1 cargo test -p sockgen --test schema` writes the file anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sockgen::schema;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every valid manifest of the tests, and that of the example.
fn valid() -> Vec<PathBuf> {
    let cases = fs::read_dir(root().join("tests/cases")).unwrap();
    let mut paths: Vec<_> = cases.map(|case| case.unwrap().path().join("sockact.toml")).collect();
    paths.push(root().join("../../units/sockact.toml"));
    paths.sort();
    paths
}

#[test]
fn its_file_is_up_to_date() {
    let path = root().join("sockact.schema.json");
    let text = format!("{:#}\n", schema());
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), text, "UPDATE=1 writes it anew");
}

#[test]
fn what_the_parser_takes_satisfies_it() {
    let validator = jsonschema::draft7::new(&schema()).expect("a schema of draft 7");
    for path in valid() {
        let found: Vec<_> = validator
            .iter_errors(&manifest(&path))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(found.is_empty(), "{}: {found:#?}", path.display());
    }
}

#[test]
fn unknown_keys_and_malformed_values_break_it() {
    let validator = jsonschema::draft7::new(&schema()).expect("a schema of draft 7");
    let broken = ["unknown-key", "unknown-key-in-table", "unknown-table", "unknown-and-far"]
        .into_iter()
        .chain(["duration-no-unit", "duration-number", "size-no-unit", "size-number", "mode-bad"])
        .chain(["name-upper", "name-dashes", "name-long", "listener-reserved", "no-listen"])
        .chain(["ready-word", "backlog-negative", "canary-all", "environment-number"])
        .chain(["hardening-level", "hardening-unknown", "hardening-word", "hardening-family"]);
    for name in broken {
        let path = root().join("tests/errors").join(name).with_extension("toml");
        assert!(!validator.is_valid(&manifest(&path)), "{} satisfies it", path.display());
    }
}

/// `listeners.*.listen`: the keys of all tables, with `*` for a name that the user chooses.
fn keys_of_schema(schema: &Value, path: &str, keys: &mut BTreeSet<String>) {
    for branch in ["anyOf", "oneOf", "allOf"].iter().filter_map(|word| schema[word].as_array()) {
        branch.iter().for_each(|schema| keys_of_schema(schema, path, keys));
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}{key}");
        keys_of_schema(below, &format!("{path}."), keys);
        keys.insert(path);
    }
    let any = schema["patternProperties"].as_object().into_iter().flatten().map(|(_, below)| below);
    for below in any
        .chain(schema["additionalProperties"].as_object().map(|_| &schema["additionalProperties"]))
    {
        keys_of_schema(below, &format!("{path}*."), keys);
    }
}

/// Whether the manifest says something for this key.
fn has(value: &Value, key: &str) -> bool {
    match key.split_once('.') {
        Some(("*", rest)) => {
            value.as_object().into_iter().flatten().any(|(_, below)| has(below, rest))
        }
        Some((first, rest)) => value.get(first).is_some_and(|below| has(below, rest)),
        None => value.get(key).is_some(),
    }
}

#[test]
fn every_key_stands_in_a_case() {
    let mut keys = BTreeSet::new();
    keys_of_schema(&schema(), "", &mut keys);
    assert!(keys.contains("listeners.*.listen") && keys.contains("swap.drain"), "{keys:#?}");
    let manifests: Vec<_> = valid().iter().map(|path| manifest(path)).collect();
    let lacking: Vec<_> =
        keys.iter().filter(|key| !manifests.iter().any(|manifest| has(manifest, key))).collect();
    assert!(lacking.is_empty(), "no case of tests/cases has {lacking:#?}");
}

#[test]
fn every_key_says_what_it_is() {
    fn look(schema: &Value, path: &str) {
        for (key, below) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            assert!(below["description"].is_string(), "{path} has no description");
            look(below, &path);
        }
        for (_, below) in schema["patternProperties"].as_object().into_iter().flatten() {
            look(below, path);
        }
    }
    look(&schema(), "");
}
