//! Where events are written.

use super::session::{Session, hide, integer, json};
use crate::error::StoreError;
use crate::query::search_key;
use iryonet_domain::{LineId, NetworkPrefix};
use iryonet_registry::{
    Agreement, Applicant, Device, EnrolmentCode, Gateway, GatewayCertificate, Line, Participant,
    Service, Site, Tables, ViewError,
};
use rusqlite::params;

impl Session<'_> {
    fn write_gateway(&self, gateway: &Gateway) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO gateway (gateway, backbone, blocks) VALUES (?1, ?2, ?3)
             ON CONFLICT (gateway) DO UPDATE SET backbone = excluded.backbone, blocks = excluded.blocks",
            params![
                gateway.gateway.as_str(),
                gateway.backbone.to_string(),
                json(&gateway.blocks)?
            ],
        )?;
        self.run(
            "DELETE FROM block WHERE gateway = ?1",
            [gateway.gateway.as_str()],
        )?;
        for block in &gateway.blocks {
            self.run(
                "INSERT INTO block (block, gateway) VALUES (?1, ?2)",
                params![block, gateway.gateway.as_str()],
            )?;
        }
        Ok(())
    }

    fn write_participant(&self, participant: &Participant) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO participant (number, kind, name, name_key, code, standing, admitted_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (number) DO UPDATE SET kind = excluded.kind, name = excluded.name,
               name_key = excluded.name_key, code = excluded.code, standing = excluded.standing,
               admitted_at = excluded.admitted_at",
            params![
                participant.number.get(),
                participant.kind.as_str(),
                participant.name,
                search_key(&participant.name),
                participant.code.map(|code| code.to_string()),
                participant.standing.as_str(),
                integer(participant.admitted_at.0)?,
            ],
        )?;
        Ok(())
    }

    fn write_service(&self, service: &Service) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO service (service, provider, name, class, purposes, endpoints, eligible, retired)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (service) DO UPDATE SET provider = excluded.provider, name = excluded.name,
               class = excluded.class, purposes = excluded.purposes, endpoints = excluded.endpoints,
               eligible = excluded.eligible, retired = excluded.retired",
            params![
                service.service.get(),
                service.provider.get(),
                service.name,
                service.class.as_str(),
                json(&service.purposes)?,
                json(&service.endpoints)?,
                json(&service.eligible)?,
                service.retired,
            ],
        )?;
        self.run(
            "DELETE FROM endpoint WHERE service = ?1",
            [service.service.get()],
        )?;
        if service.retired {
            return Ok(());
        }
        for endpoint in &service.endpoints {
            self.run(
                "INSERT INTO endpoint (address, protocol, port, service) VALUES (?1, ?2, ?3, ?4)",
                params![
                    endpoint.address.to_string(),
                    endpoint.protocol.number(),
                    endpoint.port,
                    service.service.get()
                ],
            )?;
        }
        Ok(())
    }

    fn write_agreement(&self, agreement: &Agreement) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO agreement (agreement, participant, service, purpose, valid_from, valid_until, proposed_by, state)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (agreement) DO UPDATE SET participant = excluded.participant,
               service = excluded.service, purpose = excluded.purpose, valid_from = excluded.valid_from,
               valid_until = excluded.valid_until, proposed_by = excluded.proposed_by, state = excluded.state",
            params![
                integer(agreement.agreement.0)?,
                agreement.participant.get(),
                agreement.service.get(),
                agreement.purpose.as_str(),
                integer(agreement.validity.from.0)?,
                integer(agreement.validity.until.0)?,
                agreement.proposed_by.get(),
                agreement.state.as_str(),
            ],
        )?;
        Ok(())
    }

    fn write_code(&self, code: &EnrolmentCode) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO enrolment_code (code_hash, subject, issued_at, expires_at, spent_at)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (code_hash) DO UPDATE SET subject = excluded.subject,
               issued_at = excluded.issued_at, expires_at = excluded.expires_at, spent_at = excluded.spent_at",
            params![
                code.code_hash.as_str(),
                code.subject.to_string(),
                integer(code.issued_at.0)?,
                integer(code.expires_at.0)?,
                code.spent_at.map(|at| integer(at.0)).transpose()?,
            ],
        )?;
        Ok(())
    }

    fn write_device(&self, device: &Device) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO device (participant, device, fingerprint, serial, not_before, not_after, revoked_at, revoked_reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (participant, device) DO UPDATE SET fingerprint = excluded.fingerprint,
               serial = excluded.serial, not_before = excluded.not_before, not_after = excluded.not_after,
               revoked_at = excluded.revoked_at, revoked_reason = excluded.revoked_reason",
            params![
                device.participant.get(),
                device.device.0,
                device.fingerprint.0,
                device.serial.as_str(),
                integer(device.not_before.0)?,
                integer(device.not_after.0)?,
                device.revoked.map(|revoked| integer(revoked.at.0)).transpose()?,
                device.revoked.map(|revoked| revoked.reason.as_str()),
            ],
        )?;
        Ok(())
    }

    fn write_gateway_certificate(&self, it: &GatewayCertificate) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO gateway_certificate (fingerprint, gateway, serial, not_before, not_after, revoked_at, revoked_reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (fingerprint) DO UPDATE SET gateway = excluded.gateway, serial = excluded.serial,
               not_before = excluded.not_before, not_after = excluded.not_after,
               revoked_at = excluded.revoked_at, revoked_reason = excluded.revoked_reason",
            params![
                it.fingerprint.0,
                it.gateway.as_str(),
                it.serial.as_str(),
                integer(it.not_before.0)?,
                integer(it.not_after.0)?,
                it.revoked.map(|revoked| integer(revoked.at.0)).transpose()?,
                it.revoked.map(|revoked| revoked.reason.as_str()),
            ],
        )?;
        Ok(())
    }
}

impl Tables for Session<'_> {
    fn put_network(&mut self, network: NetworkPrefix) -> Result<(), ViewError> {
        self.run(
            "INSERT INTO meta (key, value) VALUES ('network', ?1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            [network.to_string()],
        )
        .map(drop)
        .map_err(hide)
    }

    fn put_gateway(&mut self, gateway: &Gateway) -> Result<(), ViewError> {
        self.write_gateway(gateway).map_err(hide)
    }

    fn put_participant(&mut self, participant: &Participant) -> Result<(), ViewError> {
        self.write_participant(participant).map_err(hide)
    }

    fn put_site(&mut self, site: &Site) -> Result<(), ViewError> {
        self.run(
            "INSERT INTO site (participant, site, name) VALUES (?1, ?2, ?3)
             ON CONFLICT (participant, site) DO UPDATE SET name = excluded.name",
            params![site.participant.get(), site.site, site.name],
        )
        .map(drop)
        .map_err(hide)
    }

    fn put_line(&mut self, line: &Line) -> Result<(), ViewError> {
        self.run(
            "INSERT INTO line (line, kind, participant, site, gateway, interface, removed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)
             ON CONFLICT (line) DO UPDATE SET kind = excluded.kind, participant = excluded.participant,
               site = excluded.site, gateway = excluded.gateway, interface = excluded.interface, removed = 0",
            params![
                line.line.0,
                line.kind.as_str(),
                line.participant.get(),
                line.site,
                line.circuit.gateway.as_str(),
                line.circuit.interface,
            ],
        )
        .map(drop)
        .map_err(hide)
    }

    fn remove_line(&mut self, line: LineId) -> Result<(), ViewError> {
        self.run("UPDATE line SET removed = 1 WHERE line = ?1", [line.0])
            .map(drop)
            .map_err(hide)
    }

    fn put_service(&mut self, service: &Service) -> Result<(), ViewError> {
        self.write_service(service).map_err(hide)
    }

    fn put_agreement(&mut self, agreement: &Agreement) -> Result<(), ViewError> {
        self.write_agreement(agreement).map_err(hide)
    }

    fn put_enrolment_code(&mut self, code: &EnrolmentCode) -> Result<(), ViewError> {
        self.write_code(code).map_err(hide)
    }

    fn put_device(&mut self, device: &Device) -> Result<(), ViewError> {
        self.write_device(device).map_err(hide)
    }

    fn put_gateway_certificate(
        &mut self,
        certificate: &GatewayCertificate,
    ) -> Result<(), ViewError> {
        self.write_gateway_certificate(certificate).map_err(hide)
    }

    fn put_applicant(&mut self, applicant: &Applicant) -> Result<(), ViewError> {
        self.run(
            "INSERT INTO applicant (code, name, postal, address, list, name_key, address_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (code) DO UPDATE SET name = excluded.name, postal = excluded.postal,
               address = excluded.address, list = excluded.list,
               name_key = excluded.name_key, address_key = excluded.address_key",
            params![
                applicant.code.to_string(),
                applicant.name,
                applicant.postal,
                applicant.address,
                applicant.list.as_str(),
                search_key(&applicant.name),
                search_key(&applicant.address),
            ],
        )
        .map(drop)
        .map_err(hide)
    }
}
