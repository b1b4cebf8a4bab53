//! Two explicitly mapped hosts (RFC 7757 section 4).

use super::*;

/// RFC 7757 section 4: A is 192.0.2.1 and B is 192.0.2.2, both mapped explicitly.
pub(super) fn hairpins() -> Vec<Case> {
    const A: &str = "2001:db8:aaaa::";
    const B: &str = "2001:db8:bbbb::b";
    const A_EMBEDDED: &str = "2001:db8:6464::192.0.2.1";
    const B_EMBEDDED: &str = "2001:db8:6464::192.0.2.2";
    let data = seq(0, 20);
    let mut all = Vec::new();
    let intrinsic = "7757-4.2.2-intrinsic";
    let simple = "7757-4.2.1-simple";
    let at = |case: Case, set: &'static str| case.world("eam").set(set);
    const INTRINSIC: &str = "hairpin = \"intrinsic\"";
    const SIMPLE: &str = "hairpin = \"simple\"";

    let ab = Six {
        hop_limit: 64,
        flow_label: 0x12345,
        traffic_class: 0xb8,
        ..Six::new(A, B_EMBEDDED, UDP)
    };
    let ab_out = Six {
        hop_limit: 63,
        flow_label: 0x12345,
        traffic_class: 0xb8,
        ..Six::new(A_EMBEDDED, B, UDP)
    };
    all.push(at(passes("hairpin-udp", intrinsic, "From A to B's embedded address: B sees A's embedded one, so that the answer comes back here. All else stays.",
        ab.with(udp(ab.ends(), 1, 2, &data)), ab_out.with(udp(ab_out.ends(), 1, 2, &data))), INTRINSIC));
    let (ab_tcp, ab_tcp_out) = (
        Six {
            next: 6,
            ..ab.clone()
        },
        Six {
            next: 6,
            ..ab_out.clone()
        },
    );
    all.push(at(
        passes(
            "hairpin-tcp",
            intrinsic,
            "TCP.",
            ab_tcp.with(tcp(ab_tcp.ends(), 1, 2, 2, &data)),
            ab_tcp_out.with(tcp(ab_tcp_out.ends(), 1, 2, 2, &data)),
        ),
        INTRINSIC,
    ));
    let (ab_icmp, ab_icmp_out) = (
        Six {
            next: 58,
            ..ab.clone()
        },
        Six {
            next: 58,
            ..ab_out.clone()
        },
    );
    all.push(at(
        passes(
            "hairpin-echo",
            intrinsic,
            "An echo request.",
            ab_icmp.with(icmp6(
                ab_icmp.ends(),
                128,
                0,
                1,
                vec![part("data", data.clone())],
            )),
            ab_icmp_out.with(icmp6(
                ab_icmp_out.ends(),
                128,
                0,
                1,
                vec![part("data", data.clone())],
            )),
        ),
        INTRINSIC,
    ));
    let chain = || vec![padding_header("destination options", UDP, 1)];
    let (ab_opt, ab_opt_out) = (
        Six {
            next: 60,
            ..ab.clone()
        },
        Six {
            next: 60,
            ..ab_out.clone()
        },
    );
    all.push(at(
        passes(
            "hairpin-options",
            intrinsic,
            "Extension headers stay where they are.",
            ab_opt.with([chain(), udp(ab.ends(), 1, 2, &data)].concat()),
            ab_opt_out.with([chain(), udp(ab_out.ends(), 1, 2, &data)].concat()),
        ),
        INTRINSIC,
    ));
    let whole = udp(ab.ends(), 1, 2, &seq(0, 100));
    let whole_out = udp(ab_out.ends(), 1, 2, &seq(0, 100));
    let (ab_frag, ab_frag_out) = (
        Six {
            next: 44,
            ..ab.clone()
        },
        Six {
            next: 44,
            ..ab_out.clone()
        },
    );
    for (name, from, to, more) in [("first", 0, 48, true), ("last", 48, 108, false)] {
        all.push(at(
            passes(
                format!("hairpin-fragment-{name}"),
                intrinsic,
                "Fragments too.",
                ab_frag
                    .with([vec![fragment(UDP, from, more, 7)], slice(&whole, from, to)].concat()),
                ab_frag_out.with(
                    [
                        vec![fragment(UDP, from, more, 7)],
                        slice(&whole_out, from, to),
                    ]
                    .concat(),
                ),
            ),
            INTRINSIC,
        ));
    }
    all.push(at(
        refused(
            "hairpin-hop-limit",
            intrinsic,
            "One router, one less.",
            Six {
                hop_limit: 1,
                ..ab.clone()
            }
            .with(udp(ab.ends(), 1, 2, &data)),
            "hop-limit",
            "icmpv6 3/0",
        ),
        INTRINSIC,
    ));
    all.push(at(
        refused(
            "hairpin-too-big",
            intrinsic,
            "The next link's MTU.",
            ab.with(udp(ab.ends(), 1, 2, &seq(0, 1453))),
            "too-big",
            "icmpv6 2/0 mtu 1500",
        ),
        INTRINSIC,
    ));
    // B answers with an error: it quotes what it has seen.
    let seen = Six {
        hop_limit: 5,
        ..ab_out.clone()
    };
    let sent = Six {
        hop_limit: 5,
        ..ab.clone()
    };
    let back = Six {
        hop_limit: 64,
        ..Six::new(B, A_EMBEDDED, 58)
    };
    let back_out = Six {
        hop_limit: 63,
        ..Six::new(B_EMBEDDED, A, 58)
    };
    all.push(at(
        passes(
            "hairpin-error",
            intrinsic,
            "B's error quotes A's packet as B saw it; A gets it as A sent it.",
            back.with(icmp6(
                back.ends(),
                1,
                4,
                0,
                seen.with(udp(seen.ends(), 1, 2, &data)),
            )),
            back_out.with(icmp6(
                back_out.ends(),
                1,
                4,
                0,
                sent.with(udp(sent.ends(), 1, 2, &data)),
            )),
        ),
        INTRINSIC,
    ));
    all.push(at(
        passes(
            "hairpin-error-too-big",
            intrinsic,
            "The MTU is IPv6's own.",
            back.with(icmp6(
                back.ends(),
                2,
                0,
                1300,
                seen.with(udp(seen.ends(), 1, 2, &data)),
            )),
            back_out.with(icmp6(
                back_out.ends(),
                2,
                0,
                1300,
                sent.with(udp(sent.ends(), 1, 2, &data)),
            )),
        ),
        INTRINSIC,
    ));
    let (seen_icmp, sent_icmp) = (
        Six {
            next: 58,
            ..seen.clone()
        },
        Six {
            next: 58,
            ..sent.clone()
        },
    );
    all.push(at(
        passes(
            "hairpin-error-about-echo",
            intrinsic,
            "An error about an echo request.",
            back.with(icmp6(
                back.ends(),
                1,
                1,
                0,
                seen_icmp.with(icmp6(
                    seen_icmp.ends(),
                    128,
                    0,
                    1,
                    vec![part("data", data.clone())],
                )),
            )),
            back_out.with(icmp6(
                back_out.ends(),
                1,
                1,
                0,
                sent_icmp.with(icmp6(
                    sent_icmp.ends(),
                    128,
                    0,
                    1,
                    vec![part("data", data.clone())],
                )),
            )),
        ),
        INTRINSIC,
    ));
    all.push(at(
        refused(
            "hairpin-error-nested",
            intrinsic,
            "Not about an error.",
            back.with(icmp6(
                back.ends(),
                1,
                1,
                0,
                seen_icmp.with(icmp6(
                    seen_icmp.ends(),
                    1,
                    0,
                    0,
                    vec![part("data", data.clone())],
                )),
            )),
            "icmp-nested",
            "silent",
        ),
        INTRINSIC,
    ));
    // A router on B's side, 192.0.2.9 by embedding, answers instead of B.
    let router = Six {
        hop_limit: 64,
        ..Six::new("2001:db8:6464::192.0.2.9", A_EMBEDDED, 58)
    };
    let router_out = Six {
        hop_limit: 63,
        ..Six::new("2001:db8:6464::192.0.2.9", A, 58)
    };
    all.push(at(
        passes(
            "hairpin-error-from-router",
            intrinsic,
            "An error from a router keeps the router's own address.",
            router.with(icmp6(
                router.ends(),
                3,
                0,
                0,
                seen.with(udp(seen.ends(), 1, 2, &data)),
            )),
            router_out.with(icmp6(
                router_out.ends(),
                3,
                0,
                0,
                sent.with(udp(sent.ends(), 1, 2, &data)),
            )),
        ),
        INTRINSIC,
    ));
    let elsewhere = Six::new("2001:db8:6464::203.0.113.1", B, UDP);
    all.push(at(
        refused(
            "hairpin-error-about-others",
            intrinsic,
            "A quotation that was never turned round here.",
            back.with(icmp6(
                back.ends(),
                1,
                4,
                0,
                elsewhere.with(udp(elsewhere.ends(), 1, 2, &data)),
            )),
            "quote-not-translatable",
            "silent",
        ),
        INTRINSIC,
    ));
    let direct = Six {
        hop_limit: 64,
        ..Six::new(A, "2001:db8:6464::192.0.2.9", UDP)
    };
    let direct_out = Four {
        ttl: 63,
        id: crate::file::IDENTIFICATION,
        ..Four::new("192.0.2.1", "192.0.2.9", UDP)
    };
    all.push(at(
        passes(
            "hairpin-not",
            intrinsic,
            "A host that is not mapped explicitly is in IPv4.",
            direct.with(udp(direct.ends(), 1, 2, &data)),
            direct_out.with(udp(direct_out.ends(), 1, 2, &data)),
        ),
        INTRINSIC,
    ));
    // Off: the packet goes out into IPv4.
    let out4 = Four {
        tos: 0xb8,
        ttl: 63,
        id: crate::file::IDENTIFICATION,
        ..Four::new("192.0.2.1", "192.0.2.2", UDP)
    };
    all.push(at(
        passes(
            "hairpin-out",
            simple,
            "Simple hairpinning: on the way out it is an IPv4 packet like any other,",
            ab.with(udp(ab.ends(), 1, 2, &data)),
            out4.with(udp(out4.ends(), 1, 2, &data)),
        ),
        SIMPLE,
    ));
    let in4 = Four {
        tos: 0xb8,
        ttl: 62,
        ..out4.clone()
    };
    let in6 = Six {
        flow_label: 0,
        hop_limit: 61,
        ..ab_out.clone()
    };
    all.push(at(
        passes(
            "hairpin-in",
            simple,
            "and on the way back its source stays embedded.",
            in4.with(udp(in4.ends(), 1, 2, &data)),
            in6.with(udp(in6.ends(), 1, 2, &data)),
        ),
        SIMPLE,
    ));
    all.push(at(
        passes(
            "hairpin-off",
            "7757-4.1-off",
            "Off: the source is A's own address, and the answer will not come back here.",
            in4.with(udp(in4.ends(), 1, 2, &data)),
            {
                let six = Six {
                    traffic_class: 0xb8,
                    hop_limit: 61,
                    ..Six::new(A, B, UDP)
                };
                six.with(udp(six.ends(), 1, 2, &data))
            },
        ),
        "",
    ));
    let error4 = Four {
        ttl: 62,
        ..Four::new("192.0.2.2", "192.0.2.1", 1)
    };
    let quoted4 = Four {
        ttl: 5,
        ..Four::new("192.0.2.1", "192.0.2.2", UDP)
    };
    let error6 = Six {
        hop_limit: 61,
        ..Six::new(B_EMBEDDED, A, 58)
    };
    let quoted6 = Six {
        hop_limit: 5,
        ..Six::new(A, B_EMBEDDED, UDP)
    };
    all.push(at(passes("hairpin-in-error", simple, "The destination of a quoted packet stays embedded too, and the source of the error when it is that.",
        error4.with(icmp4(3, 3, 0, quoted4.with(udp(quoted4.ends(), 1, 2, &data)))), error6.with(icmp6(error6.ends(), 1, 4, 0, quoted6.with(udp(quoted6.ends(), 1, 2, &data))))), SIMPLE));
    let error4 = Four {
        ttl: 62,
        ..Four::new("192.0.2.16", "192.0.2.1", 1)
    };
    let error6 = Six {
        hop_limit: 61,
        ..Six::new("2001:db8:cccc::", A, 58)
    };
    all.push(at(
        passes(
            "hairpin-in-error-from-router",
            simple,
            "An error from somebody else has its own source.",
            error4.with(icmp4(
                11,
                0,
                0,
                quoted4.with(udp(quoted4.ends(), 1, 2, &data)),
            )),
            error6.with(icmp6(
                error6.ends(),
                3,
                0,
                0,
                quoted6.with(udp(quoted6.ends(), 1, 2, &data)),
            )),
        ),
        SIMPLE,
    ));
    all
}
