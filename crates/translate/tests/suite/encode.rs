//! Packets written down field by field: a second way of making them, which shares
//! nothing with the crate under test. Every checksum is counted from nothing.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Some bytes of a packet, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) label: String,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) type Parts = Vec<Part>;

pub(crate) fn part(label: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Part {
    Part {
        label: label.into(),
        bytes: bytes.into(),
    }
}

pub(crate) fn bytes_of(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| part.bytes.clone()).collect()
}

pub(crate) fn length_of(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.bytes.len()).sum()
}

/// Data that shows where it is: counts up, with a prime for a period.
pub(crate) fn seq(from: usize, count: usize) -> Vec<u8> {
    (from..from + count).map(|i| (i % 251) as u8).collect()
}

/// The first bytes of a packet.
pub(crate) fn cut(parts: &[Part], bytes: usize) -> Parts {
    slice(parts, 0, bytes)
}

/// Some bytes of a packet.
pub(crate) fn slice(parts: &[Part], from: usize, to: usize) -> Parts {
    let mut out = Parts::new();
    let mut at = 0;
    for Part { label, bytes } in parts {
        let (start, end) = (at, at + bytes.len());
        at = end;
        let low = from.clamp(start, end) - start;
        let high = to.clamp(start, end) - start;
        if low < high {
            let whole = low == 0 && high == bytes.len();
            let label = if whole {
                label.clone()
            } else {
                format!("{label}, bytes {low}..{high}")
            };
            out.push(part(label, &bytes[low..high]));
        }
    }
    out
}

/// The checksum of RFC 1071, carry by carry.
pub(crate) fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = 0;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(pair[0]) * 256 + u32::from(low);
        if sum > 65_535 {
            sum -= 65_535;
        }
    }
    65_535 - sum as u16
}

/// Who is in the pseudo-header.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ends {
    Four(Ipv4Addr, Ipv4Addr),
    Six(Ipv6Addr, Ipv6Addr),
}

impl Ends {
    pub(crate) fn four(source: &str, destination: &str) -> Self {
        Self::Four(source.parse().unwrap(), destination.parse().unwrap())
    }

    /// RFC 9293 section 3.1 and RFC 8200 section 8.1.
    fn pseudo_header(self, protocol: u8, length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Four(source, destination) => {
                out.extend(source.octets());
                out.extend(destination.octets());
                out.extend([0, protocol]);
                out.extend((length as u16).to_be_bytes());
            }
            Self::Six(source, destination) => {
                out.extend(source.octets());
                out.extend(destination.octets());
                out.extend((length as u32).to_be_bytes());
                out.extend([0, 0, 0, protocol]);
            }
        }
        out
    }
}

/// The checksum of an upper-layer message whose own checksum field is zero.
fn upper_checksum(ends: Ends, protocol: u8, message: &[u8]) -> u16 {
    let mut all = ends.pseudo_header(protocol, message.len());
    all.extend(message);
    internet_checksum(&all)
}

/// An IPv4 header; what is `None` is counted.
#[derive(Debug, Clone)]
pub(crate) struct Four {
    pub(crate) tos: u8,
    pub(crate) id: u16,
    pub(crate) dont_fragment: bool,
    pub(crate) more: bool,
    pub(crate) offset: usize,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) options: Vec<u8>,
    pub(crate) total: Option<u16>,
    pub(crate) checksum: Option<u16>,
}

impl Four {
    pub(crate) fn new(source: &str, destination: &str, protocol: u8) -> Self {
        Self {
            tos: 0,
            id: 0x1234,
            dont_fragment: false,
            more: false,
            offset: 0,
            ttl: 64,
            protocol,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            options: vec![],
            total: None,
            checksum: None,
        }
    }

    pub(crate) fn ends(&self) -> Ends {
        Ends::Four(self.source, self.destination)
    }

    pub(crate) fn with(&self, payload: Parts) -> Parts {
        let header = 20 + self.options.len();
        let length = length_of(&payload);
        let total = self.total.unwrap_or((header + length) as u16);
        let mut flags = (self.offset / 8) as u16;
        let mut says = String::new();
        if self.dont_fragment {
            flags |= 0x4000;
            says += " DF";
        }
        if self.more {
            flags |= 0x2000;
            says += " MF";
        }
        if self.offset != 0 {
            says += &format!(" offset {}", self.offset);
        }
        let mut out = vec![0x40 | (header / 4) as u8, self.tos];
        out.extend(total.to_be_bytes());
        out.extend(self.id.to_be_bytes());
        out.extend(flags.to_be_bytes());
        out.extend([self.ttl, self.protocol, 0, 0]);
        out.extend(self.source.octets());
        out.extend(self.destination.octets());
        out.extend(&self.options);
        let checksum = self.checksum.unwrap_or_else(|| internet_checksum(&out));
        out[10..12].copy_from_slice(&checksum.to_be_bytes());
        let options = out.split_off(20);
        let mut parts = vec![part(
            format!(
                "IPv4 {} > {} TTL {} protocol {}{says}",
                self.source, self.destination, self.ttl, self.protocol
            ),
            out,
        )];
        if !options.is_empty() {
            parts.push(part("options", options));
        }
        parts.extend(payload);
        parts
    }
}

/// An IPv6 header; what is `None` is counted.
#[derive(Debug, Clone)]
pub(crate) struct Six {
    pub(crate) traffic_class: u8,
    pub(crate) flow_label: u32,
    pub(crate) next: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: Ipv6Addr,
    pub(crate) destination: Ipv6Addr,
    pub(crate) length: Option<u16>,
}

impl Six {
    pub(crate) fn new(source: &str, destination: &str, next: u8) -> Self {
        Self {
            traffic_class: 0,
            flow_label: 0,
            next,
            hop_limit: 63,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            length: None,
        }
    }

    pub(crate) fn ends(&self) -> Ends {
        Ends::Six(self.source, self.destination)
    }

    pub(crate) fn with(&self, payload: Parts) -> Parts {
        let length = self.length.unwrap_or(length_of(&payload) as u16);
        let first = 0x6000_0000 | u32::from(self.traffic_class) << 20 | self.flow_label;
        let mut out = first.to_be_bytes().to_vec();
        out.extend(length.to_be_bytes());
        out.extend([self.next, self.hop_limit]);
        out.extend(self.source.octets());
        out.extend(self.destination.octets());
        let label = format!(
            "IPv6 {} > {} hop limit {} next {}",
            self.source, self.destination, self.hop_limit, self.next
        );
        let mut parts = vec![part(label, out)];
        parts.extend(payload);
        parts
    }
}

pub(crate) fn fragment(next: u8, offset: usize, more: bool, id: u32) -> Part {
    let mut out = vec![next, 0];
    out.extend((offset as u16 | u16::from(more)).to_be_bytes());
    out.extend(id.to_be_bytes());
    let more = if more { " M" } else { "" };
    part(format!("fragment header offset {offset}{more}"), out)
}

/// Hop-by-hop or destination options of `units` times eight bytes, all padding.
pub(crate) fn padding_header(label: &str, next: u8, units: usize) -> Part {
    let mut out = vec![next, (units - 1) as u8];
    // PadN fills the rest.
    out.extend([1, (units * 8 - 4) as u8]);
    out.resize(units * 8, 0);
    part(label, out)
}

pub(crate) fn routing_header(next: u8, kind: u8, segments_left: u8) -> Part {
    let mut out = vec![next, 2, kind, segments_left, 0, 0, 0, 0];
    out.extend("2001:db8:9::9".parse::<Ipv6Addr>().unwrap().octets());
    part(
        format!("routing header, {segments_left} segments left"),
        out,
    )
}

/// UDP with a checksum.
pub(crate) fn udp(ends: Ends, source: u16, destination: u16, data: &[u8]) -> Parts {
    let mut out = Vec::new();
    out.extend(source.to_be_bytes());
    out.extend(destination.to_be_bytes());
    out.extend((8 + data.len() as u16).to_be_bytes());
    out.extend([0, 0]);
    out.extend(data);
    let checksum = match upper_checksum(ends, 17, &out) {
        0 => 0xffff,
        other => other,
    };
    out[6..8].copy_from_slice(&checksum.to_be_bytes());
    with_data(format!("UDP {source} > {destination}"), out, 8)
}

/// UDP that says it has no checksum.
pub(crate) fn udp_without(source: u16, destination: u16, data: &[u8]) -> Parts {
    let mut parts = udp(Ends::four("0.0.0.0", "0.0.0.0"), source, destination, data);
    parts[0].bytes[6..8].fill(0);
    parts[0].label += ", no checksum";
    parts
}

pub(crate) fn tcp(ends: Ends, source: u16, destination: u16, flags: u8, data: &[u8]) -> Parts {
    let mut out = Vec::new();
    out.extend(source.to_be_bytes());
    out.extend(destination.to_be_bytes());
    out.extend(0x0102_0304u32.to_be_bytes());
    out.extend(0x0506_0708u32.to_be_bytes());
    out.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend(data);
    let checksum = upper_checksum(ends, 6, &out);
    out[16..18].copy_from_slice(&checksum.to_be_bytes());
    with_data(format!("TCP {source} > {destination}"), out, 20)
}

/// DCCP (RFC 4340 section 5.1, short sequence numbers), whose checksum covers all.
pub(crate) fn dccp(ends: Ends, data: &[u8]) -> Parts {
    let mut out = vec![0x13, 0x88, 0x13, 0x89, 3, 0, 0, 0, 0x04, 0, 0, 1];
    out.extend(data);
    let checksum = upper_checksum(ends, 33, &out);
    out[6..8].copy_from_slice(&checksum.to_be_bytes());
    with_data("DCCP".into(), out, 12)
}

/// UDP-Lite (RFC 3828) whose checksum covers all: coverage 0.
pub(crate) fn udp_lite(ends: Ends, data: &[u8]) -> Parts {
    let mut out = vec![0x13, 0x88, 0x13, 0x89, 0, 0, 0, 0];
    out.extend(data);
    let checksum = upper_checksum(ends, 136, &out);
    out[6..8].copy_from_slice(&checksum.to_be_bytes());
    with_data("UDP-Lite".into(), out, 8)
}

/// An ICMPv4 message.
pub(crate) fn icmp4(kind: u8, code: u8, rest: u32, body: Parts) -> Parts {
    let mut out = vec![kind, code, 0, 0];
    out.extend(rest.to_be_bytes());
    let mut all = out.clone();
    all.extend(bytes_of(&body));
    let checksum = internet_checksum(&all);
    out[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut parts = vec![part(format!("ICMPv4 {kind}/{code}"), out)];
    parts.extend(body);
    parts
}

/// An ICMPv6 message.
pub(crate) fn icmp6(ends: Ends, kind: u8, code: u8, rest: u32, body: Parts) -> Parts {
    let mut out = vec![kind, code, 0, 0];
    out.extend(rest.to_be_bytes());
    let mut all = out.clone();
    all.extend(bytes_of(&body));
    let checksum = upper_checksum(ends, 58, &all);
    out[2..4].copy_from_slice(&checksum.to_be_bytes());
    let mut parts = vec![part(format!("ICMPv6 {kind}/{code}"), out)];
    parts.extend(body);
    parts
}

fn with_data(label: String, mut bytes: Vec<u8>, header: usize) -> Parts {
    let data = bytes.split_off(header);
    let mut parts = vec![part(label, bytes)];
    if !data.is_empty() {
        parts.push(part("data", data));
    }
    parts
}
