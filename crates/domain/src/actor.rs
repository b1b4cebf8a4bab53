//! 行為者: who did it. Never defaulted: an act without an actor is not an act.

use serde::{Deserialize, Serialize};

/// 役割.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// 申請者・機関の担当者.
    Officer,
    /// 審査.
    Examiner,
    /// 承認: never the examiner of the same case.
    Approver,
    /// 運用.
    Operator,
    /// セキュリティ責任者.
    SecurityOfficer,
    /// 監査: reads everything, changes nothing.
    Auditor,
    /// A part of the network itself, by the name of its certificate or process.
    System,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Officer,
        Self::Examiner,
        Self::Approver,
        Self::Operator,
        Self::SecurityOfficer,
        Self::Auditor,
        Self::System,
    ];

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Examiner => "examiner",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::SecurityOfficer => "security-officer",
            Self::Auditor => "auditor",
            Self::System => "system",
        }
    }

    /// 日本語.
    #[must_use]
    pub fn name_ja(self) -> &'static str {
        match self {
            Self::Officer => "担当者",
            Self::Examiner => "審査",
            Self::Approver => "承認",
            Self::Operator => "運用",
            Self::SecurityOfficer => "セキュリティ責任者",
            Self::Auditor => "監査",
            Self::System => "システム",
        }
    }
}

/// Who acted: a role and a name, written `role:name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Actor {
    role: Role,
    name: String,
}

/// The text names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActorError {
    /// Not `role:name`.
    #[error("{0:?} names no actor; write role:name, as operator:suzuki")]
    Syntax(String),
    /// No such role.
    #[error(
        "{0:?} is not a role; known are officer, examiner, approver, operator, security-officer, auditor and system"
    )]
    Role(String),
    /// A name that is none.
    #[error("the actor's name cannot be taken: {0}")]
    Name(#[from] crate::text::TextError),
}

impl Actor {
    /// An actor.
    ///
    /// # Errors
    /// When the name is empty, longer than 64 characters or holds control characters.
    pub fn new(role: Role, name: &str) -> Result<Self, ActorError> {
        Ok(Self {
            role,
            name: crate::text::clean(name, 64)?,
        })
    }

    /// 役割.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::str::FromStr for Actor {
    type Err = ActorError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (role, name) = text
            .split_once(':')
            .ok_or_else(|| ActorError::Syntax(text.chars().take(80).collect()))?;
        let role = Role::ALL
            .into_iter()
            .find(|known| known.as_str() == role)
            .ok_or_else(|| ActorError::Role(role.chars().take(40).collect()))?;
        Self::new(role, name)
    }
}

impl TryFrom<String> for Actor {
    type Error = ActorError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.role.as_str(), self.name)
    }
}
