//! What decisions look at.

use super::records::{BlockOf, EndpointOf, made, whole};
use super::session::{Session, hide, limit_of};
use crate::error::StoreError;
use crate::sql::{self, integer, values};
use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId, InstitutionCode, LineId,
    NetworkPrefix, ParticipantNumber, ServiceId, SiteIndex, UnixMillis,
};
use iryonet_registry::{
    Agreement, Applicant, CodeHash, Device, EnrolmentCode, Gateway, GatewayCertificate, Line,
    Participant, Serial, Service, Site, Subject, View, ViewError,
};
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
}
