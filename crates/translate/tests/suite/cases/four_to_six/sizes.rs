//! Fragments, and what does not fit.

use super::*;

pub(super) fn fragments() -> Vec<Case> {
    let clause = "7915-4.1-fragment-header";
    let mut all = Vec::new();
    for (name, protocol) in [("udp", UDP), ("tcp", TCP)] {
        let data = seq(0, 1000);
        let (before, after) = if protocol == UDP {
            (
                udp(four(UDP).ends(), 1, 2, &data),
                udp(six(UDP).ends(), 1, 2, &data),
            )
        } else {
            (
                tcp(four(TCP).ends(), 1, 2, 0x10, &data),
                tcp(six(TCP).ends(), 1, 2, 0x10, &data),
            )
        };
        let end = length_of(&before);
        for (part_name, from, to) in [("first", 0, 512), ("middle", 512, 800), ("last", 800, end)] {
            for dont_fragment in [false, true] {
                let more = to != end;
                let df = if dont_fragment { "-df" } else { "" };
                all.push(passes(
                    format!("fragment-{name}-{part_name}{df}"), clause,
                    "Offset and more-fragments copied, the identification with sixteen zeros before it; the checksum in the first one covers the new addresses.",
                    Four { more, offset: from, dont_fragment, id: 0xbeef, ..four(protocol) }.with(slice(&before, from, to)),
                    six(44).with([vec![fragment(protocol, from, more, 0xbeef)], slice(&after, from, to)].concat()),
                ));
            }
        }
    }
    all.push(passes(
        "fragment-of-esp",
        clause,
        "Of any protocol.",
        Four {
            more: true,
            offset: 0,
            id: 1,
            ..four(50)
        }
        .with(vec![part("data", seq(0, 64))]),
        six(44).with(vec![fragment(50, 0, true, 1), part("data", seq(0, 64))]),
    ));
    all.push(passes(
        "fragment-last-offset",
        clause,
        "The greatest offset that there is.",
        Four {
            offset: 65_528,
            id: 1,
            ..four(UDP)
        }
        .with(vec![part("data", seq(0, 7))]),
        six(44).with(vec![
            fragment(UDP, 65_528, false, 1),
            part("data", seq(0, 7)),
        ]),
    ));
    all.push(passes(
        "not-a-fragment-with-identification",
        clause,
        "No fragment header for what is no fragment, whatever its identification, DF clear.",
        Four {
            id: 0xffff,
            ..four(UDP)
        }
        .with(udp(four(UDP).ends(), 1, 2, &seq(0, 8))),
        six(UDP).with(udp(six(UDP).ends(), 1, 2, &seq(0, 8))),
    ));
    all.push(passes(
        "not-a-fragment-df",
        clause,
        "Nor with DF set.",
        Four {
            dont_fragment: true,
            ..four(UDP)
        }
        .with(udp(four(UDP).ends(), 1, 2, &seq(0, 8))),
        six(UDP).with(udp(six(UDP).ends(), 1, 2, &seq(0, 8))),
    ));
    all.push(passes(
        "fragment-with-options",
        clause,
        "Options are left out of fragments too.",
        Four {
            more: true,
            options: vec![1; 8],
            id: 7,
            ..four(UDP)
        }
        .with(slice(&udp(four(UDP).ends(), 1, 2, &seq(0, 100)), 0, 48)),
        six(44).with(
            [
                vec![fragment(UDP, 0, true, 7)],
                slice(&udp(six(UDP).ends(), 1, 2, &seq(0, 100)), 0, 48),
            ]
            .concat(),
        ),
    ));
    let datagram = tcp(four(TCP).ends(), 1, 2, 0x10, &seq(0, 100));
    all.push(refused(
        "fragment-tcp-tiny",
        "7915-4.1-first-fragment",
        "The first fragment does not reach to the checksum, which a later one could bring.",
        Four {
            more: true,
            ..four(TCP)
        }
        .with(cut(&datagram, 16)),
        "first-fragment-incomplete",
        "silent",
    ));
    for (name, offset, more) in [
        ("first", 0, true),
        ("middle", 512, true),
        ("last", 512, false),
    ] {
        all.push(refused(
            format!("fragment-icmp-{name}"),
            "7915-1.2-fragmented-icmp",
            "The ICMPv6 checksum covers the length of the whole, which no fragment knows.",
            Four {
                more,
                offset,
                ..four(1)
            }
            .with(if offset == 0 {
                icmp4(8, 0, 1, vec![part("data", seq(0, 56))])
            } else {
                vec![part("data", seq(0, 64))]
            }),
            "fragmented-icmp",
            if offset == 0 { "icmpv4 3/13" } else { "silent" },
        ));
    }
    all.push(refused(
        "fragment-icmp-error-first",
        "7915-1.2-fragmented-icmp",
        "No answer when it is an error.",
        Four {
            more: true,
            ..four(1)
        }
        .with(icmp4(3, 1, 0, vec![part("data", seq(0, 56))])),
        "fragmented-icmp",
        "silent",
    ));
    all
}

pub(super) fn sizes() -> Vec<Case> {
    let mut all = Vec::new();
    let df = |data: usize| {
        let data = seq(0, data);
        Four {
            dont_fragment: true,
            ..four(UDP)
        }
        .with(udp(four(UDP).ends(), 4000, 53, &data))
    };
    // 20 + 8 + 1452 = 1480 becomes 1500.
    all.push(passes(
        "df-just-fits-1500",
        "7915-4.1-too-big",
        "1480 bytes become 1500, the next link's MTU.",
        df(1452),
        datagram(1452).1,
    ));
    for (data, mtu, answer) in [
        (1453, "", "icmpv4 3/4 mtu 1480"),
        (1452, "mtu_v6 = 1499", "icmpv4 3/4 mtu 1479"),
        (1233, "mtu_v6 = 1280", "icmpv4 3/4 mtu 1260"),
        (8000, "mtu_v6 = 1400", "icmpv4 3/4 mtu 1380"),
    ] {
        all.push(refused(format!("df-too-big-{}-{}", data, answer.rsplit(' ').next().unwrap()), "7915-4.1-too-big", "DF is set and the packet does not fit: fragmentation needed, with the MTU less 20.",
            df(data), "too-big", answer).set(mtu));
    }
    all.push(
        passes(
            "df-1260-at-1280",
            "7915-4.1-too-big",
            "1260 bytes fit the smallest MTU.",
            df(1232),
            datagram(1232).1,
        )
        .set("mtu_v6 = 1280"),
    );
    all.push(
        refused(
            "df-fragment-too-big",
            "7915-4.1-too-big",
            "A fragment grows by 28; told so, its sender makes it small enough.",
            Four {
                dont_fragment: true,
                more: true,
                ..four(UDP)
            }
            .with(slice(&udp(four(UDP).ends(), 1, 2, &seq(0, 2000)), 0, 1240)),
            "too-big",
            "icmpv4 3/4 mtu 1252",
        )
        .set("mtu_v6 = 1280"),
    );
    all.push(
        passes(
            "df-fragment-just-fits",
            "7915-4.1-too-big",
            "A fragment of 1252 bytes becomes one of 1280.",
            Four {
                dont_fragment: true,
                more: true,
                id: 3,
                ..four(UDP)
            }
            .with(slice(&udp(four(UDP).ends(), 1, 2, &seq(0, 2000)), 0, 1232)),
            six(44).with(
                [
                    vec![fragment(UDP, 0, true, 3)],
                    slice(&udp(six(UDP).ends(), 1, 2, &seq(0, 2000)), 0, 1232),
                ]
                .concat(),
            ),
        )
        .set("mtu_v6 = 1280"),
    );

    let clause = "7915-4.1-fragmentation";
    all.push(passes(
        "no-df-just-fits-1280",
        clause,
        "1260 bytes become 1280: no fragment header.",
        datagram(1232).0,
        datagram(1232).1,
    ));
    // Whole messages, to be cut where the RFC says: 1280 - 40 - 8 = 1232 bytes each.
    for (data, set, each) in [
        (1233, "", 1232),
        (1452, "", 1232),
        (2456, "", 1232),
        (2457, "", 1232),
        (4000, "", 1232),
        (1473, "lowest_ipv6_mtu = 1500", 1448),
        (3000, "lowest_ipv6_mtu = 9000, mtu_v6 = 1400", 1352),
    ] {
        let bytes = seq(0, data);
        let whole = udp(six(UDP).ends(), 4000, 53, &bytes);
        let end = data + 8;
        let mut out = Vec::new();
        let mut from = 0;
        while from < end {
            let to = (from + each).min(end);
            out.push(
                six(44).with(
                    [
                        vec![fragment(UDP, from, to != end, 0x1234)],
                        slice(&whole, from, to),
                    ]
                    .concat(),
                ),
            );
            from = to;
        }
        let which = if set.is_empty() {
            "1280"
        } else {
            set.rsplit(' ').next().unwrap()
        };
        all.push(
            splits(
                format!("no-df-cut-{data}-at-{which}"),
                clause,
                "DF is clear: cut into fragments that fit lowest-ipv6-mtu.",
                datagram(data).0,
                out,
            )
            .set(set),
        );
    }
    let (input, out) = datagram(1452);
    all.push(
        passes(
            "no-df-lowest-1500",
            "7915-4.1-lowest-mtu",
            "Where all links of the network are known to carry 1500, nothing is cut.",
            input,
            out,
        )
        .set("lowest_ipv6_mtu = 1500"),
    );
    // A fragment cut again keeps its place in the whole, and its own M in the last piece.
    let whole4 = udp(four(UDP).ends(), 1, 2, &seq(0, 4000));
    let whole6 = udp(six(UDP).ends(), 1, 2, &seq(0, 4000));
    for (name, from, to) in [
        ("first", 0, 1480),
        ("middle", 1480, 2960),
        ("last", 2720, 4008),
    ] {
        let more = to != 4008;
        let mid = from + 1232;
        all.push(splits(
            format!("no-df-cut-fragment-{name}"),
            clause,
            "A fragment is cut again; the pieces keep their places in the whole.",
            Four {
                more,
                offset: from,
                id: 9,
                ..four(UDP)
            }
            .with(slice(&whole4, from, to)),
            vec![
                six(44).with(
                    [
                        vec![fragment(UDP, from, true, 9)],
                        slice(&whole6, from, mid),
                    ]
                    .concat(),
                ),
                six(44).with([vec![fragment(UDP, mid, more, 9)], slice(&whole6, mid, to)].concat()),
            ],
        ));
    }
    let echo4 = icmp4(8, 0, 0x0007_0001, vec![part("data", seq(0, 1400))]);
    let echo6 = icmp6(
        six(58).ends(),
        128,
        0,
        0x0007_0001,
        vec![part("data", seq(0, 1400))],
    );
    all.push(splits(
        "no-df-cut-echo",
        clause,
        "A large echo request is translated whole, and then cut.",
        four(1).with(echo4),
        vec![
            six(44).with([vec![fragment(58, 0, true, 0x1234)], slice(&echo6, 0, 1232)].concat()),
            six(44).with(
                [
                    vec![fragment(58, 1232, false, 0x1234)],
                    slice(&echo6, 1232, 1408),
                ]
                .concat(),
            ),
        ],
    ));
    all.push(
        splits(
            "no-df-cut-without-checksum",
            clause,
            "A computed checksum covers the whole, also when it is then cut.",
            four(UDP).with(udp_without(1, 2, &seq(0, 1400))),
            vec![
                six(44).with(
                    [
                        vec![fragment(UDP, 0, true, 0x1234)],
                        slice(&udp(six(UDP).ends(), 1, 2, &seq(0, 1400)), 0, 1232),
                    ]
                    .concat(),
                ),
                six(44).with(
                    [
                        vec![fragment(UDP, 1232, false, 0x1234)],
                        slice(&udp(six(UDP).ends(), 1, 2, &seq(0, 1400)), 1232, 1408),
                    ]
                    .concat(),
                ),
            ],
        )
        .set("udp_zero = \"compute\""),
    );
    all.push(
        refused(
            "no-df-home-that-cannot-cut",
            "7915-4.1-fragmentation-elsewhere",
            "A home that sends one packet for one says \"too big\" instead.",
            datagram(1300).0,
            "too-big",
            "icmpv4 3/4 mtu 1260",
        )
        .set("fragments = false"),
    );
    all.push(
        refused(
            "no-df-fragment-home-that-cannot-cut",
            "7915-4.1-fragmentation-elsewhere",
            "With 8 bytes less for what already is a fragment.",
            Four {
                more: true,
                id: 9,
                ..four(UDP)
            }
            .with(slice(&whole4, 0, 1480)),
            "too-big",
            "icmpv4 3/4 mtu 1252",
        )
        .set("fragments = false"),
    );
    all
}
