//! The native home: tables in memory, for tests, simulation and `explain`.

use crate::address::V6;
use crate::mapping::{Eam, Embedding};
use crate::world::{Hairpin, IPV6_MTU_MIN, Side, UdpZero, World};

/// What one side's addresses are translated by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mappings {
    eams: Vec<Eam>,
    /// The prefix that addresses without an explicit mapping are embedded behind.
    pub embedding: Option<Embedding>,
}

/// A mapping that overlaps one that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// The one that is there.
    pub with: Eam,
}

impl Mappings {
    /// Adds an explicit mapping.
    ///
    /// # Errors
    /// When the same IPv4 or the same IPv6 prefix is mapped already (RFC 7757
    /// section 3.1): which of the two was meant could not be told. A longer prefix
    /// within a shorter one is no conflict.
    pub fn add(&mut self, eam: Eam) -> Result<(), Overlap> {
        for with in &self.eams {
            let same_v4 = with.v4 == eam.v4 && with.v4_bits == eam.v4_bits;
            let same_v6 = with.v6 == eam.v6 && with.v6_bits == eam.v6_bits;
            if same_v4 || same_v6 {
                return Err(Overlap { with: *with });
            }
        }
        self.eams.push(eam);
        Ok(())
    }

    /// The explicit mappings, in the order in which they were added.
    pub fn eams(&self) -> &[Eam] {
        &self.eams
    }

    fn of_v4(&self, address: u32) -> Option<Eam> {
        self.eams
            .iter()
            .filter(|eam| eam.contains_v4(address))
            .max_by_key(|eam| eam.v4_bits)
            .copied()
    }

    fn of_v6(&self, address: V6) -> Option<Eam> {
        self.eams
            .iter()
            .filter(|eam| eam.contains_v6(address))
            .max_by_key(|eam| eam.v6_bits)
            .copied()
    }
}

/// A world in memory; every setting is what RFC 7915 says until it is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeWorld {
    /// The IPv4 network's own hosts.
    pub near: Mappings,
    /// The hosts at the other end.
    pub far: Mappings,
    /// Sources for errors from routers that have no mapping (RFC 6791): the pick is
    /// by the router's address, so that one router always has the same.
    pub hop_sources: Vec<u32>,
    /// See [`World::mtu_v6`].
    pub mtu_v6: u32,
    /// See [`World::mtu_v4`].
    pub mtu_v4: u32,
    /// See [`World::identification`].
    pub identification: u16,
    /// See [`World::lowest_ipv6_mtu`].
    pub lowest_ipv6_mtu: u32,
    /// See [`World::decrements`].
    pub decrements: bool,
    /// See [`World::fragments`].
    pub fragments: bool,
    /// See [`World::traffic_class`].
    pub traffic_class: Option<u8>,
    /// See [`World::tos`].
    pub tos: Option<u8>,
    /// See [`World::udp_zero`].
    pub udp_zero: UdpZero,
    /// See [`World::illegal_error_sources`].
    pub illegal_error_sources: bool,
    /// See [`World::hairpin`].
    pub hairpin: Hairpin,
}

impl Default for NativeWorld {
    fn default() -> Self {
        Self {
            near: Mappings::default(),
            far: Mappings::default(),
            hop_sources: Vec::new(),
            mtu_v6: 1500,
            mtu_v4: 1500,
            identification: 0,
            lowest_ipv6_mtu: IPV6_MTU_MIN,
            decrements: true,
            fragments: true,
            traffic_class: None,
            tos: None,
            udp_zero: UdpZero::Drop,
            illegal_error_sources: false,
            hairpin: Hairpin::Off,
        }
    }
}

impl NativeWorld {
    fn side(&self, side: Side) -> &Mappings {
        match side {
            Side::Near => &self.near,
            Side::Far => &self.far,
        }
    }
}

impl World for NativeWorld {
    fn eam_of_v4(&self, side: Side, address: u32) -> Option<Eam> {
        self.side(side).of_v4(address)
    }
    fn eam_of_v6(&self, side: Side, address: V6) -> Option<Eam> {
        self.side(side).of_v6(address)
    }
    fn embedding(&self, side: Side) -> Option<Embedding> {
        self.side(side).embedding
    }
    fn mtu_v6(&self) -> u32 {
        self.mtu_v6
    }
    fn mtu_v4(&self) -> u32 {
        self.mtu_v4
    }
    fn identification(&self) -> u16 {
        self.identification
    }
    fn hop_source(&self, router: V6) -> Option<u32> {
        let mixed = (router.high ^ router.low).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let index = mixed.checked_rem(self.hop_sources.len() as u64)?;
        self.hop_sources.get(index as usize).copied()
    }
    fn lowest_ipv6_mtu(&self) -> u32 {
        self.lowest_ipv6_mtu
    }
    fn decrements(&self) -> bool {
        self.decrements
    }
    fn fragments(&self) -> bool {
        self.fragments
    }
    fn traffic_class(&self) -> Option<u8> {
        self.traffic_class
    }
    fn tos(&self) -> Option<u8> {
        self.tos
    }
    fn udp_zero(&self) -> UdpZero {
        self.udp_zero
    }
    fn illegal_error_sources(&self) -> bool {
        self.illegal_error_sources
    }
    fn hairpin(&self) -> Hairpin {
        self.hairpin
    }
}

/// Translates a packet: one packet, or the fragments that it is cut into.
///
/// # Errors
/// The numbered reason and what the sender is to be told.
pub fn translate<W: World>(
    world: &W,
    packet: &[u8],
) -> Result<Vec<Vec<u8>>, (crate::Reason, crate::Answer)> {
    let mut plan = crate::Plan::EMPTY;
    crate::plan(world, packet, &mut plan).map_err(|reason| (reason, plan.answer))?;
    Ok(carry_out(&plan, packet))
}

/// Carries a plan out.
pub fn carry_out(plan: &crate::Plan, packet: &[u8]) -> Vec<Vec<u8>> {
    (0..plan.pieces())
        .filter_map(|piece| {
            let mut out = vec![0; plan.bytes as usize];
            let bytes = plan.write(packet, piece, &mut out)?;
            out.truncate(bytes);
            Some(out)
        })
        .collect()
}
