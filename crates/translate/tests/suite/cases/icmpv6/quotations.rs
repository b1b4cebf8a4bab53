//! Quoted packets, and what follows them.

use super::*;

pub(super) fn quotations() -> Vec<Case> {
    let clause = "7915-5.3-quoted";
    let mut all = Vec::new();
    let both = |name: &str, says: &str, before: Parts, after: Parts| {
        passes(
            name,
            clause,
            says,
            input(1, 4, 0, before),
            output(3, 3, 0, after),
        )
    };
    let (before, after) = quote(100);
    all.push(both(
        "quoted-6-whole",
        "The quoted packet is translated with its checksum; its TTL stays.",
        before.clone(),
        after.clone(),
    ));
    all.push(both(
        "quoted-6-8",
        "Eight bytes of data: the lengths are those of the whole packet.",
        cut(&before, 48),
        cut(&after, 28),
    ));
    all.push(both(
        "quoted-6-6",
        "Six bytes: its checksum is not there.",
        cut(&before, 46),
        cut(&after, 26),
    ));
    all.push(both(
        "quoted-6-0",
        "Not a byte of data.",
        cut(&before, 40),
        cut(&after, 20),
    ));
    let data = seq(0, 100);
    let tcp6 = quoted_6(TCP).with(tcp(quoted_6(TCP).ends(), 1, 2, 0x10, &data));
    let tcp4 = quoted_4(TCP).with(tcp(quoted_4(TCP).ends(), 1, 2, 0x10, &data));
    all.push(both(
        "quoted-6-tcp-8",
        "Eight bytes of TCP.",
        cut(&tcp6, 48),
        cut(&tcp4, 28),
    ));
    all.push(both(
        "quoted-6-tcp-17",
        "The checksum is cut in half, so it is left.",
        cut(&tcp6, 57),
        [
            cut(&tcp4, 36),
            vec![part("half a checksum", vec![bytes_of(&tcp6)[56]])],
        ]
        .concat(),
    ));
    all.push(both(
        "quoted-6-tcp-18",
        "The checksum is just there.",
        cut(&tcp6, 58),
        cut(&tcp4, 38),
    ));
    all.push(both(
        "quoted-6-odd",
        "An odd number of bytes.",
        cut(&tcp6, 119),
        cut(&tcp4, 99),
    ));
    all.push(both(
        "quoted-6-traffic-class",
        "Its traffic class is copied, its flow label not.",
        Six {
            traffic_class: 0xb8,
            flow_label: 0x12345,
            ..quoted_6(UDP)
        }
        .with(udp(quoted_6(UDP).ends(), 1, 2, &data)),
        Four {
            tos: 0xb8,
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 1, 2, &data)),
    ));
    all.push(both(
        "quoted-6-extension-headers",
        "Its extension headers are skipped.",
        quoted_6(0).with(
            [
                vec![
                    padding_header("hop-by-hop options", 60, 2),
                    padding_header("destination options", UDP, 1),
                ],
                udp(quoted_6(UDP).ends(), 1, 2, &data),
            ]
            .concat(),
        ),
        quoted_4(UDP).with(udp(quoted_4(UDP).ends(), 1, 2, &data)),
    ));
    all.push(both(
        "quoted-6-sctp",
        "Any other protocol.",
        quoted_6(132).with(vec![part("data", data.clone())]),
        quoted_4(132).with(vec![part("data", data.clone())]),
    ));
    all.push(both(
        "quoted-6-dccp",
        "DCCP.",
        quoted_6(33).with(dccp(quoted_6(33).ends(), &data)),
        quoted_4(33).with(dccp(quoted_4(33).ends(), &data)),
    ));
    let whole6 = udp(quoted_6(UDP).ends(), 1, 2, &seq(0, 1000));
    let whole4 = udp(quoted_4(UDP).ends(), 1, 2, &seq(0, 1000));
    for (name, from, to, more) in [
        ("first", 0, 512, true),
        ("later", 512, 1008, false),
        ("atomic", 0, 1008, false),
    ] {
        all.push(both(
            &format!("quoted-6-fragment-{name}"),
            "A quoted fragment header goes into the IPv4 header.",
            quoted_6(44).with(
                [
                    vec![fragment(UDP, from, more, 0x9999_abcd)],
                    slice(&whole6, from, to),
                ]
                .concat(),
            ),
            Four {
                offset: from,
                more,
                id: 0xabcd,
                ..quoted_4(UDP)
            }
            .with(slice(&whole4, from, to)),
        ));
    }
    let echo6 = quoted_6(58).with(icmp6(
        quoted_6(58).ends(),
        128,
        0,
        5,
        vec![part("data", data.clone())],
    ));
    let echo4 = quoted_4(1).with(icmp4(8, 0, 5, vec![part("data", data.clone())]));
    all.push(both(
        "quoted-6-echo",
        "A quoted echo request, type and checksum.",
        echo6.clone(),
        echo4.clone(),
    ));
    all.push(both(
        "quoted-6-echo-8",
        "Eight bytes of it.",
        cut(&echo6, 48),
        cut(&echo4, 28),
    ));
    all.push(both(
        "quoted-6-echo-reply",
        "A quoted echo reply.",
        quoted_6(58).with(icmp6(
            quoted_6(58).ends(),
            129,
            0,
            5,
            vec![part("data", data.clone())],
        )),
        quoted_4(1).with(icmp4(0, 0, 5, vec![part("data", data.clone())])),
    ));
    let (large, large4) = quote(1300);
    all.push(both(
        "quoted-6-large",
        "A packet of more than 1280 bytes had DF set in IPv4.",
        cut(&large, 1232),
        cut(&large4, 1212),
    ));
    all.push(passes(
        "error-6-behind-options",
        clause,
        "Options in front of the error are skipped too.",
        six_in(60).with(
            [
                vec![padding_header("destination options", 58, 1)],
                icmp6(six_in(58).ends(), 1, 4, 0, before.clone()),
            ]
            .concat(),
        ),
        output(3, 3, 0, after.clone()),
    ));

    let refuse =
        |name: &'static str, clause, says: &'static str, body: Parts, reason: &'static str| {
            refused(name, clause, says, input(1, 4, 0, body), reason, "silent")
        };
    for (kind, name) in [
        (1, "quoted-6-unreachable"),
        (2, "quoted-6-too-big"),
        (3, "quoted-6-time-exceeded"),
        (4, "quoted-6-parameter-problem"),
        (127, "quoted-6-error-127"),
    ] {
        all.push(refuse(
            name,
            "7915-5.3-nested",
            "An error about an error: dropped.",
            quoted_6(58).with(icmp6(
                quoted_6(58).ends(),
                kind,
                0,
                0,
                vec![part("data", seq(0, 48))],
            )),
            "icmp-nested",
        ));
    }
    all.push(refuse(
        "quoted-6-neighbor-solicitation",
        clause,
        "A message that could not have come through here.",
        quoted_6(58).with(icmp6(
            quoted_6(58).ends(),
            135,
            0,
            0,
            vec![part("data", seq(0, 16))],
        )),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-6-echo-fragment",
        clause,
        "A fragmented echo could not have come through here.",
        quoted_6(44).with(
            [
                vec![fragment(58, 0, true, 1)],
                icmp6(
                    quoted_6(58).ends(),
                    128,
                    0,
                    0,
                    vec![part("data", seq(0, 56))],
                ),
            ]
            .concat(),
        ),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-6-routing-header",
        clause,
        "Nor a packet with segments left.",
        quoted_6(43).with(
            [
                vec![routing_header(UDP, 4, 1)],
                udp(quoted_6(UDP).ends(), 1, 2, &data),
            ]
            .concat(),
        ),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-6-icmpv4",
        clause,
        "Nor ICMPv4 in IPv6.",
        quoted_6(1).with(vec![part("data", seq(0, 8))]),
        "quote-not-translatable",
    ));
    all.push(refuse(
        "quoted-6-39",
        clause,
        "Not even a header is quoted.",
        cut(&before, 39),
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-6-nothing",
        clause,
        "Nothing is quoted.",
        vec![],
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-6-version-4",
        clause,
        "An IPv4 packet is quoted.",
        quote(20).1,
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-6-extension-cut",
        clause,
        "The quotation ends in the extension headers.",
        cut(
            &quoted_6(60).with(vec![padding_header("destination options", UDP, 4)]),
            60,
        ),
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-6-length-below-extension",
        clause,
        "Its length is below that of its extension headers.",
        Six {
            length: Some(4),
            ..quoted_6(60)
        }
        .with(vec![
            padding_header("destination options", UDP, 1),
            part("data", seq(0, 8)),
        ]),
        "quote-incomplete",
    ));
    all.push(refuse(
        "quoted-6-echo-no-type",
        clause,
        "Of an echo, or an error, not even the type.",
        cut(&echo6, 40),
        "quote-incomplete",
    ));

    // Unlike in the other direction no limit is exceeded: 1280 bytes become 1240.
    let (most, most4) = quote(1184);
    all.push(both(
        "quoted-6-most",
        "The largest ICMPv6 error becomes one of 1240 bytes.",
        most.clone(),
        most4.clone(),
    ));
    all.push(
        passes(
            "quoted-6-link-576",
            "7915-5.3-error-size",
            "An error is cut where the IPv4 link is smaller, not fragmented.",
            input(1, 4, 0, most.clone()),
            output(3, 3, 0, cut(&most4, 548)),
        )
        .set("mtu_v4 = 576"),
    );
    all.push(
        passes(
            "quoted-6-link-577",
            "7915-5.3-error-size",
            "At an even length.",
            input(1, 4, 0, most.clone()),
            output(3, 3, 0, cut(&most4, 548)),
        )
        .set("mtu_v4 = 577"),
    );
    all.push(
        passes(
            "quoted-6-link-68",
            "7915-5.3-error-size",
            "Down to the smallest IPv4 MTU.",
            input(1, 4, 0, most),
            output(3, 3, 0, cut(&most4, 40)),
        )
        .set("mtu_v4 = 68"),
    );
    all
}

pub(super) fn extensions() -> Vec<Case> {
    let clause = "7915-5.2-extension";
    let mut all = Vec::new();
    let object = |bytes: usize| part("extension", seq(32, bytes));
    let pad = |parts: Parts, to: usize| {
        let mut parts = parts;
        let missing = to - length_of(&parts);
        if missing > 0 {
            parts.push(part("padding", vec![0; missing]));
        }
        parts
    };
    // 128 bytes are quoted: 16 times 8. In IPv4 108, to be padded to 128: 32 words.
    let (before, after) = quote(80);
    assert_eq!(length_of(&before), 128);
    for (name, kind, code, to) in [
        ("unreachable", 1, 0, (3, 1)),
        ("time-exceeded", 3, 0, (11, 0)),
    ] {
        all.push(passes(format!("extension-6-{name}"), clause, "The length counts 4 bytes instead of 8, the quotation is padded to 128 bytes, and the extension follows.",
            input(kind, code, 16 << 24, [before.clone(), vec![object(16)]].concat()), output(to.0, to.1, 32 << 16, [pad(after.clone(), 128), vec![object(16)]].concat())));
    }
    let (before2, after2) = quote(104);
    all.push(passes(
        "extension-6-no-padding",
        clause,
        "152 bytes become 132: no padding.",
        input(1, 4, 19 << 24, [before2, vec![object(20)]].concat()),
        output(3, 3, 33 << 16, [after2, vec![object(20)]].concat()),
    ));
    let (small, small4) = quote(4);
    all.push(passes(
        "extension-6-behind-padding",
        clause,
        "A small packet padded to 128 is padded to 128.",
        input(
            1,
            4,
            16 << 24,
            [pad(small.clone(), 128), vec![object(20)]].concat(),
        ),
        output(
            3,
            3,
            32 << 16,
            [pad(small4.clone(), 128), vec![object(20)]].concat(),
        ),
    ));
    let (large, large4) = quote(976);
    all.push(passes(
        "extension-6-longest",
        clause,
        "1024 bytes become 1004: 251 words.",
        input(1, 4, 128 << 24, [large, vec![object(20)]].concat()),
        output(3, 3, 251 << 16, [large4, vec![object(20)]].concat()),
    ));
    let dropped = "7915-5.2-extension-dropped";
    let (huge, huge4) = quote(1000);
    all.push(passes(
        "extension-6-too-long-for-a-byte",
        dropped,
        "1028 bytes are more than the length of ICMPv4 can say: the extension is left out.",
        input(1, 4, 131 << 24, [huge, vec![object(20)]].concat()),
        output(3, 3, 0, huge4),
    ));
    all.push(
        passes(
            "extension-6-beyond-the-link",
            dropped,
            "So is one that the IPv4 link does not carry.",
            input(1, 4, 16 << 24, [before.clone(), vec![object(500)]].concat()),
            output(3, 3, 0, after.clone()),
        )
        .set("mtu_v4 = 576"),
    );
    let lies = "7915-5.2-extension-length";
    all.push(passes(
        "extension-6-length-beyond-the-end",
        lies,
        "A length beyond the end of the message says nothing.",
        input(1, 4, 17 << 24, before.clone()),
        output(3, 3, 0, after.clone()),
    ));
    all.push(passes(
        "extension-6-length-below-a-header",
        lies,
        "Nor does one that does not hold an IP header.",
        input(1, 4, 4 << 24, before.clone()),
        output(3, 3, 0, after.clone()),
    ));
    all.push(passes(
        "extension-6-not-in-too-big",
        lies,
        "In \"packet too big\" those bits are the MTU.",
        input(2, 0, 0x0500_0500, before.clone()),
        output(3, 4, 1480, after),
    ));
    all
}
