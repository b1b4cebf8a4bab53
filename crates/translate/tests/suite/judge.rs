//! A foreign judge of single packets: etherparse takes them apart, and counts
//! their checksums in its own way.

use etherparse::checksum::Sum16BitWords;
use etherparse::{NetSlice, SlicedPacket, TransportSlice};

/// Ends and protocol of a packet, for the pseudo-header.
enum Ends {
    Four([u8; 4], [u8; 4]),
    Six([u8; 16], [u8; 16]),
}

/// What is wrong with a packet: its lengths, its header checksum, the checksum of
/// its transport. Of a fragment the transport is not looked at.
pub(crate) fn judge(packet: &[u8]) -> Result<(), String> {
    let sliced = SlicedPacket::from_ip(packet).map_err(|error| format!("{error}"))?;
    let Some(net) = &sliced.net else {
        return Err("no IP".into());
    };
    let (ends, stated, fragment) = match net {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            if header.to_header().calc_header_checksum() != header.header_checksum() {
                return Err("header checksum".into());
            }
            let ends = Ends::Four(header.source(), header.destination());
            (
                ends,
                usize::from(header.total_len()),
                header.is_fragmenting_payload(),
            )
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            let ends = Ends::Six(header.source(), header.destination());
            let stated = 40 + usize::from(header.payload_length());
            (ends, stated, ip.is_payload_fragmented())
        }
        NetSlice::Arp(_) => return Err("ARP".into()),
    };
    if stated != packet.len() {
        return Err(format!(
            "{stated} bytes by its header, but {}",
            packet.len()
        ));
    }
    if fragment {
        return Ok(());
    }
    match (sliced.transport, ends) {
        (Some(TransportSlice::Udp(udp)), Ends::Four(source, destination)) => {
            let header = udp.to_header();
            let right = header.calc_checksum_ipv4_raw(source, destination, udp.payload());
            compare(header.checksum, right.map_err(|error| format!("{error}"))?)
        }
        (Some(TransportSlice::Udp(udp)), Ends::Six(source, destination)) => {
            let header = udp.to_header();
            let right = header.calc_checksum_ipv6_raw(source, destination, udp.payload());
            compare(header.checksum, right.map_err(|error| format!("{error}"))?)
        }
        (Some(TransportSlice::Tcp(tcp)), Ends::Four(source, destination)) => {
            let header = tcp.to_header();
            let right = header.calc_checksum_ipv4_raw(source, destination, tcp.payload());
            compare(header.checksum, right.map_err(|error| format!("{error}"))?)
        }
        (Some(TransportSlice::Tcp(tcp)), Ends::Six(source, destination)) => {
            let header = tcp.to_header();
            let right = header.calc_checksum_ipv6_raw(source, destination, tcp.payload());
            compare(header.checksum, right.map_err(|error| format!("{error}"))?)
        }
        (Some(TransportSlice::Icmpv4(icmp)), Ends::Four(..)) => {
            match Sum16BitWords::new()
                .add_slice(icmp.slice())
                .ones_complement()
            {
                0 => Ok(()),
                wrong => Err(format!("ICMPv4 checksum is off by {wrong:04x}")),
            }
        }
        (Some(TransportSlice::Icmpv6(icmp)), Ends::Six(source, destination)) => {
            if icmp.is_checksum_valid(source, destination) {
                Ok(())
            } else {
                Err("ICMPv6 checksum".into())
            }
        }
        (None, _) => Ok(()),
        (Some(_), _) => Err("a transport of the other family".into()),
    }
}

fn compare(there: u16, right: u16) -> Result<(), String> {
    // Both zeros are the same sum.
    if there == right || there % 0xffff == right % 0xffff {
        Ok(())
    } else {
        Err(format!(
            "transport checksum {there:04x}, and {right:04x} is right"
        ))
    }
}

/// Puts the fragments of one packet together again, in the order in which they
/// are; gives a whole packet without a fragment header.
pub(crate) fn reassemble(pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut data: Vec<u8> = Vec::new();
    let first = &pieces[0];
    if first[0] >> 4 == 4 {
        for (index, piece) in pieces.iter().enumerate() {
            let field = u16::from_be_bytes([piece[6], piece[7]]);
            assert_eq!(usize::from(field & 0x1fff) * 8, data.len(), "in its place");
            assert_eq!(field & 0x2000 != 0, index + 1 != pieces.len(), "more");
            assert_eq!(piece[4..6], first[4..6], "one identification");
            data.extend(&piece[20..]);
        }
        let mut out = first[..20].to_vec();
        let total = (20 + data.len()) as u16;
        out[2..4].copy_from_slice(&total.to_be_bytes());
        out[6..8].fill(0);
        out[10..12].fill(0);
        let checksum = crate::encode::internet_checksum(&out);
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
        out.extend(data);
        out
    } else {
        for (index, piece) in pieces.iter().enumerate() {
            assert_eq!(piece[6], 44, "a fragment header");
            let field = u16::from_be_bytes([piece[42], piece[43]]);
            assert_eq!(usize::from(field & 0xfff8), data.len(), "in its place");
            assert_eq!(field & 1 != 0, index + 1 != pieces.len(), "more");
            assert_eq!(piece[44..48], first[44..48], "one identification");
            data.extend(&piece[48..]);
        }
        let mut out = first[..40].to_vec();
        out[4..6].copy_from_slice(&(data.len() as u16).to_be_bytes());
        out[6] = first[40];
        out.extend(data);
        out
    }
}
