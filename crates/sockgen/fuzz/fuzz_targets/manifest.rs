//! A manifest, of any text: `cargo +nightly fuzz run manifest -- -dict=fuzz/manifest.dict -max_len=4096 -max_total_time=180`.
#![no_main]

#[path = "../property.rs"]
mod property;

libfuzzer_sys::fuzz_target!(|text: &str| property::holds(text));
