//! Where events are written.

use super::records::{BlockOf, EndpointOf, LoginOf, RoleOf};
use super::session::{Session, hide, json};
use crate::error::StoreError;
use crate::sql::values;
use iryonet_domain::{LineId, NetworkPrefix};
use iryonet_registry::{
    Account, Agreement, Applicant, Case, Device, EnrolmentCode, Gateway, GatewayCertificate, Line,
    Participant, PublishedRules, RecheckState, Service, Site, Tables, ViewError,
};

impl Session<'_> {
    fn put_meta(&self, key: &str, value: &str) -> Result<(), StoreError> {
        self.run(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &values![key, value],
        )
        .map(drop)
    }

    fn write_gateway(&self, gateway: &Gateway) -> Result<(), StoreError> {
        self.put(gateway)?;
        self.run(
            "DELETE FROM block WHERE gateway = ?1",
            &values![gateway.gateway.as_str()],
        )?;
        let blocks: Vec<BlockOf> = gateway
            .blocks
            .iter()
            .map(|block| BlockOf {
                block: *block,
                gateway: gateway.gateway.clone(),
            })
            .collect();
        self.put_many(&blocks)
    }

    fn write_service(&self, service: &Service) -> Result<(), StoreError> {
        self.put(service)?;
        self.run(
            "DELETE FROM endpoint WHERE service = ?1",
            &values![service.service.get()],
        )?;
        if service.retired {
            return Ok(());
        }
        let endpoints: Vec<EndpointOf> = service
            .endpoints
            .iter()
            .map(|endpoint| EndpointOf::new(endpoint, service.service))
            .collect();
        self.put_many(&endpoints)
    }
}

impl Session<'_> {
    fn write_account(&self, account: &Account) -> Result<(), StoreError> {
        self.put(account)?;
        for table in ["account_role", "account_login"] {
            self.run(
                &format!("DELETE FROM {table} WHERE account = ?1"),
                &values![account.account.as_str()],
            )?;
        }
        self.put_many(&RoleOf::all(account))?;
        let logins: Vec<LoginOf> = account
            .logins
            .iter()
            .map(|login| LoginOf {
                login: login.clone(),
                account: account.account.clone(),
            })
            .collect();
        self.put_many(&logins)
    }
}

impl Tables for Session<'_> {
    fn put_network(&mut self, network: NetworkPrefix) -> Result<(), ViewError> {
        self.put_meta("network", &network.to_string()).map_err(hide)
    }

    fn put_gateway(&mut self, gateway: &Gateway) -> Result<(), ViewError> {
        self.write_gateway(gateway).map_err(hide)
    }

    fn put_participant(&mut self, participant: &Participant) -> Result<(), ViewError> {
        self.write_participant(participant).map_err(hide)
    }

    fn put_site(&mut self, site: &Site) -> Result<(), ViewError> {
        self.put(site).map_err(hide)
    }

    fn put_line(&mut self, line: &Line) -> Result<(), ViewError> {
        self.put(line).map_err(hide)
    }

    fn remove_line(&mut self, line: LineId) -> Result<(), ViewError> {
        self.run(
            "UPDATE line SET removed = 1 WHERE line = ?1",
            &values![line.0],
        )
        .map(drop)
        .map_err(hide)
    }

    fn put_service(&mut self, service: &Service) -> Result<(), ViewError> {
        self.write_service(service).map_err(hide)
    }

    fn put_agreement(&mut self, agreement: &Agreement) -> Result<(), ViewError> {
        self.put(agreement).map_err(hide)
    }

    fn put_enrolment_code(&mut self, code: &EnrolmentCode) -> Result<(), ViewError> {
        self.put(code).map_err(hide)
    }

    fn put_device(&mut self, device: &Device) -> Result<(), ViewError> {
        self.put(device).map_err(hide)
    }

    fn put_gateway_certificate(
        &mut self,
        certificate: &GatewayCertificate,
    ) -> Result<(), ViewError> {
        self.put(certificate).map_err(hide)
    }

    fn put_applicant(&mut self, applicant: &Applicant) -> Result<(), ViewError> {
        self.write_applicant(applicant).map_err(hide)
    }

    fn put_case(&mut self, case: &Case) -> Result<(), ViewError> {
        self.put(case).map_err(hide)
    }

    fn put_rules(&mut self, rules: &PublishedRules) -> Result<(), ViewError> {
        self.put(rules).map_err(hide)
    }

    fn put_recheck_state(&mut self, state: &RecheckState) -> Result<(), ViewError> {
        self.put_meta("recheck", &json(state).map_err(hide)?)
            .map_err(hide)
    }

    fn put_account(&mut self, account: &Account) -> Result<(), ViewError> {
        self.write_account(account).map_err(hide)
    }
}
