//! What a decision costs, with a whole country's policy in the tables.
//!
//! **Kernel.** Programs run in the kernel by test runs, on a real socket buffer,
//! with no interface. Every figure is the mean of one batch of runs, timed by
//! the kernel itself, less the mean of the same batch with an *empty* tc program
//! measured just before it: batches alternate, and the median over all batches
//! is reported. `hot` repeats one packet. `many` goes through all packets in
//! random order, each of another participant, host and port: a program in front
//! (`bench_turn`) writes the next packet's addresses and ports into the buffer
//! and tail-calls the program under test, or the empty one, so that its own cost
//! cancels out. New conversations are the first pass over those packets, and
//! established ones the next pass over the same packets; so each run of the
//! program opens a conversation of its own, and nothing is reset in between.
//! `new_one_site` is the same with one institution opening them all, from ever
//! new hosts and ports: what remains is the decision and the table's own cost,
//! without the cache misses of looking up ever new participants. The figures of
//! `many` are the worst that can be: no packet has anything in common with those
//! before it, which no gateway's traffic is like.
//! `new_in_cache` is that in a table so small that the CPU's cache holds it, and
//! emptied before each batch: the decision by itself. `table_read` is what one
//! read at a random place of the whole table costs on this machine: a new
//! conversation writes there, which the CPU does not wait for as long as it can
//! remember what else is to be written meanwhile.
//! `new_evicting` opens conversations while the table is full, each at the
//! expense of the least recently used one.
//!
//! **Native.** The same verdict over the same policy in this process, one
//! thread, over one packet and over many.
//!
//! **Memory** is what the kernel charges for each map. **Cold load** is making
//! empty tables equal to a snapshot: the path of a gateway's first start.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Instant;

use aya::maps::{Array, MapData, ProgramArray};
use iryonet_verdict::address::site_prefix;
use iryonet_verdict::native::{NativeWorld, Setting};
use iryonet_verdict::{DenyReason, Hook, ParticipantState};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde::Serialize;
use thiserror::Error;

use crate::datapath::{Binding, Config, Datapath, DatapathError, Extras};

const NETWORK: u32 = 0x2001_0db8;
/// The loopback interface: test runs without an interface of their own.
const IFINDEX: u32 = 1;
const BATCH: u32 = 8192;
const HOT_BATCHES: usize = 101;
const SEED: u64 = 2026;
/// Services of the whole network, on as many endpoints of providers.
const SERVICES: u32 = 8192;
const PROVIDERS: u32 = 1024;
/// Conversations in the table that stays in the cache: twice what a batch opens,
/// 1.5 MiB.
const FLOWS_IN_CACHE: u32 = 2 * BATCH;
const TABLE_READS: u32 = 2_000_000;
const HOT_REPEAT: u32 = 20_000;

/// How large the measured network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Participants in the table.
    pub institutions: u32,
    /// Grants in the table.
    pub grants: u32,
    /// Size of the conversation table; as many are opened, and a quarter more.
    pub flows: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            institutions: 600_000,
            grants: 3_000_000,
            flows: 1 << 20,
        }
    }
}

/// What was measured. Times are nanoseconds per packet above an empty program.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Participants in the table.
    pub institutions: u32,
    /// Grants in the table.
    pub grants: u32,
    /// Size of the conversation table.
    pub flows: u32,
    /// Kernel memory of all maps but the conversations, bytes.
    pub policy_map_bytes: u64,
    /// Kernel memory of the conversations, bytes.
    pub flow_map_bytes: u64,
    /// Kernel memory by map, bytes.
    pub map_bytes: BTreeMap<String, u64>,
    /// Filling empty tables from a snapshot, milliseconds.
    pub cold_load_ms: u64,
    /// Comparing full tables with the same snapshot, milliseconds.
    pub reconcile_unchanged_ms: u64,
    /// An empty tc program, nanoseconds, nothing subtracted.
    pub empty_ns: f64,
    /// One established conversation, again and again.
    pub established_hot_ns: f64,
    /// Established conversations of as many participants as there are packets.
    pub established_many_ns: f64,
    /// Opening a conversation, all of one institution, in the same full tables.
    pub new_one_site_ns: f64,
    /// The same in a table of conversations so small that the cache holds it:
    /// what the decision costs by itself.
    pub new_in_cache_ns: f64,
    /// Reading one word of the conversations' entries at random, each place told
    /// by the word before: how long this machine's memory takes. From this
    /// process, through its mapping.
    pub table_read_ns: f64,
    /// Opening a conversation, each packet another participant's.
    pub new_many_ns: f64,
    /// Opening a conversation while the table is full.
    pub new_evicting_ns: f64,
    /// One refused packet (no agreement), again and again.
    pub denied_hot_ns: f64,
    /// Refused packets (no agreement) of many participants.
    pub denied_many_ns: f64,
    /// Native decisions a second on one core, one established conversation.
    pub native_hot_per_s: u64,
    /// Native decisions a second on one core, over all conversations.
    pub native_many_per_s: u64,
}

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The datapath failed.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// A size is out of range.
    #[error("{what} has to be {wanted}")]
    Options {
        /// The option.
        what: &'static str,
        /// What would be right.
        wanted: &'static str,
    },
    /// A measured packet was not treated as the measurement assumes.
    #[error("the packet for `{what}` was treated as {got:?}; the figures would mean nothing")]
    Packet {
        /// The measurement.
        what: &'static str,
        /// What the program said.
        got: Option<DenyReason>,
    },
    /// A map of the measuring programs could not be used.
    #[error("the measuring programs' maps")]
    Map(#[from] aya::maps::MapError),
}

/// A packet by what differs between packets.
#[derive(Debug, Clone, Copy)]
struct Conversation {
    source: u128,
    destination: u128,
    source_port: u16,
    destination_port: u16,
}

impl Conversation {
    /// A TCP segment with ACK, 100 bytes of data.
    fn frame(&self) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
        frame.extend([0x60, 0, 0, 0, 0, 120, 6, 64]);
        frame.extend(self.source.to_be_bytes());
        frame.extend(self.destination.to_be_bytes());
        frame.extend(self.source_port.to_be_bytes());
        frame.extend(self.destination_port.to_be_bytes());
        frame.extend([0; 8]);
        frame.extend([0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend([0; 100]);
        frame
    }

    /// The 36 bytes from the source address to the ports, and 4 more.
    fn words(&self) -> [u64; 5] {
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word.iter_mut()
                .zip(bytes)
                .for_each(|(to, from)| *to = *from);
            u64::from_ne_bytes(word)
        };
        let mut bytes = Vec::with_capacity(40);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(self.source_port.to_be_bytes());
        bytes.extend(self.destination_port.to_be_bytes());
        let mut words = [0; 5];
        words
            .iter_mut()
            .zip(bytes.chunks(8))
            .for_each(|(to, from)| *to = word(from));
        words
    }
}

/// The made-up country.
struct Country {
    institutions: u32,
    grants: Vec<(u32, u32)>,
}

impl Country {
    fn new(options: &Options, rng: &mut StdRng) -> Self {
        // Everybody has the first service, the one that packets are sent to,
        // and some of the others; a few have nothing, to be refused.
        let each = options.grants / options.institutions;
        let mut grants = Vec::with_capacity(options.grants as usize);
        for participant in 1..=options.institutions {
            let first = rng.random_range(1..SERVICES - each - 1);
            grants.extend((0..each).map(|i| (participant, if i == 0 { 0 } else { first + i })));
        }
        let mut missing = options.grants - u32::try_from(grants.len()).unwrap_or(u32::MAX);
        let mut participant = 1;
        while missing > 0 {
            grants.push((participant, SERVICES - 1));
            participant += 1;
            missing -= 1;
        }
        grants.shuffle(rng);
        Self {
            institutions: options.institutions,
            grants,
        }
    }

    fn participants(&self) -> impl Iterator<Item = (u32, ParticipantState, u32)> {
        (1..=self.institutions).map(|number| (number, ParticipantState::Live, 1))
    }

    /// Services live at providers, whose numbers are the last ones.
    fn endpoint(&self, service: u32) -> (u128, u16) {
        let provider = self.institutions - service % PROVIDERS;
        let host = u128::from(service / PROVIDERS + 1);
        (
            u128::from(site_prefix(NETWORK, provider, 0)) << 64 | host,
            443,
        )
    }
}

/// Measures. Needs root (CAP_BPF and CAP_NET_ADMIN), pins nothing and touches
/// no interface.
///
/// # Errors
/// When the kernel refuses, a size is out of range, or a packet is not treated
/// as expected.
pub fn run(options: &Options) -> Result<Report, BenchError> {
    check(options)?;
    let mut rng = StdRng::seed_from_u64(SEED);
    let country = Country::new(options, &mut rng);
    let packets = options.flows / BATCH * BATCH;
    let evicting = (packets / 4 / BATCH).max(1) * BATCH;
    let one_site = evicting;

    let config = Config {
        participants_max: options.institutions.max(16),
        grants_max: options.grants.max(16),
        flows_max: options.flows,
        ..Config::default()
    };
    let extras = Extras {
        bench_packets: packets + evicting + one_site,
        ..Extras::default()
    };
    let mut datapath = Datapath::open_private(&config, extras)?;
    let endpoints: Vec<(Ipv6Addr, u8, u16, u32)> = (0..SERVICES)
        .map(|service| {
            let (address, port) = country.endpoint(service);
            (address.into(), 6, port, service)
        })
        .collect();
    let started = Instant::now();
    datapath.reconcile(
        country.participants(),
        country.grants.iter().copied(),
        endpoints.iter().copied(),
    )?;
    let cold_load_ms = millis(started);
    let started = Instant::now();
    datapath.reconcile(
        country.participants(),
        country.grants.iter().copied(),
        endpoints.iter().copied(),
    )?;
    let reconcile_unchanged_ms = millis(started);

    // The line is the one of the provider of service 0.
    let (server, port) = country.endpoint(0);
    datapath.bind(
        IFINDEX,
        Binding {
            participant: country.institutions,
            prefix: (server >> 64) as u64,
            lease_expires_ns: u64::MAX,
        },
    )?;
    let conversations: Vec<Conversation> = {
        let mut order: Vec<u32> = (0..packets + evicting).collect();
        order.shuffle(&mut rng);
        order
            .into_iter()
            .map(|i| Conversation {
                source: u128::from(site_prefix(
                    NETWORK,
                    i % (country.institutions - PROVIDERS) + 1,
                    0,
                )) << 64
                    | u128::from(rng.random::<u64>()),
                destination: server,
                source_port: rng.random_range(1024..=u16::MAX),
                destination_port: port,
            })
            .collect()
    };
    let mut conversations = conversations;
    let institution = u128::from(site_prefix(NETWORK, 1, 0)) << 64;
    for _ in 0..one_site {
        conversations.push(Conversation {
            source: institution | u128::from(rng.random::<u64>()),
            destination: server,
            source_port: rng.random_range(1024..=u16::MAX),
            destination_port: port,
        });
    }
    let mut turn = Turn::open(&mut datapath, &conversations)?;

    let template = conversations
        .first()
        .map(Conversation::frame)
        .unwrap_or_default();
    let mut new_one_site = Vec::new();
    for start in (packets + evicting..packets + evicting + one_site).step_by(BATCH as usize) {
        new_one_site.push(turn.batch(&datapath, start, &template)?);
    }
    datapath.forget_flows()?;
    let mut new = Vec::new();
    let mut established = Vec::new();
    let mut new_evicting = Vec::new();
    let mut denied_many = Vec::new();
    for start in (0..packets).step_by(BATCH as usize) {
        new.push(turn.batch(&datapath, start, &template)?);
    }
    for start in (0..packets).step_by(BATCH as usize) {
        established.push(turn.batch(&datapath, start, &template)?);
    }
    for start in (packets..packets + evicting).step_by(BATCH as usize) {
        new_evicting.push(turn.batch(&datapath, start, &template)?);
    }
    expect(&datapath, "many", &template, None)?;

    let hot = Conversation {
        source_port: 999,
        ..conversations.first().copied().unwrap_or(HOT)
    };
    let hot_frame = hot.frame();
    expect(&datapath, "established", &hot_frame, None)?;
    let mut empties = Vec::new();
    let established_hot = hot_batches(&datapath, &hot_frame, &mut empties)?;
    // A provider has no grant for its own service's port 443 at this host.
    let (other, _) = country.endpoint(PROVIDERS * 3);
    let refused = Conversation {
        source: other ^ 0xffff,
        ..hot
    };
    let removed = datapath.remove_grant(country.institutions - PROVIDERS * 3 % PROVIDERS, 0)?;
    debug_assert!(removed);
    let refused_frame = refused.frame();
    expect(
        &datapath,
        "denied",
        &refused_frame,
        Some(DenyReason::NoAgreement),
    )?;
    let denied_hot = hot_batches(&datapath, &refused_frame, &mut empties)?;
    // Nobody has the first service any more.
    let without: Vec<(u32, u32)> = country
        .grants
        .iter()
        .copied()
        .filter(|&(_, service)| service != 0)
        .collect();
    datapath.reconcile(
        country.participants(),
        without.iter().copied(),
        endpoints.iter().copied(),
    )?;
    for start in (0..packets).step_by(BATCH as usize).take(64) {
        denied_many.push(turn.batch(&datapath, start, &template)?);
    }
    expect(
        &datapath,
        "denied",
        &template,
        Some(DenyReason::NoAgreement),
    )?;

    let table_read_ns = datapath.flow_read_ns(TABLE_READS);
    let map_bytes = datapath.memory_bytes()?;
    let flow_map_bytes = ["FLOW_DIRECTORY", "FLOWS"]
        .iter()
        .filter_map(|map| map_bytes.get(*map))
        .sum::<u64>();
    drop(turn);
    drop(datapath);
    let new_in_cache = new_in_cache(&config, &country, &conversations)?;
    let (native_hot_per_s, native_many_per_s) = native(options, &country, &conversations);
    Ok(Report {
        institutions: options.institutions,
        grants: options.grants,
        flows: options.flows,
        policy_map_bytes: map_bytes.values().sum::<u64>() - flow_map_bytes,
        flow_map_bytes,
        map_bytes,
        cold_load_ms,
        reconcile_unchanged_ms,
        empty_ns: median(empties),
        established_hot_ns: median(established_hot),
        established_many_ns: median(established),
        new_one_site_ns: median(new_one_site),
        new_in_cache_ns: median(new_in_cache),
        table_read_ns,
        new_many_ns: median(new),
        new_evicting_ns: median(new_evicting),
        denied_hot_ns: median(denied_hot),
        denied_many_ns: median(denied_many),
        native_hot_per_s,
        native_many_per_s,
    })
}

/// Opens conversations of one institution in an empty table that the cache
/// holds.
fn new_in_cache(
    config: &Config,
    country: &Country,
    conversations: &[Conversation],
) -> Result<Vec<f64>, BenchError> {
    let one_site = conversations
        .get(conversations.len().saturating_sub(BATCH as usize)..)
        .unwrap_or_default();
    let config = Config {
        flows_max: FLOWS_IN_CACHE,
        ..config.clone()
    };
    let extras = Extras {
        bench_packets: BATCH,
        ..Extras::default()
    };
    let mut datapath = Datapath::open_private(&config, extras)?;
    let (server, port) = country.endpoint(0);
    datapath.reconcile(
        country.participants(),
        country.grants.iter().copied(),
        std::iter::once((server.into(), 6, port, 0)),
    )?;
    datapath.bind(
        IFINDEX,
        Binding {
            participant: country.institutions,
            prefix: (server >> 64) as u64,
            lease_expires_ns: u64::MAX,
        },
    )?;
    let mut turn = Turn::open(&mut datapath, one_site)?;
    let template = one_site
        .first()
        .map(Conversation::frame)
        .unwrap_or_default();
    expect(&datapath, "new in cache", &template, None)?;
    let mut times = Vec::new();
    for _ in 0..HOT_BATCHES {
        datapath.forget_flows()?;
        times.push(turn.batch(&datapath, 0, &template)?);
    }
    Ok(times)
}

const HOT: Conversation = Conversation {
    source: 0,
    destination: 0,
    source_port: 0,
    destination_port: 0,
};

fn check(options: &Options) -> Result<(), BenchError> {
    let bad = |what, wanted| Err(BenchError::Options { what, wanted });
    if !(PROVIDERS * 2..=1 << 23).contains(&options.institutions) {
        return bad("institutions", "2,048 to 8,388,608");
    }
    let each = options.grants / options.institutions;
    if !(1..=1000).contains(&each) {
        return bad("grants", "1 to 1,000 times the institutions");
    }
    if !(BATCH * 4..=1 << 24).contains(&options.flows) {
        return bad("flows", "32,768 to 16,777,216");
    }
    Ok(())
}

/// The measuring program and its maps.
struct Turn {
    next: Array<MapData, [u64; 2]>,
    programs: ProgramArray<MapData>,
    empty: aya::programs::ProgramFd,
    tested: aya::programs::ProgramFd,
}

impl Turn {
    fn open(datapath: &mut Datapath, conversations: &[Conversation]) -> Result<Self, BenchError> {
        let loaded = datapath.loaded_mut();
        let mut packets: Array<MapData, [u64; 5]> =
            Array::try_from(loaded.take_map("BENCH_PACKETS")?)?;
        for (index, conversation) in (0..).zip(conversations) {
            packets.set(index, conversation.words(), 0)?;
        }
        let fd = |datapath: &mut Datapath, name| -> Result<_, BenchError> {
            let program = datapath.loaded_mut().program(name)?;
            let failed = |source| DatapathError::Program {
                program: name,
                action: "naming",
                source: Box::new(source),
            };
            let fd = program.fd().map_err(failed)?;
            fd.try_clone().map_err(|source| {
                DatapathError::Mapping {
                    map: "BENCH_NEXT",
                    source,
                }
                .into()
            })
        };
        let next = Array::try_from(datapath.loaded_mut().take_map("BENCH_TURN")?)?;
        let programs = ProgramArray::try_from(datapath.loaded_mut().take_map("BENCH_NEXT")?)?;
        let empty = fd(datapath, "bench_empty")?;
        let tested = fd(datapath, "line_egress")?;
        Ok(Self {
            next,
            programs,
            empty,
            tested,
        })
    }

    /// One batch of packets through the empty program, then through the tested
    /// one: the difference of the means.
    fn batch(
        &mut self,
        datapath: &Datapath,
        start: u32,
        template: &[u8],
    ) -> Result<f64, BenchError> {
        let mut times = [0.0; 2];
        for (time, tested) in times.iter_mut().zip([false, true]) {
            let program = if tested { &self.tested } else { &self.empty };
            self.programs.set(0, program, 0)?;
            self.next
                .set(0, [u64::from(start), u64::from(start + BATCH)], 0)?;
            *time = datapath.test_run_program("bench_turn", IFINDEX, template, BATCH)?;
        }
        let [empty, tested] = times;
        Ok(tested - empty)
    }
}

fn hot_batches(
    datapath: &Datapath,
    frame: &[u8],
    empties: &mut Vec<f64>,
) -> Result<Vec<f64>, BenchError> {
    let mut times = Vec::new();
    for _ in 0..HOT_BATCHES {
        let empty = datapath.test_run_program("bench_empty", IFINDEX, frame, HOT_REPEAT)?;
        let tested = datapath.test_run_program("line_egress", IFINDEX, frame, HOT_REPEAT)?;
        empties.push(empty);
        times.push(tested - empty);
    }
    Ok(times)
}

fn expect(
    datapath: &Datapath,
    what: &'static str,
    frame: &[u8],
    wanted: Option<DenyReason>,
) -> Result<(), BenchError> {
    let run = datapath.test_run(Hook::LineOut, IFINDEX, frame, 1)?;
    if run.reason == wanted && run.passed == wanted.is_none() {
        Ok(())
    } else {
        Err(BenchError::Packet {
            what,
            got: run.reason,
        })
    }
}

fn native(options: &Options, country: &Country, conversations: &[Conversation]) -> (u64, u64) {
    let mut world = NativeWorld::new(Setting {
        network: NETWORK,
        participants_max: options.institutions,
        grants_max: options.grants,
        flows_max: options.flows,
        ..Setting::default()
    });
    for (number, state, generation) in country.participants() {
        let _ = world.set_participant(number, state, generation);
    }
    for &(participant, service) in &country.grants {
        let _ = world.set_grant(participant, service);
    }
    for service in 0..SERVICES {
        let (address, port) = country.endpoint(service);
        world.set_endpoint(address, 6, port, service);
    }
    world.bind(IFINDEX, country.institutions, 0, u64::MAX);
    let frames: Vec<Vec<u8>> = conversations
        .iter()
        .take(1 << 18)
        .map(Conversation::frame)
        .collect();
    let mut rate = |frames: &[Vec<u8>], passes: usize| {
        for frame in frames {
            let _ = world.run(Hook::LineOut, IFINDEX, frame);
        }
        let started = Instant::now();
        let mut passed = 0u64;
        for _ in 0..passes {
            for frame in frames {
                passed += u64::from(world.run(Hook::LineOut, IFINDEX, frame).is_ok());
            }
        }
        (passed as f64 / started.elapsed().as_secs_f64()) as u64
    };
    let many = rate(&frames, 8);
    let hot = rate(frames.get(..1).unwrap_or_default(), 4_000_000);
    (hot, many)
}

fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
