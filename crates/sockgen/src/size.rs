//! Sizes as people write them: `"500MiB"`, `"4GiB"`.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::shown::shown;

const UNITS: [(&str, u32); 4] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];

/// Bytes: a string with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl Size {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (unit, shift) = UNITS.iter().find(|(unit, _)| text.ends_with(unit))?;
        let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
        number.checked_mul(1 << shift).filter(|bytes| *bytes > 0).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size with its unit, such as \"500MiB\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                Size::parse(text).ok_or_else(|| E::custom(format!("{} is not a size", shown(text))))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(Size::parse("500MiB"), Some(Size(500 << 20)));
        assert_eq!(Size::parse("4 GiB"), Some(Size(4 << 30)));
        for wrong in ["", "4", "4GB", "-1MiB", "0MiB", "1.5GiB", "99999999999TiB"] {
            assert_eq!(Size::parse(wrong), None, "{wrong}");
        }
    }
}
