//! 公布された要件・審査項目: the versions of the rules, and who must be examined
//! anew under the present one. What rules say is `iryonet_rules`' matter.

use crate::decide::Decision;
use crate::participant::Participant;
use crate::view::{View, ViewError};
use crate::{Act, DecideError, Event, Refusal};
use iryonet_domain::{Actor, Digest, LineKind, Role, UnixMillis};
use iryonet_rules::file::FILE_MAX_BYTES;
use iryonet_rules::{Part, RuleId, RuleSet, RuleVersion, set::digest};
use serde::{Deserialize, Serialize};

/// A rule file as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleText {
    /// Name, as site.toml.
    pub name: String,
    /// SHA-256 of its text.
    pub sha256: Digest,
    /// All of it.
    pub text: String,
}

impl RuleText {
    /// A file, with its digest.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            sha256: digest(text),
            text: text.to_owned(),
        }
    }
}

/// A version of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedRules {
    /// Which.
    pub version: RuleVersion,
    /// Its files.
    pub files: Vec<RuleText>,
    /// Since when it holds.
    pub published_at: UnixMillis,
}

impl PublishedRules {
    /// The rules.
    ///
    /// # Errors
    /// When the files are no rule set, which they were when they were published:
    /// the store is damaged, or the form of the files has changed.
    pub fn read(&self) -> Result<RuleSet, ViewError> {
        read(&self.files).map_err(|error| ViewError(Box::new(error)))
    }
}

fn read(files: &[RuleText]) -> Result<RuleSet, iryonet_rules::SetError> {
    RuleSet::read(
        files
            .iter()
            .map(|file| (file.name.as_str(), file.text.as_str())),
    )
}

pub(crate) fn publish(view: &dyn View, actor: &Actor, files: &[RuleText]) -> Decision {
    // A network begins with the rules that were shipped; later ones are people's.
    if actor.role() == Role::System && view.latest_rules()?.is_some() {
        return Err(Refusal::RoleMayNot {
            role: actor.role(),
            act: Act::PublishRules,
        }
        .into());
    }
    if files.len() != Part::ALL.len() || files.iter().any(|file| file.text.len() > FILE_MAX_BYTES) {
        return Err(Refusal::RuleFileCount(files.len()).into());
    }
    for file in files {
        crate::decide::text("name of the file", &file.name, 64)?;
        let found = digest(&file.text);
        if found != file.sha256 {
            return Err(Refusal::RuleDigest {
                name: file.name.clone(),
                found,
                stated: file.sha256,
            }
            .into());
        }
    }
    let found = read(files).map_err(Refusal::Rules)?.version();
    if let Some(present) = view.latest_rules()?
        && found <= present
    {
        return Err(Refusal::RuleVersionOld { found, present }.into());
    }
    Ok(vec![Event::RulesPublished {
        version: found,
        files: files.to_vec(),
    }])
}

/// A version that a case was judged by.
pub(crate) fn set(view: &dyn View, version: RuleVersion) -> Result<RuleSet, DecideError> {
    let published = view.rules(version)?.ok_or(crate::CaseRefusal::NoRules)?;
    Ok(published.read()?)
}

/// The version that holds, read once, and asked about many participants.
#[derive(Debug)]
pub struct PresentRules {
    set: RuleSet,
    published_at: UnixMillis,
}

/// What a participant must be examined for, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToBeReexamined {
    /// The rules that became stricter since it was examined.
    pub rules: Vec<RuleId>,
    /// First millisecond at which it is too late.
    pub until: UnixMillis,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl PresentRules {
    /// The version that holds; none before the first is published.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub fn of(view: &dyn View) -> Result<Option<Self>, ViewError> {
        let Some(version) = view.latest_rules()? else {
            return Ok(None);
        };
        let Some(published) = view.rules(version)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            set: published.read()?,
            published_at: published.published_at,
        }))
    }

    /// Which version it is.
    #[must_use]
    pub fn version(&self) -> RuleVersion {
        self.set.version()
    }

    /// Must this participant be examined anew, and until when? `lines` are the
    /// kinds of lines that it has.
    #[must_use]
    pub fn reexamination(
        &self,
        participant: &Participant,
        lines: &[LineKind],
    ) -> Option<ToBeReexamined> {
        let found =
            self.set
                .reexamination(participant.membership.examined, participant.kind, lines)?;
        Some(ToBeReexamined {
            rules: found.rules.iter().map(|rule| rule.id.clone()).collect(),
            until: self
                .published_at
                .plus_ms(u64::from(found.within_days) * DAY_MS),
        })
    }
}
