//! A rule set: one version of all parts together, as it is published, and as a
//! case is judged by it.

use crate::error::RuleError;
use crate::file::{self, RuleFile};
use crate::rule::{Part, Profile, Rule, RuleId, RuleVersion, Text};
use iryonet_domain::{CaseKind, Digest, LineKind, ParticipantKind};
use sha2::Digest as _;
use std::collections::BTreeMap;

/// A version of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    version: RuleVersion,
    heads: BTreeMap<Part, Head>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    title: Text,
    reexamine_within_days: Option<u16>,
}

/// Why files are no rule set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// One of them.
    #[error(transparent)]
    File(#[from] RuleError),
    /// Files of two versions.
    #[error("{file} is of version {found}, the files before it of {wanted}; all have the same")]
    Versions {
        /// Which file.
        file: String,
        /// Its version.
        found: RuleVersion,
        /// The others'.
        wanted: RuleVersion,
    },
    /// A part twice.
    #[error("{file} is the part {part}, and so is a file before it; each part is one file")]
    PartTwice {
        /// Which file.
        file: String,
        /// Which part.
        part: Part,
    },
    /// A part missing.
    #[error(
        "no file is the part {0}; a rule set has the parts site, provider, examination, opening and audit"
    )]
    PartMissing(Part),
    /// The same rule in two files.
    #[error("{file} has a rule {id}, and so has a file before it; each rule has its own name")]
    RuleTwice {
        /// Which file.
        file: String,
        /// Which rule.
        id: RuleId,
    },
}

/// What a participant has not been examined for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reexamination<'a> {
    /// The rules, in the order of the set.
    pub rules: Vec<&'a Rule>,
    /// How many days from the publishing of the version it has.
    pub within_days: u16,
}

impl RuleSet {
    /// Reads a set of files, each with its name and text.
    ///
    /// # Errors
    /// When one cannot be read, or when they are not one version with each part
    /// once.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SetError> {
        let mut version = None;
        let mut heads = BTreeMap::new();
        let mut rules: BTreeMap<Part, Vec<Rule>> = BTreeMap::new();
        let mut names = std::collections::BTreeSet::new();
        for (name, text) in files {
            let RuleFile {
                version: found,
                part,
                title,
                reexamine_within_days,
                rules: own,
            } = file::read(name, text)?;
            let wanted = *version.get_or_insert(found);
            if found != wanted {
                return Err(SetError::Versions {
                    file: name.to_owned(),
                    found,
                    wanted,
                });
            }
            let head = Head {
                title,
                reexamine_within_days,
            };
            if heads.insert(part, head).is_some() {
                return Err(SetError::PartTwice {
                    file: name.to_owned(),
                    part,
                });
            }
            for rule in &own {
                if !names.insert(rule.id.clone()) {
                    return Err(SetError::RuleTwice {
                        file: name.to_owned(),
                        id: rule.id.clone(),
                    });
                }
            }
            rules.insert(part, own);
        }
        if let Some(missing) = Part::ALL.into_iter().find(|part| !heads.contains_key(part)) {
            return Err(SetError::PartMissing(missing));
        }
        Ok(Self {
            version: version.unwrap_or(RuleVersion(1)),
            heads,
            rules: rules.into_values().flatten().collect(),
        })
    }

    /// Which version it is.
    #[must_use]
    pub fn version(&self) -> RuleVersion {
        self.version
    }

    /// The title of a part.
    #[must_use]
    pub fn title(&self, part: Part) -> Option<&Text> {
        self.heads.get(&part).map(|head| &head.title)
    }

    /// Every rule, part by part, in the order of the files.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// The rule of this name.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == *id)
    }

    /// What is examined in a case: all that applies, but for the opening test.
    pub fn items<'a>(&'a self, profile: Profile<'a>) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .filter(move |rule| rule.part != Part::Opening && rule.applies(profile))
    }

    /// What is tried before a case's connection is opened.
    pub fn opening_items<'a>(&'a self, profile: Profile<'a>) -> impl Iterator<Item = &'a Rule> {
        self.rules
            .iter()
            .filter(move |rule| rule.part == Part::Opening && rule.applies(profile))
    }

    /// What a participant must be examined for anew under this version, when it
    /// was examined last under `examined` (or never): mandatory rules of
    /// re-audit that became another since. Nothing: it need not be.
    #[must_use]
    pub fn reexamination(
        &self,
        examined: Option<RuleVersion>,
        kind: ParticipantKind,
        lines: &[LineKind],
    ) -> Option<Reexamination<'_>> {
        let profile = Profile {
            kind,
            lines,
            case: CaseKind::Audit,
        };
        let mut within_days: Option<u16> = None;
        let rules: Vec<&Rule> = self
            .rules
            .iter()
            .filter(|rule| {
                let Some(days) = self
                    .heads
                    .get(&rule.part)
                    .and_then(|head| head.reexamine_within_days)
                else {
                    return false;
                };
                let wanted = rule.mandatory
                    && examined.is_none_or(|examined| rule.since > examined)
                    && rule.applies(profile);
                if wanted {
                    within_days = Some(within_days.map_or(days, |least| least.min(days)));
                }
                wanted
            })
            .collect();
        within_days.map(|within_days| Reexamination { rules, within_days })
    }
}

/// SHA-256 of a rule file, as it is published.
#[must_use]
pub fn digest(text: &str) -> Digest {
    Digest(sha2::Sha256::digest(text.as_bytes()).into())
}
