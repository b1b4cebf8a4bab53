//! What decisions look at.

use super::records::{BlockOf, EndpointOf, LoginOf, made, millis, octets, whole};
use super::session::{Session, hide, limit_of};
use crate::error::StoreError;
use crate::sql::{self, integer, values};
use iryonet_domain::{
    AccountName, AgreementId, CaseId, Circuit, DeviceId, DnsName, Endpoint, Fingerprint, GatewayId,
    InstitutionCode, LineId, NetworkPrefix, ParticipantNumber, Role, ServiceId, SiteIndex,
    UnixMillis,
};
use iryonet_registry::recheck::RecheckSubject;
use iryonet_registry::{
    Account, Agreement, Applicant, Case, CodeHash, Device, EnrolmentCode, Gateway,
    GatewayCertificate, Line, Login, Participant, PublishedRules, RecheckState, Serial, Service,
    Site, SpeaksFor, Subject, View, ViewError,
};
use iryonet_rules::RuleVersion;
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

impl View for Session<'_> {
    fn network(&self) -> Result<Option<NetworkPrefix>, ViewError> {
        self.one("SELECT value FROM meta WHERE key = 'network'", &[], |row| {
            super::records::word(row, 0)
        })
        .map_err(hide)
    }

    fn gateway(&self, gateway: &GatewayId) -> Result<Option<Gateway>, ViewError> {
        self.find("WHERE gateway = ?1", &values![gateway.as_str()])
            .map_err(hide)
    }

    fn gateway_of_block(&self, block: u8) -> Result<Option<GatewayId>, ViewError> {
        let found: Option<BlockOf> = self
            .find("WHERE block = ?1", &values![block])
            .map_err(hide)?;
        Ok(found.map(|found| found.gateway))
    }

    fn gateway_of_backbone(&self, backbone: Ipv6Addr) -> Result<Option<GatewayId>, ViewError> {
        let found: Option<Gateway> = self
            .find("WHERE backbone = ?1", &values![backbone.to_string()])
            .map_err(hide)?;
        Ok(found.map(|found| found.gateway))
    }

    fn gateway_count(&self) -> Result<u64, ViewError> {
        let count = self
            .one("SELECT count(*) FROM gateway", &[], |row| whole(row, 0))
            .map_err(hide)?;
        Ok(count.unwrap_or(0))
    }

    fn participant(&self, number: ParticipantNumber) -> Result<Option<Participant>, ViewError> {
        self.find("WHERE number = ?1", &values![number.get()])
            .map_err(hide)
    }

    fn holder_of_code(
        &self,
        code: InstitutionCode,
    ) -> Result<Option<ParticipantNumber>, ViewError> {
        if let Some(known) = self.known.borrow().holders.get(&code) {
            return Ok(*known);
        }
        self.one(
            "SELECT number FROM participant WHERE code = ?1 AND standing <> 'closed'",
            &values![code.to_string()],
            |row| made(row, 0, ParticipantNumber::new),
        )
        .map_err(hide)
    }

    fn last_number(&self, block: u8) -> Result<Option<ParticipantNumber>, ViewError> {
        let first = u32::from(block) << 16;
        self.one(
            "SELECT number FROM participant WHERE number BETWEEN ?1 AND ?2 ORDER BY number DESC LIMIT 1",
            &values![first, first | 0xffff],
            |row| made(row, 0, ParticipantNumber::new),
        )
        .map_err(hide)
    }

    fn site(
        &self,
        participant: ParticipantNumber,
        site: SiteIndex,
    ) -> Result<Option<Site>, ViewError> {
        self.find(
            "WHERE participant = ?1 AND site = ?2",
            &values![participant.get(), site],
        )
        .map_err(hide)
    }

    fn sites_of(&self, participant: ParticipantNumber) -> Result<Vec<Site>, ViewError> {
        self.list(
            "WHERE participant = ?1 ORDER BY site",
            &values![participant.get()],
        )
        .map_err(hide)
    }

    fn line(&self, line: LineId) -> Result<Option<Line>, ViewError> {
        self.find("WHERE line = ?1 AND removed = 0", &values![line.0])
            .map_err(hide)
    }

    fn line_at(&self, circuit: &Circuit) -> Result<Option<LineId>, ViewError> {
        let found: Option<Line> = self
            .find(
                "WHERE gateway = ?1 AND interface = ?2 AND removed = 0",
                &values![circuit.gateway.as_str(), &circuit.interface],
            )
            .map_err(hide)?;
        Ok(found.map(|found| found.line))
    }

    fn lines_of(&self, participant: ParticipantNumber) -> Result<Vec<Line>, ViewError> {
        self.list(
            "WHERE participant = ?1 AND removed = 0 ORDER BY line",
            &values![participant.get()],
        )
        .map_err(hide)
    }

    fn last_line(&self) -> Result<Option<LineId>, ViewError> {
        let last = self
            .one(
                "SELECT line FROM line ORDER BY line DESC LIMIT 1",
                &[],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(last.map(LineId))
    }

    fn service(&self, service: ServiceId) -> Result<Option<Service>, ViewError> {
        self.find("WHERE service = ?1", &values![service.get()])
            .map_err(hide)
    }

    fn services_of(&self, provider: ParticipantNumber) -> Result<Vec<Service>, ViewError> {
        self.list(
            "WHERE provider = ?1 AND retired = 0 ORDER BY service",
            &values![provider.get()],
        )
        .map_err(hide)
    }

    fn service_at(&self, endpoint: &Endpoint) -> Result<Option<ServiceId>, ViewError> {
        let found: Option<EndpointOf> = self
            .find(
                "WHERE address = ?1 AND protocol = ?2 AND port = ?3",
                &values![
                    endpoint.address.to_string(),
                    endpoint.protocol.number(),
                    endpoint.port
                ],
            )
            .map_err(hide)?;
        Ok(found.map(|found| found.service))
    }

    fn last_service(&self) -> Result<Option<ServiceId>, ViewError> {
        self.one(
            "SELECT service FROM service ORDER BY service DESC LIMIT 1",
            &[],
            |row| made(row, 0, ServiceId::new),
        )
        .map_err(hide)
    }

    fn agreement(&self, agreement: AgreementId) -> Result<Option<Agreement>, ViewError> {
        let Ok(number) = integer(agreement.0) else {
            return Ok(None);
        };
        self.find("WHERE agreement = ?1", &values![number])
            .map_err(hide)
    }

    fn open_agreement(
        &self,
        participant: ParticipantNumber,
        service: ServiceId,
    ) -> Result<Option<Agreement>, ViewError> {
        self.find(
            "WHERE participant = ?1 AND service = ?2 AND state <> 'ended'",
            &values![participant.get(), service.get()],
        )
        .map_err(hide)
    }

    fn open_agreements_of(
        &self,
        participant: ParticipantNumber,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError> {
        self.list(
            "WHERE participant = ?1 AND state <> 'ended' ORDER BY agreement LIMIT ?2",
            &values![participant.get(), limit_of(limit)],
        )
        .map_err(hide)
    }

    fn open_agreements_about(
        &self,
        service: ServiceId,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError> {
        self.list(
            "WHERE service = ?1 AND state <> 'ended' ORDER BY agreement LIMIT ?2",
            &values![service.get(), limit_of(limit)],
        )
        .map_err(hide)
    }

    fn last_agreement(&self) -> Result<Option<AgreementId>, ViewError> {
        let last = self
            .one(
                "SELECT agreement FROM agreement ORDER BY agreement DESC LIMIT 1",
                &[],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(last.map(AgreementId))
    }

    fn enrolment_code(&self, hash: &CodeHash) -> Result<Option<EnrolmentCode>, ViewError> {
        self.find("WHERE code_hash = ?1", &values![hash.as_str()])
            .map_err(hide)
    }

    fn waiting_codes(&self, subject: &Subject, now: UnixMillis) -> Result<usize, ViewError> {
        let count = || -> Result<Option<usize>, StoreError> {
            self.one(
                "SELECT count(*) FROM enrolment_code
                 WHERE subject = ?1 AND spent_at IS NULL AND expires_at > ?2",
                &values![subject.to_string(), sql::millis(now)?],
                |row| whole(row, 0),
            )
        };
        Ok(count().map_err(hide)?.unwrap_or(0))
    }

    fn device(
        &self,
        participant: ParticipantNumber,
        device: DeviceId,
    ) -> Result<Option<Device>, ViewError> {
        self.find(
            "WHERE participant = ?1 AND device = ?2",
            &values![participant.get(), device.0],
        )
        .map_err(hide)
    }

    fn valid_devices(
        &self,
        participant: ParticipantNumber,
        now: UnixMillis,
    ) -> Result<Vec<Device>, ViewError> {
        let list = || {
            self.list(
                "WHERE participant = ?1 AND revoked_at IS NULL AND not_after > ?2 ORDER BY device",
                &values![participant.get(), sql::millis(now)?],
            )
        };
        list().map_err(hide)
    }

    fn last_device(&self, participant: ParticipantNumber) -> Result<Option<DeviceId>, ViewError> {
        let last = self
            .one(
                "SELECT device FROM device WHERE participant = ?1 ORDER BY device DESC LIMIT 1",
                &values![participant.get()],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(last.map(DeviceId))
    }

    fn device_by_fingerprint(&self, fingerprint: Fingerprint) -> Result<Option<Device>, ViewError> {
        self.find("WHERE fingerprint = ?1", &values![&fingerprint.0])
            .map_err(hide)
    }

    fn gateway_certificate(
        &self,
        fingerprint: Fingerprint,
    ) -> Result<Option<GatewayCertificate>, ViewError> {
        self.find("WHERE fingerprint = ?1", &values![&fingerprint.0])
            .map_err(hide)
    }

    fn valid_gateway_certificates(
        &self,
        gateway: &GatewayId,
        now: UnixMillis,
    ) -> Result<Vec<GatewayCertificate>, ViewError> {
        let list = || {
            self.list(
                "WHERE gateway = ?1 AND revoked_at IS NULL AND not_after > ?2 ORDER BY fingerprint",
                &values![gateway.as_str(), sql::millis(now)?],
            )
        };
        list().map_err(hide)
    }

    fn serial_is_used(&self, serial: &Serial) -> Result<bool, ViewError> {
        let found = self
            .one(
                "SELECT serial FROM device WHERE serial = ?1
                 UNION ALL SELECT serial FROM gateway_certificate WHERE serial = ?1",
                &values![serial.as_str()],
                |_| Ok(()),
            )
            .map_err(hide)?;
        Ok(found.is_some())
    }

    fn applicant(&self, code: InstitutionCode) -> Result<Option<Applicant>, ViewError> {
        if let Some(known) = self.known.borrow().applicants.get(&code) {
            return Ok(known.clone());
        }
        self.find("WHERE code = ?1", &values![code.to_string()])
            .map_err(hide)
    }

    fn service_by_dns(&self, name: &DnsName) -> Result<Option<ServiceId>, ViewError> {
        self.one(
            "SELECT service FROM service WHERE dns = ?1 AND retired = 0",
            &values![name.as_str()],
            |row| made(row, 0, ServiceId::new),
        )
        .map_err(hide)
    }

    fn case(&self, case: CaseId) -> Result<Option<Case>, ViewError> {
        let Ok(number) = integer(case.0) else {
            return Ok(None);
        };
        self.find("WHERE number = ?1", &values![number])
            .map_err(hide)
    }

    fn last_case(&self) -> Result<Option<CaseId>, ViewError> {
        let last = self
            .one(
                "SELECT number FROM case_file ORDER BY number DESC LIMIT 1",
                &[],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(last.map(CaseId))
    }

    fn open_cases_of(&self, participant: ParticipantNumber) -> Result<Vec<Case>, ViewError> {
        self.list(
            "WHERE participant = ?1 AND is_open = 1 ORDER BY number",
            &values![participant.get()],
        )
        .map_err(hide)
    }

    fn open_admission_of(&self, code: InstitutionCode) -> Result<Option<CaseId>, ViewError> {
        let found = self
            .one(
                "SELECT number FROM case_file WHERE code = ?1 AND kind = 'admission' AND is_open = 1",
                &values![code.to_string()],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(found.map(CaseId))
    }

    fn rules(&self, version: RuleVersion) -> Result<Option<PublishedRules>, ViewError> {
        self.find("WHERE version = ?1", &values![version.0])
            .map_err(hide)
    }

    fn latest_rules(&self) -> Result<Option<RuleVersion>, ViewError> {
        let last = self
            .one(
                "SELECT version FROM rules ORDER BY version DESC LIMIT 1",
                &[],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(last.map(RuleVersion))
    }

    fn recheck_state(&self) -> Result<RecheckState, ViewError> {
        let found = self
            .one("SELECT value FROM meta WHERE key = 'recheck'", &[], |row| {
                super::records::plain_or_json(row, 0)
            })
            .map_err(hide)?;
        Ok(found.unwrap_or_default())
    }

    fn recheck_subjects(&self, slot: u16) -> Result<Vec<RecheckSubject>, ViewError> {
        self.subjects(slot).map_err(hide)
    }

    fn account(&self, account: &AccountName) -> Result<Option<Account>, ViewError> {
        self.find("WHERE account = ?1", &values![account.as_str()])
            .map_err(hide)
    }

    fn account_of_login(&self, login: &Login) -> Result<Option<AccountName>, ViewError> {
        let found: Option<LoginOf> = self
            .find(
                "WHERE issuer = ?1 AND subject = ?2",
                &values![&login.issuer, &login.subject],
            )
            .map_err(hide)?;
        Ok(found.map(|found| found.account))
    }

    fn accounts_of(&self, whom: SpeaksFor) -> Result<Vec<Account>, ViewError> {
        self.list(
            "WHERE speaks_for = ?1 AND standing <> 'retired' ORDER BY account",
            &values![whom.to_string()],
        )
        .map_err(hide)
    }

    fn active_accounts(&self, role: Role) -> Result<u64, ViewError> {
        let count = self
            .one(
                "SELECT count(*) FROM account_role WHERE role = ?1",
                &values![role.as_str()],
                |row| whole(row, 0),
            )
            .map_err(hide)?;
        Ok(count.unwrap_or(0))
    }
}

/// The participants of a slot: the expression is that of the index, and of
/// `recheck::slot_of`.
const OF_SLOT: &str =
    "((((number * 2654435769) & 4294967295) * 288) >> 32) = ?1 AND standing <> 'closed'";

impl Session<'_> {
    /// Three questions for a whole slot, not three for each participant.
    fn subjects(&self, slot: u16) -> Result<Vec<RecheckSubject>, StoreError> {
        let participants: Vec<Participant> =
            self.list(&format!("WHERE {OF_SLOT} ORDER BY number"), &values![slot])?;
        let vanished: BTreeMap<ParticipantNumber, UnixMillis> = self
            .all(
                &format!(
                    "SELECT number, vanished_at FROM participant JOIN applicant ON applicant.code = participant.code
                     WHERE {OF_SLOT} AND vanished_at IS NOT NULL"
                ),
                &values![slot],
                |row| Ok((made(row, 0, ParticipantNumber::new)?, millis(row, 1)?)),
            )?
            .into_iter()
            .collect();
        let mut devices: BTreeMap<ParticipantNumber, Vec<(DeviceId, Fingerprint, UnixMillis)>> =
            BTreeMap::new();
        self.each(
            &format!(
                "SELECT device.participant, device, fingerprint, not_after FROM participant JOIN device ON device.participant = number
                 WHERE {OF_SLOT} AND revoked_at IS NULL AND ran_out_at IS NULL ORDER BY device.participant, device"
            ),
            &values![slot],
            |row| {
                Ok((
                    made(row, 0, ParticipantNumber::new)?,
                    (
                        whole(row, 1).map(DeviceId)?,
                        octets(row, 2).map(Fingerprint)?,
                        millis(row, 3)?,
                    ),
                ))
            },
            &mut |(number, device)| {
                devices.entry(number).or_default().push(device);
                Ok(())
            },
        )?;
        Ok(participants
            .into_iter()
            .map(|participant| RecheckSubject {
                vanished_at: vanished.get(&participant.number).copied(),
                devices: devices.remove(&participant.number).unwrap_or_default(),
                participant,
            })
            .collect())
    }
}
