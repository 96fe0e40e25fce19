//! The gate: which share of the connections this process accepts.
//!
//! - 0: none. The socket is not even watched.
//! - 1: all that no other process claims. Two open slots share as the kernel wakes them.
//! - Between 0 and 1: those that arrive in a [`Window`] of each period of CLOCK_MONOTONIC, which the
//!   process claims for itself (see [`claim`](super::claim)): an open slot stays out of it. So 0.1
//!   is a tenth of the connections beside a slot with 1 and beside one with 0.9. A connection that
//!   arrives in nobody's window waits in the backlog; a slot that is alone gets every one.

use super::window::Window;

/// A share of accepts and where in the period it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Setting {
    share: f64,
    from: Option<f64>,
}

/// When a setting lets connections in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Never,
    Always,
    Window(Window),
}

impl Setting {
    pub(crate) const OPEN: Setting = Setting { share: 1.0, from: None };
    pub(crate) const CLOSED: Setting = Setting { share: 0.0, from: None };

    /// `share` from 0 to 1. `from` is the part of the period at which the window begins, whoever
    /// else has it; by default see [`Window::usual`], and another place when that is taken.
    pub(crate) fn new(share: f64, from: Option<f64>) -> Option<Setting> {
        let sound = |part: f64| (0.0..=1.0).contains(&part);
        (sound(share) && from.is_none_or(sound)).then_some(Setting { share, from })
    }

    /// The share of accepts, 0 to 1.
    pub(crate) fn share(self) -> f64 {
        self.share
    }

    /// Whether the window must lie where it was asked for.
    pub(crate) fn insists(self) -> bool {
        self.from.is_some()
    }

    /// When connections are let in. A share is taken to the nearest millionth, but one that is not
    /// 0 or 1 is never rounded to it.
    pub(crate) fn turn(self) -> Turn {
        if self.share <= 0.0 {
            return Turn::Never;
        }
        let parts = |share: f64| (share * f64::from(Window::WHOLE)).round() as u32;
        let share = parts(self.share).clamp(1, Window::WHOLE - 1);
        let window = match self.from {
            None => Window::usual(share),
            Some(from) => Window::new(share, parts(from)),
        };
        window.filter(|_| self.share < 1.0).map_or(Turn::Always, Turn::Window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(share: f64, from: Option<f64>, expected: Option<Turn>) {
        assert_eq!(Setting::new(share, from).map(Setting::turn), expected);
    }

    #[test]
    fn turns() {
        let window = |parts, from| Window::new(parts, from).map(Turn::Window);
        check(0.0, None, Some(Turn::Never));
        check(1.0, None, Some(Turn::Always));
        check(1.0, Some(0.5), Some(Turn::Always));
        check(0.1, None, window(100_000, 0));
        check(0.9, None, window(900_000, 100_000));
        check(1.0 - 0.9, None, window(100_000, 0));
        check(0.5, Some(0.75), window(500_000, 750_000));
        check(0.5, Some(1.0), window(500_000, 0));
        check(1e-9, None, window(1, 0));
        check(1.0 - 1e-9, None, window(999_999, 1));
        check(1.1, None, None);
        check(-0.1, None, None);
        check(f64::NAN, None, None);
        check(0.5, Some(f64::INFINITY), None);
    }
}
