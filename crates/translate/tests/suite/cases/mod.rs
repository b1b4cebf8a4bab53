//! The packets of the vector files, and what the RFCs make of them, written with
//! the second encoder. Nothing here asks the crate under test.

mod four_to_six;
mod icmpv4;
mod icmpv6;
mod mapping;
mod prefix;
mod six_to_four;

use crate::encode::{Four, Parts, Six, bytes_of};
use crate::file::write_parts;

/// A host in the IPv4 network of world `siit`.
pub(crate) const HOST4: &str = "198.51.100.2";
/// It, as IPv6 knows it.
pub(crate) const HOST4_IN_6: &str = "2001:db8:1c6:3364:2::";
/// A host in the IPv6 network.
pub(crate) const HOST6: &str = "2001:db8:1c0:2:21::";
/// It, as IPv4 knows it.
pub(crate) const HOST6_IN_4: &str = "192.0.2.33";

#[derive(Debug, Clone)]
pub(crate) struct Case {
    name: String,
    clause: &'static str,
    says: String,
    world: &'static str,
    set: &'static str,
    way: &'static str,
    input: Parts,
    expect: Expect,
}

#[derive(Debug, Clone)]
enum Expect {
    Packets(Vec<Parts>),
    Refused(&'static str, String),
}

/// A packet that is translated.
pub(crate) fn passes(
    name: impl Into<String>,
    clause: &'static str,
    says: impl Into<String>,
    input: Parts,
    out: Parts,
) -> Case {
    splits(name, clause, says, input, vec![out])
}

/// A packet that becomes several.
pub(crate) fn splits(
    name: impl Into<String>,
    clause: &'static str,
    says: impl Into<String>,
    input: Parts,
    out: Vec<Parts>,
) -> Case {
    Case {
        name: name.into(),
        clause,
        says: says.into(),
        world: "siit",
        set: "",
        way: "",
        input,
        expect: Expect::Packets(out),
    }
}

/// A packet that is not translated.
pub(crate) fn refused(
    name: impl Into<String>,
    clause: &'static str,
    says: impl Into<String>,
    input: Parts,
    reason: &'static str,
    answer: impl Into<String>,
) -> Case {
    Case {
        expect: Expect::Refused(reason, answer.into()),
        ..passes(name, clause, says, input, vec![])
    }
}

impl Case {
    pub(crate) fn world(mut self, world: &'static str) -> Self {
        self.world = world;
        self
    }

    /// Settings that differ from the world's, as TOML.
    pub(crate) fn set(mut self, set: &'static str) -> Self {
        self.set = set;
        self
    }

    pub(crate) fn way(mut self, way: &'static str) -> Self {
        self.way = way;
        self
    }

    fn write(&self) -> String {
        let mut out = String::from("\n[[vector]]\n");
        out += &format!("name = {:?}\n", self.name);
        out += &format!("clause = {:?}\n", self.clause);
        out += &format!("says = {:?}\n", self.says);
        out += &format!("world = {:?}\n", self.world);
        if !self.set.is_empty() {
            out += &format!("set = {{ {} }}\n", self.set);
        }
        if !self.way.is_empty() {
            out += &format!("way = {:?}\n", self.way);
        }
        out += &format!("in = \"\"\"\n{}\"\"\"\n", write_parts(&self.input));
        match &self.expect {
            Expect::Packets(packets) => {
                out += "out = [";
                for packet in packets {
                    assert!(!bytes_of(packet).is_empty());
                    out += &format!("\"\"\"\n{}\"\"\",", write_parts(packet));
                }
                out += "]\n";
            }
            Expect::Refused(reason, answer) => {
                out += &format!("refused = {reason:?}\n");
                out += &format!("answer = {answer:?}\n");
            }
        }
        out
    }
}

/// All files, by name.
pub(crate) fn files() -> Vec<(&'static str, String)> {
    [
        (
            "four-to-six.toml",
            "IPv4 to IPv6: headers, fragments, sizes, transports (RFC 7915 section 4).",
            four_to_six::cases(),
        ),
        (
            "six-to-four.toml",
            "IPv6 to IPv4: headers, extension headers, fragments, sizes (RFC 7915 section 5).",
            six_to_four::cases(),
        ),
        (
            "icmpv4.toml",
            "ICMPv4 to ICMPv6 (RFC 7915 sections 4.2 to 4.4).",
            icmpv4::cases(),
        ),
        (
            "icmpv6.toml",
            "ICMPv6 to ICMPv4 (RFC 7915 sections 5.2 to 5.4).",
            icmpv6::cases(),
        ),
        (
            "mapping.toml",
            "Addresses: RFC 6052, RFC 7757, RFC 6791, and worlds like the network's own.",
            mapping::cases(),
        ),
        (
            "prefix.toml",
            "One IPv6 prefix for another (RFC 6296).",
            prefix::cases(),
        ),
    ]
    .into_iter()
    .map(|(name, head, cases)| {
        let mut text = format!(
            "# {head}\n# Written by tests/suite/cases; new ones are added there, or by hand to by-hand.toml.\n"
        );
        for case in cases {
            text += &case.write();
        }
        (name, text)
    })
    .collect()
}

/// From the IPv4 host to the IPv6 host, as it comes in.
pub(crate) fn four(protocol: u8) -> Four {
    Four::new(HOST4, HOST6_IN_4, protocol)
}

/// The same as it goes out.
pub(crate) fn six(next: u8) -> Six {
    Six::new(HOST4_IN_6, HOST6, next)
}

/// From the IPv6 host to the IPv4 host, as it comes in.
pub(crate) fn six_in(next: u8) -> Six {
    Six {
        hop_limit: 64,
        ..Six::new(HOST6, HOST4_IN_6, next)
    }
}

/// The same as it goes out.
pub(crate) fn four_out(protocol: u8) -> Four {
    Four {
        ttl: 63,
        id: crate::file::IDENTIFICATION,
        ..Four::new(HOST6_IN_4, HOST4, protocol)
    }
}
