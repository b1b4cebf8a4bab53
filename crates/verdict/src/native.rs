//! The verdict's native home: the same tables in this process's own memory, for
//! tests, simulation, `explain` and the comparison with the kernel.
//!
//! It must not know the kernel; it is what the kernel is compared with.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicU64;

use crate::address::{participant_of, site_prefix};
use crate::flows::FlowTable;
use crate::packet::Packet;
use crate::policy::{Policy, PolicyError};
use crate::slot::{self, Seed, Writer};
use crate::world::{
    Binding, Denial, DropKey, EndpointKey, FragmentKey, FragmentValue, Hook, LineCounters,
    ParticipantState, Table, World,
};
use crate::{DenyReason, Verdict};

/// What one gateway is set up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The network prefix, padded to 32 bits.
    pub network: u32,
    /// The gateway's link-local address, both halves.
    pub gateway_link_local: (u64, u64),
    /// TCP port of attach.
    pub attach_port: u16,
    /// TCP port of the enrolment relay.
    pub enrol_port: u16,
    /// Most participants.
    pub participants_max: u32,
    /// Most grants.
    pub grants_max: u32,
    /// Most conversations; those silent for longest give way.
    pub flows_max: u32,
    /// Hash seed of the slot tables.
    pub seed: Seed,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            network: 0x2001_0db8,
            gateway_link_local: (0xfe80_0000_0000_0000, 1),
            attach_port: 4430,
            enrol_port: 4431,
            participants_max: 1 << 16,
            grants_max: 1 << 18,
            flows_max: 1 << 16,
            seed: Seed([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9]),
        }
    }
}

/// Most fragmented packets on their way.
const FRAGMENTS_MAX: usize = 16_384;
/// Most denials that are kept.
const DENIALS_MAX: usize = 1024;

type Fast = BuildHasherDefault<Mix>;

/// A gateway's tables in memory.
#[derive(Debug)]
pub struct NativeWorld {
    setting: Setting,
    now_ns: u64,
    ifindex: u32,
    policy: Policy<Box<[AtomicU64]>>,
    bindings: BTreeMap<u32, Binding>,
    own_prefixes: HashSet<u64, Fast>,
    endpoints: HashMap<EndpointKey, u32, Fast>,
    base_services: HashSet<EndpointKey, Fast>,
    flows: FlowTable<Box<[AtomicU64]>>,
    fragments: HashMap<FragmentKey, FragmentValue, Fast>,
    counters: BTreeMap<u32, LineCounters>,
    reasons: BTreeMap<DenyReason, u64>,
    drops: BTreeMap<DropKey, u64>,
    denials: VecDeque<Denial>,
}

impl NativeWorld {
    /// An empty gateway.
    pub fn new(setting: Setting) -> Self {
        let Setting {
            participants_max,
            grants_max,
            seed,
            ..
        } = setting;
        Self {
            setting,
            now_ns: 1,
            ifindex: 1,
            policy: Policy::new(
                slot::native(participants_max, seed, Table::Participants.shift()),
                slot::native(grants_max, seed, Table::Grants.shift()),
            ),
            bindings: BTreeMap::new(),
            own_prefixes: HashSet::default(),
            endpoints: HashMap::default(),
            base_services: HashSet::default(),
            flows: FlowTable::new(setting.flows_max, seed),
            fragments: HashMap::default(),
            counters: BTreeMap::new(),
            reasons: BTreeMap::new(),
            drops: BTreeMap::new(),
            denials: VecDeque::new(),
        }
    }

    /// Sets the clock: monotonic nanoseconds.
    pub fn set_now_ns(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
    }

    /// Decides about a frame on an interface, and counts it.
    ///
    /// # Errors
    /// The reason for which it may not pass.
    pub fn run(&mut self, hook: Hook, ifindex: u32, frame: &[u8]) -> Verdict {
        self.ifindex = ifindex;
        crate::run(self, hook, frame)
    }

    /// As [`run`](Self::run), with every packet going the long way: for tests
    /// that compare the two.
    ///
    /// # Errors
    /// The reason for which it may not pass.
    pub fn run_whole(&mut self, hook: Hook, ifindex: u32, frame: &[u8]) -> Verdict {
        self.ifindex = ifindex;
        let verdict = crate::decide(self, hook, frame);
        match verdict {
            Ok(()) => crate::pass(self, hook, frame),
            Err(reason) => crate::refuse(self, hook, frame, reason),
        }
        verdict
    }

    /// As [`run`](Self::run), for another view of a packet.
    ///
    /// # Errors
    /// The reason for which it may not pass.
    pub fn run_packet<P: Packet>(&mut self, hook: Hook, ifindex: u32, packet: &P) -> Verdict {
        self.ifindex = ifindex;
        crate::run(self, hook, packet)
    }

    /// Binds a line to a site. `counter` is the slot of its counters.
    pub fn bind(&mut self, ifindex: u32, participant: u32, site: u8, lease_expires_ns: u64) {
        let prefix = site_prefix(self.setting.network, participant, site);
        let binding = Binding {
            prefix,
            lease_expires_ns,
            participant,
            counter: ifindex,
        };
        if let Some(old) = self.bindings.insert(ifindex, binding) {
            self.own_prefixes.remove(&old.prefix);
        }
        self.own_prefixes.insert(prefix);
    }

    /// Takes a line's binding away.
    pub fn unbind(&mut self, ifindex: u32) {
        if let Some(old) = self.bindings.remove(&ifindex) {
            self.own_prefixes.remove(&old.prefix);
        }
    }

    /// See [`Policy::set_participant`].
    ///
    /// # Errors
    /// A number out of range or a full table.
    pub fn set_participant(
        &mut self,
        number: u32,
        state: ParticipantState,
        generation: u32,
    ) -> Result<bool, PolicyError> {
        self.policy.set_participant(number, state, generation)
    }

    /// See [`Policy::remove_participant`].
    pub fn remove_participant(&mut self, number: u32) -> bool {
        self.policy.remove_participant(number)
    }

    /// See [`Policy::set_grant`].
    ///
    /// # Errors
    /// A number out of range or a full table.
    pub fn set_grant(&mut self, participant: u32, service: u32) -> Result<bool, PolicyError> {
        self.policy.set_grant(participant, service)
    }

    /// See [`Policy::remove_grant`].
    ///
    /// # Errors
    /// A number out of range.
    pub fn remove_grant(&mut self, participant: u32, service: u32) -> Result<bool, PolicyError> {
        self.policy.remove_grant(participant, service)
    }

    /// Says which service an endpoint belongs to. `address` is 128 bits.
    pub fn set_endpoint(&mut self, address: u128, protocol: u8, port: u16, service: u32) {
        let (high, low) = crate::address::halves(address);
        let key = EndpointKey::new(high, low, protocol, port);
        let before = self.endpoints.insert(key, service);
        if before.is_none() {
            *self
                .endpoints
                .entry(EndpointKey::marker(high, low))
                .or_insert(0) += 1;
        } else if before != Some(service) {
            self.policy.renew_generation(participant_of(high));
        }
    }

    /// Takes an endpoint away; tells whether it was there.
    pub fn remove_endpoint(&mut self, address: u128, protocol: u8, port: u16) -> bool {
        let (high, low) = crate::address::halves(address);
        if self
            .endpoints
            .remove(&EndpointKey::new(high, low, protocol, port))
            .is_none()
        {
            return false;
        }
        let marker = EndpointKey::marker(high, low);
        if let Some(count) = self.endpoints.get_mut(&marker) {
            *count -= 1;
            if *count == 0 {
                self.endpoints.remove(&marker);
            }
        }
        self.policy.renew_generation(participant_of(high));
        true
    }

    /// Serves a base service at an address of the infrastructure.
    pub fn set_base_service(&mut self, address: u128, protocol: u8, port: u16) {
        let (high, low) = crate::address::halves(address);
        self.base_services
            .insert(EndpointKey::new(high, low, protocol, port));
    }

    /// Forgets conversations and fragments.
    pub fn forget_flows(&mut self) {
        self.flows.clear();
        self.fragments.clear();
    }

    /// The policy tables.
    pub fn policy(&self) -> &Policy<Box<[AtomicU64]>> {
        &self.policy
    }

    /// Conversations in force or idle.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// Counters by slot; slot 0 is all that has no binding.
    pub fn counters(&self) -> &BTreeMap<u32, LineCounters> {
        &self.counters
    }

    /// Refused packets by reason.
    pub fn reason_totals(&self) -> &BTreeMap<DenyReason, u64> {
        &self.reasons
    }

    /// Refused packets by interface, participant and reason.
    pub fn drops(&self) -> &BTreeMap<DropKey, u64> {
        &self.drops
    }

    /// The last refused packets, oldest first.
    pub fn denials(&self) -> &VecDeque<Denial> {
        &self.denials
    }
}

impl World for NativeWorld {
    type Flows<'a> = &'a FlowTable<Box<[AtomicU64]>>;
    type Slots<'a> = &'a Writer<Box<[AtomicU64]>>;

    fn now_ns(&self) -> u64 {
        self.now_ns
    }
    fn ifindex(&self) -> u32 {
        self.ifindex
    }
    fn network(&self) -> u32 {
        self.setting.network
    }
    fn gateway_link_local(&self) -> (u64, u64) {
        self.setting.gateway_link_local
    }
    fn attach_port(&self) -> u16 {
        self.setting.attach_port
    }
    fn enrol_port(&self) -> u16 {
        self.setting.enrol_port
    }
    fn binding(&self) -> Option<Binding> {
        self.bindings.get(&self.ifindex).copied()
    }
    fn is_own_prefix(&self, prefix: u64) -> bool {
        self.own_prefixes.contains(&prefix)
    }
    fn table(&self, table: Table) -> Self::Slots<'_> {
        match table {
            Table::Participants => self.policy.participants(),
            Table::Grants => self.policy.grants(),
        }
    }
    fn endpoint(&self, key: &EndpointKey) -> Option<u32> {
        self.endpoints.get(key).copied()
    }
    fn is_base_service(&self, key: &EndpointKey) -> bool {
        self.base_services.contains(key)
    }
    fn flows(&self) -> &FlowTable<Box<[AtomicU64]>> {
        &self.flows
    }
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentValue> {
        self.fragments.get(key).copied()
    }
    fn fragment_write(&mut self, key: &FragmentKey, value: &FragmentValue) -> bool {
        if self.fragments.len() >= FRAGMENTS_MAX {
            let now_ns = self.now_ns;
            self.fragments
                .retain(|_, fragment| fragment.expires_ns > now_ns);
            if self.fragments.len() >= FRAGMENTS_MAX {
                return false;
            }
        }
        self.fragments.insert(*key, *value);
        true
    }
    fn count_pass(&mut self, hook: Hook, bytes: u32) {
        let slot = match hook {
            Hook::BackboneIn => 0,
            _ => self.binding().map_or(0, |binding| binding.counter),
        };
        self.counters.entry(slot).or_default().pass(hook, bytes);
    }
    fn count_deny(&mut self, hook: Hook, denial: &Denial) {
        let slot = match hook {
            Hook::BackboneIn => 0,
            _ => self.binding().map_or(0, |binding| binding.counter),
        };
        self.counters.entry(slot).or_default().deny(hook);
        let Some(reason) = DenyReason::from_number(denial.reason) else {
            return;
        };
        *self.reasons.entry(reason).or_default() += 1;
        let key = DropKey {
            ifindex: denial.ifindex,
            participant: denial.participant,
            reason: u32::from(denial.reason),
        };
        *self.drops.entry(key).or_default() += 1;
        if self.denials.len() == DENIALS_MAX {
            self.denials.pop_front();
        }
        let sequence = self.reasons.values().sum();
        self.denials.push_back(Denial {
            sequence,
            ..*denial
        });
    }
}

/// Mixes the words of a key. For tables whose keys come from this process's own
/// packets and simulations, never from a network: it resists nobody.
#[derive(Debug, Default, Clone, Copy)]
pub struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word.iter_mut()
                .zip(chunk)
                .for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }
    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        let h = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = h ^ h >> 29;
    }
    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}
