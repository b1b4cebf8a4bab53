//! The embedded eBPF object: sizes, constants, programs.

use std::fmt;

use aya::maps::{Array, Map, MapData};
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader};
use iryonet_verdict::slot::{Seed, buckets_for, memory_buckets};
use iryonet_verdict::{Hook, INTERFACES_MAX, flows};

use super::config::Config;
use super::error::DatapathError;
use super::layout;
use super::pins::Pins;

static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("IRYONET_DATAPATH_OBJECT"));

/// Denials that the ring holds; a power of two.
pub(super) const DENIALS: u32 = 4096;
/// Most base services.
pub(super) const BASE_SERVICES_MAX: u32 = 1024;
const FRAGMENTS_MAX: u32 = 16_384;
const DROPS_MAX: u32 = 16_384;

/// The maps that live as long as the pins.
pub(super) const PINNED_MAPS: [&str; 15] = [
    "PARTICIPANTS",
    "GRANTS",
    "ENDPOINTS",
    "BASE_SERVICES",
    "BINDINGS",
    "OWN_PREFIXES",
    "FLOW_DIRECTORY",
    "FLOWS",
    "FRAGMENTS",
    "COUNTERS",
    "REASONS",
    "DROPS",
    "DENIALS",
    "DENIAL_COUNT",
    "LAYOUT",
];

/// What only tests and measurements ask for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extras {
    /// The programs read the clock from a map.
    pub(crate) test_clock: bool,
    /// The seed of the tables, instead of a random one.
    pub(crate) seed: Option<Seed>,
    /// Packets of the measuring program; 0 leaves it out.
    pub(crate) bench_packets: u32,
}

/// Where the maps come from.
#[derive(Debug)]
pub(super) enum MapState {
    Fresh,
    Adopted,
    Replaced(String),
}

/// Loaded maps and programs.
pub(crate) struct Loaded {
    pub(crate) ebpf: Ebpf,
    pub(super) seed: Seed,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").finish_non_exhaustive()
    }
}

impl Loaded {
    pub(crate) fn program(
        &mut self,
        name: &'static str,
    ) -> Result<&mut SchedClassifier, DatapathError> {
        let lacks = DatapathError::ObjectLacks {
            what: "program",
            name,
        };
        match self.ebpf.program_mut(name) {
            Some(program) => program.try_into().map_err(|_| lacks),
            None => Err(lacks),
        }
    }

    pub(crate) fn take_map(&mut self, name: &'static str) -> Result<Map, DatapathError> {
        self.ebpf
            .take_map(name)
            .ok_or(DatapathError::ObjectLacks { what: "map", name })
    }
}

/// The program of a hook.
pub(super) const fn program_name(hook: Hook) -> &'static str {
    match hook {
        Hook::LineIn => "line_ingress",
        Hook::LineOut => "line_egress",
        Hook::BackboneIn => "backbone_ingress",
    }
}

pub(super) fn open_private(config: &Config, extras: Extras) -> Result<Loaded, DatapathError> {
    load(config, extras.seed.unwrap_or_else(new_seed), None, extras)
}

pub(super) fn open_pinned(
    config: &Config,
    pins: &Pins,
) -> Result<(Loaded, MapState), DatapathError> {
    let (seed, state) = match pinned_seed(config, pins) {
        Ok(Some(seed)) => (seed, MapState::Adopted),
        Ok(None) => (new_seed(), MapState::Fresh),
        Err(why) => {
            // The programs in force go on with the old maps until they are
            // replaced by ones with the new maps.
            tracing::warn!(%why, "the pinned tables are replaced by empty ones");
            pins.remove_maps()?;
            (new_seed(), MapState::Replaced(why))
        }
    };
    Ok((load(config, seed, Some(pins), Extras::default())?, state))
}

/// The seed of pinned tables that fit; `None` when there are no pins.
fn pinned_seed(config: &Config, pins: &Pins) -> Result<Option<Seed>, String> {
    let missing: Vec<&str> = PINNED_MAPS
        .into_iter()
        .filter(|name| !pins.map_path(name).exists())
        .collect();
    if missing.len() == PINNED_MAPS.len() {
        return Ok(None);
    }
    if !missing.is_empty() {
        return Err(format!(
            "these tables are not pinned: {}",
            missing.join(", ")
        ));
    }
    let words: layout::Words = MapData::from_pin(pins.map_path("LAYOUT"))
        .and_then(Map::from_map_data)
        .and_then(Array::try_from)
        .and_then(|array: Array<MapData, layout::Words>| array.get(&0, 0))
        .map_err(|error| format!("the layout entry cannot be read: {error}"))?;
    layout::adopt(config, &words).map(Some)
}

fn new_seed() -> Seed {
    Seed([rand::random(), rand::random()])
}

fn load(
    config: &Config,
    seed: Seed,
    pins: Option<&Pins>,
    extras: Extras,
) -> Result<Loaded, DatapathError> {
    let Seed([seed_first, seed_second]) = seed;
    let network = config.network32();
    let link_local = u128::from(config.gateway_link_local);
    let link_local_high = (link_local >> 64) as u64;
    let link_local_low = link_local as u64;
    let attach_port = u32::from(config.attach_port);
    let enrol_port = u32::from(config.enrol_port);
    let participant_buckets = buckets_for(config.participants_max);
    let grant_buckets = buckets_for(config.grants_max);
    let flow_buckets = flows::buckets_for(config.flows_max);
    let flows::Keys(flow_keys) = flows::Keys::of(seed);
    let denials_mask = DENIALS - 1;
    let test_clock = u32::from(extras.test_clock);

    let mut loader = EbpfLoader::new();
    loader
        // No program here is relocated against the kernel's types.
        .btf(None)
        .override_global("NETWORK", &network, true)
        .override_global("LINK_LOCAL_HIGH", &link_local_high, true)
        .override_global("LINK_LOCAL_LOW", &link_local_low, true)
        .override_global("ATTACH_PORT", &attach_port, true)
        .override_global("ENROL_PORT", &enrol_port, true)
        .override_global("SEED_FIRST", &seed_first, true)
        .override_global("SEED_SECOND", &seed_second, true)
        .override_global("PARTICIPANT_BUCKETS", &participant_buckets, true)
        .override_global("GRANT_BUCKETS", &grant_buckets, true)
        .override_global("FLOW_BUCKETS", &flow_buckets, true)
        .override_global("FLOW_KEY_0", &flow_keys[0], true)
        .override_global("FLOW_KEY_1", &flow_keys[1], true)
        .override_global("FLOW_KEY_2", &flow_keys[2], true)
        .override_global("FLOW_KEY_3", &flow_keys[3], true)
        .override_global("FLOW_KEY_4", &flow_keys[4], true)
        .override_global("DENIALS_MASK", &denials_mask, true)
        .override_global("TEST_CLOCK", &test_clock, true)
        .map_max_entries("PARTICIPANTS", memory_buckets(config.participants_max))
        .map_max_entries("GRANTS", memory_buckets(config.grants_max))
        // Each endpoint may need a marker of its address beside it.
        .map_max_entries("ENDPOINTS", config.endpoints_max * 2)
        .map_max_entries("BASE_SERVICES", BASE_SERVICES_MAX)
        .map_max_entries("BINDINGS", INTERFACES_MAX)
        .map_max_entries("OWN_PREFIXES", config.lines_max)
        .map_max_entries("FLOW_DIRECTORY", flow_buckets)
        .map_max_entries("FLOWS", flows::entries_for(flow_buckets))
        .map_max_entries("FRAGMENTS", FRAGMENTS_MAX)
        // Slot 0 is all that has no binding.
        .map_max_entries("COUNTERS", config.lines_max + 1)
        .map_max_entries("DROPS", DROPS_MAX)
        .map_max_entries("DENIALS", DENIALS)
        .map_max_entries("BENCH_PACKETS", extras.bench_packets.max(1));
    if let Some(pins) = pins {
        for name in PINNED_MAPS {
            loader.map_pin_path(name, pins.map_path(name));
        }
    }
    let ebpf = loader
        .load(OBJECT)
        .map_err(|error| DatapathError::Load(Box::new(error)))?;
    let mut loaded = Loaded { ebpf, seed };
    let bench = ["bench_empty", "bench_turn"]
        .into_iter()
        .filter(|_| extras.bench_packets > 0);
    for name in Hook::ALL.into_iter().map(program_name).chain(bench) {
        loaded
            .program(name)?
            .load()
            .map_err(|error| DatapathError::Program {
                program: name,
                action: "loading",
                source: Box::new(error),
            })?;
    }
    Ok(loaded)
}
