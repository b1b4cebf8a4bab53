//! Fields of the header, lengths that lie, illegal addresses.

use super::*;

pub(super) fn header() -> Vec<Case> {
    let data = seq(0, 20);
    let mut all = Vec::new();
    let (input, out) = datagram(20);
    all.push(passes("udp-6", "7915-5.1-header", "Version 4, no options, the whole length, an identification of ours, offset 0, the protocol as it is.", input, out));
    all.push(passes(
        "tcp-syn-ack-6",
        "7915-5.1-header",
        "A TCP segment; its checksum covers the new addresses.",
        six_in(TCP).with(tcp(six_in(TCP).ends(), 443, 40000, 0x12, &[])),
        four_out(TCP).with(tcp(four_out(TCP).ends(), 443, 40000, 0x12, &[])),
    ));
    for data in [0, 1, 2, 3, 33, 1201] {
        let (input, out) = datagram(data);
        all.push(passes(
            format!("udp-6-{data}-bytes"),
            "7915-5.1-header",
            format!("Total length of a datagram with {data} bytes of data."),
            input,
            out,
        ));
    }
    all.push(passes(
        "flow-label",
        "7915-5.1-header",
        "The flow label has no place in IPv4.",
        Six {
            flow_label: 0xabcde,
            ..six_in(UDP)
        }
        .with(udp(six_in(UDP).ends(), 1, 2, &data)),
        four_out(UDP).with(udp(four_out(UDP).ends(), 1, 2, &data)),
    ));
    let (mut input, out) = datagram(4);
    input.push(part("padding", vec![0xee; 5]));
    all.push(passes(
        "padding-behind-6",
        "7915-5.1-header",
        "What lies behind the payload's length is no part of the packet.",
        input,
        out,
    ));
    for traffic_class in [0x01, 0x02, 0x03, 0x28, 0x48, 0x68, 0x88, 0xb8, 0xe0, 0xff] {
        all.push(passes(
            format!("traffic-class-{traffic_class:02x}"),
            "7915-5.1-tos",
            "All eight bits of the traffic class are copied.",
            Six {
                traffic_class,
                ..six_in(UDP)
            }
            .with(udp(six_in(UDP).ends(), 1, 2, &data)),
            Four {
                tos: traffic_class,
                ..four_out(UDP)
            }
            .with(udp(four_out(UDP).ends(), 1, 2, &data)),
        ));
    }
    all.push(
        passes(
            "traffic-class-ignored",
            "7915-5.1-tos-set",
            "The traffic class is ignored and the TOS set, when so configured.",
            Six {
                traffic_class: 0xb8,
                ..six_in(UDP)
            }
            .with(udp(six_in(UDP).ends(), 1, 2, &data)),
            Four {
                tos: 0x28,
                ..four_out(UDP)
            }
            .with(udp(four_out(UDP).ends(), 1, 2, &data)),
        )
        .set("tos = 40"),
    );
    for hop_limit in [255, 128, 2] {
        all.push(passes(
            format!("hop-limit-{hop_limit}"),
            "7915-5.1-ttl",
            "The translator is a router: one less.",
            Six {
                hop_limit,
                ..six_in(UDP)
            }
            .with(udp(six_in(UDP).ends(), 1, 2, &data)),
            Four {
                ttl: hop_limit - 1,
                ..four_out(UDP)
            }
            .with(udp(four_out(UDP).ends(), 1, 2, &data)),
        ));
    }
    for hop_limit in [1, 0] {
        all.push(refused(
            format!("hop-limit-{hop_limit}"),
            "7915-5.1-ttl",
            "Used up: hop limit exceeded in transit.",
            Six {
                hop_limit,
                ..six_in(UDP)
            }
            .with(udp(six_in(UDP).ends(), 1, 2, &data)),
            "hop-limit",
            "icmpv6 3/0",
        ));
    }
    all.push(
        passes(
            "hop-limit-kept",
            "7915-5.1-ttl",
            "Where the kernel has forwarded it already, it has taken one off already.",
            Six {
                hop_limit: 9,
                ..six_in(UDP)
            }
            .with(udp(six_in(UDP).ends(), 1, 2, &data)),
            Four {
                ttl: 9,
                ..four_out(UDP)
            }
            .with(udp(four_out(UDP).ends(), 1, 2, &data)),
        )
        .set("decrements = false"),
    );
    all.push(refused(
        "hop-limit-used-up-by-an-echo",
        "7915-5.4-answer",
        "An echo request is no error, and this answer is named by the RFC.",
        Six {
            hop_limit: 1,
            ..six_in(58)
        }
        .with(icmp6(six_in(58).ends(), 128, 0, 1, vec![])),
        "hop-limit",
        "icmpv6 3/0",
    ));
    all.push(refused(
        "hop-limit-used-up-by-an-error",
        "7915-5.4-answer",
        "No error about an ICMPv6 error.",
        Six {
            hop_limit: 1,
            ..six_in(58)
        }
        .with(icmp6(
            six_in(58).ends(),
            1,
            4,
            0,
            vec![part("data", seq(0, 60))],
        )),
        "hop-limit",
        "silent",
    ));
    all.push(refused(
        "hop-limit-used-up-by-a-later-fragment",
        "7915-5.4-answer",
        "No error about a fragment that is not the first.",
        Six {
            hop_limit: 1,
            ..six_in(44)
        }
        .with(vec![fragment(UDP, 1448, false, 5), part("data", seq(0, 8))]),
        "hop-limit",
        "silent",
    ));
    all
}

pub(super) fn lengths_that_lie() -> Vec<Case> {
    let clause = "8200-3-lengths";
    let data = seq(0, 20);
    let message = udp(six_in(UDP).ends(), 1, 2, &data);
    let refuse = |name: &'static str, says: &'static str, input: Parts| {
        refused(name, clause, says, input, "malformed", "silent")
    };
    let mut long = message.clone();
    long[0].bytes[4..6].copy_from_slice(&29u16.to_be_bytes());
    let mut little = message.clone();
    little[0].bytes[4..6].copy_from_slice(&7u16.to_be_bytes());
    vec![
        refuse(
            "payload-length-beyond-the-end",
            "The packet is shorter than it says.",
            Six {
                length: Some(29),
                ..six_in(UDP)
            }
            .with(message.clone()),
        ),
        refuse(
            "cut-in-the-header-6",
            "Less than an IPv6 header.",
            cut(&six_in(UDP).with(message.clone()), 39),
        ),
        refuse(
            "payload-length-zero",
            "A jumbogram, or nothing at all.",
            Six {
                length: Some(0),
                ..six_in(UDP)
            }
            .with(message.clone()),
        ),
        refuse(
            "udp-6-length-beyond-the-packet",
            "The datagram is longer than the packet that holds it.",
            six_in(UDP).with(long),
        ),
        refuse(
            "udp-6-length-below-8",
            "The datagram is shorter than its header.",
            six_in(UDP).with(little),
        ),
        refuse(
            "udp-6-header-cut",
            "Seven bytes of UDP.",
            six_in(UDP).with(cut(&message, 7)),
        ),
        refuse(
            "tcp-6-header-cut",
            "Nineteen bytes of TCP.",
            six_in(TCP).with(cut(&tcp(six_in(TCP).ends(), 1, 2, 0x10, &[]), 19)),
        ),
        refuse(
            "icmp-6-header-cut",
            "Seven bytes of ICMPv6.",
            six_in(58).with(cut(&icmp6(six_in(58).ends(), 128, 0, 1, vec![]), 7)),
        ),
        refuse(
            "icmp-6-nothing",
            "No byte of ICMPv6.",
            six_in(58).with(vec![]),
        ),
        refuse(
            "extension-header-beyond-the-end",
            "A header of 16 bytes of which there are eight.",
            six_in(60).with(cut(&[padding_header("destination options", UDP, 2)], 8)),
        ),
        refuse(
            "extension-header-cut",
            "Seven bytes of an extension header.",
            six_in(0).with(cut(&[padding_header("hop-by-hop options", UDP, 1)], 7)),
        ),
        refuse(
            "fragment-header-cut",
            "Seven bytes of a fragment header.",
            six_in(44).with(cut(&[fragment(UDP, 0, true, 1)], 7)),
        ),
    ]
}

pub(super) fn sources_and_destinations() -> Vec<Case> {
    let mut all = Vec::new();
    for address in [
        "::",
        "::1",
        "ff02::1",
        "ff0e::1",
        "fe80::1",
        "febf::1",
        "::192.0.2.1",
        "::ffff:192.0.2.1",
    ] {
        let from = Six::new(address, HOST4_IN_6, UDP);
        let slug = address.replace("::", "-").replace(':', "-");
        all.push(refused(
            format!("source{slug}"),
            "7915-5.1-illegal-source",
            "No router forwards from there: silently discarded.",
            from.with(udp(from.ends(), 1, 2, &[1, 2, 3])),
            "illegal-source",
            "silent",
        ));
        let to = Six::new(HOST6, address, UDP);
        all.push(refused(
            format!("destination{slug}"),
            "7915-5.1-illegal-source",
            "Nor to there.",
            to.with(udp(to.ends(), 1, 2, &[1, 2, 3])),
            "illegal-destination",
            "silent",
        ));
    }
    for (name, v6) in [
        ("loopback", "2001:db8:17f:0:1::"),
        ("multicast", "2001:db8:1e0:0:1::"),
        ("class-e", "2001:db8:1f0:0:1::"),
        ("broadcast", "2001:db8:1ff:ffff:ff::"),
        ("this-network", "2001:db8:100:0:1::"),
    ] {
        let from = Six::new(v6, HOST4_IN_6, UDP);
        all.push(refused(
            format!("embedded-source-{name}"),
            "6052-5.1-embedded",
            "An address that IPv4 forbids is forbidden in IPv6 clothes too.",
            from.with(udp(from.ends(), 1, 2, &[1, 2, 3])),
            "illegal-source",
            "silent",
        ));
        let to = Six::new(HOST6, v6, UDP);
        all.push(refused(
            format!("embedded-destination-{name}"),
            "6052-5.1-embedded",
            "As a destination likewise.",
            to.with(udp(to.ends(), 1, 2, &[1, 2, 3])),
            "illegal-destination",
            "silent",
        ));
    }
    all
}
