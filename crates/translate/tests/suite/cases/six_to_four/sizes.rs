//! Fragments, and what does not fit.

use super::*;

pub(super) fn fragments() -> Vec<Case> {
    let clause = "7915-5.1.1-fragments";
    let mut all = Vec::new();
    for (name, protocol) in [("udp", UDP), ("tcp", TCP)] {
        let data = seq(0, 1000);
        let (before, after) = if protocol == UDP {
            (
                udp(six_in(UDP).ends(), 1, 2, &data),
                udp(four_out(UDP).ends(), 1, 2, &data),
            )
        } else {
            (
                tcp(six_in(TCP).ends(), 1, 2, 0x10, &data),
                tcp(four_out(TCP).ends(), 1, 2, 0x10, &data),
            )
        };
        let end = length_of(&before);
        for (part_name, from, to) in [("first", 0, 512), ("middle", 512, 800), ("last", 800, end)] {
            let more = to != end;
            all.push(passes(
                format!("fragment-6-{name}-{part_name}"),
                clause,
                "Offset and more-fragments copied, the low half of the identification, DF clear.",
                six_in(44).with(
                    [
                        vec![fragment(protocol, from, more, 0xdead_beef)],
                        slice(&before, from, to),
                    ]
                    .concat(),
                ),
                Four {
                    id: 0xbeef,
                    more,
                    offset: from,
                    ..four_out(protocol)
                }
                .with(slice(&after, from, to)),
            ));
        }
    }
    let data = seq(0, 24);
    let whole = udp(six_in(UDP).ends(), 1, 2, &data);
    let whole_out = udp(four_out(UDP).ends(), 1, 2, &data);
    all.push(passes(
        "fragment-6-atomic",
        clause,
        "An atomic fragment (RFC 6946) is a whole packet whose identification is known.",
        six_in(44).with([vec![fragment(UDP, 0, false, 0x0001_0203)], whole.clone()].concat()),
        Four {
            id: 0x0203,
            ..four_out(UDP)
        }
        .with(whole_out.clone()),
    ));
    let echo = icmp6(
        six_in(58).ends(),
        128,
        0,
        1,
        vec![part("data", data.clone())],
    );
    all.push(passes(
        "fragment-6-atomic-echo",
        clause,
        "So ICMPv6 in one is translated.",
        six_in(44).with([vec![fragment(58, 0, false, 5)], echo.clone()].concat()),
        Four {
            id: 5,
            ..four_out(1)
        }
        .with(icmp4(8, 0, 1, vec![part("data", data.clone())])),
    ));
    all.push(passes(
        "fragment-6-large",
        clause,
        "A large fragment keeps DF clear: the fragment header says that it may be cut.",
        six_in(44).with(
            [
                vec![fragment(UDP, 0, true, 5)],
                slice(&udp(six_in(UDP).ends(), 1, 2, &seq(0, 2000)), 0, 1448),
            ]
            .concat(),
        ),
        Four {
            id: 5,
            more: true,
            ..four_out(UDP)
        }
        .with(slice(
            &udp(four_out(UDP).ends(), 1, 2, &seq(0, 2000)),
            0,
            1448,
        )),
    ));
    all.push(passes(
        "fragment-6-of-esp",
        clause,
        "ESP may follow a fragment header.",
        six_in(44).with(vec![fragment(50, 0, true, 5), part("data", data.clone())]),
        Four {
            id: 5,
            more: true,
            ..four_out(50)
        }
        .with(vec![part("data", data.clone())]),
    ));
    all.push(passes(
        "fragment-6-behind-options",
        clause,
        "Options before the fragment header are skipped.",
        six_in(0).with(
            [
                vec![
                    padding_header("hop-by-hop options", 44, 2),
                    fragment(UDP, 0, false, 5),
                ],
                whole.clone(),
            ]
            .concat(),
        ),
        Four {
            id: 5,
            ..four_out(UDP)
        }
        .with(whole_out),
    ));
    for (number, name) in [
        (0, "hop-by-hop"),
        (60, "destination-options"),
        (43, "routing"),
        (44, "fragment"),
        (51, "ah"),
        (135, "mobility"),
    ] {
        for (where_name, offset, answer) in [("", 0, "icmpv6 1/1"), ("-later", 512, "silent")] {
            all.push(refused(
                format!("fragment-6-before-{name}{where_name}"),
                "7915-5.1.1-extension-behind",
                "An extension header behind the fragment header, AH among them: dropped.",
                six_in(44).with(
                    [
                        vec![
                            fragment(number, offset, true, 5),
                            padding_header("behind it", UDP, 1),
                        ],
                        whole.clone(),
                    ]
                    .concat(),
                ),
                "extension-after-fragment",
                answer,
            ));
        }
    }
    all.push(refused(
        "fragment-6-tcp-tiny",
        "7915-5.1.1-first-fragment",
        "The first fragment does not reach to the checksum.",
        six_in(44).with(
            [
                vec![fragment(TCP, 0, true, 5)],
                cut(&tcp(six_in(TCP).ends(), 1, 2, 0x10, &data), 16),
            ]
            .concat(),
        ),
        "first-fragment-incomplete",
        "silent",
    ));
    for (name, offset, more) in [
        ("first", 0, true),
        ("middle", 512, true),
        ("last", 512, false),
    ] {
        all.push(refused(
            format!("fragment-6-icmp-{name}"),
            "7915-1.2-fragmented-icmp",
            "Fragmented ICMPv6 is not translated, and as it is ICMPv6 nobody is told.",
            six_in(44).with(
                [
                    vec![fragment(58, offset, more, 5)],
                    if offset == 0 {
                        echo.clone()
                    } else {
                        vec![part("data", data.clone())]
                    },
                ]
                .concat(),
            ),
            "fragmented-icmp",
            "silent",
        ));
    }
    all
}

pub(super) fn sizes() -> Vec<Case> {
    let mut all = Vec::new();
    for data in [1231, 1232, 1233, 1452] {
        let (input, out) = datagram(data);
        all.push(passes(
            format!("df-rule-{}", data + 28),
            "7915-5.1-df",
            "Up to 1260 bytes DF is clear, above it is set.",
            input,
            out,
        ));
    }
    for (data, set, answer) in [
        (1453, "mtu_v4 = 1480", "icmpv6 2/0 mtu 1500"),
        (1300, "mtu_v4 = 1300", "icmpv6 2/0 mtu 1320"),
        (1233, "mtu_v4 = 1260", "icmpv6 2/0 mtu 1280"),
        (1400, "mtu_v4 = 576", "icmpv6 2/0 mtu 1280"),
    ] {
        all.push(
            refused(
                format!("too-big-6-{data}-{}", set.rsplit(' ').next().unwrap()),
                "7915-5.1-too-big",
                "Too big for the IPv4 link: the MTU plus 20, and never below 1280.",
                datagram(data).0,
                "too-big",
                answer,
            )
            .set(set),
        );
    }
    all.push(
        passes(
            "just-fits-6",
            "7915-5.1-too-big",
            "1500 bytes become 1480.",
            datagram(1452).0,
            datagram(1452).1,
        )
        .set("mtu_v4 = 1480"),
    );
    all.push(
        refused(
            "too-big-6-echo",
            "7915-5.4-answer",
            "Also to a large echo request.",
            six_in(58).with(icmp6(
                six_in(58).ends(),
                128,
                0,
                1,
                vec![part("data", seq(0, 1400))],
            )),
            "too-big",
            "icmpv6 2/0 mtu 1320",
        )
        .set("mtu_v4 = 1300"),
    );

    // An IPv6 packet of up to 1280 bytes has to get through whatever the IPv4 link.
    for (data, mtu, set) in [
        (1232, 1259, "mtu_v4 = 1259"),
        (1232, 576, "mtu_v4 = 576"),
        (600, 576, "mtu_v4 = 576"),
        (200, 68, "mtu_v4 = 68"),
    ] {
        let whole = udp(four_out(UDP).ends(), 53, 4000, &seq(0, data));
        let each = (mtu - 20) / 8 * 8;
        let end = data + 8;
        let mut out = Vec::new();
        let mut from = 0;
        while from < end {
            let to = (from + each).min(end);
            out.push(
                Four {
                    more: to != end,
                    offset: from,
                    ..four_out(UDP)
                }
                .with(slice(&whole, from, to)),
            );
            from = to;
        }
        all.push(
            splits(
                format!("cut-6-{data}-at-{mtu}"),
                "7915-5.1-fragmentation",
                "1280 bytes of IPv6 and less are cut to fit the IPv4 link.",
                datagram(data).0,
                out,
            )
            .set(set),
        );
    }
    let whole6 = udp(six_in(UDP).ends(), 1, 2, &seq(0, 2000));
    let whole4 = udp(four_out(UDP).ends(), 1, 2, &seq(0, 2000));
    all.push(
        splits(
            "cut-6-fragment",
            "7915-5.1-fragmentation",
            "A fragment is cut again; the pieces keep their places in the whole.",
            six_in(44)
                .with([vec![fragment(UDP, 616, true, 7)], slice(&whole6, 616, 1616)].concat()),
            vec![
                Four {
                    id: 7,
                    more: true,
                    offset: 616,
                    ..four_out(UDP)
                }
                .with(slice(&whole4, 616, 616 + 552)),
                Four {
                    id: 7,
                    more: true,
                    offset: 616 + 552,
                    ..four_out(UDP)
                }
                .with(slice(&whole4, 616 + 552, 1616)),
            ],
        )
        .set("mtu_v4 = 576"),
    );
    all.push(
        refused(
            "too-big-6-fragment",
            "7915-5.1-too-big",
            "A fragment of more than 1280 bytes is too big.",
            six_in(44).with([vec![fragment(UDP, 0, true, 7)], slice(&whole6, 0, 1448)].concat()),
            "too-big",
            "icmpv6 2/0 mtu 1320",
        )
        .set("mtu_v4 = 1300"),
    );
    let echo4 = icmp4(8, 0, 3, vec![part("data", seq(0, 1000))]);
    all.push(
        splits(
            "cut-6-echo",
            "7915-5.1-fragmentation",
            "An echo request is translated whole, and then cut.",
            six_in(58).with(icmp6(
                six_in(58).ends(),
                128,
                0,
                3,
                vec![part("data", seq(0, 1000))],
            )),
            vec![
                Four {
                    more: true,
                    ..four_out(1)
                }
                .with(slice(&echo4, 0, 552)),
                Four {
                    offset: 552,
                    ..four_out(1)
                }
                .with(slice(&echo4, 552, 1008)),
            ],
        )
        .set("mtu_v4 = 576"),
    );
    all.push(
        refused(
            "cut-6-home-that-cannot-cut",
            "7915-5.1-fragmentation-elsewhere",
            "A home that sends one packet for one says \"too big\" instead.",
            datagram(1200).0,
            "too-big",
            "icmpv6 2/0 mtu 1280",
        )
        .set("mtu_v4 = 576, fragments = false"),
    );
    all
}
