//! The flags of a canary.

use std::time::Duration;

use clap::{Args, ValueEnum};
use sockgen::{App, MOST_SHARES, Share, duration};

use crate::canary::Canary;
use crate::error::Error;
use crate::wish::refused;

/// How much of the connections a new release gets before it gets all.
#[derive(Debug, Args)]
pub(super) struct CanaryArgs {
    /// Give it these shares of the connections first, one after the other: 10%,50%
    ///
    /// Instead of the manifest's `swap.canary`. The old release has the others. When the new one turns sick or dies it is withdrawn.
    #[arg(long, value_name = "SHARE", value_delimiter = ',')]
    canary: Vec<Share>,
    /// Watch it for so long at each share, instead of `swap.hold`
    #[arg(long, value_name = "TIME", value_parser = duration)]
    hold: Option<Duration>,
    /// Give it all connections at once, whatever the manifest says
    #[arg(long, conflicts_with_all = ["canary", "hold", "until"])]
    no_canary: bool,
    /// Leave it a canary after each hold, until `sockctl promote` or `abort`
    #[arg(long, value_name = "STEP")]
    until: Option<Until>,
}

/// Where a deploy stops to wait for a person.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Until {
    /// At each share of the canary.
    Canary,
}

impl CanaryArgs {
    /// What the flags say, or else the manifest.
    pub(super) fn of(self, app: &App) -> Result<Option<Canary>, Error> {
        let from_manifest = &app.swap().canary;
        let stay = self.until.is_some();
        if !app.gated() && (stay || self.hold.is_some() || !self.canary.is_empty()) {
            return Err(refused(
                "without a gate a slot cannot be given a share of the connections".into(),
                "leave --canary, --hold and --until out, or build the program on sockact".into(),
            ));
        }
        let shares = match self.canary {
            _ if self.no_canary => Vec::new(),
            shares if shares.is_empty() => from_manifest.shares.clone(),
            shares => shares,
        };
        if !shares.is_sorted_by(|a, b| a < b) {
            return Err(refused(
                "the shares of a canary must rise".into(),
                "such as --canary 10%,50%".into(),
            ));
        }
        if shares.len() > MOST_SHARES {
            return Err(refused(
                format!("{} shares of a canary are more than {MOST_SHARES}", shares.len()),
                "such as --canary 10%,50%".into(),
            ));
        }
        if (stay || self.hold.is_some()) && shares.is_empty() {
            return Err(refused(
                "no share is given for a canary".into(),
                "add --canary 10%, or `canary = [0.1]` under [swap] in the manifest".into(),
            ));
        }
        let hold = self.hold.unwrap_or(from_manifest.hold);
        Ok((!shares.is_empty()).then_some(Canary { shares, hold, promoted: None, stay }))
    }
}
