//! Rules as data: 接続要件 (sites and providers apart), 審査項目, 開通試験項目 and
//! 監査項目, in versioned files that people write and a strict parser reads; and
//! the descriptions from which services are registered.
//!
//! Here is what a rule *says*: to whom it applies, what evidence it accepts,
//! when it last changed, and what a piece of automatic evidence proves. Pure:
//! text and facts in, rules and findings out. It must not know what a case is,
//! who judges, nor how facts are gathered.

pub mod catalogue;
pub mod error;
pub mod evidence;
pub mod facts;
pub mod file;
pub mod rule;
pub mod set;
pub mod shipped;

pub use catalogue::{Catalogue, ServiceDescription};
pub use error::{RuleError, RuleProblem};
pub use evidence::EvidenceKind;
pub use facts::{Facts, Finding};
pub use rule::{Part, Profile, Rule, RuleId, RuleVersion};
pub use set::{RuleSet, SetError};
