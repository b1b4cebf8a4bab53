//! Quoted packets, and what follows them.

use super::*;

pub(super) fn quotations() -> Vec<Case> {
    let clause = "7915-4.3-quoted";
    let mut all = Vec::new();
    let both = |name: &str, clause, says: &str, before: Parts, after: Parts| {
        passes(
            name,
            clause,
            says,
            input(3, 1, 0, before),
            output(1, 0, 0, after),
        )
    };
    let (before, after) = quote(100);
    all.push(both(
        "quoted-whole",
        clause,
        "The quoted packet is translated with its checksum; its hop limit stays.",
        before.clone(),
        after.clone(),
    ));
    all.push(both(
        "quoted-28",
        clause,
        "Eight bytes of data, as RFC 792 has it: the lengths are those of the whole packet.",
        cut(&before, 28),
        cut(&after, 48),
    ));
    all.push(both(
        "quoted-26",
        clause,
        "Six bytes: its checksum is not there.",
        cut(&before, 26),
        cut(&after, 46),
    ));
    all.push(both(
        "quoted-20",
        clause,
        "Not a byte of data.",
        cut(&before, 20),
        cut(&after, 40),
    ));
    let data = seq(0, 100);
    let tcp4 = quoted_4(TCP).with(tcp(quoted_4(TCP).ends(), 1, 2, 0x10, &data));
    let tcp6 = quoted_6(TCP).with(tcp(quoted_6(TCP).ends(), 1, 2, 0x10, &data));
    all.push(both(
        "quoted-tcp-8",
        clause,
        "Eight bytes of TCP: ports and sequence number.",
        cut(&tcp4, 28),
        cut(&tcp6, 48),
    ));
    all.push(both(
        "quoted-tcp-17",
        clause,
        "The checksum is cut in half, so it is left.",
        cut(&tcp4, 37),
        [
            cut(&tcp6, 56),
            vec![part("half a checksum", vec![bytes_of(&tcp4)[36]])],
        ]
        .concat(),
    ));
    all.push(both(
        "quoted-tcp-18",
        clause,
        "The checksum is just there.",
        cut(&tcp4, 38),
        cut(&tcp6, 58),
    ));
    all.push(both(
        "quoted-odd",
        clause,
        "An odd number of bytes.",
        cut(&tcp4, 99),
        cut(&tcp6, 119),
    ));
    all.push(both(
        "quoted-tos",
        clause,
        "Its TOS is copied.",
        Four {
            tos: 0xb8,
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 1, 2, &data)),
        Six {
            traffic_class: 0xb8,
            ..quoted_6(UDP)
        }
        .with(udp(quoted_6(UDP).ends(), 1, 2, &data)),
    ));
    all.push(both(
        "quoted-options",
        clause,
        "Its options are left out.",
        Four {
            options: vec![7, 7, 8, 1, 2, 3, 4, 0],
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 1, 2, &data)),
        quoted_6(UDP).with(udp(quoted_6(UDP).ends(), 1, 2, &data)),
    ));
    all.push(both(
        "quoted-ttl-0",
        clause,
        "Its hop limit may well be 0.",
        Four {
            ttl: 0,
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 1, 2, &data)),
        Six {
            hop_limit: 0,
            ..quoted_6(UDP)
        }
        .with(udp(quoted_6(UDP).ends(), 1, 2, &data)),
    ));
    all.push(both("quoted-checksum-changed", clause, "Its header checksum, which IPv6 has not, may be anything: routers quote what they have changed.",
        Four { checksum: Some(0x5555), ..quoted_4(UDP) }.with(udp(quoted_4(UDP).ends(), 1, 2, &data)), quoted_6(UDP).with(udp(quoted_6(UDP).ends(), 1, 2, &data))));
    all.push(both(
        "quoted-udp-without-checksum",
        clause,
        "A UDP checksum that is not there cannot be computed from a part.",
        quoted_4(UDP).with(udp_without(1, 2, &data)),
        quoted_6(UDP).with(udp_without(1, 2, &data)),
    ));
    all.push(both(
        "quoted-sctp",
        clause,
        "Any other protocol.",
        quoted_4(132).with(vec![part("data", data.clone())]),
        quoted_6(132).with(vec![part("data", data.clone())]),
    ));
    all.push(both(
        "quoted-dccp",
        clause,
        "DCCP.",
        quoted_4(33).with(dccp(quoted_4(33).ends(), &data)),
        quoted_6(33).with(dccp(quoted_6(33).ends(), &data)),
    ));
    let whole4 = udp(quoted_4(UDP).ends(), 1, 2, &seq(0, 1000));
    let whole6 = udp(quoted_6(UDP).ends(), 1, 2, &seq(0, 1000));
    for (name, from, to, more) in [("first", 0, 512, true), ("later", 512, 1008, false)] {
        all.push(both(
            &format!("quoted-fragment-{name}"),
            clause,
            "A quoted fragment gets a fragment header.",
            Four {
                offset: from,
                more,
                id: 0xabcd,
                ..quoted_4(UDP)
            }
            .with(slice(&whole4, from, to)),
            quoted_6(44).with(
                [
                    vec![fragment(UDP, from, more, 0xabcd)],
                    slice(&whole6, from, to),
                ]
                .concat(),
            ),
        ));
    }
    let echo4 = quoted_4(1).with(icmp4(8, 0, 5, vec![part("data", data.clone())]));
    let echo6 = quoted_6(58).with(icmp6(
        quoted_6(58).ends(),
        128,
        0,
        5,
        vec![part("data", data.clone())],
    ));
    all.push(both(
        "quoted-echo",
        clause,
        "A quoted echo request, type and checksum.",
        echo4.clone(),
        echo6.clone(),
    ));
    all.push(both(
        "quoted-echo-8",
        clause,
        "Eight bytes of it.",
        cut(&echo4, 28),
        cut(&echo6, 48),
    ));
    let reply4 = quoted_4(1).with(icmp4(0, 0, 5, vec![part("data", data.clone())]));
    let reply6 = quoted_6(58).with(icmp6(
        quoted_6(58).ends(),
        129,
        0,
        5,
        vec![part("data", data.clone())],
    ));
    all.push(both(
        "quoted-echo-reply",
        clause,
        "A quoted echo reply.",
        reply4,
        reply6,
    ));
    // Options of the error's own header.
    let (before, after) = quote(4);
    let mut with_options = four(1);
    with_options.options = vec![1; 4];
    all.push(passes(
        "error-with-options",
        clause,
        "Options in front of the error are left out too.",
        with_options.with(icmp4(11, 0, 0, before.clone())),
        output(3, 0, 0, after),
    ));

    let refuse =
        |name: &'static str, clause, says: &'static str, body: Parts, reason: &'static str| {
            refused(name, clause, says, input(3, 1, 0, body), reason, "silent")
        };
    for (kind, name) in [
        (3, "quoted-unreachable"),
        (11, "quoted-time-exceeded"),
        (12, "quoted-parameter-problem"),
        (5, "quoted-redirect"),
    ] {
        all.push(refuse(
            name,
            "7915-4.3-nested",
            "An error about an error: dropped.",
            quoted_4(1).with(icmp4(kind, 0, 0, vec![part("data", seq(0, 28))])),
            "icmp-nested",
        ));
    }
    all.push(refuse(
        "quoted-timestamp",
        clause,
        "A query that could not have come through here.",
        quoted_4(1).with(icmp4(13, 0, 0, vec![part("data", seq(0, 12))])),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-echo-fragment",
        clause,
        "A fragmented echo could not have come through here.",
        Four {
            more: true,
            ..quoted_4(1)
        }
        .with(icmp4(8, 0, 0, vec![part("data", seq(0, 56))])),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-igmp",
        clause,
        "Nor IGMP.",
        quoted_4(2).with(vec![part("data", seq(0, 8))]),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-19",
        clause,
        "Not even a header is quoted.",
        cut(&before, 19),
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-nothing",
        clause,
        "Nothing is quoted.",
        vec![],
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-version-6",
        clause,
        "An IPv6 packet is quoted.",
        quote(4).1,
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-options-cut",
        clause,
        "The options are cut.",
        cut(
            &Four {
                options: vec![1; 8],
                ..quoted_4(UDP)
            }
            .with(vec![]),
            24,
        ),
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-total-below-header",
        clause,
        "Its length is below its header's.",
        Four {
            total: Some(19),
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 1, 2, &data)),
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-echo-no-type",
        clause,
        "Of an echo, or an error, not even the type.",
        cut(&echo4, 20),
        "quote-incomplete",
    ));

    // The result may not exceed 1280 bytes (RFC 4443 section 2.4 (c)).
    for (data, name) in [
        (1164, "1280"),
        (1165, "1281"),
        (1400, "1516"),
        (1401, "1517"),
    ] {
        let (before, after) = quote(data);
        all.push(
            passes(
                format!("quoted-result-{name}"),
                "7915-4.3-error-size",
                "An ICMPv6 error has 1280 bytes at most; the end of the quotation goes.",
                input(3, 1, 0, before),
                output(1, 0, 0, cut(&after, 1232)),
            )
            .set("mtu_v4 = 9000"),
        );
    }
    all.push(
        passes(
            "quoted-result-cut-tiny-mtu",
            "7915-4.3-error-size",
            "Whatever the link carries.",
            input(3, 1, 0, quote(1400).0),
            output(1, 0, 0, cut(&quote(1400).1, 1232)),
        )
        .set("mtu_v6 = 9000, mtu_v4 = 9000"),
    );
    all
}

pub(super) fn extensions() -> Vec<Case> {
    let clause = "7915-4.2-extension";
    let mut all = Vec::new();
    // RFC 4884 section 7: version 2, checksum, one MPLS object.
    let object = |bytes: usize| {
        let mut out = vec![0x20, 0, 0, 0];
        out.extend(((bytes - 4) as u16).to_be_bytes());
        out.extend([1, 1]);
        out.extend(seq(3, bytes - 8));
        let checksum = internet_checksum(&out);
        out[2..4].copy_from_slice(&checksum.to_be_bytes());
        part("extension", out)
    };
    let pad = |parts: Parts, to: usize| {
        let mut parts = parts;
        let missing = to - length_of(&parts);
        if missing > 0 {
            parts.push(part("padding", vec![0; missing]));
        }
        parts
    };
    // 128 bytes are quoted: 32 words. In IPv6 148, to be padded to 152: 19 times 8.
    let (before, after) = quote(100);
    assert_eq!(length_of(&before), 128);
    for (name, kind, code, to) in [
        ("unreachable", 3, 1, (1, 0)),
        ("time-exceeded", 11, 0, (3, 0)),
    ] {
        all.push(passes(format!("extension-{name}"), clause, "The length counts 8 bytes instead of 4, the quotation is padded to such, and the extension follows.",
            input(kind, code, 32 << 16, [before.clone(), vec![object(16)]].concat()),
            output(to.0, to.1, 19 << 24, [pad(after.clone(), 152), vec![object(16)]].concat())));
    }
    let (before2, after2) = quote(104);
    all.push(passes(
        "extension-aligned",
        clause,
        "132 bytes become 152: no padding.",
        input(3, 1, 33 << 16, [before2, vec![object(12)]].concat()),
        output(1, 0, 19 << 24, [after2, vec![object(12)]].concat()),
    ));
    let (small, small6) = quote(4);
    all.push(passes(
        "extension-behind-padding",
        clause,
        "A small packet padded to 128 stays padded.",
        input(
            3,
            3,
            32 << 16,
            [pad(small.clone(), 128), vec![object(12)]].concat(),
        ),
        output(
            1,
            4,
            19 << 24,
            [pad(small6.clone(), 152), vec![object(12)]].concat(),
        ),
    ));
    all.push(passes(
        "extension-too-early",
        clause,
        "One that is not padded as it should be is.",
        input(3, 3, 8 << 16, [small.clone(), vec![object(12)]].concat()),
        output(
            1,
            4,
            16 << 24,
            [pad(small6.clone(), 128), vec![object(12)]].concat(),
        ),
    ));
    all.push(passes(
        "extension-odd-length",
        clause,
        "An extension of an odd number of bytes, opaque.",
        input(
            3,
            1,
            32 << 16,
            [before.clone(), vec![part("opaque", seq(0, 33))]].concat(),
        ),
        output(
            1,
            0,
            19 << 24,
            [pad(after.clone(), 152), vec![part("opaque", seq(0, 33))]].concat(),
        ),
    ));
    all.push(passes("extension-behind-tcp-8", clause, "The checksum of a TCP header that the extension cuts off is not looked for in the extension.",
        input(3, 1, 7 << 16, [cut(&quoted_4(TCP).with(tcp(quoted_4(TCP).ends(), 1, 2, 0x10, &[])), 28), vec![part("opaque", seq(0, 33))]].concat()),
        output(1, 0, 16 << 24, [pad(cut(&quoted_6(TCP).with(tcp(quoted_6(TCP).ends(), 1, 2, 0x10, &[])), 48), 128), vec![part("opaque", seq(0, 33))]].concat())));
    let dropped = "7915-4.2-extension-dropped";
    all.push(passes(
        "extension-fragmentation-needed",
        dropped,
        "\"Packet too big\" has no room for a length: the extension is left out.",
        input(
            3,
            4,
            32 << 16 | 1400,
            [before.clone(), vec![object(16)]].concat(),
        ),
        output(2, 0, 1420, after.clone()),
    ));
    all.push(passes(
        "extension-protocol-unreachable",
        dropped,
        "Nor has a parameter problem.",
        input(3, 2, 32 << 16, [before.clone(), vec![object(16)]].concat()),
        output(4, 1, 6, after.clone()),
    ));
    all.push(passes(
        "extension-parameter-problem",
        dropped,
        "Nor has a parameter problem.",
        input(
            12,
            0,
            9 << 24 | 32 << 16,
            [before.clone(), vec![object(16)]].concat(),
        ),
        output(4, 0, 6, after.clone()),
    ));
    all.push(
        passes(
            "extension-beyond-1280",
            dropped,
            "What does not fit into 1280 bytes is left out, and the length with it.",
            input(
                3,
                1,
                32 << 16,
                [before.clone(), vec![object(1084)]].concat(),
            ),
            output(1, 0, 0, after.clone()),
        )
        .set("mtu_v4 = 9000"),
    );
    all.push(
        passes(
            "extension-just-1280",
            clause,
            "What just fits stays.",
            input(
                3,
                1,
                32 << 16,
                [before.clone(), vec![object(1080)]].concat(),
            ),
            output(
                1,
                0,
                19 << 24,
                [pad(after.clone(), 152), vec![object(1080)]].concat(),
            ),
        )
        .set("mtu_v4 = 9000"),
    );
    let lies = "7915-4.2-extension-length";
    all.push(passes(
        "extension-length-beyond-the-end",
        lies,
        "A length beyond the end of the message says nothing.",
        input(3, 1, 33 << 16, before.clone()),
        output(1, 0, 0, after.clone()),
    ));
    all.push(passes(
        "extension-length-below-a-header",
        lies,
        "Nor does one that does not hold an IP header.",
        input(3, 1, 4 << 16, before.clone()),
        output(1, 0, 0, after.clone()),
    ));
    all.push(passes(
        "extension-length-all",
        lies,
        "A length of all that there is: no extension.",
        input(3, 1, 32 << 16, before),
        output(1, 0, 0, after),
    ));
    all
}
