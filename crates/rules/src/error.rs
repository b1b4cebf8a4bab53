//! What is wrong with a rule file, and in which line.

use crate::evidence::UnknownEvidence;
use crate::rule::RuleIdError;
use iryonet_domain::text::TextError;

/// A file that cannot be taken. Its text says file, line, what is wrong and
/// what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct RuleError {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: RuleProblem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleProblem {
    /// Not TOML, a key that no rule file has, a key missing (a translation,
    /// say), a value of another form.
    #[error("{0}")]
    Syntax(String),
    /// Longer than any such file.
    #[error("the file has {have} bytes; at most {limit} are taken")]
    TooLong {
        /// Bytes.
        have: usize,
        /// Limit.
        limit: usize,
    },
    /// More rules than anybody could examine.
    #[error("the file has {have} entries; at most {limit} are taken")]
    TooMany {
        /// Entries.
        have: usize,
        /// Limit.
        limit: usize,
    },
    /// A name that is none.
    #[error(transparent)]
    Id(#[from] RuleIdError),
    /// Twice.
    #[error("{id:?} stands in line {first} already; each has its own name")]
    Twice {
        /// The name.
        id: String,
        /// Where it stood first.
        first: usize,
    },
    /// No source of this name.
    #[error("there is no [[source]] {0:?} in this file; add it, or name one that is there")]
    UnknownSource(String),
    /// A text that cannot be shown.
    #[error("{what} cannot be taken: {source}")]
    Text {
        /// Which key.
        what: &'static str,
        /// What is wrong with it.
        source: TextError,
    },
    /// A list without anything in it.
    #[error("{0} names nothing; name one at least")]
    Empty(&'static str),
    /// A list with something twice.
    #[error("{0} names something twice; name each once")]
    Repeated(&'static str),
    /// Not a kind of evidence.
    #[error(transparent)]
    Evidence(#[from] UnknownEvidence),
    /// A rule that is younger than its file.
    #[error("since is {since}; it is 1 to the file's version, {version}")]
    Since {
        /// As written.
        since: u32,
        /// The file's.
        version: u32,
    },
    /// Versions count from 1.
    #[error("version is 0; the first is 1")]
    Version,
    /// No time to be examined anew.
    #[error("reexamine_within_days is {0}; it is 1 to 3660")]
    Days(u16),
    /// A port that does not go with its protocol.
    #[error("{0}")]
    Port(iryonet_domain::service::EndpointError),
    /// No such bandwidth.
    #[error("{0}")]
    Bandwidth(iryonet_domain::offer::BandwidthError),
}

/// The line of a byte of a text, from 1.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|b| *b == b'\n').count() + 1
}

/// What the TOML reader says, with its line.
pub(crate) fn syntax(file: &str, text: &str, error: &toml::de::Error) -> RuleError {
    RuleError {
        file: file.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        problem: RuleProblem::Syntax(error.message().to_owned()),
    }
}
