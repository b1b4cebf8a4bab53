//! Where transport checksums stand, and what of them depends on addresses.

use crate::address::V6;
use crate::checksum::Sum;
use crate::ipv6::protocol;

/// Offset of the checksum in the transport header, and the length that the header
/// has at least; 0 and 0 for protocols whose checksum, if any, does not cover the
/// addresses or is not known here. Such are passed as they are (RFC 7915 section 4.5).
#[inline(always)]
pub(crate) const fn checksum_place(protocol: u8) -> (u32, u32) {
    match protocol {
        protocol::TCP => (16, 20),
        protocol::UDP | protocol::UDP_LITE => (6, 8),
        protocol::DCCP => (6, 12),
        _ => (0, 0),
    }
}

/// Sum of the addresses in an IPv6 pseudo-header.
#[inline(always)]
pub(crate) const fn sum_v6(source: V6, destination: V6) -> Sum {
    Sum::ZERO
        .add64(source.high)
        .add64(source.low)
        .add64(destination.high)
        .add64(destination.low)
}
