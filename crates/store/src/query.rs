//! Questions that people ask, and the shapes of some answers.

use iryonet_domain::{
    Actor, CaseKind, InstitutionCode, ParticipantNumber, Prefecture, Role, ServiceId, UnixMillis,
};
use iryonet_registry::{AgreementState, CaseState, Event, Revocation, Serial, SpeaksFor, Standing};

/// Which applicants? All conditions together; none means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicantQuery {
    /// Digits that the ten-digit code begins with.
    pub code: Option<String>,
    /// Part of the name; width of letters, their case and blanks do not matter.
    pub name: Option<String>,
    /// 都道府県, as the code says it.
    pub prefecture: Option<Prefecture>,
    /// Part of the address or beginning of the postal code; width and blanks
    /// do not matter.
    pub area: Option<String>,
}

/// Which participants? All conditions together; none means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ParticipantQuery {
    /// Digits that the ten-digit code begins with.
    pub code: Option<String>,
    /// Part of the name; width of letters, their case and blanks do not matter.
    pub name: Option<String>,
    /// 都道府県, as it stated it or as its code says it.
    pub prefecture: Option<Prefecture>,
    /// Part of the prefecture's name, or of the address that a public list gives
    /// for its code; width and blanks do not matter.
    pub area: Option<String>,
    /// Only of this standing.
    pub standing: Option<Standing>,
}

/// Which agreements? All conditions together; none means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgreementQuery {
    /// Where this participant is the asking side.
    pub participant: Option<ParticipantNumber>,
    /// About this service.
    pub service: Option<ServiceId>,
    /// In this state.
    pub state: Option<AgreementState>,
    /// What this participant may see: those of which it is a side.
    pub side: Option<ParticipantNumber>,
}

/// Which cases? All conditions together; none means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaseQuery {
    /// Of this kind.
    pub kind: Option<CaseKind>,
    /// In this state.
    pub state: Option<CaseState>,
    /// Only those with something left to do.
    pub open: bool,
    /// About this participant.
    pub participant: Option<ParticipantNumber>,
    /// Sent in first by the account of this name.
    pub applicant: Option<String>,
    /// Untouched since this time, or longer.
    pub untouched_since: Option<UnixMillis>,
    /// What an officer may see: those about whom it speaks for, and those that
    /// the account of this name sent in.
    pub visible_to: Option<(Option<SpeaksFor>, String)>,
}

/// A participant that must be examined anew under the rules that hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reexamination {
    /// Who.
    pub participant: iryonet_registry::Participant,
    /// For what, and until when.
    pub wanted: iryonet_registry::rules::ToBeReexamined,
}

/// Which accounts? All conditions together; none means all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountQuery {
    /// Those that hold this role, whatever their standing.
    pub role: Option<Role>,
    /// Those that speak for this one.
    pub speaks_for: Option<SpeaksFor>,
}

/// One event of somebody's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// Ledger entry in which it stands.
    pub sequence: u64,
    /// Place within that entry, from 0.
    pub place: u32,
    /// When.
    pub at: UnixMillis,
    /// By whom.
    pub actor: Actor,
    /// What.
    pub event: Event,
}

/// A certificate for the revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Serial number.
    pub serial: Serial,
    /// When and why.
    pub revocation: Revocation,
    /// When its life would have ended; after that it may leave the list.
    pub not_after: UnixMillis,
}

/// An applicant with its code, what it is now, and what it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicantStory {
    /// As the latest list describes it.
    pub applicant: iryonet_registry::Applicant,
    /// The open participant that holds the code, if one does.
    pub participant: Option<iryonet_registry::Participant>,
    /// Everything recorded about it, oldest first.
    pub history: Vec<HistoryItem>,
}

/// The code of somebody, for the next page of a listing.
pub type AfterCode = Option<InstitutionCode>;

/// Text as it is searched: width folded, capitals made small, blanks left out.
pub(crate) fn search_key(text: &str) -> String {
    iryonet_domain::text::fold_width(text)
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\0')
        .flat_map(char::to_lowercase)
        .collect()
}

/// All codes that begin with these characters: from the first text to before
/// the second. `:` follows `9`.
pub(crate) fn code_range(prefix: &str) -> (String, String) {
    let folded = search_key(prefix);
    let end = format!("{folded}:");
    (folded, end)
}
