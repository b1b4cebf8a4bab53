//! As much of CBOR (RFC 8949) as authenticators write (CTAP2 canonical form):
//! items of definite length, maps and arrays of them. Nothing nests deeper than
//! it needs to, and what is cut short or left over is an error.

/// Deepest nesting: an attestation holds a map of arrays of octets.
const DEPTH_MAX: u8 = 6;

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// Positive or negative.
    Integer(i128),
    /// Octets.
    Octets(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// A list.
    Array(Vec<Item<'a>>),
    /// Names and values, in their order.
    Map(Vec<(Item<'a>, Item<'a>)>),
    /// True, false, null and the like.
    Simple,
}

impl<'a> Item<'a> {
    /// The first item, and what follows it.
    pub(super) fn first(octets: &'a [u8]) -> Option<(Self, &'a [u8])> {
        Self::read(octets, DEPTH_MAX)
    }

    fn read(octets: &'a [u8], depth: u8) -> Option<(Self, &'a [u8])> {
        let (head, rest) = octets.split_first()?;
        let (value, rest) = argument(head & 31, rest)?;
        Some(match head >> 5 {
            0 => (Self::Integer(i128::from(value)), rest),
            1 => (Self::Integer(-1 - i128::from(value)), rest),
            2 => {
                let (own, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
                (Self::Octets(own), rest)
            }
            3 => {
                let (own, rest) = rest.split_at_checked(usize::try_from(value).ok()?)?;
                (Self::Text(std::str::from_utf8(own).ok()?), rest)
            }
            4 => {
                let (mut items, mut rest) = (Vec::new(), rest);
                for _ in 0..value {
                    let (item, after) = Self::read(rest, depth.checked_sub(1)?)?;
                    items.push(item);
                    rest = after;
                }
                (Self::Array(items), rest)
            }
            5 => {
                let (mut items, mut rest) = (Vec::new(), rest);
                for _ in 0..value {
                    let (name, after) = Self::read(rest, depth.checked_sub(1)?)?;
                    let (item, after) = Self::read(after, depth.checked_sub(1)?)?;
                    // Twice under one name: which one counts is nobody's guess.
                    if items.iter().any(|(other, _)| *other == name) {
                        return None;
                    }
                    items.push((name, item));
                    rest = after;
                }
                (Self::Map(items), rest)
            }
            7 => (Self::Simple, rest),
            _ => return None,
        })
    }

    /// What stands in a map under this name.
    pub(super) fn get(&self, name: &Item<'_>) -> Option<&Self> {
        match self {
            Self::Map(items) => items
                .iter()
                .find(|(found, _)| found == name)
                .map(|(_, item)| item),
            _ => None,
        }
    }

    /// The octets under this number.
    pub(super) fn octets_at(&self, name: i128) -> Option<&'a [u8]> {
        match self.get(&Item::Integer(name))? {
            Self::Octets(octets) => Some(octets),
            _ => None,
        }
    }

    /// The number under this number.
    pub(super) fn number_at(&self, name: i128) -> Option<i128> {
        match self.get(&Item::Integer(name))? {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

fn argument(short: u8, rest: &[u8]) -> Option<(u64, &[u8])> {
    let length = match short {
        0..=23 => return Some((u64::from(short), rest)),
        24 => 1,
        25 => 2,
        26 => 4,
        27 => 8,
        // Of no definite length, or reserved.
        _ => return None,
    };
    let (own, rest) = rest.split_at_checked(length)?;
    let value = own
        .iter()
        .fold(0_u64, |value, octet| value << 8 | u64::from(*octet));
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Option<Item<'static>> {
        let octets: &'static [u8] = data_encoding::HEXLOWER
            .decode(text.as_bytes())
            .unwrap()
            .leak();
        Item::first(octets)
            .filter(|(_, rest)| rest.is_empty())
            .map(|(item, _)| item)
    }

    #[test]
    fn the_rfcs_own_examples_are_read() {
        // RFC 8949, appendix A.
        assert_eq!(all("1903e8"), Some(Item::Integer(1_000)));
        assert_eq!(all("3863"), Some(Item::Integer(-100)));
        assert_eq!(all("4401020304"), Some(Item::Octets(&[1, 2, 3, 4])));
        assert_eq!(all("6449455446"), Some(Item::Text("IETF")));
        let map = all("a201020304").unwrap();
        assert_eq!(map.number_at(1), Some(2));
        assert_eq!(map.number_at(3), Some(4));
        assert_eq!(map.number_at(2), None);
        assert_eq!(all("f5"), Some(Item::Simple));
    }

    #[test]
    fn what_is_cut_short_endless_deep_or_double_is_nothing() {
        for bad in [
            "",
            "19",
            "1903",
            "44010203",
            "a20102",
            "5f42010243030405ff",
            "9f01ff",
            "1c",
            "a201020103",
            "62c328",
            "8181818181818101",
            "9bffffffffffffffff",
            "c100",
        ] {
            assert_eq!(all(bad), None, "{bad}");
        }
    }
}
