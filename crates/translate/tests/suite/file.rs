//! The vector files: TOML, with packets in hexadecimal that a person can read.
//!
//! `#` starts a comment; `seq(from, count)` stands for that many bytes that count
//! up, each being its position modulo 251.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use iryonet_translate::native::{Mappings, NativeWorld};
use iryonet_translate::{Answer, Eam, Embedding, Hairpin, Npt, UdpZero};
use serde::Deserialize;

use crate::encode::{Part, seq};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    pub(crate) name: String,
    /// A row of the table in docs/translation.md.
    pub(crate) clause: String,
    pub(crate) says: String,
    /// A table of worlds.toml.
    pub(crate) world: String,
    /// Settings that differ from it.
    #[serde(default)]
    pub(crate) set: Settings,
    #[serde(default)]
    pub(crate) way: Way,
    #[serde(rename = "in")]
    pub(crate) input: String,
    /// The packets that come out.
    #[serde(default)]
    pub(crate) out: Vec<String>,
    /// Or the reason why none does,
    pub(crate) refused: Option<String>,
    /// and what the sender is told: `icmpv4 3/4 mtu 1260`.
    pub(crate) answer: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    #[default]
    Translate,
    /// RFC 6296.
    Outbound,
    Inbound,
}

/// Everything that a world may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// For both sides.
    embedding: Option<String>,
    eams: Option<Vec<[String; 2]>>,
    near: Option<SideSettings>,
    far: Option<SideSettings>,
    hop_sources: Option<Vec<Ipv4Addr>>,
    mtu_v6: Option<u32>,
    mtu_v4: Option<u32>,
    lowest_ipv6_mtu: Option<u32>,
    decrements: Option<bool>,
    fragments: Option<bool>,
    traffic_class: Option<u8>,
    tos: Option<u8>,
    udp_zero: Option<String>,
    illegal_error_sources: Option<bool>,
    hairpin: Option<String>,
    internal: Option<String>,
    external: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SideSettings {
    embedding: Option<String>,
    #[serde(default)]
    eams: Vec<[String; 2]>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vector: Vec<Vector>,
}

/// Identification that every world gives to packets that have none.
pub(crate) const IDENTIFICATION: u16 = 0x1d1d;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// All vectors of all files, with the file's name.
pub(crate) fn all() -> Vec<(String, Vector)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .filter(|path| path.file_name().is_some_and(|name| name != "worlds.toml"))
        .collect();
    paths.sort();
    let mut out = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let file: File = toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        out.extend(file.vector.into_iter().map(|vector| (name.clone(), vector)));
    }
    out
}

pub(crate) fn worlds() -> BTreeMap<String, Settings> {
    let text = std::fs::read_to_string(folder().join("worlds.toml")).unwrap();
    toml::from_str(&text).unwrap()
}

fn prefix<T: std::str::FromStr>(text: &str) -> (T, u8)
where
    T::Err: std::fmt::Debug,
{
    let (address, bits) = text.split_once('/').unwrap();
    (address.parse().unwrap(), bits.parse().unwrap())
}

fn embedding(text: &str) -> Embedding {
    let (address, bits) = prefix::<Ipv6Addr>(text);
    Embedding::new(address.into(), bits)
        .unwrap_or_else(|| panic!("{text} is no prefix of RFC 6052"))
}

fn mappings(embed: Option<&String>, eams: &[[String; 2]]) -> Mappings {
    let mut out = Mappings::default();
    out.embedding = embed.map(|text| embedding(text));
    for [v4, v6] in eams {
        let (v4, v4_bits) = prefix::<Ipv4Addr>(v4);
        let (v6, v6_bits) = prefix::<Ipv6Addr>(v6);
        let eam = Eam::new(v4.into(), v4_bits, v6.into(), v6_bits).unwrap();
        out.add(eam).unwrap();
    }
    out
}

impl Settings {
    fn apply(&self, world: &mut NativeWorld) {
        if self.embedding.is_some() || self.eams.is_some() {
            let both = mappings(
                self.embedding.as_ref(),
                self.eams.as_deref().unwrap_or_default(),
            );
            world.near = both.clone();
            world.far = both;
        }
        if let Some(side) = &self.near {
            world.near = mappings(side.embedding.as_ref(), &side.eams);
        }
        if let Some(side) = &self.far {
            world.far = mappings(side.embedding.as_ref(), &side.eams);
        }
        if let Some(sources) = &self.hop_sources {
            world.hop_sources = sources.iter().map(|source| (*source).into()).collect();
        }
        world.mtu_v6 = self.mtu_v6.unwrap_or(world.mtu_v6);
        world.mtu_v4 = self.mtu_v4.unwrap_or(world.mtu_v4);
        world.lowest_ipv6_mtu = self.lowest_ipv6_mtu.unwrap_or(world.lowest_ipv6_mtu);
        world.decrements = self.decrements.unwrap_or(world.decrements);
        world.fragments = self.fragments.unwrap_or(world.fragments);
        world.traffic_class = self.traffic_class.or(world.traffic_class);
        world.tos = self.tos.or(world.tos);
        world.udp_zero = match self.udp_zero.as_deref() {
            Some("compute") => UdpZero::Compute,
            Some("drop") => UdpZero::Drop,
            Some(other) => panic!("udp_zero = {other}"),
            None => world.udp_zero,
        };
        world.illegal_error_sources = self
            .illegal_error_sources
            .unwrap_or(world.illegal_error_sources);
        world.hairpin = match self.hairpin.as_deref() {
            Some("off") => Hairpin::Off,
            Some("simple") => Hairpin::Simple,
            Some("intrinsic") => Hairpin::Intrinsic,
            Some(other) => panic!("hairpin = {other}"),
            None => world.hairpin,
        };
    }

    pub(crate) fn npt(&self) -> Npt {
        let internal = prefix::<Ipv6Addr>(self.internal.as_ref().unwrap());
        let external = prefix::<Ipv6Addr>(self.external.as_ref().unwrap());
        Npt::new(internal.0.into(), internal.1, external.0.into(), external.1).unwrap()
    }
}

/// The world of a vector.
pub(crate) fn world_of(vector: &Vector, worlds: &BTreeMap<String, Settings>) -> NativeWorld {
    let mut world = NativeWorld {
        identification: IDENTIFICATION,
        ..NativeWorld::default()
    };
    let named = worlds
        .get(&vector.world)
        .unwrap_or_else(|| panic!("{}: no world {}", vector.name, vector.world));
    named.apply(&mut world);
    vector.set.apply(&mut world);
    world
}

/// A vector without a packet, to ask for a world with.
pub(crate) fn vector_in(world: &str) -> Vector {
    Vector {
        name: world.into(),
        clause: String::new(),
        says: String::new(),
        world: world.into(),
        set: Settings::default(),
        way: Way::Translate,
        input: String::new(),
        out: vec![],
        refused: None,
        answer: None,
    }
}

/// The bytes that hexadecimal text stands for.
pub(crate) fn read_bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap();
        let line = line.replace("seq(", " seq(").replace(", ", ",");
        for token in line.split_whitespace() {
            if let Some(inside) = token.strip_prefix("seq(") {
                let (from, count) = inside.trim_end_matches(')').split_once(',').unwrap();
                out.extend(seq(from.parse().unwrap(), count.parse().unwrap()));
            } else {
                assert_eq!(token.len() % 2, 0, "{token}");
                for pair in token.as_bytes().chunks(2) {
                    let pair = std::str::from_utf8(pair).unwrap();
                    out.push(u8::from_str_radix(pair, 16).unwrap());
                }
            }
        }
    }
    out
}

/// How bytes are written in the files.
pub(crate) fn write_parts(parts: &[Part]) -> String {
    let mut out = String::new();
    for Part { label, bytes } in parts.iter().filter(|part| !part.bytes.is_empty()) {
        out += &format!("# {label}\n");
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            if let Some((token, count)) = sequence(rest) {
                out += &format!("{token}\n");
                rest = &rest[count..];
                continue;
            }
            let mut line = 0;
            while line < 16 && line < rest.len() && (line == 0 || sequence(&rest[line..]).is_none())
            {
                line += 1;
            }
            for (index, byte) in rest[..line].iter().enumerate() {
                let gap = if index != 0 && index % 4 == 0 {
                    " "
                } else {
                    ""
                };
                out += &format!("{gap}{byte:02x}");
            }
            out += "\n";
            rest = &rest[line..];
        }
    }
    out
}

/// A run of at least 16 bytes that count up.
fn sequence(bytes: &[u8]) -> Option<(String, usize)> {
    let first = usize::from(*bytes.first()?);
    let count = bytes
        .iter()
        .enumerate()
        .take_while(|(index, byte)| usize::from(**byte) == (first + index) % 251)
        .count();
    (count >= 16).then(|| (format!("seq({first}, {count})"), count))
}

/// How an answer is written.
pub(crate) fn write_answer(answer: Answer) -> String {
    if answer.is_silent() {
        return "silent".into();
    }
    let Answer {
        family,
        kind,
        code,
        rest,
        ..
    } = answer;
    let what = match (family, kind) {
        (4, 3) if code == 4 => format!(" mtu {rest}"),
        (6, 2) => format!(" mtu {rest}"),
        (6, 4) => format!(" pointer {rest}"),
        _ => {
            assert_eq!(rest, 0);
            String::new()
        }
    };
    format!("icmpv{family} {kind}/{code}{what}")
}
