//! Some of the faults, others each time: `tests/faults` has them all.

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::faults::{cases, sample};

const AT_A_TIME: usize = 8;

#[test]
fn a_sample_of_the_faults() {
    assert!(cases().len() >= 150, "{} cases", cases().len());
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    println!("again: tests/faults {AT_A_TIME} {seed}");
    for case in sample(seed, AT_A_TIME) {
        println!("{}", case.run());
    }
}
