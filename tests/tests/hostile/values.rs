//! The texts that are tried in the place of each string of each manifest.

use std::collections::BTreeSet;
use std::time::SystemTime;

use e2e::ODD;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Strings of what is nasty and of anything.
pub(super) fn random() -> Vec<String> {
    let seed = std::env::var("HOSTILE_SEED").ok().map(|text| text.parse().expect("a number"));
    let now = || SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let seed: u64 = seed.unwrap_or_else(now);
    println!("HOSTILE_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let word =
        prop_oneof![prop::sample::select(ODD.to_vec()).prop_map(str::to_owned), any::<String>()];
    let text = prop::collection::vec(word, 1..4).prop_map(|words| words.concat());
    (0..30).map(|_| text.new_tree(&mut runner).expect("no filter").current()).collect()
}

/// The hostile forms of a value.
pub(super) fn forms(given: &str, random: &[String]) -> BTreeSet<String> {
    let words = ODD.iter().copied().chain(random.iter().map(String::as_str));
    let mut forms: BTreeSet<String> = words
        .flat_map(|word| [word.into(), format!("{given}{word}"), format!("{word}{given}")])
        .collect();
    forms.insert("x".repeat(1 << 20));
    forms.insert(format!("{given}{}", "%".repeat(20_000)));
    forms
}
