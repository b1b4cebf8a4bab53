mod messages;
mod quotations;

use super::*;
use crate::encode::*;

const UDP: u8 = 17;
const TCP: u8 = 6;

/// What a router of the IPv6 network quotes: a packet that came out of translation
/// from the IPv4 host, and the same as that host had sent it.
fn quoted_6(next: u8) -> Six {
    Six {
        hop_limit: 7,
        ..Six::new(HOST4_IN_6, HOST6, next)
    }
}

fn quoted_4(protocol: u8) -> Four {
    Four {
        ttl: 7,
        id: 0,
        ..Four::new(HOST4, HOST6_IN_4, protocol)
    }
}

fn quote(data: usize) -> (Parts, Parts) {
    let dont_fragment = data + 28 > 1260;
    let data = seq(0, data);
    (
        quoted_6(UDP).with(udp(quoted_6(UDP).ends(), 4000, 53, &data)),
        Four {
            dont_fragment,
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 4000, 53, &data)),
    )
}

fn input(kind: u8, code: u8, rest: u32, body: Parts) -> Parts {
    six_in(58).with(icmp6(six_in(58).ends(), kind, code, rest, body))
}

fn output(kind: u8, code: u8, rest: u32, body: Parts) -> Parts {
    let dont_fragment = length_of(&body) + 28 > 1260;
    Four {
        dont_fragment,
        ..four_out(1)
    }
    .with(icmp4(kind, code, rest, body))
}

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
    all.extend(messages::errors());
    all.extend(messages::pointers());
    all.extend(quotations::quotations());
    all.extend(quotations::extensions());
    all
}
