//! The region as a person writes it: one TOML file, read, checked and refused
//! with the line that is at fault.
//!
//! Knows the nouns of the domain and nothing of namespaces, addresses or
//! processes (see `plan`).

use iryonet_domain::{
    GatewayId, NetworkPrefix, ParticipantKind, Prefecture, Purpose, TrafficClass,
};
use miette::{NamedSource, SourceSpan};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Spanned;

/// The region that is raised when no file is named.
pub const DEFAULT: &str = include_str!("../../../pilot/region.toml");

/// Longest name of a region, in characters: it stands in namespace names.
pub const NAME_MAX: usize = 10;

/// Longest key of an institution or provider: with its prefix it has to fit
/// into the 15 characters of an interface name.
pub const KEY_MAX: usize = 12;

/// Most gateways: each has one host number on the backbone.
pub const GATEWAYS_MAX: usize = 16;

/// Most institutions and providers together: each costs two namespaces.
pub const SITES_MAX: usize = 60;

/// Most services and most agreements.
pub const SERVICES_MAX: usize = 64;

/// Largest region file in bytes.
pub const FILE_MAX_BYTES: u64 = 256 << 10;

/// A checked region: every name leads somewhere, none stands for two things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name, part of every namespace's name.
    pub name: String,
    /// The network's prefix.
    pub network: NetworkPrefix,
    /// In the order of the file; at least one.
    pub gateways: Vec<Gateway>,
    /// Institutions, then providers, each in the order of the file.
    pub sites: Vec<Site>,
    /// Services.
    pub services: Vec<Service>,
    /// Who may use what.
    pub agreements: Vec<Agreement>,
}

/// A gateway of the region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Its name.
    pub id: GatewayId,
    /// Blocks of participant numbers at home here.
    pub blocks: Vec<u8>,
}

/// One participant with its one site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Short name for namespaces and interfaces.
    pub key: String,
    /// The name in the registry.
    pub name: String,
    /// The name in English, for the table.
    pub name_en: String,
    /// What it is.
    pub kind: ParticipantKind,
    /// Where its generated institution code is of; providers have none.
    pub prefecture: Option<Prefecture>,
    /// Where its line ends.
    pub gateway: GatewayId,
    /// Does its device enrol and attach?
    pub enrols: bool,
}

impl Site {
    /// Does it run services?
    #[must_use]
    pub fn is_provider(&self) -> bool {
        self.kind == ParticipantKind::Provider
    }
}

/// A service of a provider: HTTP on one TCP port of its LAN host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Short name.
    pub key: String,
    /// Key of the provider.
    pub provider: String,
    /// The name in the registry.
    pub name: String,
    /// The name in English.
    pub name_en: String,
    /// Traffic class.
    pub class: TrafficClass,
    /// What it may be used for.
    pub purposes: Vec<Purpose>,
    /// TCP port.
    pub port: u16,
}

/// Who may use which service for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Key of the participant.
    pub participant: String,
    /// Key of the service.
    pub service: String,
    /// One of the service's purposes.
    pub purpose: Purpose,
    /// Validity from the day of raising, in days.
    pub days: u32,
}

/// What is wrong with a region file, and where.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{file}:{line}: {message}")]
pub struct RegionError {
    /// What, and what would be right.
    pub message: String,
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    #[source_code]
    source_code: NamedSource<String>,
    #[label("here")]
    span: SourceSpan,
}

/// Why there is no region to raise.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReadError {
    /// The file could not be read.
    #[error("the region file {path} could not be read")]
    Io {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than a region can be.
    #[error("the region file {path} has {bytes} bytes; at most {FILE_MAX_BYTES} are read")]
    TooLarge {
        /// Which.
        path: String,
        /// How large.
        bytes: u64,
    },
    /// The file says something that cannot be.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Region(#[from] Box<RegionError>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    region: RegionTable,
    #[serde(default)]
    gateway: Vec<GatewayTable>,
    #[serde(default)]
    institution: Vec<InstitutionTable>,
    #[serde(default)]
    provider: Vec<ProviderTable>,
    #[serde(default)]
    service: Vec<ServiceTable>,
    #[serde(default)]
    agreement: Vec<AgreementTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionTable {
    name: Spanned<String>,
    network: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GatewayTable {
    name: Spanned<String>,
    blocks: Vec<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InstitutionTable {
    key: Spanned<String>,
    name: Spanned<String>,
    name_en: Spanned<String>,
    kind: Spanned<String>,
    prefecture: Spanned<i64>,
    gateway: Spanned<String>,
    enrols: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderTable {
    key: Spanned<String>,
    name: Spanned<String>,
    name_en: Spanned<String>,
    gateway: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    key: Spanned<String>,
    provider: Spanned<String>,
    name: Spanned<String>,
    name_en: Spanned<String>,
    class: Spanned<String>,
    purposes: Spanned<Vec<Spanned<String>>>,
    port: Spanned<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementTable {
    participant: Spanned<String>,
    service: Spanned<String>,
    purpose: Spanned<String>,
    days: Option<Spanned<i64>>,
}

impl Region {
    /// The region of a file; without one, the region that comes with the program.
    ///
    /// # Errors
    /// When the file cannot be read or says what cannot be.
    pub fn read(path: Option<&Path>) -> Result<Self, ReadError> {
        let Some(path) = path else {
            return Ok(Self::parse("pilot/region.toml", DEFAULT)?);
        };
        let shown = path.display().to_string();
        let io = |source| ReadError::Io {
            path: shown.clone(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > FILE_MAX_BYTES {
            return Err(ReadError::TooLarge { path: shown, bytes });
        }
        let text = std::fs::read_to_string(path).map_err(io)?;
        Ok(Self::parse(&shown, &text)?)
    }

    /// The region that this text describes; `file` is how errors name it.
    ///
    /// # Errors
    /// When a key is unknown or missing, a value cannot be, a name stands for
    /// two things or leads nowhere. The error holds the line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Box<RegionError>> {
        let at = Fault { file, text };
        let table: File = toml::from_str(text)
            .map_err(|error| at.say(error.span().unwrap_or(0..0), error.message()))?;
        check(&at, &table)
    }

    /// The site with this key.
    #[must_use]
    pub fn site(&self, key: &str) -> Option<&Site> {
        self.sites.iter().find(|site| site.key == key)
    }

    /// The service with this key.
    #[must_use]
    pub fn service(&self, key: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.key == key)
    }

    /// Is there an agreement between these two?
    #[must_use]
    pub fn granted(&self, participant: &str, service: &str) -> bool {
        self.agreements
            .iter()
            .any(|one| one.participant == participant && one.service == service)
    }

    /// The same region under another name: to raise it beside the first.
    ///
    /// # Errors
    /// When the name cannot be that of a region.
    pub fn renamed(mut self, name: &str) -> Result<Self, String> {
        check_region_name(name)?;
        name.clone_into(&mut self.name);
        Ok(self)
    }
}

struct Fault<'a> {
    file: &'a str,
    text: &'a str,
}

impl Fault<'_> {
    fn say(&self, span: std::ops::Range<usize>, message: impl Into<String>) -> Box<RegionError> {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Box::new(RegionError {
            message: message.into(),
            file: self.file.to_owned(),
            line: before.bytes().filter(|byte| *byte == b'\n').count() + 1,
            source_code: NamedSource::new(self.file, self.text.to_owned()),
            span: span.into(),
        })
    }

    fn at<T>(&self, spanned: &Spanned<T>, message: impl std::fmt::Display) -> Box<RegionError> {
        self.say(spanned.span(), message.to_string())
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        &self,
        word: &Spanned<String>,
    ) -> Result<T, Box<RegionError>> {
        word.get_ref().parse().map_err(|error| self.at(word, error))
    }

    fn name(&self, name: &Spanned<String>) -> Result<String, Box<RegionError>> {
        iryonet_domain::text::clean(name.get_ref(), 120)
            .map_err(|error| self.at(name, format!("the name cannot be taken: {error}")))
    }

    fn known<'m, V>(
        &self,
        what: &str,
        word: &Spanned<String>,
        all: &'m BTreeMap<String, V>,
    ) -> Result<&'m V, Box<RegionError>> {
        all.get(word.get_ref()).ok_or_else(|| {
            let names: Vec<&str> = all.keys().map(String::as_str).collect();
            self.at(
                word,
                format!(
                    "there is no {what} {:?} in this file; there are: {}",
                    word.get_ref(),
                    names.join(", ")
                ),
            )
        })
    }

    fn limit<T>(&self, what: &str, list: &[T], most: usize) -> Result<(), Box<RegionError>> {
        if list.len() > most {
            return Err(self.say(
                0..0,
                format!(
                    "{} {what} are described; at most {most} can be raised",
                    list.len()
                ),
            ));
        }
        Ok(())
    }
}

/// No `-`: a region's namespaces are found again by `iry-<region>-`, and
/// `iry-a-b-…` must not be those of two regions.
fn check_region_name(name: &str) -> Result<(), String> {
    let fits = (1..=NAME_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{name:?} is not the name of a region; write 1 to {NAME_MAX} characters of a-z and 0-9"
        ))
    }
}

fn check_word(word: &str, most: usize) -> Result<(), String> {
    let fits = (1..=most).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !word.starts_with('-')
        && !word.ends_with('-');
    if fits {
        Ok(())
    } else {
        Err(format!(
            "{word:?} cannot be used here; write 1 to {most} characters of a-z, 0-9 and -, with a letter or digit at both ends"
        ))
    }
}

fn key(at: &Fault<'_>, word: &Spanned<String>) -> Result<String, Box<RegionError>> {
    check_word(word.get_ref(), KEY_MAX).map_err(|message| at.at(word, message))?;
    Ok(word.get_ref().clone())
}

fn once<T>(
    at: &Fault<'_>,
    what: &str,
    word: &Spanned<String>,
    seen: &mut BTreeMap<String, T>,
    value: T,
) -> Result<(), Box<RegionError>> {
    if seen.insert(word.get_ref().clone(), value).is_some() {
        return Err(at.at(
            word,
            format!(
                "{what} {:?} is described twice; give one of them another name",
                word.get_ref()
            ),
        ));
    }
    Ok(())
}

fn check(at: &Fault<'_>, file: &File) -> Result<Region, Box<RegionError>> {
    check_region_name(file.region.name.get_ref())
        .map_err(|message| at.at(&file.region.name, message))?;
    at.limit("gateways", &file.gateway, GATEWAYS_MAX)?;
    at.limit("institutions", &file.institution, SITES_MAX)?;
    at.limit("providers", &file.provider, SITES_MAX)?;
    at.limit("services", &file.service, SERVICES_MAX)?;
    at.limit("agreements", &file.agreement, SERVICES_MAX * 4)?;
    if file.gateway.is_empty() {
        return Err(at.say(
            0..0,
            "no gateway is described; add at least one [[gateway]]",
        ));
    }
    let mut homes = BTreeMap::new();
    let gateways = gateways(at, &file.gateway, &mut homes)?;
    let mut known_sites = BTreeMap::new();
    let sites = sites(at, file, &homes, &mut known_sites)?;
    if sites.len() > SITES_MAX {
        return Err(at.say(
            0..0,
            format!(
                "{} institutions and providers are described; at most {SITES_MAX} together can be raised",
                sites.len()
            ),
        ));
    }
    let mut known_services = BTreeMap::new();
    let services = services(at, &file.service, &known_sites, &mut known_services)?;
    let agreements = agreements(at, &file.agreement, &known_sites, &known_services)?;
    Ok(Region {
        name: file.region.name.get_ref().clone(),
        network: at.parsed(&file.region.network)?,
        gateways,
        sites,
        services,
        agreements,
    })
}

fn gateways(
    at: &Fault<'_>,
    tables: &[GatewayTable],
    homes: &mut BTreeMap<String, GatewayId>,
) -> Result<Vec<Gateway>, Box<RegionError>> {
    let mut taken = BTreeSet::new();
    let mut gateways = Vec::new();
    for table in tables {
        check_word(table.name.get_ref(), KEY_MAX).map_err(|message| at.at(&table.name, message))?;
        let name = table.name.get_ref();
        if matches!(name.as_str(), "center" | "backbone")
            || name.ends_with("-box")
            || name.ends_with("-lan")
        {
            return Err(at.at(
                &table.name,
                "center, backbone and names that end in -box or -lan are the pilot's own; give the gateway another name",
            ));
        }
        let id: GatewayId = at.parsed(&table.name)?;
        once(at, "gateway", &table.name, homes, id.clone())?;
        let mut blocks = Vec::new();
        for block in &table.blocks {
            let number = u8::try_from(*block.get_ref())
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| {
                    at.at(
                        block,
                        format!("{} is not a block; blocks are 1 to 255", block.get_ref()),
                    )
                })?;
            if !taken.insert(number) {
                return Err(at.at(
                    block,
                    format!("block {number} is given twice; a block has one home gateway"),
                ));
            }
            blocks.push(number);
        }
        if blocks.is_empty() {
            return Err(at.at(
                &table.name,
                "this gateway has no block, so that nobody can be at home there; write blocks = [1]",
            ));
        }
        gateways.push(Gateway { id, blocks });
    }
    Ok(gateways)
}

fn sites(
    at: &Fault<'_>,
    file: &File,
    homes: &BTreeMap<String, GatewayId>,
    known: &mut BTreeMap<String, ParticipantKind>,
) -> Result<Vec<Site>, Box<RegionError>> {
    let mut sites = Vec::new();
    for table in &file.institution {
        let kind: ParticipantKind = at.parsed(&table.kind)?;
        if kind == ParticipantKind::Provider {
            return Err(at.at(
                &table.kind,
                "a provider is no institution; describe it as [[provider]]",
            ));
        }
        let prefecture = u8::try_from(*table.prefecture.get_ref())
            .map_err(|_| {
                format!(
                    "{} is not a prefecture; the 47 prefectures are 1 to 47",
                    table.prefecture.get_ref()
                )
            })
            .and_then(|number| Prefecture::new(number).map_err(|error| error.to_string()))
            .map_err(|message| at.at(&table.prefecture, message))?;
        let site = Site {
            key: key(at, &table.key)?,
            name: at.name(&table.name)?,
            name_en: at.name(&table.name_en)?,
            kind,
            prefecture: Some(prefecture),
            gateway: at.known("gateway", &table.gateway, homes)?.clone(),
            enrols: table.enrols.unwrap_or(true),
        };
        not_a_gateway(at, &table.key, homes)?;
        once(at, "institution or provider", &table.key, known, kind)?;
        sites.push(site);
    }
    for table in &file.provider {
        let site = Site {
            key: key(at, &table.key)?,
            name: at.name(&table.name)?,
            name_en: at.name(&table.name_en)?,
            kind: ParticipantKind::Provider,
            prefecture: None,
            gateway: at.known("gateway", &table.gateway, homes)?.clone(),
            enrols: true,
        };
        not_a_gateway(at, &table.key, homes)?;
        once(
            at,
            "institution or provider",
            &table.key,
            known,
            ParticipantKind::Provider,
        )?;
        sites.push(site);
    }
    Ok(sites)
}

fn not_a_gateway(
    at: &Fault<'_>,
    word: &Spanned<String>,
    homes: &BTreeMap<String, GatewayId>,
) -> Result<(), Box<RegionError>> {
    if homes.contains_key(word.get_ref()) {
        return Err(at.at(
            word,
            format!(
                "{:?} is a gateway of this file; give the site another key",
                word.get_ref()
            ),
        ));
    }
    Ok(())
}

fn services(
    at: &Fault<'_>,
    tables: &[ServiceTable],
    sites: &BTreeMap<String, ParticipantKind>,
    known: &mut BTreeMap<String, Vec<Purpose>>,
) -> Result<Vec<Service>, Box<RegionError>> {
    let mut ports = BTreeSet::new();
    let mut services = Vec::new();
    for table in tables {
        let kind = at.known("provider", &table.provider, sites)?;
        if *kind != ParticipantKind::Provider {
            return Err(at.at(
                &table.provider,
                format!(
                    "{:?} is a {kind}; a service wants a [[provider]]",
                    table.provider.get_ref()
                ),
            ));
        }
        let port = u16::try_from(*table.port.get_ref())
            .ok()
            .filter(|port| *port > 0 && *port != crate::plan::PRIVATE_PORT)
            .ok_or_else(|| {
                at.at(
                    &table.port,
                    format!(
                        "{} is not a port of a service; write 1 to 65535, but not {} (the pilot's own page that nobody may reach)",
                        table.port.get_ref(),
                        crate::plan::PRIVATE_PORT
                    ),
                )
            })?;
        if !ports.insert((table.provider.get_ref().clone(), port)) {
            return Err(at.at(
                &table.port,
                format!(
                    "port {port} of {:?} is given twice; a port belongs to one service",
                    table.provider.get_ref()
                ),
            ));
        }
        let mut purposes = Vec::new();
        for purpose in table.purposes.get_ref() {
            purposes.push(at.parsed(purpose)?);
        }
        if purposes.is_empty() {
            return Err(at.at(
                &table.purposes,
                "a service without a purpose can be agreed for nothing; name at least one",
            ));
        }
        once(at, "service", &table.key, known, purposes.clone())?;
        services.push(Service {
            key: key(at, &table.key)?,
            provider: table.provider.get_ref().clone(),
            name: at.name(&table.name)?,
            name_en: at.name(&table.name_en)?,
            class: at.parsed(&table.class)?,
            purposes,
            port,
        });
    }
    Ok(services)
}

fn agreements(
    at: &Fault<'_>,
    tables: &[AgreementTable],
    sites: &BTreeMap<String, ParticipantKind>,
    services: &BTreeMap<String, Vec<Purpose>>,
) -> Result<Vec<Agreement>, Box<RegionError>> {
    let mut seen = BTreeSet::new();
    let mut agreements = Vec::new();
    for table in tables {
        at.known("participant", &table.participant, sites)?;
        let allowed = at.known("service", &table.service, services)?;
        let purpose: Purpose = at.parsed(&table.purpose)?;
        if !allowed.contains(&purpose) {
            let words: Vec<&str> = allowed.iter().map(|one| one.as_str()).collect();
            return Err(at.at(
                &table.purpose,
                format!(
                    "service {:?} is not for {}; it is for: {}",
                    table.service.get_ref(),
                    purpose.as_str(),
                    words.join(", ")
                ),
            ));
        }
        if !seen.insert((
            table.participant.get_ref().clone(),
            table.service.get_ref().clone(),
        )) {
            return Err(at.at(
                &table.service,
                "this agreement is described twice; one is enough",
            ));
        }
        let days = match &table.days {
            None => 365,
            Some(days) => u32::try_from(*days.get_ref())
                .ok()
                .filter(|days| (1..=3_650).contains(days))
                .ok_or_else(|| {
                    at.at(
                        days,
                        format!("{} days is no validity; write 1 to 3650", days.get_ref()),
                    )
                })?,
        };
        agreements.push(Agreement {
            participant: table.participant.get_ref().clone(),
            service: table.service.get_ref().clone(),
            purpose,
            days,
        });
    }
    Ok(agreements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str, says: &str) {
        assert!(
            DEFAULT.contains(from),
            "the sample no longer holds {from:?}"
        );
        let text = DEFAULT.replacen(from, to, 1);
        let error = Region::parse("r.toml", &text).expect_err(to);
        assert!(
            error.message.contains(says),
            "{} does not say {says}",
            error.message
        );
        let before = &DEFAULT[..DEFAULT.find(from).unwrap()];
        assert_eq!(
            error.line,
            before.lines().count() + usize::from(before.ends_with('\n')),
            "{error}"
        );
    }

    #[test]
    fn the_region_that_comes_with_the_program_is_one() {
        let region = Region::parse("region.toml", DEFAULT).unwrap();
        assert_eq!(region.gateways.len(), 2);
        assert_eq!(
            region
                .sites
                .iter()
                .filter(|site| site.is_provider())
                .count(),
            2
        );
        assert!(region.granted("hospital", "records"));
        assert!(!region.granted("pharmacy", "records"));
        assert!(region.sites.iter().any(|site| !site.enrols));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        refused("enrols = false", "enrolls = false", "unknown field");
        refused("kind = \"pharmacy\"", "kind = \"pharmacie\"", "not a kind");
        refused("kind = \"pharmacy\"", "kind = \"provider\"", "[[provider]]");
        refused("prefecture = 14", "prefecture = 48", "47 prefectures");
        refused("blocks = [2]", "blocks = [1] ", "given twice");
        refused("blocks = [2]", "blocks = [0]", "blocks are 1 to 255");
        refused(
            "provider = \"claims\"",
            "provider = \"pharmacy\"",
            "wants a [[provider]]",
        );
        refused(
            "participant = \"care\"",
            "participant = \"caer\"",
            "there is no participant",
        );
        refused(
            "purpose = \"care-collaboration\"",
            "purpose = \"hpki\"",
            "is not for hpki",
        );
        refused("name = \"demo\"", "name = \"de-mo\"", "name of a region");
        refused("name = \"gw-b\"", "name = \"center\"", "another name");
        refused("name = \"gw-b\"", "name = \"clinic-box\"", "another name");
        refused("key = \"pharmacy\"", "key = \"gw-b\"", "is a gateway");
        refused("key = \"pharmacy\"", "key = \"clinic\" ", "described twice");
        refused("key = \"pharmacy\"", "key = \"a-very-long-key\"", "1 to 12");
        refused(
            "network = \"2001:db8::/32\" ",
            "network = \"2001:db8::/33\" ",
            "/16 to /32",
        );
        refused(
            "class = \"bulk\"",
            "class = \"gold\"",
            "not a traffic class",
        );
        refused("name = \"あおば薬局\"", "name = \"   \"", "empty");
        refused("port = 80\n", "port = 70000\n", "not a port");
    }

    #[test]
    fn an_agreement_with_a_stranger_names_who_there_is() {
        let text = DEFAULT.replace("service = \"records\"", "service = \"recrods\"");
        let error = Region::parse("r.toml", &text).unwrap_err();
        assert!(error.message.contains("claims, records"), "{error}");
        assert!(error.to_string().starts_with("r.toml:"));
    }

    #[test]
    fn a_file_that_is_no_toml_is_refused_with_its_line() {
        let error = Region::parse("r.toml", "[region]\nname = \n").unwrap_err();
        assert_eq!(error.line, 2, "{error}");
    }
}
