//! Types, codes, MTUs and pointers.

use super::*;

pub(super) fn queries() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, from, to) in [("request", 128, 8), ("reply", 129, 0)] {
        for bytes in [0, 1, 8, 56, 1199] {
            let data = vec![part("data", seq(0, bytes))];
            all.push(passes(
                format!("echo-6-{name}-{bytes}"),
                "7915-5.2-echo",
                "Type changed; the checksum no longer covers a pseudo-header.",
                input(from, 0, 0xbeef_0001, data.clone()),
                output(to, 0, 0xbeef_0001, data),
            ));
        }
    }
    all.push(passes(
        "echo-6-code-9",
        "7915-5.2-echo",
        "The code is left alone.",
        input(128, 9, 1, vec![]),
        output(8, 9, 1, vec![]),
    ));
    for (kind, name, clause) in [
        (130, "mld-query", "7915-5.2-single-hop"),
        (131, "mld-report", "7915-5.2-single-hop"),
        (132, "mld-done", "7915-5.2-single-hop"),
        (143, "mld2-report", "7915-5.2-single-hop"),
        (133, "router-solicitation", "7915-5.2-single-hop"),
        (134, "router-advertisement", "7915-5.2-single-hop"),
        (135, "neighbor-solicitation", "7915-5.2-single-hop"),
        (136, "neighbor-advertisement", "7915-5.2-single-hop"),
        (137, "redirect", "7915-5.2-single-hop"),
        (138, "renumbering", "7915-5.2-unknown"),
        (139, "node-information", "7915-5.2-unknown"),
        (160, "extended-echo", "7915-5.2-unknown"),
        (200, "private", "7915-5.2-unknown"),
        (255, "reserved", "7915-5.2-unknown"),
    ] {
        all.push(refused(
            format!("icmpv6-{name}"),
            clause,
            format!("Type {kind}: silently dropped."),
            input(kind, 0, 0, vec![part("data", seq(0, 20))]),
            "icmp-type",
            "silent",
        ));
    }
    all
}

pub(super) fn errors() -> Vec<Case> {
    let mut all = Vec::new();
    for (code, to) in [
        (0, Some(1)),
        (1, Some(10)),
        (2, Some(1)),
        (3, Some(1)),
        (4, Some(3)),
        (5, None),
        (6, None),
        (255, None),
    ] {
        let name = format!("unreachable-6-{code}");
        let clause = "7915-5.2-unreachable";
        all.push(match to {
            Some(to) => error(
                name,
                clause,
                format!("Code {code} becomes 3/{to}."),
                (1, code, 0),
                (3, to, 0),
            ),
            None => no_error(
                name,
                clause,
                format!("Code {code} has no counterpart: silently dropped."),
                (1, code, 0),
                "icmp-code",
            ),
        });
    }
    for (mtu, to, says) in [
        (1500, 1480, "20 less: the difference of the headers."),
        (1280, 1260, "20 less."),
        (1281, 1261, "20 less."),
        (
            9000,
            1480,
            "No more than the next IPv6 link carries, less 20.",
        ),
        (0xffff_ffff, 1480, "No more than that, whatever is said."),
        (
            1000,
            980,
            "Also below 1280: a node that says so translates further on.",
        ),
        (20, 0, "20 less."),
        (0, 0, "Never less than nothing."),
    ] {
        all.push(error(
            format!("packet-too-big-{mtu}"),
            "7915-5.2-mtu",
            says,
            (2, 0, mtu),
            (3, 4, to),
        ));
    }
    all.push(
        error(
            "packet-too-big-1500-to-1400",
            "7915-5.2-mtu",
            "No more than the next IPv4 link carries.",
            (2, 0, 1500),
            (3, 4, 1400),
        )
        .set("mtu_v4 = 1400"),
    );
    all.push(
        error(
            "packet-too-big-70000",
            "7915-5.2-mtu",
            "No more than 16 bits hold.",
            (2, 0, 70_000),
            (3, 4, 65_535),
        )
        .set("mtu_v4 = 100000, mtu_v6 = 100000"),
    );
    all.push(error(
        "packet-too-big-code-9",
        "7915-5.2-mtu",
        "The code is ignored by the receiver, and always 4 in ICMPv4.",
        (2, 9, 1400),
        (3, 4, 1380),
    ));
    for code in [0, 1, 7] {
        all.push(error(
            format!("time-exceeded-6-{code}"),
            "7915-5.2-time-exceeded",
            "Type 11, the code as it is.",
            (3, code, 0),
            (11, code, 0),
        ));
    }
    for kind in [0, 5, 100, 127] {
        all.push(no_error(
            format!("icmpv6-error-{kind}"),
            "7915-5.2-unknown",
            format!("Type {kind}, an unknown error: silently dropped."),
            (kind, 0, 0),
            "icmp-type",
        ));
    }
    all
}

pub(super) fn pointers() -> Vec<Case> {
    let clause = "7915-5.2-parameter-problem";
    let mut all = Vec::new();
    // RFC 7915 figure 6.
    for pointer in [
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        15,
        23,
        24,
        39,
        40,
        41,
        255,
        256,
        0x0100_0006,
    ] {
        let to = match pointer {
            0 => Some(0u32),
            1 => Some(1),
            4 | 5 => Some(2),
            6 => Some(9),
            7 => Some(8),
            8..=23 => Some(12),
            24..=39 => Some(16),
            _ => None,
        };
        let name = format!("parameter-problem-6-{pointer}");
        all.push(match to {
            Some(to) => error(
                name,
                clause,
                format!("Byte {pointer} of IPv6 is byte {to} of IPv4."),
                (4, 0, pointer),
                (12, 0, to << 24),
            ),
            None => no_error(
                name,
                clause,
                format!("Byte {pointer} has no counterpart: silently dropped."),
                (4, 0, pointer),
                "icmp-pointer",
            ),
        });
    }
    all.push(error(
        "parameter-problem-6-next-header",
        clause,
        "Code 1, unrecognized next header: protocol unreachable.",
        (4, 1, 6),
        (3, 2, 0),
    ));
    all.push(no_error(
        "parameter-problem-6-option",
        clause,
        "Code 2, unrecognized option: silently dropped.",
        (4, 2, 40),
        "icmp-code",
    ));
    all.push(no_error(
        "parameter-problem-6-code-3",
        clause,
        "Unknown codes: silently dropped.",
        (4, 3, 0),
        "icmp-code",
    ));
    all
}
