//! The registry's tables in memory: for tests, for replaying a ledger, and as
//! the plain statement of what every store must answer.

use crate::account::{Account, AccountStanding, Login, SpeaksFor};
use crate::agreement::{Agreement, AgreementState};
use crate::applicant::Applicant;
use crate::case::Case;
use crate::certificate::{GatewayCertificate, Serial};
use crate::device::Device;
use crate::enrolment::{CodeHash, EnrolmentCode, Subject};
use crate::gateway::Gateway;
use crate::line::Line;
use crate::participant::{Participant, Standing};
use crate::recheck::{self, RecheckState, RecheckSubject};
use crate::rules::PublishedRules;
use crate::service::Service;
use crate::site::Site;
use crate::view::{Tables, View, ViewError};
use iryonet_domain::{
    AccountName, AgreementId, CaseId, CaseKind, Circuit, DeviceId, DnsName, Endpoint, Fingerprint,
    GatewayId, InstitutionCode, LineId, NetworkPrefix, ParticipantNumber, Role, ServiceId,
    SiteIndex, UnixMillis,
};
use iryonet_rules::RuleVersion;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// All tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryTables {
    network: Option<NetworkPrefix>,
    gateways: BTreeMap<GatewayId, Gateway>,
    participants: BTreeMap<ParticipantNumber, Participant>,
    holders: BTreeMap<InstitutionCode, ParticipantNumber>,
    sites: BTreeMap<(ParticipantNumber, SiteIndex), Site>,
    lines: BTreeMap<LineId, Line>,
    last_line: Option<LineId>,
    services: BTreeMap<ServiceId, Service>,
    endpoints: BTreeMap<Endpoint, ServiceId>,
    agreements: BTreeMap<AgreementId, Agreement>,
    open_agreements: BTreeMap<(ParticipantNumber, ServiceId), AgreementId>,
    codes: BTreeMap<CodeHash, EnrolmentCode>,
    devices: BTreeMap<(ParticipantNumber, DeviceId), Device>,
    device_prints: BTreeMap<Fingerprint, (ParticipantNumber, DeviceId)>,
    gateway_certificates: BTreeMap<Fingerprint, GatewayCertificate>,
    serials: BTreeMap<Serial, Fingerprint>,
    applicants: BTreeMap<InstitutionCode, Applicant>,
    accounts: BTreeMap<AccountName, Account>,
    cases: BTreeMap<CaseId, Case>,
    rules: BTreeMap<RuleVersion, PublishedRules>,
    recheck: RecheckState,
}

impl MemoryTables {
    /// Every participant, ascending.
    pub fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.values()
    }

    /// Every site, ascending.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.values()
    }

    /// Every line, ascending.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    /// Every service, retired ones too, ascending.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// Every agreement, ended ones too, ascending.
    pub fn agreements(&self) -> impl Iterator<Item = &Agreement> {
        self.agreements.values()
    }

    /// Every device, ascending.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.devices.values()
    }

    /// Every gateway, ascending.
    pub fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        self.gateways.values()
    }

    /// Every gateway certificate, ascending by fingerprint.
    pub fn gateway_certificates(&self) -> impl Iterator<Item = &GatewayCertificate> {
        self.gateway_certificates.values()
    }

    /// Every applicant, ascending.
    pub fn applicants(&self) -> impl Iterator<Item = &Applicant> {
        self.applicants.values()
    }

    /// Every account, ascending by name.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    /// Every case, ascending.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values()
    }

    /// Every version of the rules, ascending.
    pub fn all_rules(&self) -> impl Iterator<Item = &PublishedRules> {
        self.rules.values()
    }

    /// Every enrolment code, ascending by hash.
    pub fn enrolment_codes(&self) -> impl Iterator<Item = &EnrolmentCode> {
        self.codes.values()
    }
}

impl View for MemoryTables {
    fn network(&self) -> Result<Option<NetworkPrefix>, ViewError> {
        Ok(self.network)
    }

    fn gateway(&self, gateway: &GatewayId) -> Result<Option<Gateway>, ViewError> {
        Ok(self.gateways.get(gateway).cloned())
    }

    fn gateway_of_block(&self, block: u8) -> Result<Option<GatewayId>, ViewError> {
        Ok(self
            .gateways
            .values()
            .find(|gateway| gateway.blocks.contains(&block))
            .map(|gateway| gateway.gateway.clone()))
    }

    fn gateway_of_backbone(&self, backbone: Ipv6Addr) -> Result<Option<GatewayId>, ViewError> {
        Ok(self
            .gateways
            .values()
            .find(|gateway| gateway.backbone == backbone)
            .map(|gateway| gateway.gateway.clone()))
    }

    fn gateway_count(&self) -> Result<u64, ViewError> {
        Ok(self.gateways.len() as u64)
    }

    fn participant(&self, number: ParticipantNumber) -> Result<Option<Participant>, ViewError> {
        Ok(self.participants.get(&number).cloned())
    }

    fn holder_of_code(
        &self,
        code: InstitutionCode,
    ) -> Result<Option<ParticipantNumber>, ViewError> {
        Ok(self.holders.get(&code).copied())
    }

    fn last_number(&self, block: u8) -> Result<Option<ParticipantNumber>, ViewError> {
        Ok(self
            .participants
            .keys()
            .rev()
            .find(|number| number.block() == block)
            .copied())
    }

    fn site(
        &self,
        participant: ParticipantNumber,
        site: SiteIndex,
    ) -> Result<Option<Site>, ViewError> {
        Ok(self.sites.get(&(participant, site)).cloned())
    }

    fn sites_of(&self, participant: ParticipantNumber) -> Result<Vec<Site>, ViewError> {
        Ok(self
            .sites
            .range((participant, 0)..=(participant, SiteIndex::MAX))
            .map(|(_, site)| site.clone())
            .collect())
    }

    fn line(&self, line: LineId) -> Result<Option<Line>, ViewError> {
        Ok(self.lines.get(&line).cloned())
    }

    fn line_at(&self, circuit: &Circuit) -> Result<Option<LineId>, ViewError> {
        Ok(self
            .lines
            .values()
            .find(|line| line.circuit == *circuit)
            .map(|line| line.line))
    }

    fn lines_of(&self, participant: ParticipantNumber) -> Result<Vec<Line>, ViewError> {
        Ok(self
            .lines
            .values()
            .filter(|line| line.participant == participant)
            .cloned()
            .collect())
    }

    fn last_line(&self) -> Result<Option<LineId>, ViewError> {
        Ok(self.last_line)
    }

    fn service(&self, service: ServiceId) -> Result<Option<Service>, ViewError> {
        Ok(self.services.get(&service).cloned())
    }

    fn services_of(&self, provider: ParticipantNumber) -> Result<Vec<Service>, ViewError> {
        Ok(self
            .services
            .values()
            .filter(|service| service.provider == provider && !service.retired)
            .cloned()
            .collect())
    }

    fn service_at(&self, endpoint: &Endpoint) -> Result<Option<ServiceId>, ViewError> {
        Ok(self.endpoints.get(endpoint).copied())
    }

    fn last_service(&self) -> Result<Option<ServiceId>, ViewError> {
        Ok(self.services.keys().next_back().copied())
    }

    fn agreement(&self, agreement: AgreementId) -> Result<Option<Agreement>, ViewError> {
        Ok(self.agreements.get(&agreement).cloned())
    }

    fn open_agreement(
        &self,
        participant: ParticipantNumber,
        service: ServiceId,
    ) -> Result<Option<Agreement>, ViewError> {
        Ok(self
            .open_agreements
            .get(&(participant, service))
            .and_then(|agreement| self.agreements.get(agreement))
            .cloned())
    }

    fn open_agreements_of(
        &self,
        participant: ParticipantNumber,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError> {
        Ok(self.open_where(limit, |key| key.0 == participant))
    }

    fn open_agreements_about(
        &self,
        service: ServiceId,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError> {
        Ok(self.open_where(limit, |key| key.1 == service))
    }

    fn last_agreement(&self) -> Result<Option<AgreementId>, ViewError> {
        Ok(self.agreements.keys().next_back().copied())
    }

    fn enrolment_code(&self, hash: &CodeHash) -> Result<Option<EnrolmentCode>, ViewError> {
        Ok(self.codes.get(hash).cloned())
    }

    fn waiting_codes(&self, subject: &Subject, now: UnixMillis) -> Result<usize, ViewError> {
        Ok(self
            .codes
            .values()
            .filter(|code| {
                code.subject == *subject && code.spent_at.is_none() && now < code.expires_at
            })
            .count())
    }

    fn device(
        &self,
        participant: ParticipantNumber,
        device: DeviceId,
    ) -> Result<Option<Device>, ViewError> {
        Ok(self.devices.get(&(participant, device)).cloned())
    }

    fn valid_devices(
        &self,
        participant: ParticipantNumber,
        now: UnixMillis,
    ) -> Result<Vec<Device>, ViewError> {
        Ok(self
            .devices
            .range((participant, DeviceId(0))..=(participant, DeviceId(u32::MAX)))
            .map(|(_, device)| device)
            .filter(|device| device.revoked.is_none() && now < device.not_after)
            .cloned()
            .collect())
    }

    fn last_device(&self, participant: ParticipantNumber) -> Result<Option<DeviceId>, ViewError> {
        Ok(self
            .devices
            .range((participant, DeviceId(0))..=(participant, DeviceId(u32::MAX)))
            .next_back()
            .map(|((_, device), _)| *device))
    }

    fn device_by_fingerprint(&self, fingerprint: Fingerprint) -> Result<Option<Device>, ViewError> {
        Ok(self
            .device_prints
            .get(&fingerprint)
            .and_then(|key| self.devices.get(key))
            .cloned())
    }

    fn gateway_certificate(
        &self,
        fingerprint: Fingerprint,
    ) -> Result<Option<GatewayCertificate>, ViewError> {
        Ok(self.gateway_certificates.get(&fingerprint).cloned())
    }

    fn valid_gateway_certificates(
        &self,
        gateway: &GatewayId,
        now: UnixMillis,
    ) -> Result<Vec<GatewayCertificate>, ViewError> {
        Ok(self
            .gateway_certificates
            .values()
            .filter(|certificate| {
                certificate.gateway == *gateway
                    && certificate.revoked.is_none()
                    && now < certificate.not_after
            })
            .cloned()
            .collect())
    }

    fn serial_is_used(&self, serial: &Serial) -> Result<bool, ViewError> {
        Ok(self.serials.contains_key(serial))
    }

    fn applicant(&self, code: InstitutionCode) -> Result<Option<Applicant>, ViewError> {
        Ok(self.applicants.get(&code).cloned())
    }

    fn account(&self, account: &AccountName) -> Result<Option<Account>, ViewError> {
        Ok(self.accounts.get(account).cloned())
    }

    fn account_of_login(&self, login: &Login) -> Result<Option<AccountName>, ViewError> {
        Ok(self
            .accounts
            .values()
            .find(|account| account.logins.contains(login))
            .map(|account| account.account.clone()))
    }

    fn accounts_of(&self, whom: SpeaksFor) -> Result<Vec<Account>, ViewError> {
        Ok(self
            .accounts
            .values()
            .filter(|account| {
                account.speaks_for == Some(whom) && account.standing != AccountStanding::Retired
            })
            .cloned()
            .collect())
    }

    fn active_accounts(&self, role: Role) -> Result<u64, ViewError> {
        Ok(self
            .accounts
            .values()
            .filter(|account| account.may_act_as(role))
            .count() as u64)
    }

    fn service_by_dns(&self, name: &DnsName) -> Result<Option<ServiceId>, ViewError> {
        Ok(self
            .services
            .values()
            .find(|service| !service.retired && service.offer.dns.as_ref() == Some(name))
            .map(|service| service.service))
    }

    fn case(&self, case: CaseId) -> Result<Option<Case>, ViewError> {
        Ok(self.cases.get(&case).cloned())
    }

    fn last_case(&self) -> Result<Option<CaseId>, ViewError> {
        Ok(self.cases.keys().next_back().copied())
    }

    fn open_cases_of(&self, participant: ParticipantNumber) -> Result<Vec<Case>, ViewError> {
        Ok(self
            .cases
            .values()
            .filter(|case| case.participant == Some(participant) && case.state.is_open())
            .cloned()
            .collect())
    }

    fn open_admission_of(&self, code: InstitutionCode) -> Result<Option<CaseId>, ViewError> {
        Ok(self
            .cases
            .values()
            .find(|case| {
                case.kind() == CaseKind::Admission
                    && case.state.is_open()
                    && case.application.code() == Some(code)
            })
            .map(|case| case.case))
    }

    fn rules(&self, version: RuleVersion) -> Result<Option<PublishedRules>, ViewError> {
        Ok(self.rules.get(&version).cloned())
    }

    fn latest_rules(&self) -> Result<Option<RuleVersion>, ViewError> {
        Ok(self.rules.keys().next_back().copied())
    }

    fn recheck_state(&self) -> Result<RecheckState, ViewError> {
        Ok(self.recheck.clone())
    }

    fn recheck_subjects(&self, slot: u16) -> Result<Vec<RecheckSubject>, ViewError> {
        Ok(self
            .participants
            .values()
            .filter(|known| {
                known.standing != Standing::Closed && recheck::slot_of(known.number) == slot
            })
            .map(|known| RecheckSubject {
                vanished_at: known
                    .code
                    .and_then(|code| self.applicants.get(&code))
                    .and_then(|applicant| applicant.vanished_at),
                devices: self
                    .devices
                    .range((known.number, DeviceId(0))..=(known.number, DeviceId(u32::MAX)))
                    .map(|(_, device)| device)
                    .filter(|device| device.revoked.is_none() && device.ran_out_at.is_none())
                    .map(|device| (device.device, device.fingerprint, device.not_after))
                    .collect(),
                participant: known.clone(),
            })
            .collect())
    }
}

impl MemoryTables {
    /// Ascending by agreement, like the stores.
    fn open_where(
        &self,
        limit: usize,
        wanted: impl Fn(&(ParticipantNumber, ServiceId)) -> bool,
    ) -> Vec<Agreement> {
        let mut numbers: Vec<AgreementId> = self
            .open_agreements
            .iter()
            .filter(|(key, _)| wanted(key))
            .map(|(_, agreement)| *agreement)
            .collect();
        numbers.sort_unstable();
        numbers
            .iter()
            .take(limit)
            .filter_map(|number| self.agreements.get(number))
            .cloned()
            .collect()
    }
}

impl Tables for MemoryTables {
    fn put_network(&mut self, network: NetworkPrefix) -> Result<(), ViewError> {
        self.network = Some(network);
        Ok(())
    }

    fn put_gateway(&mut self, gateway: &Gateway) -> Result<(), ViewError> {
        self.gateways
            .insert(gateway.gateway.clone(), gateway.clone());
        Ok(())
    }

    fn put_participant(&mut self, participant: &Participant) -> Result<(), ViewError> {
        let before = self.participants.get(&participant.number);
        if let Some(old) = before.and_then(|before| before.code)
            && participant.code != Some(old)
            && self.holders.get(&old) == Some(&participant.number)
        {
            self.holders.remove(&old);
        }
        if let Some(code) = participant.code {
            if participant.standing == Standing::Closed {
                if self.holders.get(&code) == Some(&participant.number) {
                    self.holders.remove(&code);
                }
            } else {
                self.holders.insert(code, participant.number);
            }
        }
        self.participants
            .insert(participant.number, participant.clone());
        Ok(())
    }

    fn put_site(&mut self, site: &Site) -> Result<(), ViewError> {
        self.sites
            .insert((site.participant, site.site), site.clone());
        Ok(())
    }

    fn put_line(&mut self, line: &Line) -> Result<(), ViewError> {
        self.lines.insert(line.line, line.clone());
        self.last_line = self.last_line.max(Some(line.line));
        Ok(())
    }

    fn remove_line(&mut self, line: LineId) -> Result<(), ViewError> {
        self.lines.remove(&line);
        Ok(())
    }

    fn put_service(&mut self, service: &Service) -> Result<(), ViewError> {
        self.endpoints.retain(|_, owner| *owner != service.service);
        if !service.retired {
            for endpoint in &service.endpoints {
                self.endpoints.insert(*endpoint, service.service);
            }
        }
        self.services.insert(service.service, service.clone());
        Ok(())
    }

    fn put_agreement(&mut self, agreement: &Agreement) -> Result<(), ViewError> {
        let key = (agreement.participant, agreement.service);
        if agreement.state == AgreementState::Ended {
            if self.open_agreements.get(&key) == Some(&agreement.agreement) {
                self.open_agreements.remove(&key);
            }
        } else {
            self.open_agreements.insert(key, agreement.agreement);
        }
        self.agreements
            .insert(agreement.agreement, agreement.clone());
        Ok(())
    }

    fn put_enrolment_code(&mut self, code: &EnrolmentCode) -> Result<(), ViewError> {
        self.codes.insert(code.code_hash.clone(), code.clone());
        Ok(())
    }

    fn put_device(&mut self, device: &Device) -> Result<(), ViewError> {
        let key = (device.participant, device.device);
        self.device_prints.insert(device.fingerprint, key);
        self.serials
            .insert(device.serial.clone(), device.fingerprint);
        self.devices.insert(key, device.clone());
        Ok(())
    }

    fn put_gateway_certificate(
        &mut self,
        certificate: &GatewayCertificate,
    ) -> Result<(), ViewError> {
        self.serials
            .insert(certificate.serial.clone(), certificate.fingerprint);
        self.gateway_certificates
            .insert(certificate.fingerprint, certificate.clone());
        Ok(())
    }

    fn put_applicant(&mut self, applicant: &Applicant) -> Result<(), ViewError> {
        self.applicants.insert(applicant.code, applicant.clone());
        Ok(())
    }

    fn put_account(&mut self, account: &Account) -> Result<(), ViewError> {
        self.accounts
            .insert(account.account.clone(), account.clone());
        Ok(())
    }

    fn put_case(&mut self, case: &Case) -> Result<(), ViewError> {
        self.cases.insert(case.case, case.clone());
        Ok(())
    }

    fn put_rules(&mut self, rules: &PublishedRules) -> Result<(), ViewError> {
        self.rules.insert(rules.version, rules.clone());
        Ok(())
    }

    fn put_recheck_state(&mut self, state: &RecheckState) -> Result<(), ViewError> {
        self.recheck = state.clone();
        Ok(())
    }
}
