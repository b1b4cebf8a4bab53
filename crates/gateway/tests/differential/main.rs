//! The promise: what `explain` and the simulator say is what the kernel does.
//!
//! Millions of packets, policies and changes, the same ones to the programs in
//! the kernel (by test runs) and to the native world: the same verdict and the
//! same reason every time, and equal counters at the end. Time, conversations
//! and fragments run on from packet to packet in both. The native world is two
//! worlds besides, of which one never takes the short way through the verdict.
//!
//! Seeded: the seed is printed, and `IRYONET_DIFFERENTIAL_SEED` repeats a run.
//! `IRYONET_DIFFERENTIAL_PACKETS` sets how many (2,000,000 when unset).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops at the first surprise, and tells what it did"
)]

mod packets;
mod scenario;
mod twins;

use std::collections::BTreeMap;
use std::time::Instant;

use iryonet_gateway::datapath::{Config, Datapath};
use iryonet_verdict::{DenyReason, Hook};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use scenario::{Interfaces, Scenario};

/// Packets between two fresh gateways.
const ROUND_PACKETS: u64 = 50_000;

fn config() -> Config {
    Config {
        // Small enough that conversations are forgotten for want of room.
        flows_max: 256,
        participants_max: 64,
        grants_max: 256,
        endpoints_max: 256,
        lines_max: 16,
        ..Config::default()
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

#[test]
fn the_kernel_and_the_native_world_decide_alike() {
    if !nix::unistd::geteuid().is_root() {
        println!(
            "SKIPPED: comparing with the kernel needs root (CAP_BPF, CAP_NET_ADMIN); \
             nothing was compared"
        );
        return;
    }
    let total = number("IRYONET_DIFFERENTIAL_PACKETS", 2_000_000);
    let seed = number("IRYONET_DIFFERENTIAL_SEED", rand::random());
    println!("IRYONET_DIFFERENTIAL_SEED={seed} IRYONET_DIFFERENTIAL_PACKETS={total}");
    let interfaces = Interfaces::in_a_namespace_of_their_own();
    let started = Instant::now();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut seen: BTreeMap<(Hook, Option<DenyReason>), u64> = BTreeMap::new();
    let mut compared = 0;
    while compared < total {
        // With the same seed, even what a full table forgets is the same.
        let tables = [rng.random(), rng.random()];
        let datapath = Datapath::open_for_test(&config(), tables).expect("opening the datapath");
        let mut scenario = Scenario::new(datapath, &config(), tables, &interfaces, rng.random());
        for _ in 0..ROUND_PACKETS.min(total - compared) {
            let (hook, verdict) = scenario.step();
            *seen.entry((hook, verdict.err())).or_default() += 1;
            compared += 1;
        }
        scenario.counters_are_equal();
    }
    println!(
        "{compared} packets compared in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    for ((hook, reason), count) in &seen {
        println!(
            "{:>9}  {:<12} {}",
            count,
            hook.as_str(),
            reason.map_or("pass", |r| r.as_str())
        );
    }
    if total < 500_000 {
        return;
    }
    // A comparison that never gets past the first check would prove nothing.
    for hook in Hook::ALL {
        let passed = seen.get(&(hook, None)).copied().unwrap_or(0);
        assert!(
            passed * 50 > total / 3,
            "{hook:?}: only {passed} packets passed"
        );
    }
    for &reason in DenyReason::ALL {
        let count: u64 = seen
            .iter()
            .filter(|((_, r), _)| *r == Some(reason))
            .map(|(_, n)| n)
            .sum();
        let reachable = reason != DenyReason::TableUnavailable;
        assert!(count > 0 || !reachable, "no packet was refused as {reason}");
    }
}
