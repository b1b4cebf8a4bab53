//! The address plan: *address is identity*.
//!
//! The network has an IPv6 prefix of /32 or shorter. Participant number n owns
//! the /56 whose bits 32..56 are n; a site takes one of its 256 /64s. Number 0
//! is the network's own: centers, gateways, base services.

use crate::number::ParticipantNumber;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// The IPv6 prefix of the whole network, /32 or shorter (at least /16). The
/// bits between its length and 32 are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct NetworkPrefix {
    bits: u128,
    len: u8,
}

/// Which of the participant's 256 /64s a site has.
pub type SiteIndex = u8;

/// Why a text is not the prefix of a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not written as `address/length`.
    #[error("{0:?} is not an IPv6 prefix; write it as 2001:db8::/32")]
    Syntax(String),
    /// A length that leaves no room for the 24-bit number, or is no allocation.
    #[error(
        "a network prefix is /16 to /32, so that a participant number fits behind it; this one is /{0}"
    )]
    Length(u8),
    /// Bits set behind the prefix length.
    #[error("the prefix has bits set behind its length /{0}; they must be zero")]
    HostBits(u8),
}

impl NetworkPrefix {
    /// A network prefix.
    ///
    /// # Errors
    /// When the length is not 16..=32 or when bits behind it are set.
    pub fn new(address: Ipv6Addr, len: u8) -> Result<Self, PrefixError> {
        if !(16..=32).contains(&len) {
            return Err(PrefixError::Length(len));
        }
        let bits = u128::from(address);
        if bits & (u128::MAX >> len) != 0 {
            return Err(PrefixError::HostBits(len));
        }
        Ok(Self { bits, len })
    }

    /// The prefix as an address, host bits zero.
    #[must_use]
    pub fn address(self) -> Ipv6Addr {
        Ipv6Addr::from(self.bits)
    }

    /// The prefix length, 16..=32.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.len
    }

    /// Is the address inside the plan? Bits between a shorter network prefix
    /// and bit 32 must be zero: the plan gives out no other addresses.
    #[must_use]
    pub fn contains(self, address: Ipv6Addr) -> bool {
        u128::from(address) >> 96 == self.bits >> 96
    }

    /// The /56 of a participant, host bits zero.
    #[must_use]
    pub fn participant(self, number: ParticipantNumber) -> Ipv6Addr {
        Ipv6Addr::from(self.bits | (u128::from(number.get()) << 72))
    }

    /// The /64 of one site of a participant.
    #[must_use]
    pub fn site(self, number: ParticipantNumber, site: SiteIndex) -> SitePrefix {
        SitePrefix(u128::from(self.participant(number)) | (u128::from(site) << 64))
    }

    /// The /40 of a whole block: what a gateway announces for its home numbers.
    #[must_use]
    pub fn block(self, block: u8) -> Ipv6Addr {
        Ipv6Addr::from(self.bits | (u128::from(block) << 88))
    }

    /// An address of the network's own /56 (number 0), by its low 72 bits.
    #[must_use]
    pub fn infrastructure(self, subnet: u8, host: u64) -> Ipv6Addr {
        Ipv6Addr::from(self.bits | (u128::from(subnet) << 64) | u128::from(host))
    }

    /// The number that owns this address: `None` outside the network,
    /// `Some(None)` for the network's own.
    #[must_use]
    pub fn owner(self, address: Ipv6Addr) -> Option<Option<ParticipantNumber>> {
        if !self.contains(address) {
            return None;
        }
        let number = (u128::from(address) >> 72) as u32 & ParticipantNumber::MAX;
        Some(ParticipantNumber::new(number).ok())
    }
}

impl std::str::FromStr for NetworkPrefix {
    type Err = PrefixError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || PrefixError::Syntax(text.chars().take(60).collect());
        let (address, len) = text.split_once('/').ok_or_else(bad)?;
        Self::new(
            address.parse().map_err(|_| bad())?,
            len.parse().map_err(|_| bad())?,
        )
    }
}

impl TryFrom<String> for NetworkPrefix {
    type Error = PrefixError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NetworkPrefix> for String {
    fn from(prefix: NetworkPrefix) -> Self {
        prefix.to_string()
    }
}

impl std::fmt::Display for NetworkPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address(), self.len)
    }
}

/// The /64 of one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SitePrefix(u128);

impl SitePrefix {
    /// The prefix as an address, host bits zero.
    #[must_use]
    pub fn address(self) -> Ipv6Addr {
        Ipv6Addr::from(self.0)
    }

    /// The upper 64 bits: what the datapath compares.
    #[must_use]
    pub fn upper(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// A host of the site by its lower 64 bits.
    #[must_use]
    pub fn host(self, host: u64) -> Ipv6Addr {
        Ipv6Addr::from(self.0 | u128::from(host))
    }

    /// Is the address one of this site's?
    #[must_use]
    pub fn contains(self, address: Ipv6Addr) -> bool {
        (u128::from(address) >> 64) as u64 == self.upper()
    }
}

impl std::fmt::Display for SitePrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/64", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_plan_reads_as_the_design_says() {
        let network: NetworkPrefix = "2001:db8::/32".parse().unwrap();
        let number = ParticipantNumber::new(0x01_0002).unwrap();
        assert_eq!(
            network.participant(number).to_string(),
            "2001:db8:100:200::"
        );
        assert_eq!(network.site(number, 3).to_string(), "2001:db8:100:203::/64");
        assert_eq!(network.block(1).to_string(), "2001:db8:100::");
        assert_eq!(
            network.owner("2001:db8:0:5::1".parse().unwrap()),
            Some(None)
        );
        assert_eq!(network.owner("2001:db9::1".parse().unwrap()), None);
    }

    #[test]
    fn a_prefix_that_leaves_no_room_for_numbers_is_refused() {
        assert_eq!(
            "2001:db8::/33".parse::<NetworkPrefix>(),
            Err(PrefixError::Length(33))
        );
        assert_eq!(
            "2001:db8:1::/32".parse::<NetworkPrefix>(),
            Err(PrefixError::HostBits(32))
        );
        assert!(matches!(
            "2001:db8::".parse::<NetworkPrefix>(),
            Err(PrefixError::Syntax(_))
        ));
    }

    proptest! {
        #[test]
        fn an_address_always_tells_its_owner(n in 1u32..=ParticipantNumber::MAX, site: u8, host: u64, short in 16u8..=32) {
            let base = u128::from("2001:db8::".parse::<Ipv6Addr>().unwrap()) & !(u128::MAX >> short);
            let network = NetworkPrefix::new(Ipv6Addr::from(base), short).unwrap();
            let number = ParticipantNumber::new(n).unwrap();
            let prefix = network.site(number, site);
            let address = prefix.host(host);
            prop_assert!(prefix.contains(address));
            prop_assert_eq!(network.owner(address), Some(Some(number)));
        }

        #[test]
        fn two_sites_never_share_an_address(a in 1u32..=ParticipantNumber::MAX, b in 1u32..=ParticipantNumber::MAX, sa: u8, sb: u8, host: u64) {
            prop_assume!((a, sa) != (b, sb));
            let network: NetworkPrefix = "2001:db8::/32".parse().unwrap();
            let one = network.site(ParticipantNumber::new(a).unwrap(), sa);
            let other = network.site(ParticipantNumber::new(b).unwrap(), sb);
            prop_assert!(!other.contains(one.host(host)));
        }
    }
}
