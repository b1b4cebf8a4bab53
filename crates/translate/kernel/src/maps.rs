//! The maps: mappings as the kernel finds them, settings, and memory to work in.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LpmTrie, PerCpuArray};
use iryonet_translate::{Eam, Embedding, Npt, Plan};

/// Bytes that are summed or moved at once.
pub(crate) const CHUNK: usize = 512;

/// What a world says besides its explicit mappings.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Settings {
    /// Embedding of the near and of the far side; length 0 when there is none.
    pub(crate) embeddings: [Embedding; 2],
    pub(crate) mtu_v6: u32,
    pub(crate) mtu_v4: u32,
    pub(crate) lowest_ipv6_mtu: u32,
    pub(crate) hop_source: u32,
    /// Above 255: not set.
    pub(crate) traffic_class: u32,
    /// Likewise.
    pub(crate) tos: u32,
    pub(crate) identification: u32,
    pub(crate) decrements: u32,
    pub(crate) udp_zero: u32,
    pub(crate) illegal_error_sources: u32,
    pub(crate) hairpin: u32,
    pub(crate) zero: u32,
}

/// A side, and an IPv4 address as it stands on the wire.
pub(crate) type KeyV4 = [u8; 8];
/// A side, and an IPv6 address as it stands on the wire.
pub(crate) type KeyV6 = [u8; 20];

#[map]
pub(crate) static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static EAMS_V4: LpmTrie<KeyV4, Eam> = LpmTrie::with_max_entries(64, 0);
#[map]
pub(crate) static EAMS_V6: LpmTrie<KeyV6, Eam> = LpmTrie::with_max_entries(64, 0);
#[map]
pub(crate) static NPT: Array<Npt> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static PLAN: PerCpuArray<Plan> = PerCpuArray::with_max_entries(1, 0);
/// Where bytes are summed, and where they pass when they are moved.
#[map]
pub(crate) static SCRATCH: PerCpuArray<[u64; CHUNK / 8]> = PerCpuArray::with_max_entries(1, 0);
/// A word that nobody writes.
#[map]
pub(crate) static ZERO: Array<u64> = Array::with_max_entries(1, 0);
