//! What a decision may look at, and where its consequences are written. The
//! registry must not know what stands behind: a store's transaction, or memory.

use crate::account::{Account, Login, SpeaksFor};
use crate::agreement::Agreement;
use crate::applicant::Applicant;
use crate::case::Case;
use crate::certificate::{GatewayCertificate, Serial};
use crate::device::Device;
use crate::enrolment::{CodeHash, EnrolmentCode, Subject};
use crate::gateway::Gateway;
use crate::line::Line;
use crate::participant::Participant;
use crate::recheck::{RecheckState, RecheckSubject};
use crate::rules::PublishedRules;
use crate::service::Service;
use crate::site::Site;
use iryonet_domain::{
    AccountName, AgreementId, CaseId, Circuit, DeviceId, DnsName, Endpoint, Fingerprint, GatewayId,
    InstitutionCode, LineId, NetworkPrefix, ParticipantNumber, Role, ServiceId, SiteIndex,
    UnixMillis,
};
use iryonet_rules::RuleVersion;
use std::net::Ipv6Addr;

/// The home of the registry could not answer. Says nothing about the question.
#[derive(Debug, thiserror::Error)]
#[error("the registry's store could not answer")]
pub struct ViewError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Read access to all that a decision needs, at one moment.
///
/// *Open* means: not closed (participant), not retired (service), not ended
/// (agreement; a proposal is open too). Lists are ascending by their key.
///
/// # Errors
/// Every method: when the store behind it cannot answer.
#[allow(
    clippy::missing_errors_doc,
    reason = "one sentence on the trait says it for all"
)]
pub trait View {
    /// The address plan, once the network was founded.
    fn network(&self) -> Result<Option<NetworkPrefix>, ViewError>;

    /// A gateway by name.
    fn gateway(&self, gateway: &GatewayId) -> Result<Option<Gateway>, ViewError>;
    /// The gateway that is home to a block.
    fn gateway_of_block(&self, block: u8) -> Result<Option<GatewayId>, ViewError>;
    /// The gateway with this backbone address.
    fn gateway_of_backbone(&self, backbone: Ipv6Addr) -> Result<Option<GatewayId>, ViewError>;
    /// How many gateways there are.
    fn gateway_count(&self) -> Result<u64, ViewError>;

    /// A participant by number, open or closed.
    fn participant(&self, number: ParticipantNumber) -> Result<Option<Participant>, ViewError>;
    /// The open participant that holds a code.
    fn holder_of_code(&self, code: InstitutionCode)
    -> Result<Option<ParticipantNumber>, ViewError>;
    /// The highest number ever given in a block.
    fn last_number(&self, block: u8) -> Result<Option<ParticipantNumber>, ViewError>;

    /// A site.
    fn site(
        &self,
        participant: ParticipantNumber,
        site: SiteIndex,
    ) -> Result<Option<Site>, ViewError>;
    /// All sites of a participant.
    fn sites_of(&self, participant: ParticipantNumber) -> Result<Vec<Site>, ViewError>;

    /// A line that was not removed.
    fn line(&self, line: LineId) -> Result<Option<Line>, ViewError>;
    /// The line that ends at a circuit.
    fn line_at(&self, circuit: &Circuit) -> Result<Option<LineId>, ViewError>;
    /// All lines of a participant.
    fn lines_of(&self, participant: ParticipantNumber) -> Result<Vec<Line>, ViewError>;
    /// The highest line number ever given.
    fn last_line(&self) -> Result<Option<LineId>, ViewError>;

    /// A service, open or retired.
    fn service(&self, service: ServiceId) -> Result<Option<Service>, ViewError>;
    /// A provider's open services.
    fn services_of(&self, provider: ParticipantNumber) -> Result<Vec<Service>, ViewError>;
    /// The open service that is reached at an endpoint.
    fn service_at(&self, endpoint: &Endpoint) -> Result<Option<ServiceId>, ViewError>;
    /// The highest service number ever given.
    fn last_service(&self) -> Result<Option<ServiceId>, ViewError>;

    /// An agreement, open or ended.
    fn agreement(&self, agreement: AgreementId) -> Result<Option<Agreement>, ViewError>;
    /// The one open agreement of a participant about a service.
    fn open_agreement(
        &self,
        participant: ParticipantNumber,
        service: ServiceId,
    ) -> Result<Option<Agreement>, ViewError>;
    /// Open agreements in which the participant is the asking side; at most `limit`.
    fn open_agreements_of(
        &self,
        participant: ParticipantNumber,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError>;
    /// Open agreements about a service; at most `limit`.
    fn open_agreements_about(
        &self,
        service: ServiceId,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError>;
    /// The highest agreement number ever given.
    fn last_agreement(&self) -> Result<Option<AgreementId>, ViewError>;

    /// An enrolment code by its hash, whatever became of it.
    fn enrolment_code(&self, hash: &CodeHash) -> Result<Option<EnrolmentCode>, ViewError>;
    /// How many codes of a subject are neither spent nor expired at `now`.
    fn waiting_codes(&self, subject: &Subject, now: UnixMillis) -> Result<usize, ViewError>;

    /// A device, valid or not.
    fn device(
        &self,
        participant: ParticipantNumber,
        device: DeviceId,
    ) -> Result<Option<Device>, ViewError>;
    /// A participant's devices that are not revoked and have not run out at `now`.
    fn valid_devices(
        &self,
        participant: ParticipantNumber,
        now: UnixMillis,
    ) -> Result<Vec<Device>, ViewError>;
    /// The highest device number ever given to a participant.
    fn last_device(&self, participant: ParticipantNumber) -> Result<Option<DeviceId>, ViewError>;
    /// The device with this certificate, valid or not.
    fn device_by_fingerprint(&self, fingerprint: Fingerprint) -> Result<Option<Device>, ViewError>;

    /// The gateway certificate with this fingerprint, valid or not.
    fn gateway_certificate(
        &self,
        fingerprint: Fingerprint,
    ) -> Result<Option<GatewayCertificate>, ViewError>;
    /// A gateway's certificates that are not revoked and have not run out at `now`.
    fn valid_gateway_certificates(
        &self,
        gateway: &GatewayId,
        now: UnixMillis,
    ) -> Result<Vec<GatewayCertificate>, ViewError>;
    /// Was this serial number ever given?
    fn serial_is_used(&self, serial: &Serial) -> Result<bool, ViewError>;

    /// An institution of the public lists.
    fn applicant(&self, code: InstitutionCode) -> Result<Option<Applicant>, ViewError>;

    /// An account by name, whatever its standing.
    fn account(&self, account: &AccountName) -> Result<Option<Account>, ViewError>;
    /// The account that an organisation's issuer knows so.
    fn account_of_login(&self, login: &Login) -> Result<Option<AccountName>, ViewError>;
    /// Accounts that speak for somebody and are not retired.
    fn accounts_of(&self, whom: SpeaksFor) -> Result<Vec<Account>, ViewError>;
    /// How many active accounts hold a role.
    fn active_accounts(&self, role: Role) -> Result<u64, ViewError>;
    /// The open service that has this name.
    fn service_by_dns(&self, name: &DnsName) -> Result<Option<ServiceId>, ViewError>;

    /// A case, open or not.
    fn case(&self, case: CaseId) -> Result<Option<Case>, ViewError>;
    /// The highest case number ever given.
    fn last_case(&self) -> Result<Option<CaseId>, ViewError>;
    /// All open cases about a participant; a kind has one at most.
    fn open_cases_of(&self, participant: ParticipantNumber) -> Result<Vec<Case>, ViewError>;
    /// The open case that asks for the admission of this code.
    fn open_admission_of(&self, code: InstitutionCode) -> Result<Option<CaseId>, ViewError>;

    /// A version of the rules.
    fn rules(&self, version: RuleVersion) -> Result<Option<PublishedRules>, ViewError>;
    /// The version that holds.
    fn latest_rules(&self) -> Result<Option<RuleVersion>, ViewError>;

    /// How far the daily re-check is.
    fn recheck_state(&self) -> Result<RecheckState, ViewError>;
    /// Every participant of a slot that is not closed, with what the re-check
    /// wants to know of it.
    fn recheck_subjects(&self, slot: u16) -> Result<Vec<RecheckSubject>, ViewError>;
}

/// Where [`crate::apply`] writes. Each `put` inserts or replaces by key.
///
/// # Errors
/// Every method: when the store behind it cannot write.
#[allow(
    clippy::missing_errors_doc,
    reason = "one sentence on the trait says it for all"
)]
pub trait Tables: View {
    /// The address plan.
    fn put_network(&mut self, network: NetworkPrefix) -> Result<(), ViewError>;
    /// By name.
    fn put_gateway(&mut self, gateway: &Gateway) -> Result<(), ViewError>;
    /// By number.
    fn put_participant(&mut self, participant: &Participant) -> Result<(), ViewError>;
    /// By participant and index.
    fn put_site(&mut self, site: &Site) -> Result<(), ViewError>;
    /// By number.
    fn put_line(&mut self, line: &Line) -> Result<(), ViewError>;
    /// By number; the number stays used.
    fn remove_line(&mut self, line: LineId) -> Result<(), ViewError>;
    /// By number; the endpoints of an open service are kept findable.
    fn put_service(&mut self, service: &Service) -> Result<(), ViewError>;
    /// By number.
    fn put_agreement(&mut self, agreement: &Agreement) -> Result<(), ViewError>;
    /// By hash.
    fn put_enrolment_code(&mut self, code: &EnrolmentCode) -> Result<(), ViewError>;
    /// By participant and device.
    fn put_device(&mut self, device: &Device) -> Result<(), ViewError>;
    /// By fingerprint.
    fn put_gateway_certificate(
        &mut self,
        certificate: &GatewayCertificate,
    ) -> Result<(), ViewError>;
    /// By code.
    fn put_applicant(&mut self, applicant: &Applicant) -> Result<(), ViewError>;
    /// By name.
    fn put_account(&mut self, account: &Account) -> Result<(), ViewError>;
    /// By number.
    fn put_case(&mut self, case: &Case) -> Result<(), ViewError>;
    /// By version.
    fn put_rules(&mut self, rules: &PublishedRules) -> Result<(), ViewError>;
    /// The one.
    fn put_recheck_state(&mut self, state: &RecheckState) -> Result<(), ViewError>;
}
