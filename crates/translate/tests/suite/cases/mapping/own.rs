//! Routers without a mapping, and worlds like the gateway's own.

use super::*;

pub(super) fn hops() -> Vec<Case> {
    let clause = "6791-3-hops";
    let quoted6 = Six {
        hop_limit: 0,
        ..Six::new(HOST4_IN_6, HOST6, UDP)
    };
    let quoted4 = Four {
        ttl: 0,
        id: 0,
        ..Four::new(HOST4, HOST6_IN_4, UDP)
    };
    let data = seq(0, 20);
    let router = Six {
        hop_limit: 60,
        ..Six::new("2001:db8:ffff::1", HOST4_IN_6, 58)
    };
    let out = Four {
        ttl: 59,
        id: crate::file::IDENTIFICATION,
        ..Four::new("203.0.113.1", HOST4, 1)
    };
    let input = |kind, code, rest| {
        router.with(icmp6(
            router.ends(),
            kind,
            code,
            rest,
            quoted6.with(udp(quoted6.ends(), 1, 2, &data)),
        ))
    };
    let output = |kind, code, rest| {
        out.with(icmp4(
            kind,
            code,
            rest,
            quoted4.with(udp(quoted4.ends(), 1, 2, &data)),
        ))
    };
    let echo = Six::new("2001:db8:ffff::1", HOST4_IN_6, 58);
    vec![
        passes(
            "hop-time-exceeded",
            clause,
            "A router without a mapping: one of the addresses kept for that.",
            input(3, 0, 0),
            output(11, 0, 0),
        )
        .world("hops"),
        passes(
            "hop-too-big",
            clause,
            "Its \"packet too big\" gets through, or path MTU discovery would fail.",
            input(2, 0, 1400),
            output(3, 4, 1380),
        )
        .world("hops"),
        refused(
            "hop-no-pool",
            clause,
            "Without such addresses it is refused.",
            input(3, 0, 0),
            "no-source-mapping",
            "silent",
        ),
        refused(
            "hop-echo",
            clause,
            "Only errors: nobody else may speak from there.",
            echo.with(icmp6(echo.ends(), 129, 0, 0, vec![])),
            "no-source-mapping",
            "silent",
        )
        .world("hops"),
        six_refused(
            "hop-udp",
            clause,
            "Nor any other protocol.",
            "hops",
            ("2001:db8:ffff::1", HOST4_IN_6),
            "no-source-mapping",
            "icmpv6 1/1",
        ),
    ]
}

/// Worlds as the gateway has them: what is near is not what is far.
pub(super) fn own_network() -> Vec<Case> {
    let clause = "design-8-sides";
    let mut all = Vec::new();
    all.extend(both("line-to-service", clause, "A site's host reaches a service by its alias; the service sees the host in the site's /64.", "line", ("192.168.1.10", "100.64.0.5"), ("2001:db8:0:1201::192.168.1.10", "2001:db8:0:200::1")));
    all.extend(both(
        "line-equal-plan",
        clause,
        "A host of another site with the same plan, by its alias.",
        "line",
        ("192.168.1.10", "100.64.0.6"),
        ("2001:db8:0:1201::192.168.1.10", "2001:db8:0:301::c0a8:10a"),
    ));
    all.push(four_refused(
        "line-no-alias",
        clause,
        "An address that is no alias leads nowhere.",
        "line",
        ("192.168.1.10", "100.64.0.7"),
        "no-destination-mapping",
        "icmpv4 3/13",
    ));
    all.push(four_refused(
        "line-own-plan",
        clause,
        "Nor does one of the site's own plan: what is near is not far.",
        "line",
        ("192.168.1.10", "192.168.1.11"),
        "no-destination-mapping",
        "icmpv4 3/13",
    ));
    all.push(four_to_six(
        "line-alias-as-source".into(),
        clause,
        "A host that takes an alias for its source is only itself, inside its own /64.",
        "line",
        ("100.64.0.6", "100.64.0.5"),
        ("2001:db8:0:1201::100.64.0.6", "2001:db8:0:200::1"),
    ));
    all.push(six_refused(
        "line-other-site",
        clause,
        "A destination outside of the site's /64 is not delivered.",
        "line",
        ("2001:db8:0:200::1", "2001:db8:0:1301::192.168.1.10"),
        "no-destination-mapping",
        "icmpv6 1/1",
    ));
    all.push(six_refused(
        "line-no-alias-6",
        clause,
        "Whoever has no alias here cannot speak.",
        "line",
        ("2001:db8:0:200::2", "2001:db8:0:1201::192.168.1.10"),
        "no-source-mapping",
        "icmpv6 1/1",
    ));
    all.extend(both(
        "interconnect-stranger",
        clause,
        "An address of another network's plan, in the /96 of that network.",
        "interconnect",
        ("10.9.9.9", "100.64.0.5"),
        ("2001:db8:0:f001::10.9.9.9", "2001:db8:0:200::1"),
    ));
    all.extend(both(
        "interconnect-member",
        clause,
        "A member that is known has its own identity.",
        "interconnect",
        ("10.1.2.7", "100.64.0.5"),
        ("2001:db8:0:3c01::a01:207", "2001:db8:0:200::1"),
    ));
    // The service's error about a packet of the member.
    let outer = Six {
        hop_limit: 64,
        ..Six::new("2001:db8:0:200::1", "2001:db8:0:3c01::a01:207", 58)
    };
    let inner = Six::new("2001:db8:0:3c01::a01:207", "2001:db8:0:200::1", UDP);
    let outer4 = Four {
        ttl: 63,
        id: crate::file::IDENTIFICATION,
        ..Four::new("100.64.0.5", "10.1.2.7", 1)
    };
    let inner4 = Four {
        id: 0,
        ttl: 63,
        ..Four::new("10.1.2.7", "100.64.0.5", UDP)
    };
    all.push(
        passes(
            "interconnect-error",
            clause,
            "In a quoted packet near and far change places.",
            outer.with(icmp6(
                outer.ends(),
                1,
                4,
                0,
                inner.with(udp(inner.ends(), 1, 2, &seq(0, 8))),
            )),
            outer4.with(icmp4(
                3,
                3,
                0,
                inner4.with(udp(inner4.ends(), 1, 2, &seq(0, 8))),
            )),
        )
        .world("interconnect"),
    );
    let outer4 = Four::new("10.1.2.7", "100.64.0.5", 1);
    let inner4 = Four::new("100.64.0.5", "10.1.2.7", UDP);
    let outer6 = Six::new("2001:db8:0:3c01::a01:207", "2001:db8:0:200::1", 58);
    let inner6 = Six {
        hop_limit: 64,
        ..Six::new("2001:db8:0:200::1", "2001:db8:0:3c01::a01:207", UDP)
    };
    all.push(
        passes(
            "interconnect-error-to-6",
            clause,
            "In the other direction too.",
            outer4.with(icmp4(
                3,
                3,
                0,
                inner4.with(udp(inner4.ends(), 1, 2, &seq(0, 8))),
            )),
            outer6.with(icmp6(
                outer6.ends(),
                1,
                4,
                0,
                inner6.with(udp(inner6.ends(), 1, 2, &seq(0, 8))),
            )),
        )
        .world("interconnect"),
    );
    all
}
