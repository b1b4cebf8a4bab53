//! Extension headers, protocols, transport checksums.

use super::*;

pub(super) fn extension_headers() -> Vec<Case> {
    let data = seq(0, 12);
    let message = udp(six_in(UDP).ends(), 1, 2, &data);
    let out = four_out(UDP).with(udp(four_out(UDP).ends(), 1, 2, &data));
    let hop = |next, units| padding_header("hop-by-hop options", next, units);
    let dest = |next, units| padding_header("destination options", next, units);
    let mut all = Vec::new();
    for (name, says, first, chain) in [
        (
            "hop-by-hop",
            "Hop-by-hop options are skipped.",
            0,
            vec![hop(UDP, 1)],
        ),
        ("hop-by-hop-long", "However long.", 0, vec![hop(UDP, 20)]),
        (
            "destination-options",
            "Destination options are skipped.",
            60,
            vec![dest(UDP, 2)],
        ),
        (
            "routing-done",
            "A routing header with no segments left is skipped.",
            43,
            vec![routing_header(UDP, 4, 0)],
        ),
        (
            "routing-type-0-done",
            "Of type 0 too.",
            43,
            vec![routing_header(UDP, 0, 0)],
        ),
        (
            "all-three",
            "All of them, in the order of RFC 8200.",
            0,
            vec![
                hop(60, 1),
                dest(43, 1),
                routing_header(60, 4, 0),
                dest(UDP, 3),
            ],
        ),
        (
            "eight",
            "Eight are looked through.",
            0,
            vec![
                hop(60, 1),
                dest(60, 1),
                dest(60, 1),
                dest(60, 1),
                dest(60, 1),
                dest(60, 1),
                dest(60, 1),
                dest(UDP, 1),
            ],
        ),
    ] {
        all.push(passes(
            format!("extension-{name}"),
            "7915-5.1-extension-headers",
            says,
            six_in(first).with([chain, message.clone()].concat()),
            out.clone(),
        ));
    }
    let nine = vec![
        hop(60, 1),
        dest(60, 1),
        dest(60, 1),
        dest(60, 1),
        dest(60, 1),
        dest(60, 1),
        dest(60, 1),
        dest(60, 1),
        dest(UDP, 1),
    ];
    all.push(refused(
        "extension-nine",
        "7112-chain-limit",
        "More than eight are not looked through.",
        six_in(0).with([nine, message.clone()].concat()),
        "extension-chain-too-long",
        "icmpv6 1/1",
    ));
    for (name, first, chain, pointer) in [
        ("first", 43, vec![routing_header(UDP, 0, 1)], 43),
        ("type-4", 43, vec![routing_header(UDP, 4, 1)], 43),
        (
            "behind-hop-by-hop",
            0,
            vec![hop(43, 1), routing_header(UDP, 2, 3)],
            51,
        ),
        (
            "behind-long-options",
            60,
            vec![dest(43, 3), routing_header(UDP, 2, 255)],
            67,
        ),
    ] {
        all.push(refused(
            format!("routing-segments-left-{name}"),
            "7915-5.1-routing-header",
            "Segments left: a parameter problem that points at them.",
            six_in(first).with([chain, message.clone()].concat()),
            "routing-header",
            format!("icmpv6 4/0 pointer {pointer}"),
        ));
    }
    let echo = icmp6(
        six_in(58).ends(),
        128,
        0,
        9,
        vec![part("data", data.clone())],
    );
    all.push(passes(
        "extension-before-icmp",
        "7915-5.1-extension-headers",
        "Before ICMPv6 as before anything.",
        six_in(60).with([vec![dest(58, 1)], echo].concat()),
        four_out(1).with(icmp4(8, 0, 9, vec![part("data", data)])),
    ));
    all
}

pub(super) fn protocols() -> Vec<Case> {
    let data = seq(7, 24);
    let mut all = Vec::new();
    for (number, name) in [
        (4, "ipip"),
        (41, "ipv6"),
        (47, "gre"),
        (50, "esp"),
        (51, "ah"),
        (59, "no-next-header"),
        (89, "ospf"),
        (132, "sctp"),
        (135, "mobility"),
        (253, "experiment"),
    ] {
        all.push(passes(
            format!("next-header-{number}-{name}"),
            "7915-5.5-other-protocols",
            "The first header that is not skipped is the protocol, whatever it is.",
            six_in(number).with(vec![part("data", data.clone())]),
            four_out(number).with(vec![part("data", data.clone())]),
        ));
    }
    for (number, name) in [(1, "icmpv4"), (2, "igmp")] {
        all.push(refused(
            format!("next-header-{number}-{name}"),
            "7915-5.1-header-numbers",
            "In IPv6 it can only be forged.",
            six_in(number).with(vec![part("data", data.clone())]),
            "protocol-not-carried",
            "silent",
        ));
    }
    all
}

pub(super) fn transports() -> Vec<Case> {
    let data = seq(0, 31);
    let mut all = Vec::new();
    all.push(passes(
        "tcp-with-data-6",
        "7915-5.5-checksums",
        "TCP: the checksum follows the pseudo-header.",
        six_in(TCP).with(tcp(six_in(TCP).ends(), 443, 40000, 0x18, &data)),
        four_out(TCP).with(tcp(four_out(TCP).ends(), 443, 40000, 0x18, &data)),
    ));
    all.push(passes(
        "dccp-6",
        "7915-5.5-checksums",
        "DCCP, which is optional, likewise.",
        six_in(33).with(dccp(six_in(33).ends(), &data)),
        four_out(33).with(dccp(four_out(33).ends(), &data)),
    ));
    all.push(passes(
        "udp-lite-6",
        "7915-5.5-checksums",
        "UDP-Lite likewise.",
        six_in(136).with(udp_lite(six_in(136).ends(), &data)),
        four_out(136).with(udp_lite(four_out(136).ends(), &data)),
    ));
    let spoil = |mut parts: Parts| {
        parts[1].bytes[0] ^= 0x55;
        parts
    };
    all.push(passes(
        "udp-6-checksum-wrong",
        "7915-5.5-checksums",
        "What was wrong stays wrong, for the receiver to see.",
        six_in(UDP).with(spoil(udp(six_in(UDP).ends(), 1, 2, &data))),
        four_out(UDP).with(spoil(udp(four_out(UDP).ends(), 1, 2, &data))),
    ));
    let base = udp(four_out(UDP).ends(), 1, 0, &data);
    let missing = u16::from_be_bytes([base[0].bytes[6], base[0].bytes[7]]);
    all.push(passes(
        "udp-6-checksum-becomes-zero",
        "7915-5.5-checksums",
        "0 would say \"none\" in IPv4: sent as ffff.",
        six_in(UDP).with(udp(six_in(UDP).ends(), 1, missing, &data)),
        four_out(UDP).with(udp(four_out(UDP).ends(), 1, missing, &data)),
    ));
    all.push(refused(
        "udp-6-without-checksum",
        "8200-8.1-udp-checksum",
        "IPv6 has no UDP without a checksum: discarded.",
        six_in(UDP).with(udp_without(1, 2, &data)),
        "udp-checksum-missing",
        "silent",
    ));
    all
}
