//! sockctl
fn main() {}
