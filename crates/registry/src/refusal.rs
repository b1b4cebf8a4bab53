//! Why a command may not be. Each refusal says what was wrong, where, and what
//! would be right, in English and in Japanese, under a name that never changes.

use crate::account::Login;
use crate::applicant::{ListId, RowError};
use crate::case::CaseRefusal;
use crate::certificate::Serial;
use crate::command::{Act, Home};
use crate::enrolment::Subject;
use crate::recheck::RecheckRefusal;
use iryonet_domain::line::InterfaceNameError;
use iryonet_domain::service::EndpointError;
use iryonet_domain::text::TextError;
use iryonet_domain::{
    AccountName, AgreementId, Circuit, DeviceId, Digest, DnsName, Endpoint, Fingerprint, GatewayId,
    InstitutionCode, LineId, LineKind, NetworkPrefix, ParticipantKind, ParticipantNumber,
    Prefecture, Purpose, Role, ServiceId, ServiceStage, SiteIndex, UnixMillis, Validity,
};
use iryonet_rules::{RuleVersion, SetError};
use std::net::Ipv6Addr;

/// A refusal. Its English text is its `Display`; see [`Refusal::code`] and
/// [`Refusal::ja`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "the message beside each variant names its fields and explains it"
)]
pub enum Refusal {
    #[error("an auditor reads everything and changes nothing; let a role act whose duty it is")]
    AuditorActs,
    #[error("the {what} cannot be taken: {source}")]
    Text {
        what: &'static str,
        source: TextError,
    },
    #[error("the network has no address plan yet; found it first with its prefix")]
    NetworkNotFounded,
    #[error("the network is founded on {0}; the address plan is fixed for ever")]
    NetworkFounded(NetworkPrefix),
    #[error("gateway {0} is registered already; choose another name")]
    GatewayExists(GatewayId),
    #[error("there is no gateway {0}; register it first")]
    GatewayUnknown(GatewayId),
    #[error("the network has its most gateways, 255, already")]
    TooManyGateways,
    #[error(
        "{0} cannot be a gateway's backbone address; a unicast IPv6 address that is routed on the backbone is wanted"
    )]
    BackboneUnusable(Ipv6Addr),
    #[error("{backbone} is the backbone address of gateway {other}; each gateway has its own")]
    BackboneTaken {
        backbone: Ipv6Addr,
        other: GatewayId,
    },
    #[error("block 0 is the network's own and is given to no gateway; blocks are 1 to 255")]
    BlockReserved,
    #[error("block {0} is named twice; name each block once")]
    BlockTwice(u8),
    #[error("block {block} belongs to gateway {other}; a block has one home")]
    BlockTaken { block: u8, other: GatewayId },
    #[error("block {0} belongs to no gateway; register a gateway with it first")]
    BlockUnassigned(u8),
    #[error("every number of {home} was given; give the gateway another block", home = home_text(.0))]
    NoNumberLeft(Home),
    #[error("a {kind} has no ten-digit institution code, but {code} was given; leave the code out")]
    CodeOfKindWithout {
        kind: ParticipantKind,
        code: InstitutionCode,
    },
    #[error("{code} is a code of the score table {table}; it does not fit the kind {kind}", table = .code.score_table().name_ja())]
    CodeOfOtherTable {
        kind: ParticipantKind,
        code: InstitutionCode,
    },
    #[error("{code} is held by participant {holder}; close that one first, or check the code")]
    CodeTaken {
        code: InstitutionCode,
        holder: ParticipantNumber,
    },
    #[error("there is no participant {0}")]
    ParticipantUnknown(ParticipantNumber),
    #[error("participant {0} left the network; admit the institution anew")]
    ParticipantClosed(ParticipantNumber),
    #[error("participant {0} is quarantined already")]
    AlreadyQuarantined(ParticipantNumber),
    #[error("participant {0} is quarantined; its certificates are renewed after its release")]
    ParticipantQuarantined(ParticipantNumber),
    #[error("participant {0} is not quarantined; there is nothing to release")]
    NotQuarantined(ParticipantNumber),
    #[error(
        "this act would end more than 100000 things at once; end the agreements of its services in steps first"
    )]
    TooManyConsequences,
    #[error("participant {participant} has a site {site} already; choose another index or none")]
    SiteExists {
        participant: ParticipantNumber,
        site: SiteIndex,
    },
    #[error("participant {participant} has no site {site}; add it first")]
    SiteUnknown {
        participant: ParticipantNumber,
        site: SiteIndex,
    },
    #[error("participant {0} has all of its 256 sites")]
    NoSiteLeft(ParticipantNumber),
    #[error("there is no line {0}, or it was removed")]
    LineUnknown(LineId),
    #[error("no gateway serves {kind} lines; ethernet is served", kind = .0.as_str())]
    LineKindNotServed(LineKind),
    #[error("the circuit cannot be: {0}")]
    Interface(InterfaceNameError),
    #[error("line {other} ends at {interface} of gateway {gateway}; a circuit carries one line", interface = .circuit.interface, gateway = .circuit.gateway)]
    CircuitTaken { circuit: Circuit, other: LineId },
    #[error("site {site} of participant {participant} has its most lines, 16; remove one first")]
    TooManyLines {
        participant: ParticipantNumber,
        site: SiteIndex,
    },
    #[error("every line number was given")]
    NoLineNumberLeft,
    #[error(
        "participant {participant} is a {kind}; services are run by participants of the kind provider"
    )]
    NotAProvider {
        participant: ParticipantNumber,
        kind: ParticipantKind,
    },
    #[error("there is no service {0}")]
    ServiceUnknown(ServiceId),
    #[error("service {0} is retired")]
    ServiceRetired(ServiceId),
    #[error("the provider runs service {other} under the name {name}; choose another name")]
    ServiceNameTaken { name: String, other: ServiceId },
    #[error("provider {0} runs its most services, 256; retire one first")]
    TooManyServices(ParticipantNumber),
    #[error("every service number was given")]
    NoServiceNumberLeft,
    #[error("a service wants one purpose at least")]
    NoPurpose,
    #[error("{0} endpoints were given; a service has 1 to 64")]
    EndpointCount(usize),
    #[error("the endpoint {endpoint} cannot be: {source}")]
    Endpoint {
        endpoint: Endpoint,
        source: EndpointError,
    },
    #[error("the endpoint {endpoint} is not the provider's; it must be inside its own {own}/56")]
    EndpointElsewhere { endpoint: Endpoint, own: Ipv6Addr },
    #[error("an endpoint is named twice; name each once")]
    EndpointTwice,
    #[error("the endpoint {endpoint} leads to service {other}; an endpoint leads to one service")]
    EndpointTaken {
        endpoint: Endpoint,
        other: ServiceId,
    },
    #[error("service {0} has exactly these endpoints already")]
    EndpointsUnchanged(ServiceId),
    #[error("there is no agreement {0}")]
    AgreementUnknown(AgreementId),
    #[error("agreement {0} has ended; propose a new one")]
    AgreementEnded(AgreementId),
    #[error("agreement {0} is accepted already")]
    AgreementAccepted(AgreementId),
    #[error(
        "participant {participant} has agreement {present} about service {service}; end it before proposing another"
    )]
    AgreementExists {
        participant: ParticipantNumber,
        service: ServiceId,
        present: AgreementId,
    },
    #[error("participant {0} has its most open agreements, 1024; end one first")]
    TooManyAgreements(ParticipantNumber),
    #[error("service {0} is the participant's own; an agreement has two sides")]
    OwnService(ServiceId),
    #[error(
        "participant {by} is no side of this agreement; its sides are {participant} and the provider {provider}"
    )]
    NotASide {
        by: ParticipantNumber,
        participant: ParticipantNumber,
        provider: ParticipantNumber,
    },
    #[error("agreement {agreement} waits for participant {other_side}; {by} cannot accept it")]
    NotTheOtherSide {
        agreement: AgreementId,
        by: ParticipantNumber,
        other_side: ParticipantNumber,
    },
    #[error("participant {participant} is a {kind}; service {service} may be asked for by {list}", list = kinds(.eligible))]
    NotEligible {
        participant: ParticipantNumber,
        kind: ParticipantKind,
        service: ServiceId,
        eligible: Vec<ParticipantKind>,
    },
    #[error("service {service} is not for {purpose}; it is for {list}", purpose = .purpose.as_str(), list = purposes_text(.purposes))]
    PurposeNotServed {
        purpose: Purpose,
        service: ServiceId,
        purposes: Vec<Purpose>,
    },
    #[error("the validity ends before it begins; give an end after the beginning")]
    ValidityEmpty,
    #[error("the validity ended at {at} (milliseconds since 1970); give an end in the future", at = .0.0)]
    ValidityOver(UnixMillis),
    #[error("the validity ends more than ten years from now; give an earlier end")]
    ValidityTooLong,
    #[error("this enrolment code was never handed out; check the typing, or ask for a new one")]
    CodeUnknown,
    #[error("this enrolment code was used at {at} (milliseconds since 1970); a code is good once: ask for a new one, and say so if it was not you", at = .at.0)]
    CodeSpent { at: UnixMillis },
    #[error("this enrolment code ended at {at} (milliseconds since 1970); ask for a new one", at = .at.0)]
    CodeExpired { at: UnixMillis },
    #[error("an enrolment code lives until a time within the next 30 days; {at} is not", at = .expires_at.0)]
    CodeLife { expires_at: UnixMillis },
    #[error("this enrolment code was handed out before; make a new one")]
    CodeNotNew,
    #[error(
        "this enrolment code is not for this sort of certificate; participants' codes make device certificates, gateways' codes gateway certificates"
    )]
    CodeOfOtherSubject,
    #[error("{0} has 8 enrolment codes waiting; use them or let them expire first")]
    TooManyCodes(Subject),
    #[error("participant {0} has its most valid devices, 8; revoke one first")]
    TooManyDevices(ParticipantNumber),
    #[error("gateway {0} has its most valid certificates, 8; revoke one first")]
    TooManyGatewayCertificates(GatewayId),
    #[error(
        "the certificate names device {wanted}, but the code is for device {device}; make the certificate from the grant of the same transaction"
    )]
    OtherDevice { wanted: DeviceId, device: DeviceId },
    #[error("participant {participant} has no device {device}")]
    DeviceUnknown {
        participant: ParticipantNumber,
        device: DeviceId,
    },
    #[error("gateway {gateway} has no certificate {fingerprint}")]
    GatewayCertificateUnknown {
        gateway: GatewayId,
        fingerprint: Fingerprint,
    },
    #[error("certificate {0} is revoked already")]
    CertificateRevoked(Fingerprint),
    #[error("the certificate's life from {from} to {to} (milliseconds since 1970) is empty, over, or more than thirty years long", from = .not_before.0, to = .not_after.0)]
    CertificateLife {
        not_before: UnixMillis,
        not_after: UnixMillis,
    },
    #[error("serial number {0} was given to another certificate; draw a new one")]
    SerialUsed(Serial),
    #[error("certificate {0} is recorded already")]
    CertificateKnown(Fingerprint),
    #[error("the file's hash is not 64 hexadecimal digits (SHA-256)")]
    FileHash,
    #[error("{0} rows were given; one command takes 1 to 1000")]
    RowCount(usize),
    #[error("the row of {code} cannot be taken: {source}")]
    Row {
        code: InstitutionCode,
        source: RowError,
    },
    #[error("the row of {0} is not in its recorded form; clean it first")]
    RowNotClean(InstitutionCode),
    #[error("the row of {0} stands twice in one command")]
    RowTwice(InstitutionCode),
    #[error("every row is known exactly so; there is nothing to record")]
    RowsUnchanged,
    #[error("certificate {fingerprint} ran out at {at} (ms since 1970); enrol with a new code", at = at.0)]
    CertificateRanOut {
        fingerprint: Fingerprint,
        at: UnixMillis,
    },
    #[error("certificate {fingerprint} is in the first half of its life; it is renewed from {from} (ms since 1970) on", from = from.0)]
    RenewalTooEarly {
        fingerprint: Fingerprint,
        from: UnixMillis,
    },
    #[error("participant {0} has 16 valid devices, those just renewed included; revoke one first")]
    TooManyDevicesInChange(ParticipantNumber),
    #[error("gateway {0} has 16 valid certificates, those just renewed included; revoke one first")]
    TooManyCertificatesInChange(GatewayId),
    #[error("{role} may not do {act}; that is for {roles}", role = .role.as_str(), act = <&str>::from(act), roles = roles(*.act, Role::as_str))]
    RoleMayNot { role: Role, act: Act },
    #[error("{0} speaks for no participant; let a security officer bind the account to its own")]
    SpeaksForNobody(String),
    #[error("the account speaks for participant {own}, not for {by}")]
    SpeaksForAnother {
        own: ParticipantNumber,
        by: ParticipantNumber,
    },
    #[error(
        "say which side ends it: by participant {own}; only the network's staff end one for nobody"
    )]
    SideNotNamed { own: ParticipantNumber },
    #[error("account {0} exists, or did; choose another name")]
    AccountExists(AccountName),
    #[error("there is no account {0}")]
    AccountUnknown(AccountName),
    #[error("account {0} is locked; a security officer can unlock it")]
    AccountLocked(AccountName),
    #[error("account {0} is not locked; there is nothing to undo")]
    AccountNotLocked(AccountName),
    #[error("account {0} was retired for ever; create another")]
    AccountRetired(AccountName),
    #[error("nobody decides about their own account ({0}); ask another who may")]
    OwnAccount(AccountName),
    #[error("an account holds at least one role; name it")]
    NoRole,
    #[error("the role system is the network's own machinery's; people hold the others")]
    RoleOfMachines,
    #[error("{role} excludes every other role: {why}", role = .0.as_str(), why = alone(*.0))]
    RoleAlone(Role),
    #[error("account {account} holds the role {role} already", role = .role.as_str())]
    RoleHeld { account: AccountName, role: Role },
    #[error("account {account} does not hold the role {role}", role = .role.as_str())]
    RoleNotHeld { account: AccountName, role: Role },
    #[error("{0} is the last security officer in service; make another one first")]
    LastSecurityOfficer(AccountName),
    #[error("the network has its most accounts in the role {role}, 1000; retire one first", role = .0.as_str())]
    TooManyAccounts(Role),
    #[error("participant {0} has its most accounts, 64; retire one first")]
    TooManyOfficers(ParticipantNumber),
    #[error("an officer speaks for somebody; say for which participant")]
    OfficerOfNobody,
    #[error("only an officer speaks for a participant; the staff speak for the network")]
    StaffSpeaksForNobody,
    #[error("account {0} speaks for that participant already")]
    BoundAlready(AccountName),
    #[error("{role} administers accounts of officers; {account} is of the staff, let a security officer do it", role = .role.as_str())]
    StaffAccount { role: Role, account: AccountName },
    #[error("{subject} of {issuer} is account {other} already", subject = .login.subject, issuer = .login.issuer)]
    LoginTaken { login: Login, other: AccountName },
    #[error("account {0} has no such login")]
    LoginUnknown(AccountName),
    #[error("account {0} has its most logins of organisations, 8; unlink one first")]
    TooManyLogins(AccountName),
    #[error("the login code would end at {at} (ms since 1970); a time to come within 14 days is wanted", at = .expires_at.0)]
    LoginCodeLife { expires_at: UnixMillis },
    #[error("the lock-out would end at {at} (ms since 1970); a time to come within an hour is wanted", at = .until.0)]
    LockOutLife { until: UnixMillis },
    #[error("{name} logs in and keeps credentials for the own account only, not for {account}")]
    NotOneself { name: String, account: AccountName },
    #[error("{name} is the name of service {other}; each service has its own")]
    ServiceDnsTaken { name: DnsName, other: ServiceId },
    #[error("automatic acceptance names no kind; name one, or accept by hand")]
    AcceptanceEmpty,
    #[error("automatic acceptance names the kind {0}, which may not ask for the service")]
    AcceptanceNotEligible(ParticipantKind),
    #[error("participants are listed for a trial, but the stage is {0}; leave them out")]
    PilotListWithoutPilot(ServiceStage),
    #[error("{0} participants are listed for the trial; at most 10000 are")]
    TooManyInPilot(usize),
    #[error("service {service} is {present}; its roll-out does not go back to {wanted}")]
    StageBack {
        service: ServiceId,
        present: ServiceStage,
        wanted: ServiceStage,
    },
    #[error("service {0} is offered exactly so already")]
    OfferUnchanged(ServiceId),
    #[error("service {0} is planned and cannot be asked for yet")]
    ServicePlanned(ServiceId),
    #[error(
        "service {service} is on trial with listed participants; {participant} is not one of them"
    )]
    NotInPilot {
        participant: ParticipantNumber,
        service: ServiceId,
    },
    #[error("service {service} is for the prefectures {list}; participant {participant} is {place}", list = areas_text(.areas), place = place_text(*.area))]
    NotInArea {
        participant: ParticipantNumber,
        area: Option<Prefecture>,
        service: ServiceId,
        areas: Vec<Prefecture>,
    },
    #[error("agreement {0} is not accepted yet; a proposal is ended at once, without a date")]
    EndDateOfProposal(AgreementId),
    #[error("agreement {agreement} cannot end at {at} (ms since 1970); a date ahead is wanted, inside its validity from {from} to {until}", at = .at.0, from = .validity.from.0, until = .validity.until.0)]
    EndDate {
        agreement: AgreementId,
        at: UnixMillis,
        validity: Validity,
    },
    #[error("agreement {agreement} holds until {until} (ms since 1970)", until = .until.0)]
    NotRunOut {
        agreement: AgreementId,
        until: UnixMillis,
    },
    #[error(
        "there is no notice to give about agreement {0}: it was given, or the agreement is not accepted, over, or holds for more than 90 days"
    )]
    NoNotice(AgreementId),
    #[error("participant {0} has no valid device; enrol one first")]
    NoValidDevice(ParticipantNumber),
    #[error("{code} does not stand in the list {list}")]
    NotInList { code: InstitutionCode, list: ListId },
    #[error("the rules cannot be published: {0}")]
    Rules(SetError),
    #[error("the file {name} has the digest {found}, not {stated} as stated; send it as it is")]
    RuleDigest {
        name: String,
        found: Digest,
        stated: Digest,
    },
    #[error("version {found} of the rules is not later than version {present}, which holds")]
    RuleVersionOld {
        found: RuleVersion,
        present: RuleVersion,
    },
    #[error("{0} files were given; a rule set has 5, of at most 262144 bytes each")]
    RuleFileCount(usize),
    #[error(transparent)]
    Case(#[from] CaseRefusal),
    #[error(transparent)]
    Recheck(#[from] RecheckRefusal),
    #[error("row {row}: {because}; none of the rows was admitted")]
    AdmissionRow { row: usize, because: Box<Refusal> },
}

impl Refusal {
    /// The name by which programs know it; it never changes.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AuditorActs => "auditor-may-not-act",
            Self::Text { .. } => "text-unusable",
            Self::NetworkNotFounded => "network-not-founded",
            Self::NetworkFounded(_) => "network-already-founded",
            Self::GatewayExists(_) => "gateway-exists",
            Self::GatewayUnknown(_) => "gateway-unknown",
            Self::TooManyGateways => "too-many-gateways",
            Self::BackboneUnusable(_) => "backbone-unusable",
            Self::BackboneTaken { .. } => "backbone-taken",
            Self::BlockReserved => "block-reserved",
            Self::BlockTwice(_) => "block-twice",
            Self::BlockTaken { .. } => "block-taken",
            Self::BlockUnassigned(_) => "block-unassigned",
            Self::NoNumberLeft(_) => "no-number-left",
            Self::CodeOfKindWithout { .. } => "code-of-kind-without",
            Self::CodeOfOtherTable { .. } => "code-of-other-table",
            Self::CodeTaken { .. } => "code-taken",
            Self::ParticipantUnknown(_) => "participant-unknown",
            Self::ParticipantClosed(_) => "participant-closed",
            Self::AlreadyQuarantined(_) => "already-quarantined",
            Self::ParticipantQuarantined(_) => "participant-quarantined",
            Self::NotQuarantined(_) => "not-quarantined",
            Self::TooManyConsequences => "too-many-consequences",
            Self::SiteExists { .. } => "site-exists",
            Self::SiteUnknown { .. } => "site-unknown",
            Self::NoSiteLeft(_) => "no-site-left",
            Self::LineUnknown(_) => "line-unknown",
            Self::LineKindNotServed(_) => "line-kind-not-served",
            Self::Interface(_) => "interface-unusable",
            Self::CircuitTaken { .. } => "circuit-taken",
            Self::TooManyLines { .. } => "too-many-lines",
            Self::NoLineNumberLeft => "no-line-number-left",
            Self::NotAProvider { .. } => "not-a-provider",
            Self::ServiceUnknown(_) => "service-unknown",
            Self::ServiceRetired(_) => "service-retired",
            Self::ServiceNameTaken { .. } => "service-name-taken",
            Self::TooManyServices(_) => "too-many-services",
            Self::NoServiceNumberLeft => "no-service-number-left",
            Self::NoPurpose => "no-purpose",
            Self::EndpointCount(_) => "endpoint-count",
            Self::Endpoint { .. } => "endpoint-unusable",
            Self::EndpointElsewhere { .. } => "endpoint-elsewhere",
            Self::EndpointTwice => "endpoint-twice",
            Self::EndpointTaken { .. } => "endpoint-taken",
            Self::EndpointsUnchanged(_) => "endpoints-unchanged",
            Self::AgreementUnknown(_) => "agreement-unknown",
            Self::AgreementEnded(_) => "agreement-ended",
            Self::AgreementAccepted(_) => "agreement-accepted",
            Self::AgreementExists { .. } => "agreement-exists",
            Self::TooManyAgreements(_) => "too-many-agreements",
            Self::OwnService(_) => "own-service",
            Self::NotASide { .. } => "not-a-side",
            Self::NotTheOtherSide { .. } => "not-the-other-side",
            Self::NotEligible { .. } => "not-eligible",
            Self::PurposeNotServed { .. } => "purpose-not-served",
            Self::ValidityEmpty => "validity-empty",
            Self::ValidityOver(_) => "validity-over",
            Self::ValidityTooLong => "validity-too-long",
            Self::CodeUnknown => "enrolment-code-unknown",
            Self::CodeSpent { .. } => "enrolment-code-spent",
            Self::CodeExpired { .. } => "enrolment-code-expired",
            Self::CodeLife { .. } => "enrolment-code-life",
            Self::CodeNotNew => "enrolment-code-not-new",
            Self::CodeOfOtherSubject => "enrolment-code-of-other-subject",
            Self::TooManyCodes(_) => "too-many-enrolment-codes",
            Self::TooManyDevices(_) => "too-many-devices",
            Self::TooManyGatewayCertificates(_) => "too-many-gateway-certificates",
            Self::OtherDevice { .. } => "other-device",
            Self::DeviceUnknown { .. } => "device-unknown",
            Self::GatewayCertificateUnknown { .. } => "gateway-certificate-unknown",
            Self::CertificateRevoked(_) => "certificate-revoked",
            Self::CertificateLife { .. } => "certificate-life",
            Self::SerialUsed(_) => "serial-used",
            Self::CertificateKnown(_) => "certificate-known",
            Self::FileHash => "file-hash",
            Self::RowCount(_) => "row-count",
            Self::Row { .. } => "row-unusable",
            Self::RowNotClean(_) => "row-not-clean",
            Self::RowTwice(_) => "row-twice",
            Self::RowsUnchanged => "rows-unchanged",
            Self::CertificateRanOut { .. } => "certificate-ran-out",
            Self::RenewalTooEarly { .. } => "renewal-too-early",
            Self::TooManyDevicesInChange(_) => "too-many-devices-in-change",
            Self::TooManyCertificatesInChange(_) => "too-many-certificates-in-change",
            Self::RoleMayNot { .. } => "role-may-not",
            Self::SpeaksForNobody(_) => "speaks-for-nobody",
            Self::SpeaksForAnother { .. } => "speaks-for-another",
            Self::SideNotNamed { .. } => "side-not-named",
            Self::AccountExists(_) => "account-exists",
            Self::AccountUnknown(_) => "account-unknown",
            Self::AccountLocked(_) => "account-locked",
            Self::AccountNotLocked(_) => "account-not-locked",
            Self::AccountRetired(_) => "account-retired",
            Self::OwnAccount(_) => "own-account",
            Self::NoRole => "no-role",
            Self::RoleOfMachines => "role-of-machines",
            Self::RoleAlone(_) => "role-alone",
            Self::RoleHeld { .. } => "role-held",
            Self::RoleNotHeld { .. } => "role-not-held",
            Self::LastSecurityOfficer(_) => "last-security-officer",
            Self::TooManyAccounts(_) => "too-many-accounts",
            Self::TooManyOfficers(_) => "too-many-officers",
            Self::OfficerOfNobody => "officer-of-nobody",
            Self::StaffSpeaksForNobody => "staff-speaks-for-nobody",
            Self::BoundAlready(_) => "bound-already",
            Self::StaffAccount { .. } => "staff-account",
            Self::LoginTaken { .. } => "login-taken",
            Self::LoginUnknown(_) => "login-unknown",
            Self::TooManyLogins(_) => "too-many-logins",
            Self::LoginCodeLife { .. } => "login-code-life",
            Self::LockOutLife { .. } => "lock-out-life",
            Self::NotOneself { .. } => "not-oneself",
            Self::ServiceDnsTaken { .. } => "service-dns-taken",
            Self::AcceptanceEmpty => "acceptance-empty",
            Self::AcceptanceNotEligible(_) => "acceptance-not-eligible",
            Self::PilotListWithoutPilot(_) => "pilot-list-without-pilot",
            Self::TooManyInPilot(_) => "too-many-in-pilot",
            Self::StageBack { .. } => "stage-back",
            Self::OfferUnchanged(_) => "offer-unchanged",
            Self::ServicePlanned(_) => "service-planned",
            Self::NotInPilot { .. } => "not-in-pilot",
            Self::NotInArea { .. } => "not-in-area",
            Self::EndDateOfProposal(_) => "end-date-of-proposal",
            Self::EndDate { .. } => "end-date",
            Self::NotRunOut { .. } => "not-run-out",
            Self::NoNotice(_) => "no-notice",
            Self::NoValidDevice(_) => "no-valid-device",
            Self::NotInList { .. } => "not-in-list",
            Self::Rules(_) => "rules-unusable",
            Self::RuleDigest { .. } => "rule-digest",
            Self::RuleVersionOld { .. } => "rule-version-old",
            Self::RuleFileCount(_) => "rule-file-count",
            Self::Case(refusal) => refusal.code(),
            Self::Recheck(refusal) => refusal.code(),
            Self::AdmissionRow { .. } => "admission-row",
        }
    }

    /// Was it refused for who asked, and not for what was asked?
    #[must_use]
    pub fn is_about_the_actor(&self) -> bool {
        matches!(
            self,
            Self::AuditorActs
                | Self::RoleMayNot { .. }
                | Self::SpeaksForNobody(_)
                | Self::Case(
                    CaseRefusal::OwnApplication { .. } | CaseRefusal::SecondPersonWanted { .. }
                )
                | Self::SpeaksForAnother { .. }
                | Self::AccountLocked(_)
                | Self::AccountRetired(_)
                | Self::OwnAccount(_)
                | Self::RoleNotHeld { .. }
                | Self::StaffAccount { .. }
                | Self::NotOneself { .. }
        )
    }

    /// What was wrong and what would be right, in Japanese.
    #[must_use]
    pub fn ja(&self) -> String {
        match self {
            Self::AuditorActs => "監査は閲覧のみで、変更はできません。担当の役割で操作してください".to_owned(),
            Self::Text { what, source } => format!("{what} は受け付けられません: {source}"),
            Self::NetworkNotFounded => "ネットワークのアドレス計画が未設定です。先にプレフィックスを設定してください".to_owned(),
            Self::NetworkFounded(a) => format!("ネットワークは {a} で設定済みです。アドレス計画は変更できません"),
            Self::GatewayExists(a) => format!("ゲートウェイ {a} は登録済みです。別の名前にしてください"),
            Self::GatewayUnknown(a) => format!("ゲートウェイ {a} は登録されていません。先に登録してください"),
            Self::TooManyGateways => "ゲートウェイは上限の 255 台に達しています".to_owned(),
            Self::BackboneUnusable(a) => format!("{a} はバックボーンのアドレスに使えません。経路のある IPv6 ユニキャストアドレスを指定してください"),
            Self::BackboneTaken { backbone, other } => format!("{backbone} はゲートウェイ {other} が使用中です。別のアドレスにしてください"),
            Self::BlockReserved => "ブロック 0 はネットワーク自身のもので割り当てられません。1 から 255 を指定してください".to_owned(),
            Self::BlockTwice(a) => format!("ブロック {a} が重複しています。一度だけ指定してください"),
            Self::BlockTaken { block, other } => format!("ブロック {block} はゲートウェイ {other} に割当済みです"),
            Self::BlockUnassigned(a) => format!("ブロック {a} はどのゲートウェイにも割り当てられていません。先に割り当ててください"),
            Self::NoNumberLeft(a) => format!("{home} の番号は使い切りました。ゲートウェイに別のブロックを割り当ててください", home = home_text(a)),
            Self::CodeOfKindWithout { kind, code } => format!("{kind_ja} に医療機関コードはありません（{code}）。コードを省いてください", kind_ja = kind.name_ja()),
            Self::CodeOfOtherTable { kind, code } => format!("{code} は {table} のコードで、種別 {kind_ja} に合いません", table = code.score_table().name_ja(), kind_ja = kind.name_ja()),
            Self::CodeTaken { code, holder } => format!("{code} は参加者 {holder} が使用中です。先に閉鎖するか、コードを確認してください"),
            Self::ParticipantUnknown(a) => format!("参加者 {a} は存在しません"),
            Self::ParticipantClosed(a) => format!("参加者 {a} は閉鎖済みです。改めて加入の手続をしてください"),
            Self::AlreadyQuarantined(a) => format!("参加者 {a} は隔離済みです"),
            Self::ParticipantQuarantined(a) => format!("参加者 {a} は隔離中です。証明書は隔離の解除後に更新できます"),
            Self::NotQuarantined(a) => format!("参加者 {a} は隔離されていません"),
            Self::TooManyConsequences => "一度に 100000 件を超える変更になります。先に利用合意を段階的に終了してください".to_owned(),
            Self::SiteExists { participant, site } => format!("参加者 {participant} の拠点 {site} は登録済みです。別の番号にするか省いてください"),
            Self::SiteUnknown { participant, site } => format!("参加者 {participant} に拠点 {site} はありません。先に登録してください"),
            Self::NoSiteLeft(a) => format!("参加者 {a} の拠点は上限の 256 に達しています"),
            Self::LineUnknown(a) => format!("回線 {a} は存在しないか、撤去済みです"),
            Self::LineKindNotServed(a) => format!("{kind} の回線は提供していません。ethernet を指定してください", kind = a.as_str()),
            Self::Interface(a) => format!("回線の終端が正しくありません: {a}"),
            Self::CircuitTaken { circuit, other } => format!("ゲートウェイ {gateway} の {interface} は回線 {other} が使用中です", gateway = circuit.gateway, interface = circuit.interface),
            Self::TooManyLines { participant, site } => format!("参加者 {participant} の拠点 {site} の回線は上限の 16 本に達しています"),
            Self::NoLineNumberLeft => "回線番号を使い切りました".to_owned(),
            Self::NotAProvider { participant, kind } => format!("参加者 {participant} は {kind_ja} です。サービスを登録できるのはサービス提供事業者です", kind_ja = kind.name_ja()),
            Self::ServiceUnknown(a) => format!("サービス {a} は存在しません"),
            Self::ServiceRetired(a) => format!("サービス {a} は終了しています"),
            Self::ServiceNameTaken { name, other } => format!("同じ名前（{name}）のサービス {other} があります。別の名前にしてください"),
            Self::TooManyServices(a) => format!("事業者 {a} のサービスは上限の 256 に達しています"),
            Self::NoServiceNumberLeft => "サービス番号を使い切りました".to_owned(),
            Self::NoPurpose => "用途を一つ以上指定してください".to_owned(),
            Self::EndpointCount(a) => format!("接続先が {a} 件です。1 から 64 件を指定してください"),
            Self::Endpoint { endpoint, source } => format!("接続先 {endpoint} は正しくありません: {source}"),
            Self::EndpointElsewhere { endpoint, own } => format!("接続先 {endpoint} は事業者のアドレス範囲 {own}/56 の外です"),
            Self::EndpointTwice => "接続先が重複しています".to_owned(),
            Self::EndpointTaken { endpoint, other } => format!("接続先 {endpoint} はサービス {other} が使用中です"),
            Self::EndpointsUnchanged(a) => format!("サービス {a} の接続先は既にこのとおりです"),
            Self::AgreementUnknown(a) => format!("利用合意 {a} は存在しません"),
            Self::AgreementEnded(a) => format!("利用合意 {a} は終了しています。改めて申し込んでください"),
            Self::AgreementAccepted(a) => format!("利用合意 {a} は成立済みです"),
            Self::AgreementExists { participant, service, present } => format!("参加者 {participant} とサービス {service} の利用合意 {present} があります。先に終了してください"),
            Self::TooManyAgreements(a) => format!("参加者 {a} の利用合意は上限の 1024 に達しています"),
            Self::OwnService(a) => format!("サービス {a} は参加者自身のものです。合意には相手方が必要です"),
            Self::NotASide { by, participant, provider } => format!("参加者 {by} は当事者ではありません。当事者は {participant} と事業者 {provider} です"),
            Self::NotTheOtherSide { agreement, by, other_side } => format!("利用合意 {agreement} を承諾できるのは参加者 {other_side} です（{by} は不可）"),
            Self::NotEligible { participant, kind, service, eligible } => format!("参加者 {participant}（{kind_ja}）はサービス {service} の対象外です。対象: {list}", kind_ja = kind.name_ja(), list = kinds(eligible)),
            Self::PurposeNotServed { purpose, service, purposes } => format!("サービス {service} の用途に {purpose} は含まれません。用途: {list}", purpose = purpose.as_str(), list = purposes_text(purposes)),
            Self::ValidityEmpty => "有効期間の終わりが始まりより前です".to_owned(),
            Self::ValidityOver(a) => format!("有効期間は終了しています（{at}）。将来の日時を指定してください", at = a.0),
            Self::ValidityTooLong => "有効期間の終わりが10年より先です。より早い日時を指定してください".to_owned(),
            Self::CodeUnknown => "この登録コードは発行されていません。入力を確認するか、再発行を依頼してください".to_owned(),
            Self::CodeSpent { at } => format!("この登録コードは使用済みです（{at}）。一度しか使えません。再発行を依頼し、心当たりがなければ届け出てください", at = at.0),
            Self::CodeExpired { at } => format!("この登録コードは期限切れです（{at}）。再発行を依頼してください", at = at.0),
            Self::CodeLife { expires_at } => format!("登録コードの期限は30日以内の将来の日時です（{at}）", at = expires_at.0),
            Self::CodeNotNew => "この登録コードは発行済みです。新しく作成してください".to_owned(),
            Self::CodeOfOtherSubject => "この登録コードの対象が異なります（参加者用・ゲートウェイ用を確認してください）".to_owned(),
            Self::TooManyCodes(a) => format!("{a} には未使用の登録コードが 8 件あります"),
            Self::TooManyDevices(a) => format!("参加者 {a} の有効な機器は上限の 8 台です。先に失効してください"),
            Self::TooManyGatewayCertificates(a) => format!("ゲートウェイ {a} の有効な証明書は上限の 8 件です。先に失効してください"),
            Self::OtherDevice { wanted, device } => format!("証明書の機器番号 {wanted} が登録コードの {device} と異なります"),
            Self::DeviceUnknown { participant, device } => format!("参加者 {participant} に機器 {device} はありません"),
            Self::GatewayCertificateUnknown { gateway, fingerprint } => format!("ゲートウェイ {gateway} に証明書 {fingerprint} はありません"),
            Self::CertificateRevoked(a) => format!("証明書 {a} は失効済みです"),
            Self::CertificateLife { not_before, not_after } => format!("証明書の有効期間（{from} から {to}）が正しくないか、終了しているか、30年を超えています", from = not_before.0, to = not_after.0),
            Self::SerialUsed(a) => format!("シリアル番号 {a} は使用済みです"),
            Self::CertificateKnown(a) => format!("証明書 {a} は登録済みです"),
            Self::FileHash => "ファイルのハッシュは16進数64桁（SHA-256）です".to_owned(),
            Self::RowCount(a) => format!("{a} 行です。1 から 1000 行を指定してください"),
            Self::Row { code, source } => format!("{code} の行は受け付けられません: {source}"),
            Self::RowNotClean(a) => format!("{a} の行が整形されていません"),
            Self::RowTwice(a) => format!("{a} の行が重複しています"),
            Self::RowsUnchanged => "すべて登録済みの内容と同じです".to_owned(),
            Self::CertificateRanOut { fingerprint, at } => format!("証明書 {fingerprint} は期限切れです（{at}）。新しい登録コードで登録してください", at = at.0),
            Self::RenewalTooEarly { fingerprint, from } => format!("証明書 {fingerprint} は有効期間の前半です。更新は {from}（1970年からのミリ秒）以降です", from = from.0),
            Self::TooManyDevicesInChange(a) => format!("参加者 {a} の有効な機器は更新中を含め上限の 16 台です。先に失効してください"),
            Self::TooManyCertificatesInChange(a) => format!("ゲートウェイ {a} の有効な証明書は更新中を含め上限の 16 件です。先に失効してください"),
            Self::RoleMayNot { role, act } => format!("{role_ja} は {act} を行えません。行えるのは {list} です", role_ja = role.name_ja(), act = <&str>::from(act), list = roles(*act, Role::name_ja)),
            Self::SpeaksForNobody(a) => format!("アカウント {a} はどの参加者の担当でもありません。セキュリティ責任者に割当を依頼してください"),
            Self::SpeaksForAnother { own, by } => format!("このアカウントは参加者 {own} の担当です。参加者 {by} としては操作できません"),
            Self::SideNotNamed { own } => format!("どちらの当事者が終了するかを指定してください（参加者 {own}）。指定なしで終了できるのはネットワークの職員だけです"),
            Self::AccountExists(a) => format!("アカウント {a} は登録済みです。別の名前にしてください"),
            Self::AccountUnknown(a) => format!("アカウント {a} は存在しません"),
            Self::AccountLocked(a) => format!("アカウント {a} は停止中です。解除はセキュリティ責任者に依頼してください"),
            Self::AccountNotLocked(a) => format!("アカウント {a} は停止されていません"),
            Self::AccountRetired(a) => format!("アカウント {a} は廃止済みです。別のアカウントを作成してください"),
            Self::OwnAccount(a) => format!("自分のアカウント（{a}）の権限は変更できません。別の担当者に依頼してください"),
            Self::NoRole => "役割を一つ以上指定してください".to_owned(),
            Self::RoleOfMachines => "役割 system はネットワーク自身のものです。人には割り当てられません".to_owned(),
            Self::RoleAlone(a) => format!("{a_ja} は他の役割と兼務できません", a_ja = a.name_ja()),
            Self::RoleHeld { account, role } => format!("アカウント {account} は既に {role_ja} です", role_ja = role.name_ja()),
            Self::RoleNotHeld { account, role } => format!("アカウント {account} は {role_ja} ではありません", role_ja = role.name_ja()),
            Self::LastSecurityOfficer(a) => format!("{a} は最後のセキュリティ責任者です。先に別の責任者を置いてください"),
            Self::TooManyAccounts(a) => format!("{a_ja} のアカウントは上限の 1000 に達しています。先に廃止してください", a_ja = a.name_ja()),
            Self::TooManyOfficers(a) => format!("参加者 {a} の担当者アカウントは上限の 64 に達しています。先に廃止してください"),
            Self::OfficerOfNobody => "担当者アカウントには参加者の指定が必要です".to_owned(),
            Self::StaffSpeaksForNobody => "参加者の担当になれるのは担当者アカウントだけです".to_owned(),
            Self::BoundAlready(a) => format!("アカウント {a} は既にその参加者の担当です"),
            Self::StaffAccount { role, account } => format!("{role_ja} が扱えるのは担当者アカウントだけです。職員のアカウント {account} はセキュリティ責任者が扱います", role_ja = role.name_ja()),
            Self::LoginTaken { login, other } => format!("{issuer} の {subject} はアカウント {other} に割当済みです", issuer = login.issuer, subject = login.subject),
            Self::LoginUnknown(a) => format!("アカウント {a} にその外部ログインはありません"),
            Self::TooManyLogins(a) => format!("アカウント {a} の外部ログインは上限の 8 件です。先に解除してください"),
            Self::LoginCodeLife { expires_at } => format!("初回ログインコードの期限は14日以内の将来の日時です（{at}）", at = expires_at.0),
            Self::LockOutLife { until } => format!("ログイン拒否の期限は1時間以内の将来の日時です（{at}）", at = until.0),
            Self::NotOneself { name, account } => format!("{name} が操作できるのは自分のアカウントだけです（{account} は不可）"),
            Self::ServiceDnsTaken { name, other } => format!("{name} はサービス {other} の名前です。別の名前にしてください"),
            Self::AcceptanceEmpty => "自動承諾の対象の種別がありません。種別を指定するか、個別承諾にしてください".to_owned(),
            Self::AcceptanceNotEligible(a) => format!("自動承諾の種別 {kind} はサービスの対象外です", kind = a.name_ja()),
            Self::PilotListWithoutPilot(a) => format!("試行の参加者が指定されていますが、段階は「{stage}」です。省いてください", stage = a.name_ja()),
            Self::TooManyInPilot(a) => format!("試行の参加者が {a} 件です。上限は 10000 件です"),
            Self::StageBack { service, present, wanted } => format!("サービス {service} は「{present}」です。「{wanted}」には戻せません", present = present.name_ja(), wanted = wanted.name_ja()),
            Self::OfferUnchanged(a) => format!("サービス {a} の提供条件は既にこのとおりです"),
            Self::ServicePlanned(a) => format!("サービス {a} は計画中で、まだ申し込めません"),
            Self::NotInPilot { participant, service } => format!("サービス {service} は試行中です。参加者 {participant} は試行の対象ではありません"),
            Self::NotInArea { participant, area, service, areas } => format!("サービス {service} の対象地域は {list} です。参加者 {participant} は{place}", list = areas.iter().map(|area| area.name()).collect::<Vec<_>>().join("、"), place = area.map_or_else(|| "地域の届出がありません".to_owned(), |area| format!("{}にあります", area.name()))),
            Self::EndDateOfProposal(a) => format!("利用合意 {a} は未成立です。申込は期日を付けずに終了してください"),
            Self::EndDate { agreement, at, validity } => format!("利用合意 {agreement} は {at} に終了できません。有効期間（{from} から {until}）内の将来の日時を指定してください", at = at.0, from = validity.from.0, until = validity.until.0),
            Self::NotRunOut { agreement, until } => format!("利用合意 {agreement} は {until} まで有効です", until = until.0),
            Self::NoNotice(a) => format!("利用合意 {a} について予告することはありません（予告済み、未成立、終了済み、または期限まで90日超）"),
            Self::NoValidDevice(a) => format!("参加者 {a} に有効な機器がありません。先に登録してください"),
            Self::NotInList { code, list } => format!("{code} は名簿 {list} にありません"),
            Self::Rules(a) => format!("要件・審査項目を公布できません: {a}"),
            Self::RuleDigest { name, found, stated } => format!("ファイル {name} のハッシュ {found} が指定の {stated} と異なります"),
            Self::RuleVersionOld { found, present } => format!("版 {found} は現行の版 {present} より新しくありません"),
            Self::RuleFileCount(a) => format!("ファイルが {a} 件です。要件・審査項目は 5 件（各 262144 バイト以内）です"),
            Self::Case(refusal) => refusal.ja(),
            Self::Recheck(refusal) => refusal.ja(),
            Self::AdmissionRow { row, because } => format!("{row} 行目: {}。どの行も加入していません", because.ja()),
        }
    }
}

/// Who may do it, in words.
fn roles(act: Act, word: fn(Role) -> &'static str) -> String {
    let words: Vec<&str> = crate::permission::row(act)
        .iter()
        .map(|(role, _)| word(*role))
        .collect();
    words.join(", ")
}

fn alone(role: Role) -> &'static str {
    match role {
        Role::Auditor => "an auditor has no part in what it audits",
        _ => "an officer speaks for a participant, the staff for the network",
    }
}

fn home_text(home: &Home) -> String {
    match home {
        Home::Gateway(gateway) => format!("gateway {gateway}"),
        Home::Block(block) => format!("block {block}"),
    }
}

fn kinds(kinds: &[ParticipantKind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
    words.join(", ")
}

fn areas_text(areas: &[Prefecture]) -> String {
    let words: Vec<String> = areas.iter().map(ToString::to_string).collect();
    words.join(", ")
}

fn place_text(area: Option<Prefecture>) -> String {
    area.map_or_else(
        || "of no known prefecture".to_owned(),
        |area| format!("in {area}"),
    )
}

fn purposes_text(purposes: &[Purpose]) -> String {
    let words: Vec<&str> = purposes.iter().map(|purpose| purpose.as_str()).collect();
    words.join(", ")
}
