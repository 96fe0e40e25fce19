//! The application that is deployed, and what `sockctl prove` saw of it.

use anyhow::{Context as _, Result};
use e2e::shop::Shop;
use serde_json::Value;
use sockprove::prove::proof::Proof;

/// A release is live as soon as it is well: what is looked at is the work, not the waiting.
const AT_ONCE: &str = "[start]\ntimeout = \"30s\"\n[health]\npath = \"/health\"\ninterval = \"50ms\"\n\
                       [swap]\nstable = \"0s\"\nwatch = \"0s\"\ndrain = \"2s\"\n";

/// On a machine of its own, with a release live.
pub(crate) fn shop() -> Shop {
    let shop = Shop::enabled_with(AT_ONCE);
    shop.deploy(&shop.release("v1", None)).ok();
    shop
}

/// What `sockctl prove` saw under this load, in which nothing failed.
pub(crate) fn prove(shop: &Shop, deploys: usize, words: &[&str]) -> Result<Proof> {
    let deploys = deploys.to_string();
    let fixed = ["sockctl", "--json", "prove", "shop", "--duration", "1s", "--deploys", &deploys];
    let output = shop.sandbox.run(fixed.iter().chain(words));
    let lines = output.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut end = lines.into_iter().find(|event| event["event"] == "end").context("no end")?;
    let proof: Proof = serde_json::from_value(end["proof"].take())?;
    anyhow::ensure!(proof.failed == 0, "{:?}", proof.reasons);
    Ok(proof)
}
