//! `LISTEN_FDS`, `LISTEN_PID`, `LISTEN_PIDFDID` and `LISTEN_FDNAMES`, one a line:
//! `cargo +nightly fuzz run vars -- -dict=fuzz/vars.dict -max_total_time=120`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(4, '\n');
    let mut next = || lines.next();
    let (fds, pid) = (next().unwrap_or(""), next().unwrap_or(""));
    let pidfdid = next().filter(|line| !line.is_empty());
    sockact::fuzz_vars(fds, pid, pidfdid, next());
});
