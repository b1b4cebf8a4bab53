//! Fields of the header, lengths that lie, illegal addresses.

use super::*;

pub(super) fn header() -> Vec<Case> {
    let data = seq(0, 20);
    let mut all = Vec::new();
    let (input, out) = datagram(20);
    all.push(passes(
        "udp",
        "7915-4.1-header",
        "Version 6, flow label 0, the payload's length, the protocol as it is.",
        input,
        out,
    ));
    all.push(passes(
        "tcp-syn",
        "7915-4.1-header",
        "A TCP segment; its checksum covers the new addresses.",
        four(TCP).with(tcp(four(TCP).ends(), 40000, 443, 0x02, &[])),
        six(TCP).with(tcp(six(TCP).ends(), 40000, 443, 0x02, &[])),
    ));
    for data in [0, 1, 2, 3, 33, 1201] {
        let (input, out) = datagram(data);
        all.push(passes(
            format!("udp-{data}-bytes"),
            "7915-4.1-header",
            format!("Payload length of a datagram with {data} bytes of data."),
            input,
            out,
        ));
    }
    let (mut input, out) = datagram(4);
    input.push(part("Ethernet padding", vec![0xee; 14]));
    all.push(passes(
        "padding-behind",
        "7915-4.1-header",
        "What lies behind the total length is no part of the packet.",
        input,
        out,
    ));

    for tos in [0x01, 0x02, 0x03, 0x28, 0x48, 0x68, 0x88, 0xb8, 0xe0, 0xff] {
        all.push(passes(
            format!("tos-{tos:02x}"),
            "7915-4.1-traffic-class",
            "All eight bits of the TOS are copied: DSCP and ECN mean the same in both.",
            Four { tos, ..four(UDP) }.with(udp(four(UDP).ends(), 1, 2, &data)),
            Six {
                traffic_class: tos,
                ..six(UDP)
            }
            .with(udp(six(UDP).ends(), 1, 2, &data)),
        ));
    }
    for (name, set, traffic_class) in [
        ("zero", "traffic_class = 0", 0),
        ("af21", "traffic_class = 72", 72),
    ] {
        all.push(
            passes(
                format!("tos-set-to-{name}"),
                "7915-4.1-traffic-class-set",
                "The TOS is ignored and the traffic class set, when so configured.",
                Four {
                    tos: 0xb8,
                    ..four(UDP)
                }
                .with(udp(four(UDP).ends(), 1, 2, &data)),
                Six {
                    traffic_class,
                    ..six(UDP)
                }
                .with(udp(six(UDP).ends(), 1, 2, &data)),
            )
            .set(set),
        );
    }
    for ttl in [255, 128, 2] {
        all.push(passes(
            format!("ttl-{ttl}"),
            "7915-4.1-hop-limit",
            "The translator is a router: one less.",
            Four { ttl, ..four(UDP) }.with(udp(four(UDP).ends(), 1, 2, &data)),
            Six {
                hop_limit: ttl - 1,
                ..six(UDP)
            }
            .with(udp(six(UDP).ends(), 1, 2, &data)),
        ));
    }
    for ttl in [1, 0] {
        all.push(refused(
            format!("ttl-{ttl}"),
            "7915-4.1-hop-limit",
            "Used up: time exceeded in transit.",
            Four { ttl, ..four(UDP) }.with(udp(four(UDP).ends(), 1, 2, &data)),
            "hop-limit",
            "icmpv4 11/0",
        ));
    }
    for ttl in [64, 1] {
        all.push(
            passes(
                format!("ttl-{ttl}-kept"),
                "7915-4.1-hop-limit",
                "Where the kernel forwards in the same pass, it is the kernel that takes one off.",
                Four { ttl, ..four(UDP) }.with(udp(four(UDP).ends(), 1, 2, &data)),
                Six {
                    hop_limit: ttl,
                    ..six(UDP)
                }
                .with(udp(six(UDP).ends(), 1, 2, &data)),
            )
            .set("decrements = false"),
        );
    }
    all.push(refused(
        "ttl-used-up-by-an-error",
        "7915-4.4-answer",
        "No error about an ICMP error.",
        Four { ttl: 1, ..four(1) }.with(icmp4(
            3,
            3,
            0,
            Four::new(HOST6_IN_4, HOST4, UDP).with(udp(Ends::four(HOST6_IN_4, HOST4), 1, 2, &data)),
        )),
        "hop-limit",
        "silent",
    ));
    all.push(refused(
        "ttl-used-up-by-a-later-fragment",
        "7915-4.4-answer",
        "No error about a fragment that is not the first.",
        Four {
            ttl: 1,
            offset: 1480,
            ..four(UDP)
        }
        .with(vec![part("data", data.clone())]),
        "hop-limit",
        "silent",
    ));
    all.push(refused(
        "ttl-used-up-by-an-echo",
        "7915-4.4-answer",
        "An echo request is no error, so it is answered.",
        Four { ttl: 1, ..four(1) }.with(icmp4(8, 0, 0x0001_0001, vec![part("data", data.clone())])),
        "hop-limit",
        "icmpv4 11/0",
    ));
    all.push(refused(
        "header-checksum-wrong",
        "1812-5.2.2-header-checksum",
        "A router drops what has a wrong header checksum; translated, nobody could tell any more.",
        Four {
            checksum: Some(0x1234),
            ..four(UDP)
        }
        .with(udp(four(UDP).ends(), 1, 2, &data)),
        "header-checksum",
        "silent",
    ));
    all.push(refused(
        "header-checksum-zero",
        "1812-5.2.2-header-checksum",
        "Zero is not \"none\" here.",
        Four {
            checksum: Some(0),
            ..four(UDP)
        }
        .with(udp(four(UDP).ends(), 1, 2, &data)),
        "header-checksum",
        "silent",
    ));
    all
}

pub(super) fn lengths_that_lie() -> Vec<Case> {
    let data = seq(0, 20);
    let message = udp(four(UDP).ends(), 1, 2, &data);
    let clause = "791-3.1-lengths";
    let mut all = Vec::new();
    let refuse = |name: &'static str, says: &'static str, input: Parts| {
        refused(name, clause, says, input, "malformed", "silent")
    };
    all.push(refuse(
        "total-length-beyond-the-end",
        "The packet is shorter than it says.",
        Four {
            total: Some(49),
            ..four(UDP)
        }
        .with(message.clone()),
    ));
    all.push(refuse(
        "total-length-below-the-header",
        "The packet is shorter than its header.",
        Four {
            total: Some(19),
            ..four(UDP)
        }
        .with(message.clone()),
    ));
    let mut short = four(UDP).with(message.clone());
    short[0].bytes[0] = 0x44;
    all.push(refuse(
        "header-length-below-20",
        "A header of 16 bytes.",
        short,
    ));
    let mut version = four(UDP).with(message.clone());
    version[0].bytes[0] = 0x55;
    all.push(refused(
        "version-5",
        clause,
        "Neither IPv4 nor IPv6.",
        version,
        "not-ip",
        "silent",
    ));
    all.push(refuse(
        "cut-in-the-header",
        "Less than an IPv4 header.",
        cut(&four(UDP).with(message.clone()), 19),
    ));
    all.push(refuse(
        "seven-bytes",
        "Less than the first word.",
        cut(&four(UDP).with(message.clone()), 7),
    ));
    let mut options = Four {
        options: vec![1; 40],
        total: Some(40),
        ..four(UDP)
    }
    .with(vec![]);
    options.pop();
    all.push(refuse(
        "options-beyond-the-end",
        "A header of 60 bytes in a packet of 40.",
        options,
    ));
    let mut long = message.clone();
    long[0].bytes[4..6].copy_from_slice(&29u16.to_be_bytes());
    all.push(refuse(
        "udp-length-beyond-the-packet",
        "The datagram is longer than the packet that holds it.",
        four(UDP).with(long),
    ));
    let mut little = message.clone();
    little[0].bytes[4..6].copy_from_slice(&7u16.to_be_bytes());
    all.push(refuse(
        "udp-length-below-8",
        "The datagram is shorter than its header.",
        four(UDP).with(little),
    ));
    all.push(refuse(
        "udp-header-cut",
        "A whole packet with seven bytes of UDP.",
        four(UDP).with(cut(&message, 7)),
    ));
    all.push(refuse(
        "tcp-header-cut",
        "A whole packet with nineteen bytes of TCP.",
        four(TCP).with(cut(&tcp(four(TCP).ends(), 1, 2, 0x10, &[]), 19)),
    ));
    all.push(refuse(
        "icmp-header-cut",
        "A whole packet with seven bytes of ICMP.",
        four(1).with(cut(&icmp4(8, 0, 1, vec![]), 7)),
    ));
    all.push(refuse(
        "nothing-behind-the-header",
        "A whole packet with no byte of ICMP.",
        four(1).with(vec![]),
    ));
    // The datagram may end before the packet does.
    let mut ends_early = message;
    ends_early.push(part("behind the datagram", vec![0xaa; 6]));
    let mut out = udp(six(UDP).ends(), 1, 2, &data);
    out.push(part("behind the datagram", vec![0xaa; 6]));
    all.push(passes(
        "udp-length-below-the-packet",
        clause,
        "What the datagram does not cover is carried along; its checksum does not cover it.",
        four(UDP).with(ends_early),
        six(UDP).with(out),
    ));
    all
}

pub(super) fn sources_and_destinations() -> Vec<Case> {
    let mut all = Vec::new();
    for address in [
        "0.0.0.0",
        "0.0.0.1",
        "127.0.0.1",
        "127.255.255.255",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
    ] {
        let from = Four::new(address, HOST6_IN_4, UDP);
        all.push(refused(
            format!("source-{address}"),
            "7915-4.1-illegal-source",
            "No router forwards from there: silently discarded.",
            from.with(udp(from.ends(), 1, 2, &[1, 2, 3])),
            "illegal-source",
            "silent",
        ));
        let to = Four::new(HOST4, address, UDP);
        all.push(refused(
            format!("destination-{address}"),
            "7915-1.2-multicast",
            "There is no unicast mapping for it.",
            to.with(udp(to.ends(), 1, 2, &[1, 2, 3])),
            "illegal-destination",
            "silent",
        ));
    }
    for (address, in_6) in [
        ("1.0.0.0", "2001:db8:101::"),
        ("126.255.255.255", "2001:db8:17e:ffff:ff::"),
        ("223.255.255.255", "2001:db8:1df:ffff:ff::"),
        ("10.0.0.1", "2001:db8:10a:0:1::"),
    ] {
        let from = Four::new(address, HOST6_IN_4, UDP);
        let out = Six::new(in_6, HOST6, UDP);
        all.push(passes(
            format!("source-{address}"),
            "7915-4.1-illegal-source",
            "At the edge of what is legal.",
            from.with(udp(from.ends(), 1, 2, &[1, 2, 3])),
            out.with(udp(out.ends(), 1, 2, &[1, 2, 3])),
        ));
    }
    // RFC 7915 section 4.1, note: errors from illegal sources help in troubleshooting.
    let quoted_4 = Four {
        ttl: 9,
        ..Four::new(HOST6_IN_4, HOST4, UDP)
    };
    let quoted_6 = Six {
        hop_limit: 9,
        ..Six::new(HOST6, HOST4_IN_6, UDP)
    };
    let from = Four::new("127.0.0.1", HOST6_IN_4, 1);
    let input = from.with(icmp4(
        11,
        0,
        0,
        quoted_4.with(udp(quoted_4.ends(), 1, 2, &[1, 2, 3, 4])),
    ));
    let out = Six::new("2001:db8:17f:0:1::", HOST6, 58);
    let out = out.with(icmp6(
        out.ends(),
        3,
        0,
        0,
        quoted_6.with(udp(quoted_6.ends(), 1, 2, &[1, 2, 3, 4])),
    ));
    all.push(refused(
        "error-from-127.0.0.1",
        "7915-4.1-illegal-error-source",
        "Not by default: here a source is an identity.",
        input.clone(),
        "illegal-source",
        "silent",
    ));
    all.push(
        passes(
            "error-from-127.0.0.1-let",
            "7915-4.1-illegal-error-source",
            "As the RFC has it, when so configured.",
            input,
            out,
        )
        .set("illegal_error_sources = true"),
    );
    let echo = Four::new("127.0.0.1", HOST6_IN_4, 1);
    all.push(
        refused(
            "echo-from-127.0.0.1",
            "7915-4.1-illegal-error-source",
            "Only errors, whatever is configured.",
            echo.with(icmp4(8, 0, 1, vec![])),
            "illegal-source",
            "silent",
        )
        .set("illegal_error_sources = true"),
    );
    all
}
