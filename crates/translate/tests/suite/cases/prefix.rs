use super::*;
use crate::encode::*;

const UDP: u8 = 17;
const OTHER: &str = "2001:db8:0:200::1";

/// A packet in and out whose source (outbound) or destination (inbound) changes.
fn pair(way: &str, inside: &str, outside: &str, next: u8) -> (Six, Six) {
    let hop = |six: Six| Six {
        hop_limit: 64,
        ..six
    };
    if way == "outbound" {
        (
            hop(Six::new(inside, OTHER, next)),
            Six::new(outside, OTHER, next),
        )
    } else {
        (
            hop(Six::new(OTHER, outside, next)),
            Six::new(OTHER, inside, next),
        )
    }
}

/// The message is built for the address that comes in, and its bytes do not change.
fn both(
    name: &str,
    clause: &'static str,
    says: &str,
    world: &'static str,
    inside: &str,
    outside: &str,
) -> Vec<Case> {
    ["outbound", "inbound"]
        .into_iter()
        .map(|way| {
            let (input, out) = pair(way, inside, outside, UDP);
            let message = udp(input.ends(), 1, 2, &seq(0, 20));
            // Neutral: counted for the new addresses, the checksum is the same.
            assert_eq!(message, udp(out.ends(), 1, 2, &seq(0, 20)), "{name}");
            passes(
                format!("{name}-{way}"),
                clause,
                says,
                input.with(message.clone()),
                out.with(message),
            )
            .world(world)
            .way(way)
        })
        .collect()
}

pub(crate) fn cases() -> Vec<Case> {
    let mut all = Vec::new();
    let short = "6296-3.4-short-prefix";
    let long = "6296-3.5-long-prefix";
    all.extend(both(
        "npt48-example",
        short,
        "The example of RFC 6296 section 3.6: the subnet is adjusted.",
        "npt48",
        "fd01:203:405:1::1234",
        "2001:db8:1:d550::1234",
    ));
    all.extend(both(
        "npt48-subnet-0",
        short,
        "Subnet 0.",
        "npt48",
        "fd01:203:405::1",
        "2001:db8:1:d54f::1",
    ));
    all.extend(both(
        "npt48-subnet-fffe",
        short,
        "A subnet with a carry.",
        "npt48",
        "fd01:203:405:fffe::1",
        "2001:db8:1:d54e::1",
    ));
    all.extend(both(
        "npt48-becomes-zero",
        short,
        "A sum of ffff is written 0.",
        "npt48",
        "fd01:203:405:2ab0::1",
        "2001:db8:1::1",
    ));
    // Internal 2001:db8:0:1201 less external 2400:4050:1:2:
    // (2001 + 0db8 + 0000 + 1201) - (2400 + 4050 + 0001 + 0002) = 3fba - 6453 = db66.
    all.extend(both(
        "npt64-first-word",
        long,
        "A /64: the first word of the interface identifier is adjusted.",
        "npt64",
        "2001:db8:0:1201::1",
        "2400:4050:1:2:db66::1",
    ));
    all.extend(both(
        "npt64-eui",
        long,
        "An identifier made from a MAC address.",
        "npt64",
        "2001:db8:0:1201:211:22ff:fe33:4455",
        "2400:4050:1:2:dd77:22ff:fe33:4455",
    ));
    all.extend(both(
        "npt64-second-word",
        long,
        "The first word is all ones, so the second is adjusted.",
        "npt64",
        "2001:db8:0:1201:ffff::1",
        "2400:4050:1:2:ffff:db66:0:1",
    ));
    all.extend(both(
        "npt64-fourth-word",
        long,
        "Only the last one is left.",
        "npt64",
        "2001:db8:0:1201:ffff:ffff:ffff:1",
        "2400:4050:1:2:ffff:ffff:ffff:db67",
    ));
    all.extend(both(
        "npt64-becomes-zero",
        long,
        "A sum of ffff is written 0 in a longer prefix too.",
        "npt64",
        "2001:db8:0:1201:2499::1",
        "2400:4050:1:2::1",
    ));
    // Internal 2001:db8:0:1200 less external 2400:4050:1:200: 3fb9 - 6651 = d967.
    all.extend(both(
        "npt56-subnet",
        long,
        "A /56: the subnet stays, the identifier is adjusted.",
        "npt56",
        "2001:db8:0:1207::1",
        "2400:4050:1:207:d967::1",
    ));

    for (name, way, world, inside, outside) in [
        (
            "tcp",
            "outbound",
            "npt64",
            "2001:db8:0:1201::1",
            "2400:4050:1:2:db66::1",
        ),
        (
            "tcp-in",
            "inbound",
            "npt64",
            "2001:db8:0:1201::1",
            "2400:4050:1:2:db66::1",
        ),
    ] {
        let (input, out) = pair(way, inside, outside, 6);
        let message = tcp(input.ends(), 1, 2, 2, &[]);
        all.push(
            passes(
                format!("npt-{name}"),
                "6296-2.6-neutral",
                "No checksum changes.",
                input.with(message.clone()),
                out.with(message),
            )
            .world(world)
            .way(way),
        );
    }
    let (input, out) = pair(
        "outbound",
        "2001:db8:0:1201::1",
        "2400:4050:1:2:db66::1",
        50,
    );
    let neutral = "6296-2.6-neutral";
    all.push(
        passes(
            "npt-esp",
            neutral,
            "Any protocol, known here or not.",
            input.with(vec![part("data", seq(0, 40))]),
            out.with(vec![part("data", seq(0, 40))]),
        )
        .world("npt64")
        .way("outbound"),
    );
    let input6 = Six {
        traffic_class: 0xb8,
        flow_label: 0xabcde,
        ..input.clone()
    };
    let out6 = Six {
        traffic_class: 0xb8,
        flow_label: 0xabcde,
        ..out.clone()
    };
    all.push(
        passes(
            "npt-labels",
            neutral,
            "Traffic class and flow label stay.",
            input6.with(vec![part("data", seq(0, 40))]),
            out6.with(vec![part("data", seq(0, 40))]),
        )
        .world("npt64")
        .way("outbound"),
    );
    for (offset, more) in [(0, true), (512, false)] {
        let body = || vec![fragment(UDP, offset, more, 5), part("data", seq(0, 512))];
        all.push(
            passes(
                format!("npt-fragment-{offset}"),
                neutral,
                "Fragments, first or not.",
                Six {
                    next: 44,
                    ..input.clone()
                }
                .with(body()),
                Six {
                    next: 44,
                    ..out.clone()
                }
                .with(body()),
            )
            .world("npt64")
            .way("outbound"),
        );
    }
    let routed = || {
        let message = udp(input.ends(), 1, 2, &seq(0, 32));
        [vec![routing_header(UDP, 4, 1)], message].concat()
    };
    all.push(
        passes(
            "npt-routing-header",
            neutral,
            "Extension headers are none of its business.",
            Six {
                next: 43,
                ..input.clone()
            }
            .with(routed()),
            Six {
                next: 43,
                ..out.clone()
            }
            .with(routed()),
        )
        .world("npt64")
        .way("outbound"),
    );
    let large = || vec![part("data", seq(0, 1460))];
    all.push(
        passes(
            "npt-1500",
            neutral,
            "Nothing grows, so nothing is too big.",
            input.with(large()),
            out.with(large()),
        )
        .world("npt64")
        .way("outbound"),
    );

    // Errors quote what their sender has seen.
    let error = "6296-icmp-quoted";
    let data = seq(0, 20);
    let seen = Six::new("2400:4050:1:2:db66::1", OTHER, UDP);
    let sent = Six::new("2001:db8:0:1201::1", OTHER, UDP);
    let message = udp(sent.ends(), 1, 2, &data);
    for (name, from) in [("host", OTHER), ("router", "2001:db8:0:2ff::9")] {
        let (input, out) = (
            Six {
                hop_limit: 64,
                ..Six::new(from, "2400:4050:1:2:db66::1", 58)
            },
            Six::new(from, "2001:db8:0:1201::1", 58),
        );
        all.push(
            passes(
                format!("npt-error-in-from-{name}"),
                error,
                "An error from outside quotes the external source; inside it is the internal one.",
                input.with(icmp6(input.ends(), 3, 0, 0, seen.with(message.clone()))),
                out.with(icmp6(out.ends(), 3, 0, 0, sent.with(message.clone()))),
            )
            .world("npt64")
            .way("inbound"),
        );
    }
    let came = Six::new(OTHER, "2400:4050:1:2:db66::1", UDP);
    let got = Six::new(OTHER, "2001:db8:0:1201::1", UDP);
    let message = udp(came.ends(), 1, 2, &data);
    let (input, out) = (
        Six {
            hop_limit: 64,
            ..Six::new("2001:db8:0:1201::1", OTHER, 58)
        },
        Six::new("2400:4050:1:2:db66::1", OTHER, 58),
    );
    all.push(
        passes(
            "npt-error-out",
            error,
            "An error from inside quotes the internal destination; outside it is the external one.",
            input.with(icmp6(input.ends(), 1, 4, 0, got.with(message.clone()))),
            out.with(icmp6(out.ends(), 1, 4, 0, came.with(message))),
        )
        .world("npt64")
        .way("outbound"),
    );
    let echo = icmp6(
        input.ends(),
        128,
        0,
        1,
        vec![part("data", sent.with(vec![]).remove(0).bytes)],
    );
    all.push(
        passes(
            "npt-echo-with-a-header",
            error,
            "What an echo request carries is data, whatever it looks like.",
            input.with(echo.clone()),
            out.with(echo),
        )
        .world("npt64")
        .way("outbound"),
    );
    let short_error = icmp6(input.ends(), 1, 4, 0, vec![part("data", seq(0, 39))]);
    all.push(
        passes(
            "npt-error-quoting-39",
            error,
            "An error that quotes less than a header has no addresses to be translated.",
            input.with(short_error.clone()),
            out.with(short_error),
        )
        .world("npt64")
        .way("outbound"),
    );
    let foreign = Six::new(OTHER, "2001:db8:0:1301::1", UDP);
    all.push(
        refused(
            "npt-error-about-others",
            error,
            "A quoted packet of another prefix did not come through here.",
            input.with(icmp6(
                input.ends(),
                1,
                4,
                0,
                foreign.with(vec![part("data", seq(0, 8))]),
            )),
            "quote-not-translatable",
            "silent",
        )
        .world("npt64")
        .way("outbound"),
    );

    // What cannot be translated.
    let refuse = |name: &'static str,
                  clause,
                  says: &'static str,
                  world,
                  way: &'static str,
                  six: Six,
                  reason,
                  answer: &'static str| {
        refused(
            name,
            clause,
            says,
            six.with(udp(six.ends(), 1, 2, &[1, 2])),
            reason,
            answer,
        )
        .world(world)
        .way(way)
    };
    all.push(refuse(
        "npt48-subnet-ffff",
        short,
        "Subnet ffff has no counterpart: unreachable.",
        "npt48",
        "outbound",
        Six::new("fd01:203:405:ffff::1", OTHER, UDP),
        "subnet-not-mapped",
        "icmpv6 1/0",
    ));
    all.push(refuse(
        "npt48-subnet-ffff-in",
        short,
        "Nor from outside.",
        "npt48",
        "inbound",
        Six::new(OTHER, "2001:db8:1:ffff::1", UDP),
        "subnet-not-mapped",
        "icmpv6 1/0",
    ));
    all.push(refuse(
        "npt64-all-ones",
        long,
        "An identifier of all ones: a parameter problem that points at the source.",
        "npt64",
        "outbound",
        Six::new("2001:db8:0:1201:ffff:ffff:ffff:ffff", OTHER, UDP),
        "interface-all-ones",
        "icmpv6 4/0 pointer 8",
    ));
    all.push(refuse(
        "npt64-all-ones-in",
        long,
        "Or at the destination.",
        "npt64",
        "inbound",
        Six::new(OTHER, "2400:4050:1:2:ffff:ffff:ffff:ffff", UDP),
        "interface-all-ones",
        "icmpv6 4/0 pointer 24",
    ));
    all.push(refuse(
        "npt-source-outside",
        "6296-3.2-outside",
        "A source that is not internal does not leave.",
        "npt64",
        "outbound",
        Six::new("2001:db8:0:1301::1", OTHER, UDP),
        "outside-prefix",
        "silent",
    ));
    all.push(refuse(
        "npt-destination-outside",
        "6296-3.2-outside",
        "A destination that is not external does not come in.",
        "npt64",
        "inbound",
        Six::new(OTHER, "2400:4050:1:3::1", UDP),
        "outside-prefix",
        "silent",
    ));
    all.push(refuse(
        "npt-hop-limit",
        "6296-hop-limit",
        "A router of its own takes one off.",
        "npt64",
        "outbound",
        Six {
            hop_limit: 1,
            ..Six::new("2001:db8:0:1201::1", OTHER, UDP)
        },
        "hop-limit",
        "icmpv6 3/0",
    ));
    let kept = Six {
        hop_limit: 1,
        ..Six::new("2001:db8:0:1201::1", OTHER, UDP)
    };
    let kept_out = Six {
        hop_limit: 1,
        ..Six::new("2400:4050:1:2:db66::1", OTHER, UDP)
    };
    let message = udp(kept.ends(), 1, 2, &[1, 2]);
    all.push(
        passes(
            "npt-hop-limit-kept",
            "6296-hop-limit",
            "Where the kernel forwards in the same pass, it is the kernel that does.",
            kept.with(message.clone()),
            kept_out.with(message),
        )
        .world("npt64")
        .set("decrements = false")
        .way("outbound"),
    );
    all.push(refuse(
        "npt-illegal-source",
        "7915-5.1-illegal-source",
        "Illegal sources are illegal here too.",
        "npt64",
        "inbound",
        Six::new("ff02::1", "2400:4050:1:2::1", UDP),
        "illegal-source",
        "silent",
    ));
    all.push(refuse(
        "npt-link-local",
        "7915-5.1-illegal-source",
        "Link-local ones stay on their link.",
        "npt64",
        "outbound",
        Six::new("2001:db8:0:1201::1", "fe80::1", UDP),
        "illegal-destination",
        "silent",
    ));
    let four = Four::new("192.0.2.1", "192.0.2.2", UDP);
    all.push(
        refused(
            "npt-ipv4",
            "6296-3.2-outside",
            "IPv4 has no prefix here.",
            four.with(udp(
                four.ends(),
                1,
                2,
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            )),
            "not-ip",
            "silent",
        )
        .world("npt64")
        .way("outbound"),
    );
    all
}
