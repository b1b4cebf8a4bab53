mod hairpins;
mod own;

use super::*;
use crate::encode::*;

const UDP: u8 = 17;

/// The same datagram between two IPv4 and two IPv6 addresses.
fn four_to_six(
    name: String,
    clause: &'static str,
    says: &str,
    world: &'static str,
    four: (&str, &str),
    six: (&str, &str),
) -> Case {
    let (four, six) = (Four::new(four.0, four.1, UDP), Six::new(six.0, six.1, UDP));
    let data = seq(0, 12);
    passes(
        name,
        clause,
        says,
        four.with(udp(four.ends(), 1, 2, &data)),
        six.with(udp(six.ends(), 1, 2, &data)),
    )
    .world(world)
}

fn six_to_four(
    name: String,
    clause: &'static str,
    says: &str,
    world: &'static str,
    six: (&str, &str),
    four: (&str, &str),
) -> Case {
    let six = Six {
        hop_limit: 64,
        ..Six::new(six.0, six.1, UDP)
    };
    let four = Four {
        id: crate::file::IDENTIFICATION,
        ttl: 63,
        ..Four::new(four.0, four.1, UDP)
    };
    let data = seq(0, 12);
    passes(
        name,
        clause,
        says,
        six.with(udp(six.ends(), 1, 2, &data)),
        four.with(udp(four.ends(), 1, 2, &data)),
    )
    .world(world)
}

fn both(
    name: &str,
    clause: &'static str,
    says: &str,
    world: &'static str,
    four: (&str, &str),
    six: (&str, &str),
) -> [Case; 2] {
    [
        four_to_six(format!("{name}-to-6"), clause, says, world, four, six),
        six_to_four(
            format!("{name}-to-4"),
            clause,
            says,
            world,
            (six.1, six.0),
            (four.1, four.0),
        ),
    ]
}

fn six_refused(
    name: &str,
    clause: &'static str,
    says: &str,
    world: &'static str,
    six: (&str, &str),
    reason: &'static str,
    answer: &str,
) -> Case {
    let six = Six::new(six.0, six.1, UDP);
    refused(
        name,
        clause,
        says,
        six.with(udp(six.ends(), 1, 2, &seq(0, 12))),
        reason,
        answer,
    )
    .world(world)
}

fn four_refused(
    name: &str,
    clause: &'static str,
    says: &str,
    world: &'static str,
    four: (&str, &str),
    reason: &'static str,
    answer: &str,
) -> Case {
    let four = Four::new(four.0, four.1, UDP);
    refused(
        name,
        clause,
        says,
        four.with(udp(four.ends(), 1, 2, &seq(0, 12))),
        reason,
        answer,
    )
    .world(world)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = embedding();
    all.extend(explicit());
    all.extend(hairpins::hairpins());
    all.extend(own::hops());
    all.extend(own::own_network());
    all
}

fn embedding() -> Vec<Case> {
    let clause = "6052-2.3-embedding";
    let mut all = Vec::new();
    // RFC 6052 section 2.4 for the source; the same arithmetic for 198.51.100.9.
    for (world, source, destination) in [
        ("pl32", "2001:db8:c000:221::", "2001:db8:c633:6409::"),
        ("pl40", "2001:db8:1c0:2:21::", "2001:db8:1c6:3364:9::"),
        (
            "pl48",
            "2001:db8:122:c000:2:2100::",
            "2001:db8:122:c633:64:900::",
        ),
        (
            "pl56",
            "2001:db8:122:3c0:0:221::",
            "2001:db8:122:3c6:33:6409::",
        ),
        (
            "pl64",
            "2001:db8:122:344:c0:2:2100::",
            "2001:db8:122:344:c6:3364:900::",
        ),
        (
            "pl96",
            "2001:db8:122:344::192.0.2.33",
            "2001:db8:122:344::198.51.100.9",
        ),
    ] {
        all.extend(both(
            &format!("embedding-{world}"),
            clause,
            "The address of RFC 6052 section 2.4.",
            world,
            ("192.0.2.33", "198.51.100.9"),
            (source, destination),
        ));
        // All bits of the IPv4 address, where each of them goes.
        let (low, high) = match world {
            "pl32" => ("2001:db8:102:408::", "2001:db8:dfef:f7fb::"),
            "pl40" => ("2001:db8:101:204:8::", "2001:db8:1df:eff7:fb::"),
            "pl48" => ("2001:db8:122:102:4:800::", "2001:db8:122:dfef:f7:fb00::"),
            "pl56" => ("2001:db8:122:301:2:408::", "2001:db8:122:3df:ef:f7fb::"),
            "pl64" => (
                "2001:db8:122:344:1:204:800::",
                "2001:db8:122:344:df:eff7:fb00::",
            ),
            _ => (
                "2001:db8:122:344::1.2.4.8",
                "2001:db8:122:344::223.239.247.251",
            ),
        };
        all.extend(both(
            &format!("embedding-bits-{world}"),
            clause,
            "Each byte of the address in its place.",
            world,
            ("1.2.4.8", "223.239.247.251"),
            (low, high),
        ));
    }
    for (world, address) in [
        ("pl32", "2001:db8:c000:221:100::"),
        ("pl40", "2001:db8:1c0:2:121::"),
        ("pl48", "2001:db8:122:c000:8002:2100::"),
        ("pl56", "2001:db8:122:3c0:100:221::"),
        ("pl64", "2001:db8:122:344:1c0:2:2100::"),
    ] {
        all.push(six_refused(
            &format!("u-octet-{world}"),
            "6052-2.2-u-octet",
            "Bits 64 to 71 are zero, or it is no embedded address.",
            world,
            (address, address),
            "no-source-mapping",
            "icmpv6 1/1",
        ));
    }
    for (world, address, to) in [
        ("pl32", "2001:db8:c000:221:99::", "2001:db8:c633:6409::"),
        ("pl40", "2001:db8:1c0:2:21:ffff::1", "2001:db8:1c6:3364:9::"),
        (
            "pl64",
            "2001:db8:122:344:c0:2:21ff:ffff",
            "2001:db8:122:344:c6:3364:900::",
        ),
    ] {
        all.push(six_to_four(
            format!("suffix-{world}"),
            "6052-2.2-suffix",
            "The suffix is ignored, as the RFC asks.",
            world,
            (address, to),
            ("192.0.2.33", "198.51.100.9"),
        ));
    }
    all.extend(both(
        "well-known-global",
        "6052-3.1-well-known",
        "The Well-Known Prefix with global addresses.",
        "well-known",
        ("8.8.8.8", "1.1.1.1"),
        ("64:ff9b::808:808", "64:ff9b::101:101"),
    ));
    for address in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.1.1",
        "192.0.2.33",
        "198.51.100.1",
        "203.0.113.1",
        "198.18.0.1",
    ] {
        all.push(four_refused(
            &format!("well-known-{address}"),
            "6052-3.1-well-known",
            "Not with one that is not global.",
            "well-known",
            (address, "1.1.1.1"),
            "not-global",
            "icmpv4 3/13",
        ));
    }
    all.push(six_refused(
        "well-known-10-from-6",
        "6052-3.1-well-known",
        "Nor on the way back.",
        "well-known",
        ("64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1"),
        "not-global",
        "icmpv6 1/1",
    ));
    all.push(six_refused(
        "outside-the-prefix",
        "7915-6-mapping",
        "No mapping for the destination: administratively prohibited.",
        "pl96",
        (
            "2001:db8:122:344::192.0.2.33",
            "2001:db8:122:345::192.0.2.33",
        ),
        "no-destination-mapping",
        "icmpv6 1/1",
    ));
    all.push(six_refused(
        "source-outside-the-prefix",
        "7915-6-mapping",
        "No mapping for the source.",
        "pl96",
        ("2001:db8:122:345::1", "2001:db8:122:344::192.0.2.33"),
        "no-source-mapping",
        "icmpv6 1/1",
    ));
    let echo = Six::new("2001:db8:122:345::1", "2001:db8:122:344::192.0.2.33", 58);
    all.push(
        refused(
            "source-outside-the-prefix-echo",
            "7915-5.4-answer",
            "ICMPv6 is not answered with \"prohibited\".",
            echo.with(icmp6(echo.ends(), 128, 0, 1, vec![])),
            "no-source-mapping",
            "silent",
        )
        .world("pl96"),
    );
    all
}

fn explicit() -> Vec<Case> {
    let clause = "7757-3.3-mapping";
    let mut all = Vec::new();
    for (name, v4, v6) in [
        ("host", "192.0.2.1", "2001:db8:aaaa::"),
        ("host-b", "192.0.2.2", "2001:db8:bbbb::b"),
        ("28-first", "192.0.2.16", "2001:db8:cccc::"),
        ("28-last", "192.0.2.31", "2001:db8:cccc::f"),
        ("26-in-64", "192.0.2.131", "2001:db8:dddd:0:c00::"),
        ("26-in-64-last", "192.0.2.191", "2001:db8:dddd:0:fc00::"),
        ("29-in-62", "192.0.2.197", "2001:db8:eeee:a:8000::"),
        ("29-in-62-last", "192.0.2.199", "2001:db8:eeee:b:8000::"),
        ("31", "192.0.2.225", "64:ff9b::1"),
    ] {
        all.extend(both(
            &format!("eam-{name}"),
            clause,
            "A row of RFC 7757 section 3.1; the other end is embedded.",
            "eam",
            ("203.0.113.5", v4),
            ("2001:db8:6464::203.0.113.5", v6),
        ));
    }
    all.extend(both(
        "eam-longest",
        "7757-3.2-longest",
        "The longer of two mappings that hold the address.",
        "eam",
        ("203.0.113.5", "192.0.2.20"),
        ("2001:db8:6464::203.0.113.5", "2001:db8:cccc:5::5"),
    ));
    all.push(six_to_four(
        "eam-shadowed".into(),
        "7757-3.2-longest",
        "The address behind the shorter one still leads to IPv4.",
        "eam",
        ("2001:db8:cccc::4", "2001:db8:6464::203.0.113.5"),
        ("192.0.2.20", "203.0.113.5"),
    ));
    all.push(six_to_four(
        "eam-trailing-bits".into(),
        clause,
        "Bits behind the IPv4 suffix are not looked at.",
        "eam",
        ("2001:db8:dddd:0:fff:1:2:3", "2001:db8:6464::203.0.113.5"),
        ("192.0.2.131", "203.0.113.5"),
    ));
    all.extend(both(
        "eam-else-embedded",
        "7757-3.3-fallback",
        "What no mapping holds is embedded.",
        "eam",
        ("203.0.113.5", "192.0.2.9"),
        ("2001:db8:6464::203.0.113.5", "2001:db8:6464::192.0.2.9"),
    ));
    all.extend(both(
        "eam-both-ends",
        clause,
        "Both ends may be mapped explicitly.",
        "eam-only",
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:aaaa::", "2001:db8:bbbb::b"),
    ));
    all.push(four_refused(
        "eam-only-destination",
        "7915-6-mapping",
        "Without a prefix, what has no mapping is refused.",
        "eam-only",
        ("192.0.2.1", "192.0.2.3"),
        "no-destination-mapping",
        "icmpv4 3/13",
    ));
    all.push(four_refused(
        "eam-only-source",
        "7915-6-mapping",
        "As a source likewise.",
        "eam-only",
        ("192.0.2.3", "192.0.2.2"),
        "no-source-mapping",
        "icmpv4 3/13",
    ));
    all.push(six_refused(
        "eam-only-destination-6",
        "7915-6-mapping",
        "From IPv6 likewise.",
        "eam-only",
        ("2001:db8:aaaa::", "2001:db8:bbbb::c"),
        "no-destination-mapping",
        "icmpv6 1/1",
    ));
    // A quotation with addresses that have no mapping.
    let outer = Four::new("192.0.2.2", "192.0.2.1", 1);
    let inner = Four::new("192.0.2.1", "192.0.2.77", UDP);
    all.push(
        refused(
            "eam-only-quoted",
            "7915-4.3-quoted",
            "A quoted packet whose addresses have no mapping did not come through here.",
            outer.with(icmp4(
                3,
                1,
                0,
                inner.with(udp(inner.ends(), 1, 2, &seq(0, 4))),
            )),
            "quote-not-translatable",
            "silent",
        )
        .world("eam-only"),
    );
    let outer = Six::new("2001:db8:bbbb::b", "2001:db8:aaaa::", 58);
    let inner = Six::new("2001:db8:aaaa::", "2001:db8:bbbb::c", UDP);
    all.push(
        refused(
            "eam-only-quoted-6",
            "7915-5.3-quoted",
            "In ICMPv6 likewise.",
            outer.with(icmp6(
                outer.ends(),
                1,
                0,
                0,
                inner.with(udp(inner.ends(), 1, 2, &seq(0, 4))),
            )),
            "quote-not-translatable",
            "silent",
        )
        .world("eam-only"),
    );
    all
}
