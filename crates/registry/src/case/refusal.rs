//! Why something may not be done with a case.

use super::CaseState;
use super::document::DocumentError;
use iryonet_domain::officer::OfficerError;
use iryonet_domain::{
    CaseId, CaseKind, Digest, InstitutionCode, ParticipantKind, ParticipantNumber, Prefecture,
    ServiceId, UnixMillis,
};
use iryonet_rules::{EvidenceKind, RuleId};

/// See the module. Names, texts and languages as those of [`crate::Refusal`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message beside each variant names its fields and explains it"
)]
pub enum CaseRefusal {
    #[error("there is no case {0}")]
    Unknown(CaseId),
    #[error("case {case} is {state}; this is done while it is {wanted}", wanted = states(.wanted))]
    State {
        case: CaseId,
        state: CaseState,
        wanted: &'static [CaseState],
    },
    #[error("case {case} has become another: {by} acted on it at {at} (ms since 1970), it is now {state} in version {version}; you named version {named}: look at it again", at = .at.0)]
    Changed {
        case: CaseId,
        named: u32,
        version: u32,
        state: CaseState,
        by: String,
        at: UnixMillis,
    },
    #[error(
        "{by} is the applicant of case {case}; nobody examines or decides their own application"
    )]
    OwnApplication { case: CaseId, by: String },
    #[error("case {case} was examined by {examiner}; a second person decides about it")]
    SecondPersonWanted { case: CaseId, examiner: String },
    #[error("case {0} is no admission under way; only who applies for one speaks for it")]
    NoAdmissionUnderWay(CaseId),
    #[error("as many accounts as there may be (64) speak for case {0} already")]
    TooManyApplicants(CaseId),
    #[error("this account speaks for case {0}, which is still open; resubmit or withdraw that one")]
    AppliedAlready(CaseId),
    #[error("a case of the kind {0} is about a participant; name it")]
    ParticipantWanted(CaseKind),
    #[error("an admission is about nobody who has a number yet; leave the participant out")]
    ParticipantOfAdmission,
    #[error(
        "participant {participant} has case {case} of the kind {kind} open; end that one first"
    )]
    OpenAlready {
        participant: ParticipantNumber,
        kind: CaseKind,
        case: CaseId,
    },
    #[error("case {case} asks for the admission of {code} already")]
    CodeApplied { code: InstitutionCode, case: CaseId },
    #[error(
        "participant {participant} is {standing}; a case of the kind {kind} is for one that is {wanted}"
    )]
    Standing {
        participant: ParticipantNumber,
        kind: CaseKind,
        standing: &'static str,
        wanted: &'static str,
    },
    #[error(
        "the application is of the kind {found}; case {case} is of the kind {wanted}, which does not change"
    )]
    OtherKind {
        case: CaseId,
        found: CaseKind,
        wanted: CaseKind,
    },
    #[error("a case of the kind {0} names an officer with a contact")]
    OfficerWanted(CaseKind),
    #[error("{0}")]
    Officer(OfficerError),
    #[error("document {sha256} cannot be taken: {source}")]
    Document {
        sha256: Digest,
        source: DocumentError,
    },
    #[error("document {0} is named twice; name each once")]
    DocumentTwice(Digest),
    #[error("{0} documents were given; a case has at most 20")]
    TooManyDocuments(usize),
    #[error("the documents have {0} bytes together; a case has at most 104857600 (100 MiB)")]
    DocumentsTooLarge(u64),
    #[error("a site is wanted; name one at least")]
    NoSite,
    #[error("a site without a line was named; each site wants one line at least")]
    SiteWithoutLine,
    #[error("{0} sites, lines or services were given; an application names at most 64 of each")]
    TooManyWishes(usize),
    #[error("an application without anything in it; name what is to change")]
    NothingAsked,
    #[error("the prefecture {area} is not that of the code {code}; leave it out or check the code")]
    AreaOfOtherCode {
        area: Prefecture,
        code: InstitutionCode,
    },
    #[error("service {service} is not for the kind {kind}; leave it out")]
    WishNotEligible {
        service: ServiceId,
        kind: ParticipantKind,
    },
    #[error("the day {at} (ms since 1970) is more than a year ahead; name an earlier one", at = .0.0)]
    DayTooFar(UnixMillis),
    #[error("{0} things are said to be missing; name 1 to 32")]
    MissingCount(usize),
    #[error("no rules are published; publish a rule set before a case is examined")]
    NoRules,
    #[error(
        "these facts are the registry's own to find out; facts about services and names are recorded"
    )]
    FactsOfRegistry,
    #[error("the facts hold more answers, or longer ones, than are kept (64 of 253 characters)")]
    FactsTooMany,
    #[error("case {0} has its most recorded findings, 128")]
    TooManyFindings(CaseId),
    #[error("{0} judgements were given; one act takes 1 to 200")]
    JudgementCount(usize),
    #[error("rule {0} is judged twice in one act; judge it once")]
    JudgedTwice(RuleId),
    #[error("rule {rule} is none of the items of case {case} under its rules")]
    NotAnItem { case: CaseId, rule: RuleId },
    #[error("rule {0} was found met; say by what it is shown (evidence)")]
    EvidenceWanted(RuleId),
    #[error("rule {rule} is not shown by {evidence}; it accepts {list}", list = evidence_list(.accepted))]
    EvidenceNotAccepted {
        rule: RuleId,
        evidence: EvidenceKind,
        accepted: Vec<EvidenceKind>,
    },
    #[error("rule {rule} is to be shown by {evidence}, but the center did not find it so: {found}")]
    EvidenceDoesNotShow {
        rule: RuleId,
        evidence: EvidenceKind,
        found: String,
    },
    #[error("rule {0} is to be shown by a document; name one of the case")]
    DocumentWanted(RuleId),
    #[error("document {sha256}, named for rule {rule}, is none of the case")]
    DocumentOfOtherCase { rule: RuleId, sha256: Digest },
    #[error("rule {0} was found not met or not applicable; say why (note)")]
    NoteWanted(RuleId),
    #[error("these items of case {case} are not judged yet: {list}", list = rule_list(.missing))]
    NotAllJudged { case: CaseId, missing: Vec<RuleId> },
    #[error("these mandatory items of case {case} are not met, so it cannot be approved: {list}", list = rule_list(.unmet))]
    MandatoryUnmet { case: CaseId, unmet: Vec<RuleId> },
    #[error("a recommendation to reject says why; give a note")]
    ReasonWanted,
    #[error("case {0} was recommended to be rejected; reject it, or send it back to the examiner")]
    NotRecommended(CaseId),
    #[error(
        "an admission is approved with the home of the new participant's number; name a gateway or a block"
    )]
    HomeWanted,
    #[error("only an admission is approved with a home; leave it out")]
    HomeOfOther,
    #[error("case {case} is carried out at {at} (ms since 1970), not before", at = .at.0)]
    NotItsDay { case: CaseId, at: UnixMillis },
    #[error("these items of the opening test of case {case} have not passed: {list}", list = rule_list(.open))]
    TestNotPassed { case: CaseId, open: Vec<RuleId> },
    #[error("case {0} has no opening test")]
    NoTest(CaseId),
    #[error("case {case} was touched at {at} (ms since 1970); it lapses 90 days after that", at = .at.0)]
    NotLapsed { case: CaseId, at: UnixMillis },
}

impl CaseRefusal {
    /// The name by which programs know it; it never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "case-unknown",
            Self::State { .. } => "case-state",
            Self::Changed { .. } => "case-changed",
            Self::OwnApplication { .. } => "own-application",
            Self::SecondPersonWanted { .. } => "second-person-wanted",
            Self::NoAdmissionUnderWay(_) => "no-admission-under-way",
            Self::TooManyApplicants(_) => "too-many-applicants",
            Self::AppliedAlready(_) => "applied-already",
            Self::ParticipantWanted(_) => "case-participant-wanted",
            Self::ParticipantOfAdmission => "case-participant-of-admission",
            Self::OpenAlready { .. } => "case-open-already",
            Self::CodeApplied { .. } => "code-applied",
            Self::Standing { .. } => "case-standing",
            Self::OtherKind { .. } => "case-other-kind",
            Self::OfficerWanted(_) => "officer-wanted",
            Self::Officer(_) => "officer-unusable",
            Self::Document { .. } => "document-unusable",
            Self::DocumentTwice(_) => "document-twice",
            Self::TooManyDocuments(_) => "too-many-documents",
            Self::DocumentsTooLarge(_) => "documents-too-large",
            Self::NoSite => "no-site",
            Self::SiteWithoutLine => "site-without-line",
            Self::TooManyWishes(_) => "too-many-wishes",
            Self::NothingAsked => "nothing-asked",
            Self::AreaOfOtherCode { .. } => "area-of-other-code",
            Self::WishNotEligible { .. } => "wish-not-eligible",
            Self::DayTooFar(_) => "day-too-far",
            Self::MissingCount(_) => "missing-count",
            Self::NoRules => "no-rules",
            Self::FactsOfRegistry => "facts-of-registry",
            Self::FactsTooMany => "facts-too-many",
            Self::TooManyFindings(_) => "too-many-findings",
            Self::JudgementCount(_) => "judgement-count",
            Self::JudgedTwice(_) => "judged-twice",
            Self::NotAnItem { .. } => "not-an-item",
            Self::EvidenceWanted(_) => "evidence-wanted",
            Self::EvidenceNotAccepted { .. } => "evidence-not-accepted",
            Self::EvidenceDoesNotShow { .. } => "evidence-does-not-show",
            Self::DocumentWanted(_) => "document-wanted",
            Self::DocumentOfOtherCase { .. } => "document-of-other-case",
            Self::NoteWanted(_) => "note-wanted",
            Self::NotAllJudged { .. } => "not-all-judged",
            Self::MandatoryUnmet { .. } => "mandatory-unmet",
            Self::ReasonWanted => "reason-wanted",
            Self::NotRecommended(_) => "not-recommended",
            Self::HomeWanted => "home-wanted",
            Self::HomeOfOther => "home-of-other",
            Self::NotItsDay { .. } => "not-its-day",
            Self::TestNotPassed { .. } => "test-not-passed",
            Self::NoTest(_) => "no-test",
            Self::NotLapsed { .. } => "not-lapsed",
        }
    }

    /// What was wrong and what would be right, in Japanese.
    #[must_use]
    pub fn ja(&self) -> String {
        match self {
            Self::Unknown(a) => format!("申請 {a} は存在しません"),
            Self::State {
                case,
                state,
                wanted,
            } => format!(
                "申請 {case} は「{state}」の状態です。この操作は「{list}」のときに行えます",
                state = state.name_ja(),
                list = states_ja(wanted)
            ),
            Self::Changed {
                case,
                named,
                version,
                state,
                by,
                at,
            } => format!(
                "申請 {case} は先に {by} が操作しました（{at}）。現在は「{state}」、版 {version} です（指定は版 {named}）。内容を確認し直してください",
                state = state.name_ja(),
                at = at.0
            ),
            Self::OwnApplication { case, by } => {
                format!("{by} は申請 {case} の申請者です。自らの申請の審査・承認はできません")
            }
            Self::SecondPersonWanted { case, examiner } => {
                format!("申請 {case} は {examiner} が審査しました。承認は別の者が行います")
            }
            Self::NoAdmissionUnderWay(a) => {
                format!(
                    "申請 {a} は審査中の加入申請ではありません。割当は加入の申請に対して行います"
                )
            }
            Self::TooManyApplicants(a) => {
                format!("申請 {a} を担当するアカウントは上限の 64 件に達しています")
            }
            Self::AppliedAlready(a) => format!(
                "このアカウントは未了の申請 {a} を担当しています。再提出するか、取り下げてください"
            ),
            Self::ParticipantWanted(a) => {
                format!("{kind} の申請には参加者番号が必要です", kind = a.name_ja())
            }
            Self::ParticipantOfAdmission => "加入の申請に参加者番号は指定できません".to_owned(),
            Self::OpenAlready {
                participant,
                kind,
                case,
            } => format!(
                "参加者 {participant} には未了の申請 {case}（{kind}）があります。先に終えてください",
                kind = kind.name_ja()
            ),
            Self::CodeApplied { code, case } => {
                format!("{code} の加入は申請 {case} で受付済みです")
            }
            Self::Standing {
                participant,
                kind,
                standing,
                wanted,
            } => format!(
                "参加者 {participant} の状態は {standing} です。{kind} の申請は {wanted} の参加者が行えます",
                kind = kind.name_ja()
            ),
            Self::OtherKind {
                case,
                found,
                wanted,
            } => format!(
                "申請 {case} の種別は {wanted} で、{found} には変更できません",
                wanted = wanted.name_ja(),
                found = found.name_ja()
            ),
            Self::OfficerWanted(a) => format!(
                "{kind} の申請には担当者と連絡先が必要です",
                kind = a.name_ja()
            ),
            Self::Officer(a) => format!("担当者を受け付けられません: {a}"),
            Self::Document { sha256, source } => {
                format!("書類 {sha256} は受け付けられません: {source}")
            }
            Self::DocumentTwice(a) => format!("書類 {a} が重複しています"),
            Self::TooManyDocuments(a) => format!("書類が {a} 件あります。上限は 20 件です"),
            Self::DocumentsTooLarge(a) => {
                format!("書類の合計が {a} バイトです。上限は 104857600 バイト（100 MiB）です")
            }
            Self::NoSite => "拠点を一つ以上指定してください".to_owned(),
            Self::SiteWithoutLine => {
                "回線のない拠点があります。拠点ごとに回線を一つ以上指定してください".to_owned()
            }
            Self::TooManyWishes(a) => {
                format!("拠点・回線・サービスが {a} 件あります。上限は各 64 件です")
            }
            Self::NothingAsked => "変更の内容がありません".to_owned(),
            Self::AreaOfOtherCode { area, code } => format!(
                "都道府県 {area} は医療機関コード {code} と一致しません。省くか、コードを確認してください"
            ),
            Self::WishNotEligible { service, kind } => format!(
                "サービス {service} は種別 {kind} の対象外です",
                kind = kind.name_ja()
            ),
            Self::DayTooFar(a) => format!(
                "期日（{at}）が1年より先です。より早い日を指定してください",
                at = a.0
            ),
            Self::MissingCount(a) => {
                format!("不足の項目が {a} 件です。1 から 32 件を指定してください")
            }
            Self::NoRules => "要件・審査項目が公布されていません。先に公布してください".to_owned(),
            Self::FactsOfRegistry => {
                "この事実はセンター自身が確認するもので、外から記録できません".to_owned()
            }
            Self::FactsTooMany => {
                "検査結果が多すぎるか、長すぎます（64 件、253 文字まで）".to_owned()
            }
            Self::TooManyFindings(a) => format!("申請 {a} の検査結果は上限の 128 件に達しています"),
            Self::JudgementCount(a) => {
                format!("判定が {a} 件です。1 から 200 件を指定してください")
            }
            Self::JudgedTwice(a) => format!("項目 {a} の判定が重複しています"),
            Self::NotAnItem { case, rule } => format!("{rule} は申請 {case} の項目ではありません"),
            Self::EvidenceWanted(a) => format!("項目 {a} を適合とするには証拠の種類が必要です"),
            Self::EvidenceNotAccepted {
                rule,
                evidence,
                accepted,
            } => format!(
                "項目 {rule} に {evidence} は使えません。使えるもの: {list}",
                evidence = evidence.name_ja(),
                list = accepted
                    .iter()
                    .map(|kind| kind.name_ja())
                    .collect::<Vec<_>>()
                    .join("、")
            ),
            Self::EvidenceDoesNotShow {
                rule,
                evidence,
                found,
            } => format!(
                "項目 {rule} は {evidence} では適合と確認できません: {found}",
                evidence = evidence.name_ja()
            ),
            Self::DocumentWanted(a) => format!("項目 {a} の証拠となる書類を指定してください"),
            Self::DocumentOfOtherCase { rule, sha256 } => {
                format!("項目 {rule} の書類 {sha256} はこの申請のものではありません")
            }
            Self::NoteWanted(a) => {
                format!("項目 {a} を不適合または該当なしとする理由を記入してください")
            }
            Self::NotAllJudged { case, missing } => format!(
                "申請 {case} に判定のない項目があります: {list}",
                list = rule_list(missing)
            ),
            Self::MandatoryUnmet { case, unmet } => format!(
                "申請 {case} は必須の項目が適合でないため承認できません: {list}",
                list = rule_list(unmet)
            ),
            Self::ReasonWanted => "不承認相当とする理由を記入してください".to_owned(),
            Self::NotRecommended(a) => format!(
                "申請 {a} は不承認相当と審査されました。不承認とするか、審査に戻してください"
            ),
            Self::HomeWanted => {
                "加入の承認には番号の割当元（ゲートウェイまたはブロック）が必要です".to_owned()
            }
            Self::HomeOfOther => "番号の割当元は加入の承認でのみ指定します".to_owned(),
            Self::NotItsDay { case, at } => {
                format!("申請 {case} の実施日（{at}）前です", at = at.0)
            }
            Self::TestNotPassed { case, open } => format!(
                "申請 {case} の開通試験に合格していない項目があります: {list}",
                list = rule_list(open)
            ),
            Self::NoTest(a) => format!("申請 {a} に開通試験はありません"),
            Self::NotLapsed { case, at } => format!(
                "申請 {case} の最後の操作（{at}）から90日を経過していません",
                at = at.0
            ),
        }
    }
}

fn states(states: &[CaseState]) -> String {
    let words: Vec<&str> = states.iter().map(|state| state.as_str()).collect();
    words.join(" or ")
}

fn states_ja(states: &[CaseState]) -> String {
    let words: Vec<&str> = states.iter().map(|state| state.name_ja()).collect();
    words.join("・")
}

fn evidence_list(kinds: &[EvidenceKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    words.join(", ")
}

fn rule_list(rules: &[RuleId]) -> String {
    let words: Vec<&str> = rules.iter().map(RuleId::as_str).collect();
    words.join(", ")
}
