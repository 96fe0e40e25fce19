//! What a slot may use of the machine: systemd.resource-control(5), and systemd.exec(5), "Process Properties" and "Scheduling".

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::shown::shown;
use crate::size::Size;

/// Limits and shares of each slot. What is not set is as systemd has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    /// `MemoryHigh=`
    pub memory_high: Option<Memory>,
    /// `MemoryMax=`
    pub memory_max: Option<Memory>,
    /// `MemorySwapMax=`
    pub memory_swap_max: Option<Memory>,
    /// `CPUQuota=`
    pub cpu_quota: Option<Bandwidth>,
    /// `CPUWeight=`
    pub cpu_weight: Option<u16>,
    /// `IOWeight=`
    pub io_weight: Option<u16>,
    /// `TasksMax=`
    pub tasks_max: Option<Tasks>,
    /// `LimitNOFILE=`
    pub open_files: u32,
    /// `Nice=`
    pub nice: Option<i8>,
    /// `OOMScoreAdjust=`
    pub oom_score: Option<i16>,
}

impl Resources {
    /// The directives, without that of [`Resources::open_files`], which every slot has.
    #[must_use]
    pub fn directives(&self) -> Vec<(&'static str, String)> {
        let text = |value: Option<&dyn ToString>| value.map(ToString::to_string);
        let all = [
            ("MemoryHigh", text(self.memory_high.as_ref().map(|v| v as _))),
            ("MemoryMax", text(self.memory_max.as_ref().map(|v| v as _))),
            ("MemorySwapMax", text(self.memory_swap_max.as_ref().map(|v| v as _))),
            ("CPUQuota", text(self.cpu_quota.as_ref().map(|v| v as _))),
            ("CPUWeight", text(self.cpu_weight.as_ref().map(|v| v as _))),
            ("IOWeight", text(self.io_weight.as_ref().map(|v| v as _))),
            ("TasksMax", text(self.tasks_max.as_ref().map(|v| v as _))),
            ("Nice", text(self.nice.as_ref().map(|v| v as _))),
            ("OOMScoreAdjust", text(self.oom_score.as_ref().map(|v| v as _))),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }
}

/// A part of the whole, in whole percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

impl Percent {
    fn parse(text: &str, most: u32) -> Option<Self> {
        let digits = text.strip_suffix('%')?.trim_end();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok().filter(|percent| (1..=most).contains(percent)).map(Self)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// An amount of memory: `"512MiB"`, or `"20%"` of what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Bytes.
    Bytes(u64),
    /// Of the memory that is installed.
    Percent(Percent),
}

/// Two of one kind; what a machine has is not known here.
impl PartialOrd for Memory {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bytes(one), Self::Bytes(other)) => one.partial_cmp(other),
            (Self::Percent(one), Self::Percent(other)) => one.partial_cmp(other),
            _ => None,
        }
    }
}

/// As systemd takes it: its suffixes are powers of 1024.
impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => percent.fmt(f),
            Self::Bytes(bytes) => {
                let units = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];
                let even =
                    units.into_iter().find(|(_, shift)| *bytes > 0 && bytes % (1 << shift) == 0);
                let (unit, shift) = even.unwrap_or(("", 0));
                write!(f, "{}{unit}", bytes >> shift)
            }
        }
    }
}

impl FromStr for Memory {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "0" {
            return Ok(Self::Bytes(0));
        }
        Percent::parse(text, 100)
            .map(Self::Percent)
            .or_else(|| Size::parse(text).map(|size| Self::Bytes(size.0)))
            .ok_or_else(|| format!("{} is not an amount of memory", shown(text)))
    }
}

/// Processor time: `"150%"` is one processor and half of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth(Percent);

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// More processors than a machine has.
const MOST_BANDWIDTH: u32 = 1_000_000;

impl FromStr for Bandwidth {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let percent = Percent::parse(text, MOST_BANDWIDTH);
        percent.map(Self).ok_or_else(|| format!("{} is not a part of a processor", shown(text)))
    }
}

/// Processes and threads: `200`, or `"10%"` of what the machine takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// So many.
    Count(u32),
    /// Of the most that the kernel takes.
    Percent(Percent),
}

impl fmt::Display for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => percent.fmt(f),
        }
    }
}

impl FromStr for Tasks {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let count = || text.parse().ok().filter(|count| *count > 0).map(Self::Count);
        Percent::parse(text, 100)
            .map(Self::Percent)
            .or_else(count)
            .ok_or_else(|| format!("{} is not a number of processes", shown(text)))
    }
}

macro_rules! from_text {
    ($type:ident, $expected:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                        number.to_string().parse().map_err(E::custom)
                    }
                }

                deserializer.deserialize_any(Text)
            }
        }
    };
}

from_text!(Memory, "an amount of memory, such as \"512MiB\" or \"20%\"");
from_text!(Bandwidth, "a part of a processor, such as \"150%\"");
from_text!(Tasks, "a number of processes, such as 200 or \"10%\"");

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr + ToString>(given: &str, shown: Option<&str>) {
        let found = given.parse::<T>().ok().map(|value| value.to_string());
        assert_eq!(found.as_deref(), shown, "{given}");
    }

    #[test]
    fn amounts_as_systemd_takes_them() {
        check::<Memory>("512MiB", Some("512M"));
        check::<Memory>("1024MiB", Some("1G"));
        check::<Memory>("1536 KiB", Some("1536K"));
        check::<Memory>("20%", Some("20%"));
        check::<Memory>("0", Some("0"));
        check::<Bandwidth>("150%", Some("150%"));
        check::<Tasks>("200", Some("200"));
        check::<Tasks>("10%", Some("10%"));
        for none in ["", "5", "1.5GiB", "-1%", "0%", "101%", "+5%", "512M", "infinity", "%"] {
            check::<Memory>(none, None);
        }
        for none in ["", "1", "0%", "1.5%", "1000001%"] {
            check::<Bandwidth>(none, None);
        }
        for none in ["", "0", "-1", "0%", "101%", "many"] {
            check::<Tasks>(none, None);
        }
    }
}
