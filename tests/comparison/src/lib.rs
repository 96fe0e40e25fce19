//! A deploy beside what one would pick instead, on the same application and load: `tests/bench`.

pub mod attempt;
pub mod beside;
pub mod deployed;
pub mod hardening;
pub mod host;
pub mod load;
pub mod lost;
pub mod machine;
pub mod many;
pub mod plot;
pub mod report;
pub mod rival;
pub mod round;
pub mod sample;
pub mod summary;
pub mod table;
pub mod tools;
