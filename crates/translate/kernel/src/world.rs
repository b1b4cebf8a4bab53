//! The translation's world, made of the kernel's maps.

use aya_ebpf::maps::lpm_trie::Key;
use iryonet_translate::{Eam, Embedding, Hairpin, Side, UdpZero, V6, World};

use crate::maps::{EAMS_V4, EAMS_V6, SETTINGS, Settings, ZERO};

pub(crate) struct KernelWorld {
    settings: &'static Settings,
    /// Always 0, read from a map: nothing that the verifier could know.
    zero: u64,
}

impl KernelWorld {
    #[inline(always)]
    pub(crate) fn new() -> Option<Self> {
        let zero = ZERO.get(0).copied().unwrap_or(0);
        SETTINGS.get(0).map(|settings| Self { settings, zero })
    }
}

impl World for KernelWorld {
    #[inline(always)]
    fn eam_of_v4(&self, side: Side, address: u32) -> Option<Eam> {
        let mut data = [0; 8];
        data[3] = side as u8;
        data[4..8].copy_from_slice(&address.to_be_bytes());
        let key = Key::new(64, data);
        EAMS_V4.get(&key).copied()
    }
    #[inline(always)]
    fn eam_of_v6(&self, side: Side, address: V6) -> Option<Eam> {
        let mut data = [0; 20];
        data[3] = side as u8;
        data[4..12].copy_from_slice(&address.high.to_be_bytes());
        data[12..20].copy_from_slice(&address.low.to_be_bytes());
        EAMS_V6.get(&Key::new(160, data)).copied()
    }
    #[inline(always)]
    fn embedding(&self, side: Side) -> Option<Embedding> {
        let embedding = match side {
            Side::Near => self.settings.embeddings[0],
            Side::Far => self.settings.embeddings[1],
        };
        if embedding.bits == 0 {
            None
        } else {
            Some(embedding)
        }
    }
    #[inline(always)]
    fn launder(&self, word: u64) -> u64 {
        crate::skb::launder(word, self.zero)
    }
    #[inline(always)]
    fn mtu_v6(&self) -> u32 {
        self.settings.mtu_v6
    }
    #[inline(always)]
    fn mtu_v4(&self) -> u32 {
        self.settings.mtu_v4
    }
    #[inline(always)]
    fn identification(&self) -> u16 {
        self.settings.identification as u16
    }
    #[inline(always)]
    fn hop_source(&self, _router: V6) -> Option<u32> {
        if self.settings.hop_source == 0 {
            None
        } else {
            Some(self.settings.hop_source)
        }
    }
    #[inline(always)]
    fn lowest_ipv6_mtu(&self) -> u32 {
        self.settings.lowest_ipv6_mtu
    }
    #[inline(always)]
    fn decrements(&self) -> bool {
        self.settings.decrements != 0
    }
    #[inline(always)]
    fn fragments(&self) -> bool {
        // One packet in, one packet out.
        false
    }
    #[inline(always)]
    fn traffic_class(&self) -> Option<u8> {
        u8::try_from(self.settings.traffic_class).ok()
    }
    #[inline(always)]
    fn tos(&self) -> Option<u8> {
        u8::try_from(self.settings.tos).ok()
    }
    #[inline(always)]
    fn udp_zero(&self) -> UdpZero {
        if self.settings.udp_zero == 0 {
            UdpZero::Drop
        } else {
            UdpZero::Compute
        }
    }
    #[inline(always)]
    fn illegal_error_sources(&self) -> bool {
        self.settings.illegal_error_sources != 0
    }
    #[inline(always)]
    fn hairpin(&self) -> Hairpin {
        match self.settings.hairpin {
            1 => Hairpin::Simple,
            2 => Hairpin::Intrinsic,
            _ => Hairpin::Off,
        }
    }
}
