//! What decisions look at.

use super::rows;
use super::session::{Session, hide, integer};
use crate::error::StoreError;
use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Endpoint, Fingerprint, GatewayId, InstitutionCode, LineId,
    NetworkPrefix, ParticipantNumber, ServiceId, SiteIndex, UnixMillis,
};
use iryonet_registry::{
    Agreement, Applicant, CodeHash, Device, EnrolmentCode, Gateway, GatewayCertificate, Line,
    Participant, Serial, Service, Site, Subject, View, ViewError,
};
use rusqlite::params;
use std::net::Ipv6Addr;

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl View for Session<'_> {
    fn network(&self) -> Result<Option<NetworkPrefix>, ViewError> {
        self.one("SELECT value FROM meta WHERE key = 'network'", [], |row| {
            rows::word(row, 0)
        })
        .map_err(hide)
    }

    fn gateway(&self, gateway: &GatewayId) -> Result<Option<Gateway>, ViewError> {
        self.one(
            &format!("SELECT {} FROM gateway WHERE gateway = ?1", rows::GATEWAY),
            [gateway.as_str()],
            rows::gateway,
        )
        .map_err(hide)
    }

    fn gateway_of_block(&self, block: u8) -> Result<Option<GatewayId>, ViewError> {
        self.one(
            "SELECT gateway FROM block WHERE block = ?1",
            [block],
            |row| rows::word(row, 0),
        )
        .map_err(hide)
    }

    fn gateway_of_backbone(&self, backbone: Ipv6Addr) -> Result<Option<GatewayId>, ViewError> {
        self.one(
            "SELECT gateway FROM gateway WHERE backbone = ?1",
            [backbone.to_string()],
            |row| rows::word(row, 0),
        )
        .map_err(hide)
    }

    fn gateway_count(&self) -> Result<u64, ViewError> {
        let count = self
            .one("SELECT count(*) FROM gateway", [], |row| {
                row.get::<_, u32>(0)
            })
            .map_err(hide)?;
        Ok(u64::from(count.unwrap_or(0)))
    }

    fn participant(&self, number: ParticipantNumber) -> Result<Option<Participant>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM participant WHERE number = ?1",
                rows::PARTICIPANT
            ),
            [number.get()],
            rows::participant,
        )
        .map_err(hide)
    }

    fn holder_of_code(
        &self,
        code: InstitutionCode,
    ) -> Result<Option<ParticipantNumber>, ViewError> {
        self.one(
            "SELECT number FROM participant WHERE code = ?1 AND standing <> 'closed'",
            [code.to_string()],
            |row| rows::number(row, 0),
        )
        .map_err(hide)
    }

    fn last_number(&self, block: u8) -> Result<Option<ParticipantNumber>, ViewError> {
        let first = u32::from(block) << 16;
        self.one(
            "SELECT number FROM participant WHERE number BETWEEN ?1 AND ?2 ORDER BY number DESC LIMIT 1",
            [first, first | 0xffff],
            |row| rows::number(row, 0),
        )
        .map_err(hide)
    }

    fn site(
        &self,
        participant: ParticipantNumber,
        site: SiteIndex,
    ) -> Result<Option<Site>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM site WHERE participant = ?1 AND site = ?2",
                rows::SITE
            ),
            params![participant.get(), site],
            rows::site,
        )
        .map_err(hide)
    }

    fn sites_of(&self, participant: ParticipantNumber) -> Result<Vec<Site>, ViewError> {
        self.all(
            &format!(
                "SELECT {} FROM site WHERE participant = ?1 ORDER BY site",
                rows::SITE
            ),
            [participant.get()],
            rows::site,
        )
        .map_err(hide)
    }

    fn line(&self, line: LineId) -> Result<Option<Line>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM line WHERE line = ?1 AND removed = 0",
                rows::LINE
            ),
            [line.0],
            rows::line,
        )
        .map_err(hide)
    }

    fn line_at(&self, circuit: &Circuit) -> Result<Option<LineId>, ViewError> {
        self.one(
            "SELECT line FROM line WHERE gateway = ?1 AND interface = ?2 AND removed = 0",
            [circuit.gateway.as_str(), circuit.interface.as_str()],
            |row| rows::line_id(row, 0),
        )
        .map_err(hide)
    }

    fn lines_of(&self, participant: ParticipantNumber) -> Result<Vec<Line>, ViewError> {
        self.all(
            &format!(
                "SELECT {} FROM line WHERE participant = ?1 AND removed = 0 ORDER BY line",
                rows::LINE
            ),
            [participant.get()],
            rows::line,
        )
        .map_err(hide)
    }

    fn last_line(&self) -> Result<Option<LineId>, ViewError> {
        self.one(
            "SELECT line FROM line ORDER BY line DESC LIMIT 1",
            [],
            |row| rows::line_id(row, 0),
        )
        .map_err(hide)
    }

    fn service(&self, service: ServiceId) -> Result<Option<Service>, ViewError> {
        self.one(
            &format!("SELECT {} FROM service WHERE service = ?1", rows::SERVICE),
            [service.get()],
            rows::service,
        )
        .map_err(hide)
    }

    fn services_of(&self, provider: ParticipantNumber) -> Result<Vec<Service>, ViewError> {
        self.all(
            &format!(
                "SELECT {} FROM service WHERE provider = ?1 AND retired = 0 ORDER BY service",
                rows::SERVICE
            ),
            [provider.get()],
            rows::service,
        )
        .map_err(hide)
    }

    fn service_at(&self, endpoint: &Endpoint) -> Result<Option<ServiceId>, ViewError> {
        self.one(
            "SELECT service FROM endpoint WHERE address = ?1 AND protocol = ?2 AND port = ?3",
            params![
                endpoint.address.to_string(),
                endpoint.protocol.number(),
                endpoint.port
            ],
            |row| rows::service_id(row, 0),
        )
        .map_err(hide)
    }

    fn last_service(&self) -> Result<Option<ServiceId>, ViewError> {
        self.one(
            "SELECT service FROM service ORDER BY service DESC LIMIT 1",
            [],
            |row| rows::service_id(row, 0),
        )
        .map_err(hide)
    }

    fn agreement(&self, agreement: AgreementId) -> Result<Option<Agreement>, ViewError> {
        let find = || -> Result<Option<Agreement>, StoreError> {
            let Ok(number) = integer(agreement.0) else {
                return Ok(None);
            };
            self.one(
                &format!(
                    "SELECT {} FROM agreement WHERE agreement = ?1",
                    rows::AGREEMENT
                ),
                [number],
                rows::agreement,
            )
        };
        find().map_err(hide)
    }

    fn open_agreement(
        &self,
        participant: ParticipantNumber,
        service: ServiceId,
    ) -> Result<Option<Agreement>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM agreement WHERE participant = ?1 AND service = ?2 AND state <> 'ended'",
                rows::AGREEMENT
            ),
            [participant.get(), service.get()],
            rows::agreement,
        )
        .map_err(hide)
    }

    fn open_agreements_of(
        &self,
        participant: ParticipantNumber,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError> {
        self.all(
            &format!(
                "SELECT {} FROM agreement WHERE participant = ?1 AND state <> 'ended' ORDER BY agreement LIMIT ?2",
                rows::AGREEMENT
            ),
            params![participant.get(), limit_of(limit)],
            rows::agreement,
        )
        .map_err(hide)
    }

    fn open_agreements_about(
        &self,
        service: ServiceId,
        limit: usize,
    ) -> Result<Vec<Agreement>, ViewError> {
        self.all(
            &format!(
                "SELECT {} FROM agreement WHERE service = ?1 AND state <> 'ended' ORDER BY agreement LIMIT ?2",
                rows::AGREEMENT
            ),
            params![service.get(), limit_of(limit)],
            rows::agreement,
        )
        .map_err(hide)
    }

    fn last_agreement(&self) -> Result<Option<AgreementId>, ViewError> {
        self.one(
            "SELECT agreement FROM agreement ORDER BY agreement DESC LIMIT 1",
            [],
            |row| rows::agreement_id(row, 0),
        )
        .map_err(hide)
    }

    fn enrolment_code(&self, hash: &CodeHash) -> Result<Option<EnrolmentCode>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM enrolment_code WHERE code_hash = ?1",
                rows::CODE
            ),
            [hash.as_str()],
            rows::code,
        )
        .map_err(hide)
    }

    fn waiting_codes(&self, subject: &Subject, now: UnixMillis) -> Result<usize, ViewError> {
        let count = || -> Result<Option<u32>, StoreError> {
            self.one(
                "SELECT count(*) FROM enrolment_code
                 WHERE subject = ?1 AND spent_at IS NULL AND expires_at > ?2",
                params![subject.to_string(), integer(now.0)?],
                |row| row.get(0),
            )
        };
        Ok(count().map_err(hide)?.unwrap_or(0) as usize)
    }

    fn device(
        &self,
        participant: ParticipantNumber,
        device: DeviceId,
    ) -> Result<Option<Device>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM device WHERE participant = ?1 AND device = ?2",
                rows::DEVICE
            ),
            [participant.get(), device.0],
            rows::device,
        )
        .map_err(hide)
    }

    fn valid_devices(
        &self,
        participant: ParticipantNumber,
        now: UnixMillis,
    ) -> Result<Vec<Device>, ViewError> {
        let list = || {
            self.all(
                &format!(
                    "SELECT {} FROM device
                     WHERE participant = ?1 AND revoked_at IS NULL AND not_after > ?2 ORDER BY device",
                    rows::DEVICE
                ),
                params![participant.get(), integer(now.0)?],
                rows::device,
            )
        };
        list().map_err(hide)
    }

    fn last_device(&self, participant: ParticipantNumber) -> Result<Option<DeviceId>, ViewError> {
        self.one(
            "SELECT device FROM device WHERE participant = ?1 ORDER BY device DESC LIMIT 1",
            [participant.get()],
            |row| rows::device_id(row, 0),
        )
        .map_err(hide)
    }

    fn device_by_fingerprint(&self, fingerprint: Fingerprint) -> Result<Option<Device>, ViewError> {
        self.one(
            &format!("SELECT {} FROM device WHERE fingerprint = ?1", rows::DEVICE),
            [fingerprint.0],
            rows::device,
        )
        .map_err(hide)
    }

    fn gateway_certificate(
        &self,
        fingerprint: Fingerprint,
    ) -> Result<Option<GatewayCertificate>, ViewError> {
        self.one(
            &format!(
                "SELECT {} FROM gateway_certificate WHERE fingerprint = ?1",
                rows::GATEWAY_CERTIFICATE
            ),
            [fingerprint.0],
            rows::gateway_certificate,
        )
        .map_err(hide)
    }

    fn valid_gateway_certificates(
        &self,
        gateway: &GatewayId,
        now: UnixMillis,
    ) -> Result<Vec<GatewayCertificate>, ViewError> {
        let list = || {
            self.all(
                &format!(
                    "SELECT {} FROM gateway_certificate
                     WHERE gateway = ?1 AND revoked_at IS NULL AND not_after > ?2 ORDER BY fingerprint",
                    rows::GATEWAY_CERTIFICATE
                ),
                params![gateway.as_str(), integer(now.0)?],
                rows::gateway_certificate,
            )
        };
        list().map_err(hide)
    }

    fn serial_is_used(&self, serial: &Serial) -> Result<bool, ViewError> {
        let found = self
            .one(
                "SELECT EXISTS (SELECT 1 FROM device WHERE serial = ?1)
                     OR EXISTS (SELECT 1 FROM gateway_certificate WHERE serial = ?1)",
                [serial.as_str()],
                |row| row.get(0),
            )
            .map_err(hide)?;
        Ok(found.unwrap_or(false))
    }

    fn applicant(&self, code: InstitutionCode) -> Result<Option<Applicant>, ViewError> {
        self.one(
            &format!("SELECT {} FROM applicant WHERE code = ?1", rows::APPLICANT),
            [code.to_string()],
            rows::applicant,
        )
        .map_err(hide)
    }
}
