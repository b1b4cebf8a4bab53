//! The tables behind the programs, as their one writer keeps them.
//!
//! Participants and grants are slot tables in memory shared with the kernel: a
//! change is one store. The smaller tables are kernel hash maps with a mirror
//! here, so that no change needs to read the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::atomic::AtomicU64;

use aya::Pod;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, PerCpuValues};
use iryonet_verdict::flows::FlowTable;
use iryonet_verdict::policy::Policy;
use iryonet_verdict::slot::{BUCKET_SLOTS, Slots, Writer, memory_buckets};
use iryonet_verdict::{
    Binding as MapBinding, Denial, DenyReason, DropKey, EndpointKey, FragmentKey, FragmentValue,
    LineCounters, Table, address, flows,
};
use memmap2::{MmapOptions, MmapRaw};

use super::bindings::Bindings;
use super::config::{Binding, Config};
use super::counters::{DenialRecord, DropCount, ReasonTotal};
use super::error::DatapathError;
use super::layout;
use super::object::{BASE_SERVICES_MAX, DENIALS, Loaded, PINNED_MAPS};
use super::raw::Raw;

/// A map's values, mapped into this process.
#[derive(Debug)]
pub(super) struct Shared {
    memory: MmapRaw,
    slots: usize,
}

impl Shared {
    fn open(loaded: &mut Loaded, name: &'static str, slots: usize) -> Result<Self, DatapathError> {
        let map = loaded.take_map(name)?;
        let fd = map_fd(&map, name)?;
        let memory = MmapOptions::new()
            .len(slots * size_of::<u64>())
            .map_raw(fd.as_raw_fd())
            .map_err(|source| DatapathError::Mapping { map: name, source })?;
        Ok(Self { memory, slots })
    }
}

impl Slots for Shared {
    #[allow(unsafe_code, reason = "the memory is the kernel's")]
    fn slots(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, as long as `slots` words, lives
        // as long as `self`, and is only ever accessed as 8-byte atomics here,
        // and by the programs with aligned loads and stores.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().cast(), self.slots) }
    }
}

pub(super) struct Tables {
    pub(super) policy: Policy<Shared>,
    endpoints: HashMap<MapData, Raw<EndpointKey>, u32>,
    base_services: HashMap<MapData, Raw<EndpointKey>, u32>,
    bindings: Bindings<Shared>,
    own_prefixes: HashMap<MapData, u64, u32>,
    flows: FlowTable<Shared>,
    fragments: HashMap<MapData, Raw<FragmentKey>, Raw<FragmentValue>>,
    counters: PerCpuArray<MapData, Raw<LineCounters>>,
    reasons: PerCpuArray<MapData, u64>,
    drops: HashMap<MapData, Raw<DropKey>, u64>,
    denials: Array<MapData, Raw<Denial>>,
    denial_count: Array<MapData, u64>,
    layout: Array<MapData, layout::Words>,
    test_clock: Array<MapData, u64>,

    endpoint_services: BTreeMap<EndpointKey, u32>,
    endpoint_markers: BTreeMap<EndpointKey, u32>,
    base_keys: BTreeSet<EndpointKey>,
    bound: BTreeMap<u32, MapBinding>,
    prefixes: BTreeMap<u64, u32>,
    counter_slots: BTreeMap<u32, CounterSlot>,
    endpoints_max: u32,
    lines_max: u32,
    cpus: usize,
    /// For asking the kernel about each map.
    reports: Vec<(&'static str, OwnedFd)>,
}

#[derive(Debug, Clone, Copy)]
struct CounterSlot {
    slot: u32,
    /// Whose packets it has counted; 0 when none.
    participant: u32,
}

impl Tables {
    pub(super) fn open(loaded: &mut Loaded, config: &Config) -> Result<Self, DatapathError> {
        let seed = loaded.seed;
        let mut reports = Vec::new();
        for name in PINNED_MAPS {
            let map = loaded
                .ebpf
                .map(name)
                .ok_or(DatapathError::ObjectLacks { what: "map", name })?;
            reports.push((name, map_fd(map, name)?));
        }
        let slots = |entries_max| memory_buckets(entries_max) as usize * BUCKET_SLOTS;
        let participants = Shared::open(loaded, "PARTICIPANTS", slots(config.participants_max))?;
        let grants = Shared::open(loaded, "GRANTS", slots(config.grants_max))?;
        let flow_buckets = flows::buckets_for(config.flows_max);
        let directory = flow_buckets as usize * flows::BUCKET_WORDS;
        let entries = flows::entries_for(flow_buckets) as usize * flows::ENTRY_WORDS;
        let flows = FlowTable::over(
            Shared::open(loaded, "FLOW_DIRECTORY", directory)?,
            Shared::open(loaded, "FLOWS", entries)?,
            seed,
        );
        let policy = Policy::new(
            Writer::new(
                participants,
                seed,
                Table::Participants.shift(),
                config.participants_max,
            ),
            Writer::new(grants, seed, Table::Grants.shift(), config.grants_max),
        );
        let cpus = aya::util::nr_cpus().map_err(|(_, source)| DatapathError::Report {
            map: "COUNTERS",
            source,
        })?;
        let mut tables = Self {
            policy,
            endpoints: open(loaded, "ENDPOINTS")?,
            base_services: open(loaded, "BASE_SERVICES")?,
            bindings: Bindings::over(Shared::open(loaded, "BINDINGS", Bindings::<Shared>::WORDS)?),
            own_prefixes: open(loaded, "OWN_PREFIXES")?,
            flows,
            fragments: open(loaded, "FRAGMENTS")?,
            counters: open(loaded, "COUNTERS")?,
            reasons: open(loaded, "REASONS")?,
            drops: open(loaded, "DROPS")?,
            denials: open(loaded, "DENIALS")?,
            denial_count: open(loaded, "DENIAL_COUNT")?,
            layout: open(loaded, "LAYOUT")?,
            test_clock: open(loaded, "TEST_CLOCK_NS")?,
            endpoint_services: BTreeMap::new(),
            endpoint_markers: BTreeMap::new(),
            base_keys: BTreeSet::new(),
            bound: BTreeMap::new(),
            prefixes: BTreeMap::new(),
            counter_slots: BTreeMap::new(),
            endpoints_max: config.endpoints_max,
            lines_max: config.lines_max,
            cpus,
            reports,
        };
        tables.adopt()?;
        Ok(tables)
    }

    /// Fills the mirrors from maps that an earlier process filled.
    fn adopt(&mut self) -> Result<(), DatapathError> {
        let mut markers = BTreeSet::new();
        for entry in self.endpoints.iter() {
            let (Raw(key), service) = entry.map_err(reading("ENDPOINTS"))?;
            if key.is_marker() {
                markers.insert(key);
            } else {
                self.endpoint_services.insert(key, service);
                *self.endpoint_markers.entry(key.marker_of()).or_default() += 1;
            }
        }
        // A process that died between an endpoint and its marker left one alone.
        for marker in self.endpoint_markers.keys() {
            if !markers.remove(marker) {
                self.endpoints
                    .insert(Raw(*marker), 1, 0)
                    .map_err(writing("ENDPOINTS"))?;
            }
        }
        for marker in markers {
            self.endpoints
                .remove(&Raw(marker))
                .map_err(writing("ENDPOINTS"))?;
        }
        for key in self.base_services.keys() {
            self.base_keys
                .insert(key.map_err(reading("BASE_SERVICES"))?.0);
        }
        for (ifindex, binding) in self.bindings.iter() {
            self.bound.insert(ifindex, binding);
            let slot = CounterSlot {
                slot: binding.counter,
                participant: binding.participant,
            };
            self.counter_slots.insert(ifindex, slot);
        }
        for entry in self.own_prefixes.iter() {
            let (prefix, ifindex) = entry.map_err(reading("OWN_PREFIXES"))?;
            self.prefixes.insert(prefix, ifindex);
        }
        let stray: Vec<u64> = self
            .prefixes
            .iter()
            .filter(|(prefix, ifindex)| {
                self.bound
                    .get(ifindex)
                    .is_none_or(|binding| binding.prefix != **prefix)
            })
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in stray {
            self.prefixes.remove(&prefix);
            self.own_prefixes
                .remove(&prefix)
                .map_err(writing("OWN_PREFIXES"))?;
        }
        Ok(())
    }

    /// Says in the layout entry that the maps are whole and can be adopted.
    pub(super) fn mark_complete(
        &mut self,
        config: &Config,
        loaded: &mut Loaded,
    ) -> Result<(), DatapathError> {
        let words = layout::words(config, loaded.seed);
        self.layout.set(0, words, 0).map_err(writing("LAYOUT"))
    }

    pub(super) fn endpoint_keys(&self) -> impl Iterator<Item = &EndpointKey> {
        self.endpoint_services.keys()
    }

    pub(super) fn endpoint_count(&self) -> u32 {
        u32::try_from(self.endpoint_services.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn set_endpoint(
        &mut self,
        key: EndpointKey,
        service: u32,
    ) -> Result<bool, DatapathError> {
        if service > address::PARTICIPANT_MAX {
            return Err(iryonet_verdict::policy::PolicyError::Service(service).into());
        }
        let before = self.endpoint_services.get(&key).copied();
        if before == Some(service) {
            return Ok(false);
        }
        if before.is_none() && self.endpoint_count() >= self.endpoints_max {
            return Err(DatapathError::Full {
                table: "endpoints",
                max: self.endpoints_max,
            });
        }
        self.endpoints
            .insert(Raw(key), service, 0)
            .map_err(writing("ENDPOINTS"))?;
        self.endpoint_services.insert(key, service);
        if before.is_some() {
            // Conversations that the old service allowed are asked again.
            self.renew_owner(&key);
            return Ok(true);
        }
        let marker = key.marker_of();
        let count = self.endpoint_markers.entry(marker).or_default();
        *count += 1;
        if *count == 1 {
            self.endpoints
                .insert(Raw(marker), 1, 0)
                .map_err(writing("ENDPOINTS"))?;
        }
        Ok(true)
    }

    pub(super) fn remove_endpoint(&mut self, key: EndpointKey) -> Result<bool, DatapathError> {
        if !self.endpoint_services.contains_key(&key) {
            return Ok(false);
        }
        self.endpoints
            .remove(&Raw(key))
            .map_err(writing("ENDPOINTS"))?;
        self.endpoint_services.remove(&key);
        self.renew_owner(&key);
        let marker = key.marker_of();
        if let Some(count) = self.endpoint_markers.get_mut(&marker) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.endpoint_markers.remove(&marker);
                self.endpoints
                    .remove(&Raw(marker))
                    .map_err(writing("ENDPOINTS"))?;
            }
        }
        Ok(true)
    }

    pub(super) fn remove_endpoints_except(
        &mut self,
        wanted: &BTreeMap<EndpointKey, u32>,
    ) -> Result<u32, DatapathError> {
        let gone: Vec<EndpointKey> = self
            .endpoint_services
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        let count = u32::try_from(gone.len()).unwrap_or(u32::MAX);
        for key in gone {
            self.remove_endpoint(key)?;
        }
        Ok(count)
    }

    /// The participant of an endpoint's address gets a new generation.
    fn renew_owner(&mut self, key: &EndpointKey) {
        self.policy.renew_generation(key.participant());
    }

    pub(super) fn set_base_service(&mut self, key: EndpointKey) -> Result<bool, DatapathError> {
        if self.base_keys.contains(&key) {
            return Ok(false);
        }
        if self.base_keys.len() >= BASE_SERVICES_MAX as usize {
            return Err(DatapathError::Full {
                table: "base services",
                max: BASE_SERVICES_MAX,
            });
        }
        self.base_services
            .insert(Raw(key), 1, 0)
            .map_err(writing("BASE_SERVICES"))?;
        self.base_keys.insert(key);
        Ok(true)
    }

    pub(super) fn remove_base_service(&mut self, key: EndpointKey) -> Result<bool, DatapathError> {
        if !self.base_keys.contains(&key) {
            return Ok(false);
        }
        self.base_services
            .remove(&Raw(key))
            .map_err(writing("BASE_SERVICES"))?;
        Ok(self.base_keys.remove(&key))
    }

    pub(super) fn reconcile_base_services(
        &mut self,
        wanted: &[EndpointKey],
    ) -> Result<bool, DatapathError> {
        let gone: Vec<EndpointKey> = self
            .base_keys
            .iter()
            .filter(|key| !wanted.contains(key))
            .copied()
            .collect();
        let mut changed = !gone.is_empty();
        for key in gone {
            self.remove_base_service(key)?;
        }
        for key in wanted {
            changed |= self.set_base_service(*key)?;
        }
        Ok(changed)
    }

    pub(super) fn bindings(&self) -> BTreeMap<u32, Binding> {
        let outward = |binding: &MapBinding| Binding {
            participant: binding.participant,
            prefix: binding.prefix,
            lease_expires_ns: binding.lease_expires_ns,
        };
        self.bound
            .iter()
            .map(|(ifindex, binding)| (*ifindex, outward(binding)))
            .collect()
    }

    pub(super) fn bind(&mut self, ifindex: u32, binding: Binding) -> Result<(), DatapathError> {
        if let Some(&other) = self.prefixes.get(&binding.prefix)
            && other != ifindex
        {
            return Err(DatapathError::PrefixBound {
                prefix: Ipv6Addr::from(u128::from(binding.prefix) << 64),
                ifindex: other,
            });
        }
        Bindings::<Shared>::check(ifindex)?;
        let counter = self.counter_slot(ifindex, binding.participant)?;
        let entry = MapBinding {
            prefix: binding.prefix,
            lease_expires_ns: binding.lease_expires_ns,
            participant: binding.participant,
            counter,
        };
        let before = self.bound.get(&ifindex).copied();
        // From here on the backbone may no longer speak for this prefix.
        self.own_prefixes
            .insert(binding.prefix, ifindex, 0)
            .map_err(writing("OWN_PREFIXES"))?;
        self.prefixes.insert(binding.prefix, ifindex);
        self.bindings.set(ifindex, &entry)?;
        self.bound.insert(ifindex, entry);
        if let Some(before) = before
            && before.prefix != binding.prefix
        {
            self.forget_prefix(before.prefix)?;
        }
        Ok(())
    }

    pub(super) fn renew(
        &mut self,
        ifindex: u32,
        lease_expires_ns: u64,
    ) -> Result<(), DatapathError> {
        let Some(binding) = self.bound.get_mut(&ifindex) else {
            return Err(DatapathError::NotBound { ifindex });
        };
        binding.lease_expires_ns = lease_expires_ns;
        self.bindings.set(ifindex, binding)
    }

    pub(super) fn unbind(&mut self, ifindex: u32) -> Result<bool, DatapathError> {
        let Some(binding) = self.bound.get(&ifindex).copied() else {
            return Ok(false);
        };
        self.bindings.clear(ifindex);
        self.bound.remove(&ifindex);
        self.forget_prefix(binding.prefix)?;
        Ok(true)
    }

    fn forget_prefix(&mut self, prefix: u64) -> Result<(), DatapathError> {
        self.prefixes.remove(&prefix);
        self.own_prefixes
            .remove(&prefix)
            .map_err(writing("OWN_PREFIXES"))
    }

    /// The counters of a line, set to zero when it changes hands.
    fn counter_slot(&mut self, ifindex: u32, participant: u32) -> Result<u32, DatapathError> {
        let known = self.counter_slots.get(&ifindex).copied();
        let slot = match known {
            Some(known) if known.participant == participant => return Ok(known.slot),
            Some(known) => known.slot,
            None => {
                let taken: BTreeSet<u32> = self.counter_slots.values().map(|s| s.slot).collect();
                (1..=self.lines_max)
                    .find(|slot| !taken.contains(slot))
                    .ok_or(DatapathError::Full {
                        table: "lines",
                        max: self.lines_max,
                    })?
            }
        };
        let zero = vec![Raw(LineCounters::default()); self.cpus];
        let zero = PerCpuValues::try_from(zero).map_err(|source| DatapathError::Report {
            map: "COUNTERS",
            source,
        })?;
        self.counters
            .set(slot, zero, 0)
            .map_err(writing("COUNTERS"))?;
        self.counter_slots
            .insert(ifindex, CounterSlot { slot, participant });
        Ok(slot)
    }

    pub(super) fn release_counter(&mut self, ifindex: u32) {
        self.counter_slots.remove(&ifindex);
    }

    pub(super) fn line_counters(&self, ifindex: u32) -> Result<LineCounters, DatapathError> {
        match self.counter_slots.get(&ifindex) {
            Some(known) => self.counters_of(known.slot),
            None => Ok(LineCounters::default()),
        }
    }

    pub(super) fn participant_counters(&self, number: u32) -> Result<LineCounters, DatapathError> {
        let mut sum = LineCounters::default();
        for binding in self
            .bound
            .values()
            .filter(|binding| binding.participant == number)
        {
            add(&mut sum, &self.counters_of(binding.counter)?);
        }
        Ok(sum)
    }

    pub(super) fn unbound_counters(&self) -> Result<LineCounters, DatapathError> {
        self.counters_of(0)
    }

    fn counters_of(&self, slot: u32) -> Result<LineCounters, DatapathError> {
        let mut sum = LineCounters::default();
        let values = self.counters.get(&slot, 0).map_err(reading("COUNTERS"))?;
        for Raw(counters) in values.iter() {
            add(&mut sum, counters);
        }
        Ok(sum)
    }

    pub(super) fn drops(&self) -> Result<Vec<DropCount>, DatapathError> {
        let mut drops = Vec::new();
        for entry in self.drops.iter() {
            let (Raw(key), packets) = entry.map_err(reading("DROPS"))?;
            let reason = u8::try_from(key.reason)
                .ok()
                .and_then(DenyReason::from_number);
            if let Some(reason) = reason {
                let DropKey {
                    ifindex,
                    participant,
                    ..
                } = key;
                drops.push(DropCount {
                    ifindex,
                    participant,
                    reason,
                    packets,
                });
            }
        }
        drops.sort_unstable();
        Ok(drops)
    }

    pub(super) fn reason_totals(&self) -> Result<Vec<ReasonTotal>, DatapathError> {
        let mut totals = Vec::new();
        for &reason in DenyReason::ALL {
            let values = self
                .reasons
                .get(&u32::from(reason as u8), 0)
                .map_err(reading("REASONS"))?;
            let packets = values.iter().sum();
            if packets > 0 {
                totals.push(ReasonTotal { reason, packets });
            }
        }
        Ok(totals)
    }

    pub(super) fn recent_denials(&self, max: usize) -> Result<Vec<DenialRecord>, DatapathError> {
        let count = self
            .denial_count
            .get(&0, 0)
            .map_err(reading("DENIAL_COUNT"))?;
        let kept = u64::from(DENIALS).min(count).min(max as u64);
        let mut records = Vec::new();
        for sequence in (count - kept + 1..=count).rev() {
            let place = (sequence - 1) as u32 & (DENIALS - 1);
            // The kernel copies 64 bytes while a program may write them: a
            // record counts only when two copies of it agree.
            let Raw(first) = self.denials.get(&place, 0).map_err(reading("DENIALS"))?;
            let Raw(second) = self.denials.get(&place, 0).map_err(reading("DENIALS"))?;
            if first == second && first.sequence == sequence {
                records.extend(DenialRecord::new(&first));
            }
        }
        Ok(records)
    }

    pub(super) fn memory_bytes(&self) -> Result<BTreeMap<String, u64>, DatapathError> {
        let mut all = BTreeMap::new();
        for (name, fd) in &self.reports {
            all.insert((*name).to_owned(), memory_of(name, fd)?);
        }
        Ok(all)
    }

    pub(super) fn set_test_clock_ns(&mut self, now_ns: u64) -> Result<(), DatapathError> {
        self.test_clock
            .set(0, now_ns, 0)
            .map_err(writing("TEST_CLOCK_NS"))
    }

    pub(super) fn flow_count(&self) -> usize {
        self.flows.len()
    }

    pub(super) fn read_flows_at_random(&self, reads: u32) -> u64 {
        self.flows.read_at_random(reads)
    }

    pub(super) fn forget_flows(&mut self) -> Result<(), DatapathError> {
        self.flows.clear();
        clear(&mut self.fragments, "FRAGMENTS")
    }
}

fn open<T>(loaded: &mut Loaded, name: &'static str) -> Result<T, DatapathError>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = loaded.take_map(name)?;
    T::try_from(map).map_err(|error| DatapathError::Map {
        map: name,
        action: "opening",
        source: Box::new(error),
    })
}

fn map_fd(map: &Map, name: &'static str) -> Result<OwnedFd, DatapathError> {
    let (Map::Array(data) | Map::PerCpuArray(data) | Map::HashMap(data) | Map::LruHashMap(data)) =
        map
    else {
        return Err(DatapathError::ObjectLacks {
            what: "map of the right kind",
            name,
        });
    };
    let fd = data.fd().as_fd().try_clone_to_owned();
    fd.map_err(|source| DatapathError::Mapping { map: name, source })
}

/// The kernel memory of a map (`memlock` in its fdinfo).
fn memory_of(name: &'static str, fd: &OwnedFd) -> Result<u64, DatapathError> {
    let failed = |source| DatapathError::Report { map: name, source };
    let path = format!("/proc/self/fdinfo/{}", fd.as_raw_fd());
    let info = std::fs::read_to_string(path).map_err(failed)?;
    let value = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    value
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| {
            failed(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "fdinfo has no memlock",
            ))
        })
}

fn clear<K: Pod, V: Pod>(
    map: &mut HashMap<MapData, K, V>,
    name: &'static str,
) -> Result<(), DatapathError> {
    let keys: Vec<K> = map.keys().filter_map(Result::ok).collect();
    for key in keys {
        match map.remove(&key) {
            // Taken out by somebody else, or evicted, meanwhile.
            Ok(()) | Err(MapError::KeyNotFound | MapError::ElementNotFound) => {}
            Err(MapError::SyscallError(error))
                if error.io_error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(writing(name)(error)),
        }
    }
    Ok(())
}

fn reading(map: &'static str) -> impl Fn(MapError) -> DatapathError {
    move |error| DatapathError::Map {
        map,
        action: "reading",
        source: Box::new(error),
    }
}

fn writing(map: &'static str) -> impl Fn(MapError) -> DatapathError {
    move |error| DatapathError::Map {
        map,
        action: "writing",
        source: Box::new(error),
    }
}

fn add(sum: &mut LineCounters, more: &LineCounters) {
    sum.in_packets += more.in_packets;
    sum.in_bytes += more.in_bytes;
    sum.in_denied += more.in_denied;
    sum.out_packets += more.out_packets;
    sum.out_bytes += more.out_bytes;
    sum.out_denied += more.out_denied;
}
