//! What can go wrong with a store. Not a refusal: a refusal is an outcome.

use crate::sql::{Failure, FailureKind};
use iryonet_registry::{ApplyError, ViewError};

/// Why a store could not do its work. Nothing was written, unless it is said
/// that this is not known ([`StoreError::OutcomeUnknown`]).
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full.
    #[error(
        "the disk that holds {home} is full; the act was not done and nothing was recorded: make room, then repeat it"
    )]
    Full {
        /// File or server.
        home: String,
        /// What the home says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Others use it for longer than the wait.
    #[error("{home} was busy for too long when it was to {doing}; nothing was done: repeat it")]
    Busy {
        /// File or server.
        home: String,
        /// What it was to do.
        doing: String,
    },
    /// No command is as large.
    #[error("the command has {have} bytes; at most {limit} are recorded: ask for less at once")]
    CommandTooLarge {
        /// Bytes.
        have: usize,
        /// Limit.
        limit: usize,
    },
    /// A key or value that the side store does not take.
    #[error(transparent)]
    Side(#[from] crate::side::SideError),
    /// The home failed.
    #[error("{home} failed while it was to {doing}; the act was not done")]
    Home {
        /// File or server.
        home: String,
        /// What it was to do.
        doing: String,
        /// What the home says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The home cannot be reached, or was lost before anything was committed.
    #[error("{home} cannot be reached; it was to {doing}, and nothing was done: repeat it")]
    Unreachable {
        /// Server.
        home: String,
        /// What it was to do.
        doing: String,
        /// What the system says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke while an act was being committed, and the home
    /// cannot be asked whether it was.
    #[error(
        "the connection to {home} broke while an act was made durable, and it cannot be asked now: the act may be done or not. Do not repeat it before you have looked{}",
        entry.map_or_else(String::new, |sequence| format!(" whether ledger entry {sequence} is there and is yours"))
    )]
    OutcomeUnknown {
        /// Server.
        home: String,
        /// The ledger entry that tells, where the act has one.
        entry: Option<u64>,
        /// What the system says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is kept cannot be read as what it should be.
    #[error("{home} holds something that should not be there: {what}")]
    Damaged {
        /// File or server.
        home: String,
        /// What and where.
        what: String,
    },
    /// A server that the registry is not to be kept on as it is.
    #[error("{home} cannot be used: {what}")]
    Unfit {
        /// Server.
        home: String,
        /// What is wrong and what would be right.
        what: String,
    },
    /// Made by a later release.
    #[error(
        "{home} has layout {found}; this release knows layouts up to {known}: use the release that wrote it, or a later one"
    )]
    Newer {
        /// File or server.
        home: String,
        /// Layout found.
        found: u32,
        /// Newest layout known.
        known: u32,
    },
    /// The state belongs to another network.
    #[error("the registry is founded on {present}, not on {wanted}; correct the configuration")]
    OtherNetwork {
        /// Recorded.
        present: iryonet_domain::NetworkPrefix,
        /// Asked for.
        wanted: iryonet_domain::NetworkPrefix,
    },
    /// The tables do not fit the history.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Reading for a decision failed.
    #[error(transparent)]
    View(#[from] ViewError),
    /// Something that the store was to carry out for its caller failed; the
    /// caller's own error, passed through so that the transaction is undone.
    #[error("the act was given up: {0}")]
    GivenUp(
        String,
        #[source] Option<Box<dyn std::error::Error + Send + Sync>>,
    ),
}

impl StoreError {
    /// Lets a caller give up a transaction for a reason of its own.
    pub fn given_up(reason: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::GivenUp(reason.to_string(), Some(Box::new(reason)))
    }

    /// What a driver says, in the words of the trait.
    pub(crate) fn from_failure(home: &str, doing: &str, failure: Failure) -> Self {
        let home = home.to_owned();
        let doing = doing.to_owned();
        let source = failure.source;
        match failure.kind {
            FailureKind::Full => Self::Full { home, source },
            FailureKind::Busy => Self::Busy { home, doing },
            FailureKind::Damaged => Self::Damaged {
                home,
                what: format!("while it was to {doing}: {source}"),
            },
            FailureKind::Lost => Self::Unreachable {
                home,
                doing,
                source,
            },
            FailureKind::Again | FailureKind::Other => Self::Home {
                home,
                doing,
                source,
            },
        }
    }

    /// The store's own error, where it went through the registry and back.
    pub(crate) fn flatten(self) -> Self {
        match self {
            Self::View(ViewError(inner)) | Self::Apply(ApplyError::View(ViewError(inner))) => {
                match inner.downcast::<Self>() {
                    Ok(own) => own.flatten(),
                    Err(inner) => Self::View(ViewError(inner)),
                }
            }
            other => other,
        }
    }

    /// Would the same act succeed later, without anybody changing it?
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Busy { .. } | Self::Home { .. } | Self::Unreachable { .. }
        )
    }
}
