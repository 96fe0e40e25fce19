//! A measurement that fails says so, and the others go on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::Result;

/// Does it; what stopped it, as text, else.
///
/// # Errors
/// When it fails or panics: what is for tests panics with all that is known about why.
pub fn attempt<T>(work: impl FnOnce() -> Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| format!("{error:#}")),
        Err(panic) => Err(words(panic.as_ref())),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").to_owned()
}

#[cfg(test)]
mod tests {
    use super::attempt;

    #[test]
    fn an_error_and_a_panic_are_both_told() {
        assert_eq!(attempt(|| Ok(1)), Ok(1));
        assert_eq!(attempt(|| -> anyhow::Result<()> { anyhow::bail!("no") }), Err("no".into()));
        assert_eq!(attempt(|| -> anyhow::Result<()> { panic!("{}", "why") }), Err("why".into()));
    }
}
