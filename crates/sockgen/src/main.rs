//! sockgen
fn main() {}
