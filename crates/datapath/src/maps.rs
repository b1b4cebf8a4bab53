//! The maps and the constants that the loader sets. Sizes here are the
//! smallest that load; the loader gives every map its configured size.

use aya_ebpf::Global;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray};
use iryonet_verdict::flows::{BUCKET_WORDS, ENTRY_WORDS};
use iryonet_verdict::{
    BINDING_WORDS, Denial, DropKey, EndpointKey, FragmentKey, FragmentValue, LineCounters, Walk,
};

const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Participants, a slot table that user space writes through a mapping.
#[map]
pub(crate) static PARTICIPANTS: Array<[u64; 8]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Grants, likewise.
#[map]
pub(crate) static GRANTS: Array<[u64; 8]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Service endpoints and the markers of their addresses.
#[map]
pub(crate) static ENDPOINTS: HashMap<EndpointKey, u32> = HashMap::with_max_entries(1, 0);
/// Base services.
#[map]
pub(crate) static BASE_SERVICES: HashMap<EndpointKey, u32> = HashMap::with_max_entries(1, 0);
/// Bindings by interface index, which user space writes through a mapping.
#[map]
pub(crate) static BINDINGS: Array<[u64; BINDING_WORDS]> =
    Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Bound /64s, with the interface they are bound to.
#[map]
pub(crate) static OWN_PREFIXES: HashMap<u64, u32> = HashMap::with_max_entries(1, 0);
/// The directory of conversations: buckets of the verdict's own table. It and
/// the entries are mapped into user space, which also lets them begin at a page,
/// so that no bucket and no entry lies in two cache lines.
#[map]
pub(crate) static FLOW_DIRECTORY: Array<[u64; BUCKET_WORDS]> =
    Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Conversations: the entries.
#[map]
pub(crate) static FLOWS: Array<[u64; ENTRY_WORDS]> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// Fragmented packets on their way.
#[map]
pub(crate) static FRAGMENTS: LruHashMap<FragmentKey, FragmentValue> =
    LruHashMap::with_max_entries(1, 0);
/// Counters by line slot.
#[map]
pub(crate) static COUNTERS: PerCpuArray<LineCounters> = PerCpuArray::with_max_entries(1, 0);
/// Refused packets by reason number.
#[map]
pub(crate) static REASONS: PerCpuArray<u64> = PerCpuArray::with_max_entries(64, 0);
/// Refused packets by interface, participant and reason; the least used goes.
#[map]
pub(crate) static DROPS: LruHashMap<DropKey, u64> = LruHashMap::with_max_entries(1, 0);
/// The last refused packets, a ring that overwrites its oldest.
#[map]
pub(crate) static DENIALS: Array<Denial> = Array::with_max_entries(1, 0);
/// How many packets were refused since the ring was made.
#[map]
pub(crate) static DENIAL_COUNT: Array<u64> = Array::with_max_entries(1, 0);
/// What these maps were made for; see the loader.
#[map]
pub(crate) static LAYOUT: Array<[u64; 16]> = Array::with_max_entries(1, 0);
/// A clock for tests. Read only by programs that were loaded with
/// `TEST_CLOCK` set; in all others the verifier has removed the reading.
#[map]
pub(crate) static TEST_CLOCK_NS: Array<u64> = Array::with_max_entries(1, 0);

/// Where walks keep their state while a packet is looked at.
#[map]
pub(crate) static WALKS: PerCpuArray<Walk> = PerCpuArray::with_max_entries(2, 0);
/// Where a refused packet is described before it is counted.
#[map]
pub(crate) static DENIAL: PerCpuArray<Denial> = PerCpuArray::with_max_entries(1, 0);
/// A word that nobody writes, in memory of which the verifier does not know
/// that. (It lies in `.bss`, a map that is reached without a call.)
static mut ZERO: u64 = 0;

/// 0, which nobody who has not run the program can know.
#[inline(always)]
pub(crate) fn zero() -> u64 {
    // SAFETY: nobody writes it.
    unsafe { (&raw const ZERO).read_volatile() }
}

macro_rules! constants {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $placeholder:literal;)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)]
        pub(crate) static $name: Global<$type> = Global::new($placeholder);)*
    };
}

// The loader overwrites every one of these. The placeholders are peculiar and all
// different for a reason: the compiler may let any other constant of the same
// value share the place of one of them, and would then see the loader's value.
constants! {
    /// Network prefix, padded to 32 bits.
    NETWORK: u32 = 0x6972_79a1;
    /// Upper half of the gateway's link-local address.
    LINK_LOCAL_HIGH: u64 = 0x6972_796f_6e65_74a2;
    /// Lower half of it.
    LINK_LOCAL_LOW: u64 = 0x6972_796f_6e65_74a3;
    /// TCP port of attach.
    ATTACH_PORT: u32 = 0x6972_79a4;
    /// TCP port of the enrolment relay.
    ENROL_PORT: u32 = 0x6972_79a5;
    /// First half of the slot tables' hash seed.
    SEED_FIRST: u64 = 0x6972_796f_6e65_74a6;
    /// Second half of it.
    SEED_SECOND: u64 = 0x6972_796f_6e65_74a7;
    /// Buckets of the participants' table.
    PARTICIPANT_BUCKETS: u32 = 0x6972_79a8;
    /// Buckets of the grants' table.
    GRANT_BUCKETS: u32 = 0x6972_79a9;
    /// Buckets of the table of conversations.
    FLOW_BUCKETS: u32 = 0x6972_79ac;
    /// Keys of their hash.
    FLOW_KEY_0: u64 = 0x6972_796f_6e65_74ad;
    /// As above.
    FLOW_KEY_1: u64 = 0x6972_796f_6e65_74ae;
    /// As above.
    FLOW_KEY_2: u64 = 0x6972_796f_6e65_74af;
    /// As above.
    FLOW_KEY_3: u64 = 0x6972_796f_6e65_74b0;
    /// As above.
    FLOW_KEY_4: u64 = 0x6972_796f_6e65_74b1;
    /// Entries of the ring of refused packets, a power of two, minus 1.
    DENIALS_MASK: u32 = 0x6972_79aa;
    /// 1 in tests that set the clock, else 0.
    TEST_CLOCK: u32 = 0x6972_79ab;
}
