//! Frames, from well-formed ones to rubbish.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// What a conversation's packet is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub(crate) source: u128,
    pub(crate) destination: u128,
    /// 6, 17 or 58.
    pub(crate) protocol: u8,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
}

impl Tuple {
    pub(crate) fn swapped(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
            source_port: self.destination_port,
            destination_port: self.source_port,
            ..self
        }
    }
}

pub(crate) fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

pub(crate) fn ipv6(
    source: u128,
    destination: u128,
    next: u8,
    hop_limit: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, hop_limit]);
    packet.extend(source.to_be_bytes());
    packet.extend(destination.to_be_bytes());
    packet.extend(payload);
    packet
}

pub(crate) fn tcp(source: u16, destination: u16, flags: u8, data: usize) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(destination.to_be_bytes());
    header.extend([0; 8]);
    header.extend([5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    header.extend(std::iter::repeat_n(0xaa, data));
    header
}

pub(crate) fn udp(source: u16, destination: u16, data: usize) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(source.to_be_bytes());
    header.extend(destination.to_be_bytes());
    header.extend((8 + data as u16).to_be_bytes());
    header.extend([0, 0]);
    header.extend(std::iter::repeat_n(0xbb, data));
    header
}

pub(crate) fn icmp(kind: u8, code: u8, identifier: u16, data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(identifier.to_be_bytes());
    message.extend([0, 1]);
    message.extend(data);
    message
}

/// A listener message behind a hop-by-hop header with a router alert, or with
/// nearly one.
pub(crate) fn listener(rng: &mut StdRng, kind: u8) -> Vec<u8> {
    let options: &[u8] = match rng.random_range(0..8) {
        0 => &[5, 2, 0, 1, 1, 0],
        1 => &[1, 4, 0, 0, 0, 0],
        2 | 3 => &[1, 0, 5, 2, 0, 0],
        _ => &[5, 2, 0, 0, 1, 0],
    };
    let length = *[8usize, 20, 20, 20].choose(rng).unwrap();
    [&[58, 0][..], options, &icmp(kind, 0, 0, &[0; 16])[..length]].concat()
}

/// The transport header and data of a tuple. `opening` is what the side that
/// asks sends first; the other one answers.
pub(crate) fn transport(rng: &mut StdRng, tuple: &Tuple, opening: bool) -> Vec<u8> {
    let data = *[0usize, 0, 1, 7, 40, 100].choose(rng).unwrap();
    match tuple.protocol {
        6 => {
            let flags = match rng.random_range(0..10) {
                0 => rng.random(),
                1..=3 if opening => 0x02,
                1..=3 => 0x12,
                4 => 0x11,
                5 => 0x04,
                _ => 0x10,
            };
            tcp(tuple.source_port, tuple.destination_port, flags, data)
        }
        17 => udp(tuple.source_port, tuple.destination_port, data),
        58 if opening => icmp(128, 0, tuple.source_port, &vec![0xcc; data]),
        58 => icmp(129, 0, tuple.destination_port, &vec![0xcc; data]),
        _ => (0..data + 8).map(|_| rng.random()).collect(),
    }
}

/// Puts extension headers in front of a payload; gives the first next header.
pub(crate) fn extensions(rng: &mut StdRng, next: u8, payload: Vec<u8>) -> (u8, Vec<u8>) {
    let mut next = next;
    let mut payload = payload;
    let count = match rng.random_range(0..10) {
        0..=5 => 1,
        6..=8 => rng.random_range(2..4),
        _ => rng.random_range(4..12),
    };
    for position in (0..count).rev() {
        let kind = *[0u8, 43, 44, 51, 60, 60, 60].choose(rng).unwrap();
        let kind = if kind == 0 && position != 0 && rng.random_bool(0.9) {
            60
        } else {
            kind
        };
        let mut header = match kind {
            44 if rng.random_bool(0.7) => {
                // Atomic most of the time, else whatever.
                let offset: u16 = if rng.random_bool(0.8) {
                    0
                } else {
                    rng.random()
                };
                let mut header = vec![next, 0];
                header.extend(offset.to_be_bytes());
                header.extend(rng.random_range(0..4u32).to_be_bytes());
                header
            }
            51 => {
                let mut header = vec![next, 4];
                header.extend([0u8; 22]);
                header
            }
            43 => {
                let segments = if rng.random_bool(0.5) {
                    0
                } else {
                    rng.random_range(0..3)
                };
                let kind = rng.random_range(0..5);
                vec![next, 0, kind, segments, 0, 0, 0, 0]
            }
            _ => options(rng, next),
        };
        if rng.random_bool(0.03) {
            // A length that lies.
            header[1] = rng.random();
        }
        header.extend(&payload);
        payload = header;
        next = kind;
    }
    (next, payload)
}

fn options(rng: &mut StdRng, next: u8) -> Vec<u8> {
    let body: &[u8] = match rng.random_range(0..8) {
        0 => &[5, 2, 0, 0, 1, 0],
        1 => &[0, 0, 0, 0, 0, 0],
        2 => &[0xc2, 4, 0, 1, 0, 0],
        3 => &[1, 9, 0, 0, 0, 0],
        4 => &[1, 3, 0, 0, 0, 0],
        5 => return [&[next, 1][..], &[0; 14]].concat(),
        _ => &[1, 4, 0, 0, 0, 0],
    };
    [&[next, 0][..], body].concat()
}

/// A fragment of a packet's payload: `more` and `offset` (in bytes) as given.
pub(crate) fn fragment(next: u8, id: u32, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let mut header = vec![next, 0];
    header.extend((offset & 0xfff8 | u16::from(more)).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(data);
    header
}

/// Flips, cuts and lengthens.
pub(crate) fn mutate(rng: &mut StdRng, frame: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        match rng.random_range(0..6) {
            0 => {
                let length = rng.random_range(15..=frame.len().max(15));
                frame.truncate(length);
            }
            1 => frame.extend((0..rng.random_range(1..20)).map(|_| rng.random::<u8>())),
            2 => {
                // The headers are where a change matters.
                let end = frame.len().min(90);
                if end > 14 {
                    let at = rng.random_range(14..end);
                    frame[at] = rng.random();
                }
            }
            3 => {
                let at = rng.random_range(12..frame.len().min(22));
                frame[at] ^= 1 << rng.random_range(0..8);
            }
            4 if frame.len() > 58 => {
                let at = rng.random_range(54..frame.len());
                frame[at] ^= 1 << rng.random_range(0..8);
            }
            _ => {
                let at = rng.random_range(0..frame.len());
                frame[at] = *[0, 1, 4, 6, 17, 43, 44, 50, 51, 58, 59, 60, 0xff]
                    .choose(rng)
                    .unwrap();
            }
        }
    }
}

/// Frames that are no IPv6 at all.
pub(crate) fn foreign(rng: &mut StdRng) -> Vec<u8> {
    let ethertype = *[
        0x0800u16, 0x0806, 0x8100, 0x88a8, 0x88cc, 0x888e, 0x86de, 0x0010,
    ]
    .choose(rng)
    .unwrap();
    let mut payload: Vec<u8> = (0..rng.random_range(2..80)).map(|_| rng.random()).collect();
    if ethertype == 0x8100 {
        // A tagged IPv6 packet that would pass without its tag.
        payload = [&[0, 5, 0x86, 0xdd][..], &payload].concat();
    }
    ethernet(ethertype, &payload)
}
