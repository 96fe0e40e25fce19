//! The variables of the protocol, one a line:
//! `cargo +nightly fuzz run vars -- -dict=fuzz/vars.dict -max_total_time=180`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| sockact::fuzz_vars(text));
