//! What comes in on the admin socket; the first byte says in what pieces:
//! `cargo +nightly fuzz run admin -- -dict=fuzz/admin.dict -max_len=1024 -max_total_time=180`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sockact::fuzz_admin(input));
