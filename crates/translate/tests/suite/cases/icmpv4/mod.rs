mod messages;
mod quotations;

use super::*;
use crate::encode::*;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// What a router of the IPv4 network quotes: a packet that came out of translation
/// from the IPv6 host, and the same as that host had sent it.
fn quoted_4(protocol: u8) -> Four {
    Four {
        ttl: 7,
        id: 0x0777,
        ..Four::new(HOST6_IN_4, HOST4, protocol)
    }
}

fn quoted_6(next: u8) -> Six {
    Six {
        hop_limit: 7,
        ..Six::new(HOST6, HOST4_IN_6, next)
    }
}

/// A quoted datagram with so many bytes of data, in both families.
fn quote(data: usize) -> (Parts, Parts) {
    let data = seq(0, data);
    (
        quoted_4(UDP).with(udp(quoted_4(UDP).ends(), 4000, 53, &data)),
        quoted_6(UDP).with(udp(quoted_6(UDP).ends(), 4000, 53, &data)),
    )
}

fn input(kind: u8, code: u8, rest: u32, body: Parts) -> Parts {
    four(1).with(icmp4(kind, code, rest, body))
}

fn output(kind: u8, code: u8, rest: u32, body: Parts) -> Parts {
    six(58).with(icmp6(six(58).ends(), kind, code, rest, body))
}

/// An error about a small datagram.
fn error(
    name: impl Into<String>,
    clause: &'static str,
    says: impl Into<String>,
    from: (u8, u8, u32),
    to: (u8, u8, u32),
) -> Case {
    let (before, after) = quote(4);
    passes(
        name,
        clause,
        says,
        input(from.0, from.1, from.2, before),
        output(to.0, to.1, to.2, after),
    )
}

fn no_error(
    name: impl Into<String>,
    clause: &'static str,
    says: impl Into<String>,
    from: (u8, u8, u32),
    reason: &'static str,
) -> Case {
    refused(
        name,
        clause,
        says,
        input(from.0, from.1, from.2, quote(4).0),
        reason,
        "silent",
    )
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = messages::queries();
    all.extend(messages::unreachable());
    all.extend(messages::mtus());
    all.extend(messages::others());
    all.extend(messages::pointers());
    all.extend(quotations::quotations());
    all.extend(quotations::extensions());
    all
}
