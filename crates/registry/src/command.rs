//! What somebody asks the registry to do. A command may fail; what it brings
//! about are [`crate::Event`]s, which may not.
//!
//! A command is written into the ledger as it is, so no secret is ever a part
//! of one: an enrolment code appears only as its hash.

use crate::account::{Credential, Login, LoginMethod, SpeaksFor};
use crate::admission::AdmissionRow;
use crate::applicant::{ListId, ListRow};
use crate::case::command::{
    AnyCase, ApproveCase, CaseReason, ConcludeExamination, Judgements, ReceiveApplication,
    RecordCaseEvidence, ResubmitApplication, ReturnApplication, SeenCase,
};
use crate::certificate::{CertificateFacts, RevocationReason};
use crate::enrolment::{CodeHash, Subject};
use crate::offer::Offer;
use crate::recheck::{ConfirmRecheck, DismissRecheck, RecheckSlot};
use crate::rules::RuleText;
use iryonet_domain::{
    AccountName, AgreementId, Circuit, DeviceId, Digest, Endpoint, Fingerprint, GatewayId,
    InstitutionCode, LineId, LineKind, NetworkPrefix, ParticipantKind, ParticipantNumber, Purpose,
    Role, ServiceId, SiteIndex, TrafficClass, UnixMillis, Validity,
};
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// Where a new participant is to be at home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Home {
    /// Any block of this gateway that has a number left, lowest first.
    Gateway(GatewayId),
    /// Exactly this block.
    Block(u8),
}

/// A wish, with everything that the decision needs to know from outside. Its
/// sort alone is an [`Act`], by which [`crate::permission`] knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, strum::EnumDiscriminants)]
#[strum_discriminants(
    name(Act),
    doc = "A sort of command, under the name that it has in the ledger.",
    derive(PartialOrd, Ord, strum::EnumIter, strum::IntoStaticStr),
    strum(serialize_all = "kebab-case"),
    allow(missing_docs, reason = "each is explained at the command of its name")
)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Command {
    /// The very first act: fixes the network's address plan for ever.
    FoundNetwork {
        /// The network's prefix.
        network: NetworkPrefix,
    },
    /// Registers a gateway and gives it blocks of numbers.
    RegisterGateway {
        /// Name, new.
        gateway: GatewayId,
        /// Its address on the backbone; no other gateway has it.
        backbone: Ipv6Addr,
        /// Blocks it is home to, 1..=255; may be empty for a pure backup.
        blocks: Vec<u8>,
    },
    /// Admits a participant; its number is given by the registry.
    AdmitParticipant {
        /// Kind.
        kind: ParticipantKind,
        /// Name as the institution writes it.
        name: String,
        /// 医療機関コード, if it has one; no other open participant holds it.
        code: Option<InstitutionCode>,
        /// Where its number comes from.
        home: Home,
    },
    /// Adds a site.
    AddSite {
        /// Whose.
        participant: ParticipantNumber,
        /// Which /64, or the lowest one never used.
        site: Option<SiteIndex>,
        /// Name, as 本院.
        name: String,
    },
    /// Adds a line to a site; its number is given by the registry.
    AddLine {
        /// Whose.
        participant: ParticipantNumber,
        /// Of which site.
        site: SiteIndex,
        /// By what access.
        kind: LineKind,
        /// Where it ends; no other line ends there.
        circuit: Circuit,
    },
    /// Takes a line away.
    RemoveLine {
        /// Which.
        line: LineId,
    },
    /// Hands out an enrolment code (its hash; the code itself is shown once to
    /// whom it is for, and kept nowhere).
    IssueEnrolmentCode {
        /// For whom.
        subject: Subject,
        /// Hash of the code.
        code_hash: CodeHash,
        /// First millisecond at which it is no longer taken.
        expires_at: UnixMillis,
    },
    /// Shows an enrolment code and asks for nothing yet. The center records it
    /// when the code is refused, so that guesses and late comers stand in the
    /// history; for a good code it brings about nothing.
    PresentEnrolmentCode {
        /// Hash of the code that was shown.
        code_hash: CodeHash,
    },
    /// Records a certificate that was made for a participant's device against
    /// an enrolment code. Decided in the transaction of
    /// [`crate::enrolment::check`], before the certificate leaves the center.
    EnrolDevice {
        /// Hash of the code that was shown.
        code_hash: CodeHash,
        /// The device that the certificate names; the one that the grant gave.
        device: DeviceId,
        /// The certificate.
        certificate: CertificateFacts,
    },
    /// The same for a gateway.
    CertifyGateway {
        /// Hash of the code that was shown.
        code_hash: CodeHash,
        /// The certificate.
        certificate: CertificateFacts,
    },
    /// Takes a device's certificate back for ever.
    RevokeDevice {
        /// Whose.
        participant: ParticipantNumber,
        /// Which device.
        device: DeviceId,
        /// Why (RFC 5280, section 5.3.1).
        reason: RevocationReason,
    },
    /// Takes a gateway's certificate back for ever.
    RevokeGatewayCertificate {
        /// Whose.
        gateway: GatewayId,
        /// Which certificate.
        fingerprint: Fingerprint,
        /// Why (RFC 5280, section 5.3.1).
        reason: RevocationReason,
    },
    /// 隔離: cuts a participant off at once and keeps everything else.
    QuarantineParticipant {
        /// Whom.
        participant: ParticipantNumber,
        /// Why, for the record.
        reason: String,
    },
    /// Ends the quarantine.
    ReleaseParticipant {
        /// Whom.
        participant: ParticipantNumber,
    },
    /// 閉鎖: ends its agreements, retires its services, removes its lines and
    /// revokes its devices. For ever; the number is not given again.
    CloseParticipant {
        /// Whom.
        participant: ParticipantNumber,
        /// Why, for the record.
        reason: String,
    },
    /// Registers a service; its number is given by the registry.
    RegisterService {
        /// Who runs it.
        provider: ParticipantNumber,
        /// Name, unique among the provider's own.
        name: String,
        /// Traffic class.
        class: TrafficClass,
        /// What agreements about it may be for; at least one.
        purposes: Vec<Purpose>,
        /// How it is reached; inside the provider's own /56.
        endpoints: Vec<Endpoint>,
        /// Which kinds may ask for it; empty means every kind.
        eligible: Vec<ParticipantKind>,
        /// How it is offered.
        #[serde(default, skip_serializing_if = "Offer::is_plain")]
        offer: Offer,
    },
    /// Replaces the endpoints of a service.
    ChangeServiceEndpoints {
        /// Which.
        service: ServiceId,
        /// All of them, from now on.
        endpoints: Vec<Endpoint>,
    },
    /// Ends a service and the agreements about it.
    RetireService {
        /// Which.
        service: ServiceId,
    },
    /// One side proposes an agreement.
    ProposeAgreement {
        /// Who would use the service.
        participant: ParticipantNumber,
        /// Which service.
        service: ServiceId,
        /// What for; one of the service's purposes.
        purpose: Purpose,
        /// From when until when.
        validity: Validity,
        /// The proposing side: the participant, or the service's provider.
        by: ParticipantNumber,
    },
    /// The other side says yes.
    AcceptAgreement {
        /// Which.
        agreement: AgreementId,
        /// The side that did not propose.
        by: ParticipantNumber,
    },
    /// Either side, or the network's operator, ends it, at once or at a date.
    /// Declining a proposal and taking it back are the same act.
    EndAgreement {
        /// Which.
        agreement: AgreementId,
        /// The side that ends it; `None` for the network's operator.
        by: Option<ParticipantNumber>,
        /// First millisecond at which it holds no more; left out: at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<UnixMillis>,
    },
    /// Rows of a public list that differ from what is known (see
    /// [`crate::list`]). At most [`crate::limits::ROWS_PER_COMMAND`].
    ListApplicants {
        /// Which list.
        list: ListId,
        /// SHA-256 of the file they stand in, hexadecimal.
        file_sha256: String,
        /// The rows.
        rows: Vec<ListRow>,
    },
    /// The end of an import that changed something.
    RecordImport {
        /// Which list.
        list: ListId,
        /// SHA-256 of the file, hexadecimal.
        file_sha256: String,
        /// What was found.
        counts: crate::applicant::ImportCounts,
    },
    /// Records the next certificate of a device that has proved its present
    /// one (RFC 7030, simplereenroll). Decided in the transaction of
    /// [`crate::renewal::check_device`], before the certificate leaves the center.
    RenewDevice {
        /// Whose.
        participant: ParticipantNumber,
        /// The device that was proved.
        device: DeviceId,
        /// The certificate that was proved.
        fingerprint: Fingerprint,
        /// The device that the new certificate names; the one that the grant gave.
        successor: DeviceId,
        /// The new certificate.
        certificate: CertificateFacts,
    },
    /// The same for a gateway.
    RenewGateway {
        /// Whose.
        gateway: GatewayId,
        /// The certificate that was proved.
        fingerprint: Fingerprint,
        /// The new certificate.
        certificate: CertificateFacts,
    },
    /// Gives a person an account. No secret is a part of it: how somebody proves
    /// to be this person is set with [`Command::HandOutLoginCode`].
    CreateAccount {
        /// Name, new for ever.
        account: AccountName,
        /// 氏名.
        person: String,
        /// In which roles it may act; at least one.
        roles: Vec<Role>,
        /// For whom it speaks; an officer's alone.
        speaks_for: Option<SpeaksFor>,
    },
    /// Gives an account one role more.
    GrantRole {
        /// Whose; never the actor's own.
        account: AccountName,
        /// Which.
        role: Role,
    },
    /// Takes a role away; sessions in it end at once.
    TakeRole {
        /// Whose; never the actor's own.
        account: AccountName,
        /// Which.
        role: Role,
    },
    /// Says for whom an officer speaks from now on.
    BindAccount {
        /// Whose; never the actor's own.
        account: AccountName,
        /// For whom.
        speaks_for: SpeaksFor,
    },
    /// 停止: nobody acts under this name until it is unlocked.
    LockAccount {
        /// Whose; never the actor's own.
        account: AccountName,
        /// Why, for the record.
        reason: String,
    },
    /// Ends a lock, or a lock-out by wrong passwords.
    UnlockAccount {
        /// Whose; never the actor's own.
        account: AccountName,
    },
    /// 廃止: for ever.
    RetireAccount {
        /// Whose; never the actor's own.
        account: AccountName,
        /// Why, for the record.
        reason: String,
    },
    /// Lets somebody log in through an organisation's issuer.
    LinkLogin {
        /// Whose; never the actor's own.
        account: AccountName,
        /// How the issuer knows it; no other account's.
        login: Login,
    },
    /// Ends that.
    UnlinkLogin {
        /// Whose; never the actor's own.
        account: AccountName,
        /// How the issuer knows it.
        login: Login,
    },
    /// Hands out a code with which the person sets its own password and second
    /// factor, once; what there was before ends when it is used. The code, and
    /// its hash, are kept beside the ledger.
    HandOutLoginCode {
        /// Whose; never the actor's own.
        account: AccountName,
        /// First millisecond at which it is no longer taken.
        expires_at: UnixMillis,
    },
    /// Begins a session, in the role in which the actor is named.
    LogIn {
        /// The actor's own account.
        account: AccountName,
        /// What was shown.
        method: LoginMethod,
    },
    /// Ends a session.
    LogOut {
        /// The actor's own account.
        account: AccountName,
    },
    /// Records that a credential was set anew, without the credential. Sessions
    /// from before end.
    SetCredential {
        /// The actor's own account.
        account: AccountName,
        /// Of which sort.
        credential: Credential,
    },
    /// Records that a credential was taken away. Sessions from before end.
    RemoveCredential {
        /// The actor's own account.
        account: AccountName,
        /// Of which sort.
        credential: Credential,
    },
    /// Records that passwords are refused for a while, after too many wrong
    /// ones, from places where none was ever right.
    LockOutAccount {
        /// Whose.
        account: AccountName,
        /// Wrong ones in a row.
        failures: u32,
        /// The address from which the last one came.
        from: String,
        /// First millisecond at which one is looked at again.
        until: UnixMillis,
    },
    /// Replaces how a service is offered; its stage only goes on.
    ChangeServiceOffer {
        /// Which.
        service: ServiceId,
        /// All of it, from now on.
        offer: Offer,
    },
    /// Records that an agreement is over by time.
    ExpireAgreement {
        /// Which.
        agreement: AgreementId,
    },
    /// Tells both sides, once, that an agreement will run out.
    NoticeAgreement {
        /// Which.
        agreement: AgreementId,
    },
    /// 公布: a version of the rules, later than all before it.
    PublishRules {
        /// All its files.
        files: Vec<RuleText>,
    },
    /// Whom a newer edition of a public list names no more. Proposes the
    /// closing of members among them; closes nobody.
    ListVanished {
        /// Which list.
        list: ListId,
        /// SHA-256 of the file that names them no more.
        file_sha256: Digest,
        /// Whom; at most [`crate::limits::VANISHED_PER_COMMAND`].
        codes: Vec<InstitutionCode>,
    },
    /// 申請: an application comes in; its number is given by the registry.
    ReceiveApplication(ReceiveApplication),
    /// 再提出: sent in again after it was returned.
    ResubmitApplication(ResubmitApplication),
    /// 取下げ by the applicant, at any time before the approval.
    WithdrawApplication(SeenCase),
    /// 差戻し: something is missing.
    ReturnApplication(ReturnApplication),
    /// 受理: complete, may be examined.
    AcceptApplication(SeenCase),
    /// 審査開始: the actor becomes its examiner, and the newest rules its rules.
    BeginExamination(SeenCase),
    /// 自動検査: what a part of the network found out about a service or a name.
    RecordCaseEvidence(RecordCaseEvidence),
    /// 判定: of one item or several. An item may be judged anew until the
    /// examination is concluded.
    JudgeItems(Judgements),
    /// 審査終了, with a recommendation.
    ConcludeExamination(ConcludeExamination),
    /// 再審査: the second person sends it back to the examiner.
    SendBackCase(CaseReason),
    /// 承認, by a second person. What is asked for is carried out with it, or
    /// on its day.
    ApproveCase(ApproveCase),
    /// 不承認, by a second person.
    RejectCase(CaseReason),
    /// The day of an approved case has come.
    CarryOutCase(AnyCase),
    /// 開通試験: results of one item or several.
    RecordOpeningTest(Judgements),
    /// 開通: all items passed, the connection is opened, the case is done.
    OpenConnection(SeenCase),
    /// 失効: nobody touched it for too long.
    LapseCase(AnyCase),
    /// 日次再確認: of one slot.
    RecheckSlot(RecheckSlot),
    /// A person says that the findings at which it stopped are right.
    ConfirmRecheck(ConfirmRecheck),
    /// A person says that they are a mistake.
    DismissRecheck(DismissRecheck),
    /// Admits many participants at once, each with its site 0; whole or not at
    /// all. At most [`crate::limits::ROWS_PER_COMMAND`].
    AdmitParticipants {
        /// Whom.
        rows: Vec<AdmissionRow>,
    },
}
