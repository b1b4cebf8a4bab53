//! Options, protocols, transport checksums.

use super::*;

pub(super) fn options() -> Vec<Case> {
    let data = seq(0, 9);
    let input = |options: Vec<u8>| {
        Four {
            options,
            ..four(UDP)
        }
        .with(udp(four(UDP).ends(), 1, 2, &data))
    };
    let out = six(UDP).with(udp(six(UDP).ends(), 1, 2, &data));
    let mut all = Vec::new();
    for (name, says, options) in [
        ("no-operation", "No operation.", vec![1, 1, 1, 1]),
        (
            "end",
            "End of options, and whatever behind it.",
            vec![0, 131, 7, 4],
        ),
        (
            "record-route",
            "Record route.",
            vec![7, 7, 4, 0, 0, 0, 0, 0],
        ),
        (
            "timestamp",
            "Internet timestamp.",
            vec![68, 8, 5, 0, 0, 0, 0, 0],
        ),
        (
            "router-alert",
            "Router alert (RFC 2113).",
            vec![148, 4, 0, 0],
        ),
        (
            "security",
            "Security.",
            vec![130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ),
        (
            "loose-route-used-up",
            "A source route that has been used up.",
            vec![131, 7, 8, 198, 51, 100, 9, 0],
        ),
        (
            "strict-route-used-up",
            "A strict one, after two no-operations.",
            vec![1, 1, 137, 7, 8, 198, 51, 100, 9, 0, 0, 0],
        ),
        (
            "forty-no-operations",
            "As many as there is room for.",
            vec![1; 40],
        ),
        (
            "unknown",
            "An option of a number that nobody knows.",
            vec![0x9e, 6, 1, 2, 3, 4, 1, 1],
        ),
        (
            "last-byte-is-one",
            "A last option of one byte.",
            vec![148, 3, 0, 1],
        ),
    ] {
        all.push(passes(
            format!("option-{name}"),
            "7915-4.1-options",
            says,
            input(options),
            out.clone(),
        ));
    }
    for (name, options) in [
        ("loose-route", vec![131, 7, 4, 198, 51, 100, 9, 0]),
        ("strict-route", vec![137, 7, 4, 198, 51, 100, 9, 0]),
        (
            "loose-route-half-used",
            vec![131, 11, 8, 198, 51, 100, 9, 198, 51, 100, 10, 0],
        ),
        (
            "loose-route-behind-others",
            vec![1, 148, 4, 0, 0, 131, 7, 4, 198, 51, 100, 9],
        ),
    ] {
        all.push(refused(
            format!("option-{name}"),
            "7915-4.1-source-route",
            "An unexpired source route: discarded, \"source route failed\".",
            input(options),
            "source-route",
            "icmpv4 3/5",
        ));
    }
    for (name, options) in [
        ("length-0", vec![148, 0, 0, 0]),
        ("length-1", vec![148, 1, 0, 0]),
        ("beyond-the-header", vec![1, 1, 148, 4]),
        ("no-room-for-a-length", vec![1, 1, 1, 148]),
        ("source-route-without-pointer", vec![131, 2, 0, 0]),
    ] {
        all.push(refused(
            format!("option-{name}"),
            "7915-4.1-options-malformed",
            "Lengths that lie could hide a source route.",
            input(options),
            "options-malformed",
            "silent",
        ));
    }
    all
}

pub(super) fn protocols() -> Vec<Case> {
    let data = seq(7, 24);
    let mut all = Vec::new();
    for (number, name) in [
        (4, "ipip"),
        (41, "6in4"),
        (47, "gre"),
        (50, "esp"),
        (51, "ah"),
        (59, "no-next-header"),
        (89, "ospf"),
        (132, "sctp"),
        (253, "experiment"),
        (255, "reserved"),
    ] {
        all.push(passes(
            format!("protocol-{number}-{name}"),
            "7915-4.5-other-protocols",
            "Carried as it is, whatever it may be.",
            four(number).with(vec![part("data", data.clone())]),
            six(number).with(vec![part("data", data.clone())]),
        ));
    }
    for number in [0u8, 43, 44, 60, 135, 139, 140] {
        all.push(refused(
            format!("protocol-{number}"),
            "7915-4.1-header-numbers",
            "IPv6 would read the data as an extension header.",
            four(number).with(vec![part("data", data.clone())]),
            "protocol-not-carried",
            "silent",
        ));
    }
    all.push(refused(
        "protocol-58",
        "7915-4.1-header-numbers",
        "ICMPv6 in IPv4 can only be forged.",
        four(58).with(vec![part("data", data.clone())]),
        "protocol-not-carried",
        "silent",
    ));
    all.push(refused(
        "protocol-2",
        "7915-4.2-igmp",
        "IGMP stays on its link.",
        four(2).with(vec![part("data", data)]),
        "protocol-not-carried",
        "silent",
    ));
    all
}

pub(super) fn transports() -> Vec<Case> {
    let data = seq(0, 31);
    let mut all = Vec::new();
    all.push(passes(
        "tcp-with-data",
        "7915-4.5-checksums",
        "TCP: the checksum follows the pseudo-header.",
        four(TCP).with(tcp(four(TCP).ends(), 443, 40000, 0x18, &data)),
        six(TCP).with(tcp(six(TCP).ends(), 443, 40000, 0x18, &data)),
    ));
    all.push(passes(
        "dccp",
        "7915-4.5-checksums",
        "DCCP, which is optional, likewise.",
        four(33).with(dccp(four(33).ends(), &data)),
        six(33).with(dccp(six(33).ends(), &data)),
    ));
    all.push(passes(
        "udp-lite",
        "7915-4.5-checksums",
        "UDP-Lite likewise.",
        four(136).with(udp_lite(four(136).ends(), &data)),
        six(136).with(udp_lite(six(136).ends(), &data)),
    ));
    // A checksum that is wrong stays wrong.
    let spoil = |mut parts: Parts| {
        parts[1].bytes[0] ^= 0x55;
        parts
    };
    let clean = udp(four(UDP).ends(), 1, 2, &data);
    let clean_out = udp(six(UDP).ends(), 1, 2, &data);
    all.push(passes(
        "udp-checksum-wrong",
        "7915-4.5-checksums",
        "Updated, not computed anew: what was wrong stays wrong, for the receiver to see.",
        four(UDP).with(spoil(clean)),
        six(UDP).with(spoil(clean_out)),
    ));
    // Data for which the new checksum comes out as zero: the port is what is missing.
    let base = udp(six(UDP).ends(), 1, 0, &data);
    let missing = u16::from_be_bytes([base[0].bytes[6], base[0].bytes[7]]);
    let zero = udp(six(UDP).ends(), 1, missing, &data);
    assert_eq!(zero[0].bytes[6..8], [0xff, 0xff]);
    all.push(passes(
        "udp-checksum-becomes-zero",
        "7915-4.5-checksums",
        "A UDP checksum that comes out as 0 is sent as ffff (RFC 768).",
        four(UDP).with(udp(four(UDP).ends(), 1, missing, &data)),
        six(UDP).with(zero),
    ));
    let base = tcp(six(TCP).ends(), 1, 0, 0x10, &data);
    let missing = u16::from_be_bytes([base[0].bytes[16], base[0].bytes[17]]);
    let zero = tcp(six(TCP).ends(), 1, missing, 0x10, &data);
    assert_eq!(zero[0].bytes[16..18], [0, 0]);
    all.push(passes(
        "tcp-checksum-becomes-zero",
        "7915-4.5-checksums",
        "A TCP checksum of 0 is one like any other.",
        four(TCP).with(tcp(four(TCP).ends(), 1, missing, 0x10, &data)),
        six(TCP).with(zero),
    ));

    all.push(refused(
        "udp-without-checksum",
        "7915-4.5-udp-zero",
        "Dropped by default.",
        four(UDP).with(udp_without(1, 2, &data)),
        "udp-checksum-zero",
        "icmpv4 3/13",
    ));
    for bytes in [0, 1, 31, 1200] {
        let data = seq(0, bytes);
        all.push(
            passes(
                format!("udp-without-checksum-computed-{bytes}"),
                "7915-4.5-udp-zero",
                "Or computed over all of the data, when so configured.",
                four(UDP).with(udp_without(1, 2, &data)),
                six(UDP).with(udp(six(UDP).ends(), 1, 2, &data)),
            )
            .set("udp_zero = \"compute\""),
        );
    }
    let mut early = udp_without(1, 2, &data);
    early.push(part("behind the datagram", vec![0xaa; 6]));
    let mut early_out = udp(six(UDP).ends(), 1, 2, &data);
    early_out.push(part("behind the datagram", vec![0xaa; 6]));
    all.push(
        passes(
            "udp-without-checksum-length",
            "7915-4.5-udp-zero",
            "Over the datagram, not over what follows it.",
            four(UDP).with(early),
            six(UDP).with(early_out),
        )
        .set("udp_zero = \"compute\""),
    );
    let datagram = udp_without(1, 2, &seq(0, 48));
    for (name, set) in [("", ""), ("-compute", "udp_zero = \"compute\"")] {
        all.push(
            refused(
                format!("udp-without-checksum-first-fragment{name}"),
                "7915-4.5-udp-zero-fragment",
                "It cannot be computed from a fragment, whatever is configured.",
                Four {
                    more: true,
                    ..four(UDP)
                }
                .with(cut(&datagram, 32)),
                "udp-checksum-zero-fragment",
                "icmpv4 3/13",
            )
            .set(set),
        );
    }
    all
}
