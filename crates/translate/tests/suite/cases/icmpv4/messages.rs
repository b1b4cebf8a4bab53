//! Types, codes, MTUs and pointers.

use super::*;

pub(super) fn queries() -> Vec<Case> {
    let mut all = Vec::new();
    for (name, from, to) in [("request", 8, 128), ("reply", 0, 129)] {
        for bytes in [0, 1, 8, 56, 1199] {
            let data = vec![part("data", seq(0, bytes))];
            all.push(passes(
                format!("echo-{name}-{bytes}"),
                "7915-4.2-echo",
                "Type changed; the checksum now covers a pseudo-header.",
                input(from, 0, 0xbeef_0001, data.clone()),
                output(to, 0, 0xbeef_0001, data),
            ));
        }
    }
    all.push(passes(
        "echo-code-9",
        "7915-4.2-echo",
        "The code is left alone.",
        input(8, 9, 1, vec![]),
        output(128, 9, 1, vec![]),
    ));
    let mut df = four(1);
    df.dont_fragment = true;
    all.push(passes(
        "echo-df",
        "7915-4.2-echo",
        "With DF, as ping sends it.",
        df.with(icmp4(8, 0, 1, vec![part("data", seq(0, 56))])),
        output(128, 0, 1, vec![part("data", seq(0, 56))]),
    ));
    for (kind, name, clause) in [
        (13, "timestamp", "7915-4.2-obsolete"),
        (14, "timestamp-reply", "7915-4.2-obsolete"),
        (15, "information", "7915-4.2-obsolete"),
        (16, "information-reply", "7915-4.2-obsolete"),
        (17, "address-mask", "7915-4.2-obsolete"),
        (18, "address-mask-reply", "7915-4.2-obsolete"),
        (9, "router-advertisement", "7915-4.2-single-hop"),
        (10, "router-solicitation", "7915-4.2-single-hop"),
        (1, "reserved", "7915-4.2-unknown"),
        (7, "unassigned", "7915-4.2-unknown"),
        (30, "traceroute", "7915-4.2-unknown"),
        (42, "extended-echo", "7915-4.2-unknown"),
        (128, "icmpv6-echo", "7915-4.2-unknown"),
        (255, "reserved-255", "7915-4.2-unknown"),
    ] {
        all.push(refused(
            format!("icmpv4-{name}"),
            clause,
            format!("Type {kind}: silently dropped."),
            input(kind, 0, 0, vec![part("data", seq(0, 20))]),
            "icmp-type",
            "silent",
        ));
    }
    all
}

pub(super) fn unreachable() -> Vec<Case> {
    let mut all = Vec::new();
    // RFC 7915 section 4.2, "Destination Unreachable", code by code; 4 is below.
    for (code, to) in [
        (0, Some((1, 0, 0))),
        (1, Some((1, 0, 0))),
        (2, Some((4, 1, 6))),
        (3, Some((1, 4, 0))),
        (5, Some((1, 0, 0))),
        (6, Some((1, 0, 0))),
        (7, Some((1, 0, 0))),
        (8, Some((1, 0, 0))),
        (9, Some((1, 1, 0))),
        (10, Some((1, 1, 0))),
        (11, Some((1, 0, 0))),
        (12, Some((1, 0, 0))),
        (13, Some((1, 1, 0))),
        (14, None),
        (15, Some((1, 1, 0))),
        (16, None),
        (255, None),
    ] {
        let name = format!("unreachable-{code}");
        let clause = "7915-4.2-unreachable";
        all.push(match to {
            Some(to) => error(
                name,
                clause,
                format!("Code {code} becomes {}/{}.", to.0, to.1),
                (3, code, 0),
                to,
            ),
            None => no_error(
                name,
                clause,
                format!("Code {code} has no counterpart: silently dropped."),
                (3, code, 0),
                "icmp-code",
            ),
        });
    }
    all.push(error(
        "unreachable-unused-bits",
        "7915-4.2-unreachable",
        "What stands in unused bits is not handed on.",
        (3, 1, 0xab00_cdef),
        (1, 0, 0),
    ));
    all
}

pub(super) fn mtus() -> Vec<Case> {
    let clause = "7915-4.2-mtu";
    let mut all = Vec::new();
    for (mtu, to, says) in [
        (1480, 1500, "20 more: the difference of the headers."),
        (1400, 1420, "20 more."),
        (1261, 1281, "20 more."),
        (1260, 1280, "20 more is just the smallest IPv6 MTU."),
        (1259, 1280, "Never below 1280."),
        (576, 1280, "Never below 1280."),
        (68, 1280, "Never below 1280."),
        (1, 1280, "Never below 1280."),
        (1500, 1500, "No more than the next IPv6 link carries."),
        (65535, 1500, "No more than the next IPv6 link carries."),
    ] {
        all.push(error(
            format!("fragmentation-needed-{mtu}"),
            clause,
            says,
            (3, 4, mtu),
            (2, 0, to),
        ));
    }
    all.push(
        error(
            "fragmentation-needed-1400-from-1300",
            clause,
            "No more than the next IPv4 link carries, plus 20.",
            (3, 4, 1400),
            (2, 0, 1320),
        )
        .set("mtu_v4 = 1300"),
    );
    all.push(
        error(
            "fragmentation-needed-9000",
            clause,
            "Links of 9000 bytes.",
            (3, 4, 8980),
            (2, 0, 9000),
        )
        .set("mtu_v4 = 9000, mtu_v6 = 9000"),
    );
    all.push(error(
        "fragmentation-needed-unused",
        clause,
        "The upper half of the word is not the MTU.",
        (3, 4, 0xff00_0000 | 1400),
        (2, 0, 1420),
    ));
    // RFC 1191 section 7: the greatest plateau below the length of the packet.
    for (total, to) in [
        (1500u16, 1492 + 20),
        (1493, 1492 + 20),
        (1492, 1280),
        (1280, 1280),
        (2002, 1492 + 20),
        (2003, 2002 + 20),
        (4353, 4352 + 20),
        (9000, 8166 + 20),
        (18000, 17914 + 20),
        (65535, 32000 + 20),
        (600, 1280),
    ] {
        let before = Four {
            total: Some(total),
            ..quoted_4(UDP)
        }
        .with(udp(quoted_4(UDP).ends(), 1, 2, &[1, 2, 3, 4]));
        let after = Six {
            length: Some(total - 20),
            ..quoted_6(UDP)
        }
        .with(udp(quoted_6(UDP).ends(), 1, 2, &[1, 2, 3, 4]));
        all.push(passes(format!("fragmentation-needed-no-mtu-{total}"), "7915-4.2-plateau", "A router that does not tell the MTU: the next plateau below the packet's length, plus 20.",
            input(3, 4, 0, before), output(2, 0, to, after)).set("mtu_v4 = 70000, mtu_v6 = 70000"));
    }
    all
}

pub(super) fn others() -> Vec<Case> {
    let mut all = Vec::new();
    for code in [0, 1, 7] {
        all.push(error(
            format!("time-exceeded-{code}"),
            "7915-4.2-time-exceeded",
            "Type 3, the code as it is.",
            (11, code, 0),
            (3, code, 0),
        ));
    }
    for (kind, name) in [(4, "source-quench"), (5, "redirect"), (6, "alternate-host")] {
        let clause = if kind == 4 {
            "7915-4.2-obsolete"
        } else {
            "7915-4.2-single-hop"
        };
        all.push(no_error(
            format!("icmpv4-{name}"),
            clause,
            format!("Type {kind}: silently dropped."),
            (kind, 0, 0),
            "icmp-type",
        ));
    }
    all
}

pub(super) fn pointers() -> Vec<Case> {
    let clause = "7915-4.2-parameter-problem";
    let mut all = Vec::new();
    // RFC 7915 figure 3.
    for pointer in 0..=21u32 {
        let to = match pointer {
            0 => Some(0),
            1 => Some(1),
            2 | 3 => Some(4),
            8 => Some(7),
            9 => Some(6),
            12..=15 => Some(8),
            16..=19 => Some(24),
            _ => None,
        };
        let name = format!("parameter-problem-{pointer}");
        all.push(match to {
            Some(to) => error(
                name,
                clause,
                format!("Byte {pointer} of IPv4 is byte {to} of IPv6."),
                (12, 0, pointer << 24),
                (4, 0, to),
            ),
            None => no_error(
                name,
                clause,
                format!("Byte {pointer} has no counterpart: silently dropped."),
                (12, 0, pointer << 24),
                "icmp-pointer",
            ),
        });
    }
    all.push(error(
        "parameter-problem-bad-length",
        clause,
        "Code 2, bad length, becomes code 0 with the pointer.",
        (12, 2, 2 << 24),
        (4, 0, 4),
    ));
    all.push(no_error(
        "parameter-problem-bad-length-id",
        clause,
        "Code 2 with a pointer that has no counterpart.",
        (12, 2, 4 << 24),
        "icmp-pointer",
    ));
    all.push(no_error(
        "parameter-problem-option-missing",
        clause,
        "Code 1: silently dropped.",
        (12, 1, 0),
        "icmp-code",
    ));
    all.push(no_error(
        "parameter-problem-code-3",
        clause,
        "Unknown codes: silently dropped.",
        (12, 3, 0),
        "icmp-code",
    ));
    all
}
