//! Token buckets per peer, in a bounded table. The clock is handed in.
//!
//! The key is the /64 of an IPv6 address: whoever has one address of a /64 has
//! them all. When the table is full of buckets in use, newcomers share one
//! bucket: the table never grows, and nobody gets in free.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// Peers that have a bucket of their own.
const PEERS_MAX: usize = 16_384;

/// Tokens are counted in thousandths, so that a slow refill loses nothing.
const WHOLE: u64 = 1_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    thousandths: u64,
    at_ms: u64,
}

/// A rate per peer.
#[derive(Debug)]
pub(crate) struct Rates {
    burst: u64,
    per_s: u64,
    peers: BTreeMap<u64, Bucket>,
    others: Bucket,
    swept_at_ms: u64,
}

impl Rates {
    /// `burst` at once, `per_s` in the long run; both from 1.
    pub(crate) fn new(burst: u32, per_s: u32) -> Self {
        let burst = u64::from(burst.max(1)) * WHOLE;
        Self {
            burst,
            per_s: u64::from(per_s.max(1)),
            peers: BTreeMap::new(),
            others: Bucket {
                thousandths: burst,
                at_ms: 0,
            },
            swept_at_ms: 0,
        }
    }

    /// May this peer do one thing more? Otherwise: after how many seconds.
    pub(crate) fn take(&mut self, peer: IpAddr, now_ms: u64) -> Result<(), u32> {
        let (burst, per_s) = (self.burst, self.per_s);
        let key = key_of(peer);
        if !self.peers.contains_key(&key) && self.peers.len() >= PEERS_MAX {
            self.sweep(now_ms);
        }
        let full = self.peers.len() >= PEERS_MAX;
        let bucket = if full && !self.peers.contains_key(&key) {
            &mut self.others
        } else {
            self.peers.entry(key).or_insert(Bucket {
                thousandths: burst,
                at_ms: now_ms,
            })
        };
        refill(bucket, burst, per_s, now_ms);
        if let Some(rest) = bucket.thousandths.checked_sub(WHOLE) {
            bucket.thousandths = rest;
            Ok(())
        } else {
            // One thousandth arrives per millisecond and unit of rate.
            let wait_ms = (WHOLE - bucket.thousandths).div_ceil(per_s);
            Err(u32::try_from(wait_ms.div_ceil(1_000))
                .unwrap_or(u32::MAX)
                .max(1))
        }
    }

    /// Forgets peers whose bucket is full again: they lose nothing by it.
    fn sweep(&mut self, now_ms: u64) {
        // At most once a second: a sweep looks at the whole table.
        if now_ms < self.swept_at_ms.saturating_add(1_000) && self.swept_at_ms != 0 {
            return;
        }
        self.swept_at_ms = now_ms;
        let (burst, per_s) = (self.burst, self.per_s);
        self.peers.retain(|_, bucket| {
            refill(bucket, burst, per_s, now_ms);
            bucket.thousandths < burst
        });
    }
}

fn refill(bucket: &mut Bucket, burst: u64, per_s: u64, now_ms: u64) {
    // A clock that went back gives nothing and takes nothing.
    let passed_ms = now_ms.saturating_sub(bucket.at_ms);
    bucket.thousandths = bucket
        .thousandths
        .saturating_add(passed_ms.saturating_mul(per_s))
        .min(burst);
    bucket.at_ms = now_ms;
}

fn key_of(peer: IpAddr) -> u64 {
    iryonet_people::Place::of(peer).key()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv6Addr;

    fn peer(upper: u64, host: u64) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from(
            u128::from(0x2001_0db8_0000_0000 | upper) << 64 | u128::from(host),
        ))
    }

    #[test]
    fn addresses_of_one_64_share_a_rate_and_others_do_not() {
        let mut rates = Rates::new(3, 1);
        for host in 0..3 {
            assert_eq!(rates.take(peer(1, host), 0), Ok(()));
        }
        assert_eq!(rates.take(peer(1, 99), 0), Err(1));
        assert_eq!(rates.take(peer(2, 0), 0), Ok(()));
        // A token a second comes back, and never more than the burst.
        assert_eq!(rates.take(peer(1, 0), 999), Err(1));
        assert_eq!(rates.take(peer(1, 0), 1_000), Ok(()));
        for _ in 0..3 {
            assert_eq!(rates.take(peer(1, 0), 1_000_000), Ok(()));
        }
        assert!(rates.take(peer(1, 0), 1_000_000).is_err());
    }

    #[test]
    fn a_crowd_of_peers_neither_fills_memory_nor_gets_in_free() {
        let mut rates = Rates::new(2, 1);
        let mut passed = 0;
        for n in 0..(PEERS_MAX as u64 + 1_000) {
            passed += usize::from(rates.take(peer(n, 0), 5).is_ok());
        }
        assert!(rates.peers.len() <= PEERS_MAX);
        assert_eq!(passed, PEERS_MAX + 2);
        // Once their buckets are full again, they are forgotten.
        assert_eq!(rates.take(peer(1 << 20, 0), 60_000), Ok(()));
        assert_eq!(rates.peers.len(), 1);
    }

    #[test]
    fn a_clock_that_went_back_opens_nothing() {
        let mut rates = Rates::new(1, 1);
        assert_eq!(rates.take(peer(1, 0), 10_000), Ok(()));
        assert!(rates.take(peer(1, 0), 0).is_err());
        assert!(rates.take(peer(1, 0), 999).is_err());
        assert_eq!(rates.take(peer(1, 0), 1_000), Ok(()));
    }
}
