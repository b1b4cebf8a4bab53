//! The verdict's world, made of the kernel's maps.

use core::mem::MaybeUninit;
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::{__sk_buff, BPF_ANY, BPF_NOEXIST};
use aya_ebpf::helpers::generated::bpf_ktime_get_coarse_ns;
use aya_ebpf::maps::Array;
use iryonet_verdict::address::participant_of;
use iryonet_verdict::flows::{self, Keys};
use iryonet_verdict::slot::{self, Seed};
use iryonet_verdict::{
    Binding, Denial, DropKey, EndpointKey, FragmentKey, FragmentValue, Hook, Table, World,
};

use crate::maps;

pub(crate) struct KernelWorld {
    now_ns: u64,
    ifindex: u32,
    /// With prefix 0 when there is none, and then with counter 0: the slot of
    /// all that has no binding.
    binding: Binding,
}

impl KernelWorld {
    #[inline(always)]
    pub(crate) fn new(skb: *mut __sk_buff, hook: Hook) -> Self {
        // SAFETY: the context is valid for the length of the program.
        let ifindex = unsafe { (*skb).ifindex };
        let binding = match hook {
            Hook::LineIn | Hook::LineOut => binding(ifindex),
            Hook::BackboneIn => UNBOUND,
        };
        Self {
            now_ns: now_ns(),
            ifindex,
            binding,
        }
    }

    #[inline(always)]
    fn counter(&self) -> u32 {
        self.binding.counter
    }
}

/// The binding of an interface, if it has one. Its prefix goes first and comes
/// last: while it stands, the other words are those that belong to it.
#[inline(always)]
fn binding(ifindex: u32) -> Binding {
    let Some(words) = maps::BINDINGS.get_ptr(ifindex) else {
        return UNBOUND;
    };
    let words = words.cast::<u64>();
    // SAFETY: the pointer is to three words; user space may change any of them
    // at any time, each by one store.
    let (prefix, lease_expires_ns, counter, still) = unsafe {
        (
            read_volatile(words),
            read_volatile(words.add(1)),
            read_volatile(words.add(2)),
            read_volatile(words),
        )
    };
    if prefix == 0 || prefix != still {
        return UNBOUND;
    }
    Binding {
        prefix,
        lease_expires_ns,
        participant: participant_of(prefix),
        counter: counter as u32,
    }
}

const UNBOUND: Binding = Binding {
    prefix: 0,
    lease_expires_ns: 0,
    participant: 0,
    counter: 0,
};

#[inline(always)]
fn now_ns() -> u64 {
    if maps::TEST_CLOCK.load() != 0 {
        return maps::TEST_CLOCK_NS.get(0).copied().unwrap_or(u64::MAX);
    }
    // The coarse clock is late by a tick at most (10 ms); leases last seconds.
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_coarse_ns() }
}

/// A slot table in a map.
pub(crate) struct Slots {
    table: Table,
}

impl Slots {
    #[inline(always)]
    fn map(&self) -> &'static Array<[u64; 8]> {
        match self.table {
            Table::Participants => &maps::PARTICIPANTS,
            Table::Grants => &maps::GRANTS,
        }
    }
}

impl slot::Read for Slots {
    #[inline(always)]
    fn shape(&self) -> (Seed, u32) {
        let buckets = match self.table {
            Table::Participants => maps::PARTICIPANT_BUCKETS.load(),
            Table::Grants => maps::GRANT_BUCKETS.load(),
        };
        (
            Seed([maps::SEED_FIRST.load(), maps::SEED_SECOND.load()]),
            buckets,
        )
    }

    #[inline(always)]
    fn probe(&self, bucket: u32, key: u64) -> u64 {
        match self.map().get_ptr(bucket) {
            // SAFETY: the pointer is to eight words; user space may change any
            // of them at any time, each by one store.
            Some(words) => slot::search(key, self.table.shift(), |index| unsafe {
                read_volatile(words.cast::<u64>().add(index))
            }),
            None => 0,
        }
    }

    #[inline(always)]
    fn relocations(&self) -> u64 {
        let (_, buckets) = self.shape();
        match self.map().get_ptr(buckets) {
            // SAFETY: as above.
            Some(words) => unsafe { read_volatile(words.cast::<u64>()) },
            None => 0,
        }
    }
}

/// The table of conversations in its two maps.
pub(crate) struct Flows;

impl flows::Memory for Flows {
    type Bucket = *mut u64;
    type Entry = *mut u64;

    #[inline(always)]
    fn shape(&self) -> (Keys, u32) {
        let keys = Keys([
            maps::FLOW_KEY_0.load(),
            maps::FLOW_KEY_1.load(),
            maps::FLOW_KEY_2.load(),
            maps::FLOW_KEY_3.load(),
            maps::FLOW_KEY_4.load(),
        ]);
        (keys, maps::FLOW_BUCKETS.load())
    }

    #[inline(always)]
    fn bucket(&self, index: u32) -> Option<*mut u64> {
        maps::FLOW_DIRECTORY
            .get_ptr_mut(index)
            .map(|bucket| bucket.cast())
    }

    #[inline(always)]
    fn load(&self, bucket: *mut u64, word: usize) -> u64 {
        // SAFETY: the verdict asks for words of a bucket only; other CPUs may
        // write them.
        unsafe { read_volatile(bucket.add(word)) }
    }

    #[inline(always)]
    fn set_lane(&self, bucket: *mut u64, lane: usize, value: u16) {
        // SAFETY: as above, and a bucket has four times as many lanes as words;
        // the machine is little-endian, as the target's name says.
        unsafe { write_volatile(bucket.cast::<u16>().add(lane), value) }
    }

    #[inline(always)]
    fn entry(&self, index: u32) -> Option<*mut u64> {
        maps::FLOWS.get_ptr_mut(index).map(|entry| entry.cast())
    }

    #[inline(always)]
    fn ask(&self, entry: *mut u64) {
        // The instruction set knows no hint; a load whose result nobody waits
        // for does the same.
        // SAFETY: the verdict asks for words of an entry only.
        let _ = unsafe { read_volatile(entry) };
    }

    #[inline(always)]
    fn read(&self, entry: *mut u64, word: usize) -> u64 {
        // SAFETY: as above; other CPUs may write them.
        unsafe { read_volatile(entry.add(word)) }
    }

    #[inline(always)]
    fn write(&self, entry: *mut u64, word: usize, value: u64) {
        // SAFETY: as above.
        unsafe { write_volatile(entry.add(word), value) }
    }

    #[inline(always)]
    fn opaque(&self, word: u64) -> u64 {
        let mut word = word;
        // SAFETY: moves a register onto itself. (With no instruction at all, two
        // entries of the line table would meet at one place, and the kernel
        // refuses such a table.)
        unsafe {
            core::arch::asm!(
                "{word} = {word}",
                word = inout(reg) word,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        word
    }
}

impl World for KernelWorld {
    type Flows<'a> = Flows;
    type Slots<'a> = Slots;

    #[inline(always)]
    fn launder(&self, word: u64) -> u64 {
        word | maps::zero()
    }
    #[inline(always)]
    fn now_ns(&self) -> u64 {
        self.now_ns
    }
    #[inline(always)]
    fn ifindex(&self) -> u32 {
        self.ifindex
    }
    #[inline(always)]
    fn network(&self) -> u32 {
        maps::NETWORK.load()
    }
    #[inline(always)]
    fn gateway_link_local(&self) -> (u64, u64) {
        (maps::LINK_LOCAL_HIGH.load(), maps::LINK_LOCAL_LOW.load())
    }
    #[inline(always)]
    fn attach_port(&self) -> u16 {
        maps::ATTACH_PORT.load() as u16
    }
    #[inline(always)]
    fn enrol_port(&self) -> u16 {
        maps::ENROL_PORT.load() as u16
    }
    #[inline(always)]
    fn binding(&self) -> Option<Binding> {
        if self.binding.prefix == 0 {
            None
        } else {
            Some(self.binding)
        }
    }
    #[inline(always)]
    fn is_own_prefix(&self, prefix: u64) -> bool {
        maps::OWN_PREFIXES.get_ptr(&prefix).is_some()
    }
    #[inline(always)]
    fn table(&self, table: Table) -> Slots {
        Slots { table }
    }
    #[inline(always)]
    fn endpoint(&self, key: &EndpointKey) -> Option<u32> {
        // SAFETY: the value is copied at once.
        unsafe { maps::ENDPOINTS.get(key).copied() }
    }
    #[inline(always)]
    fn is_base_service(&self, key: &EndpointKey) -> bool {
        maps::BASE_SERVICES.get_ptr(key).is_some()
    }
    #[inline(always)]
    fn flows(&self) -> Flows {
        Flows
    }
    #[inline(always)]
    fn fragment(&self, key: &FragmentKey) -> Option<FragmentValue> {
        // SAFETY: the value is copied at once.
        unsafe { maps::FRAGMENTS.get(key).copied() }
    }
    #[inline(always)]
    fn fragment_write(&mut self, key: &FragmentKey, value: &FragmentValue) -> bool {
        maps::FRAGMENTS
            .insert(key, value, u64::from(BPF_ANY))
            .is_ok()
    }
    #[inline(always)]
    fn count_pass(&mut self, hook: Hook, bytes: u32) {
        if let Some(counters) = maps::COUNTERS.get_ptr_mut(self.counter()) {
            // SAFETY: this CPU's own copy, and programs at tc are not preempted
            // by one another on it.
            unsafe { (*counters).pass(hook, bytes) }
        }
    }
    #[inline(always)]
    fn denial<'a>(&self, _own: &'a mut MaybeUninit<Denial>) -> Option<&'a mut Denial> {
        // SAFETY: this CPU's own memory, asked for once in a run.
        maps::DENIAL
            .get_ptr_mut(0)
            .map(|denial| unsafe { &mut *denial })
    }
    #[inline(always)]
    fn count_deny(&mut self, hook: Hook, denial: &Denial) {
        if let Some(counters) = maps::COUNTERS.get_ptr_mut(self.counter()) {
            // SAFETY: as above.
            unsafe { (*counters).deny(hook) }
        }
        let reason = self.launder(u64::from(denial.reason)) as u32;
        if let Some(total) = maps::REASONS.get_ptr_mut(reason) {
            // SAFETY: as above.
            unsafe { *total += 1 }
        }
        let key = DropKey {
            ifindex: denial.ifindex,
            participant: denial.participant,
            reason,
        };
        let mut count = maps::DROPS.get_ptr_mut(&key);
        if count.is_none() {
            let _ = maps::DROPS.insert(&key, &0, u64::from(BPF_NOEXIST));
            count = maps::DROPS.get_ptr_mut(&key);
        }
        if let Some(count) = count {
            // SAFETY: an aligned word of map memory.
            unsafe { count_up(count) };
        }
        // The last denials, whatever the flood: a fixed cost, nothing to fill up.
        if let Some(total) = maps::DENIAL_COUNT.get_ptr_mut(0) {
            // SAFETY: as above.
            let index = unsafe { count_up(total) };
            if let Some(place) = maps::DENIALS.get_ptr_mut(index as u32 & maps::DENIALS_MASK.load())
            {
                // A reader takes the record only when its sequence stands
                // unchanged around the copy.
                // SAFETY: a record of map memory.
                // (Its own sequence is 0.)
                unsafe {
                    place.copy_from_nonoverlapping(denial, 1);
                    write_volatile(&raw mut (*place).sequence, index + 1);
                }
            }
        }
    }
}

/// Adds 1 to a word that all CPUs share, and tells what it was. The core library
/// has no read-modify-write for this target, the instruction set has.
#[inline(always)]
unsafe fn count_up(word: *mut u64) -> u64 {
    let mut value: u64 = 1;
    // SAFETY: the caller passes an aligned word of map memory.
    unsafe {
        core::arch::asm!(
            "{value} = atomic_fetch_add((u64 *)({word} + 0), {value})",
            word = in(reg) word,
            value = inout(reg) value,
            options(nostack, preserves_flags),
        );
    }
    value
}
