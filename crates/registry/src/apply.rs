//! Events into tables: the one place that knows what an event makes of the
//! state, for every store alike.

use crate::Event;
use crate::account::{Account, AccountStanding};
use crate::agreement::{Agreement, AgreementState};
use crate::applicant::{Applicant, Attribute, ListId};
use crate::certificate::{GatewayCertificate, Revocation};
use crate::device::Device;
use crate::enrolment::EnrolmentCode;
use crate::gateway::Gateway;
use crate::line::Line;
use crate::participant::{Participant, Standing};
use crate::service::Service;
use crate::site::Site;
use crate::view::{Tables, ViewError};
use iryonet_domain::{AccountName, ParticipantNumber, UnixMillis};

/// The events do not fit the tables: the history and its projection have
/// drifted apart, and nothing may be written on top of that.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Something that an event speaks of is not there.
    #[error(
        "{what} {key} is in the history but not in the tables; rebuild the tables from the ledger before going on"
    )]
    Missing {
        /// Which table.
        what: &'static str,
        /// Which key.
        key: String,
    },
    /// The store could not answer or write.
    #[error(transparent)]
    View(#[from] ViewError),
}

fn missing(what: &'static str, key: &dyn std::fmt::Display) -> ApplyError {
    ApplyError::Missing {
        what,
        key: key.to_string(),
    }
}

/// Writes what the event, recorded at `at`, makes of the state.
///
/// # Errors
/// When the store cannot write, or when the tables do not know what the event
/// speaks of.
pub fn apply(tables: &mut dyn Tables, event: &Event, at: UnixMillis) -> Result<(), ApplyError> {
    match event {
        Event::NetworkFounded { network } => tables.put_network(*network)?,
        Event::GatewayRegistered {
            gateway,
            backbone,
            blocks,
        } => tables.put_gateway(&Gateway {
            gateway: gateway.clone(),
            backbone: *backbone,
            blocks: blocks.clone(),
        })?,
        Event::ParticipantAdmitted {
            number,
            kind,
            name,
            code,
        } => tables.put_participant(&Participant {
            number: *number,
            kind: *kind,
            name: name.clone(),
            code: *code,
            standing: Standing::Open,
            admitted_at: at,
        })?,
        Event::SiteAdded {
            participant,
            site,
            name,
        } => tables.put_site(&Site {
            participant: *participant,
            site: *site,
            name: name.clone(),
        })?,
        Event::LineAdded {
            line,
            kind,
            participant,
            site,
            circuit,
        } => tables.put_line(&Line {
            line: *line,
            kind: *kind,
            participant: *participant,
            site: *site,
            circuit: circuit.clone(),
        })?,
        Event::LineRemoved { line, .. } => tables.remove_line(*line)?,
        Event::EnrolmentCodeIssued {
            subject,
            code_hash,
            expires_at,
        } => tables.put_enrolment_code(&EnrolmentCode {
            code_hash: code_hash.clone(),
            subject: subject.clone(),
            issued_at: at,
            expires_at: *expires_at,
            spent_at: None,
        })?,
        Event::EnrolmentCodeSpent { code_hash, .. } => {
            let mut code = tables
                .enrolment_code(code_hash)?
                .ok_or_else(|| missing("enrolment code", &code_hash.as_str()))?;
            code.spent_at = Some(at);
            tables.put_enrolment_code(&code)?;
        }
        Event::DeviceEnrolled {
            participant,
            device,
            fingerprint,
            serial,
            not_before,
            not_after,
        } => tables.put_device(&Device {
            participant: *participant,
            device: *device,
            fingerprint: *fingerprint,
            serial: serial.clone(),
            not_before: *not_before,
            not_after: *not_after,
            revoked: None,
        })?,
        Event::DeviceRevoked {
            participant,
            device,
            reason,
            ..
        } => {
            let mut found = tables
                .device(*participant, *device)?
                .ok_or_else(|| missing("device", device))?;
            found.revoked = Some(Revocation {
                at,
                reason: *reason,
            });
            tables.put_device(&found)?;
        }
        Event::GatewayCertified {
            gateway,
            fingerprint,
            serial,
            not_before,
            not_after,
        } => tables.put_gateway_certificate(&GatewayCertificate {
            gateway: gateway.clone(),
            fingerprint: *fingerprint,
            serial: serial.clone(),
            not_before: *not_before,
            not_after: *not_after,
            revoked: None,
        })?,
        Event::GatewayCertificateRevoked {
            fingerprint,
            reason,
            ..
        } => {
            let mut found = tables
                .gateway_certificate(*fingerprint)?
                .ok_or_else(|| missing("gateway certificate", fingerprint))?;
            found.revoked = Some(Revocation {
                at,
                reason: *reason,
            });
            tables.put_gateway_certificate(&found)?;
        }
        Event::ParticipantQuarantined { participant, .. } => {
            stand(tables, *participant, Standing::Quarantined)?;
        }
        Event::ParticipantReleased { participant } => stand(tables, *participant, Standing::Open)?,
        Event::ParticipantClosed { participant, .. } => {
            stand(tables, *participant, Standing::Closed)?;
        }
        Event::ServiceRegistered {
            service,
            provider,
            name,
            class,
            purposes,
            endpoints,
            eligible,
        } => tables.put_service(&Service {
            service: *service,
            provider: *provider,
            name: name.clone(),
            class: *class,
            purposes: purposes.clone(),
            endpoints: endpoints.clone(),
            eligible: eligible.clone(),
            retired: false,
        })?,
        Event::ServiceEndpointsChanged {
            service, endpoints, ..
        } => {
            let mut found = tables
                .service(*service)?
                .ok_or_else(|| missing("service", service))?;
            found.endpoints.clone_from(endpoints);
            tables.put_service(&found)?;
        }
        Event::ServiceRetired { service, .. } => {
            let mut found = tables
                .service(*service)?
                .ok_or_else(|| missing("service", service))?;
            found.retired = true;
            tables.put_service(&found)?;
        }
        Event::AgreementProposed {
            agreement,
            participant,
            service,
            purpose,
            validity,
            by,
        } => tables.put_agreement(&Agreement {
            agreement: *agreement,
            participant: *participant,
            service: *service,
            purpose: *purpose,
            validity: *validity,
            proposed_by: *by,
            state: AgreementState::Proposed,
        })?,
        Event::AgreementAccepted { agreement, .. } => {
            let mut found = tables
                .agreement(*agreement)?
                .ok_or_else(|| missing("agreement", agreement))?;
            found.state = AgreementState::Accepted;
            tables.put_agreement(&found)?;
        }
        Event::AgreementEnded { agreement, .. } => {
            let mut found = tables
                .agreement(*agreement)?
                .ok_or_else(|| missing("agreement", agreement))?;
            found.state = AgreementState::Ended;
            tables.put_agreement(&found)?;
        }
        Event::ApplicantListed {
            code,
            name,
            postal,
            address,
            list,
        } => tables.put_applicant(&Applicant {
            code: *code,
            name: name.clone(),
            postal: postal.clone(),
            address: address.clone(),
            list: list.clone(),
        })?,
        Event::ApplicantChanged { code, changes, .. } => {
            let mut found = tables
                .applicant(*code)?
                .ok_or_else(|| missing("applicant", code))?;
            for change in changes {
                let after = change.after.clone();
                match change.attribute {
                    Attribute::Name => found.name = after,
                    Attribute::Postal => found.postal = after,
                    Attribute::Address => found.address = after,
                    Attribute::List => {
                        found.list = ListId::try_from(after)
                            .map_err(|source| ViewError(Box::new(source)))?;
                    }
                }
            }
            tables.put_applicant(&found)?;
        }
        // Told for the record; the rows, and the new certificate, stand in
        // events of their own.
        Event::ListImported { .. }
        | Event::DeviceRenewed { .. }
        | Event::GatewayCertificateRenewed { .. }
        | Event::LoginCodeHandedOut { .. }
        | Event::LoggedIn { .. }
        | Event::LoggedOut { .. } => {}
        Event::AccountCreated {
            account,
            person,
            roles,
            speaks_for,
        } => tables.put_account(&Account {
            account: account.clone(),
            person: person.clone(),
            roles: roles.clone(),
            speaks_for: *speaks_for,
            standing: AccountStanding::Active,
            locked_out_until: None,
            logins: Vec::new(),
            generation: 1,
            created_at: at,
        })?,
        Event::AccountRoleGranted { account, role } => change(tables, account, |found| {
            found.roles.push(*role);
            found.roles.sort();
        })?,
        Event::AccountRoleTaken { account, role } => change(tables, account, |found| {
            found.roles.retain(|held| held != role);
        })?,
        Event::AccountBound {
            account,
            speaks_for,
        } => change(tables, account, |found| {
            found.speaks_for = Some(*speaks_for)
        })?,
        Event::AccountLocked { account, .. } => change(tables, account, |found| {
            found.standing = AccountStanding::Locked;
        })?,
        Event::AccountUnlocked { account } => change(tables, account, |found| {
            found.standing = AccountStanding::Active;
            found.locked_out_until = None;
        })?,
        Event::AccountRetired { account, .. } => change(tables, account, |found| {
            found.standing = AccountStanding::Retired;
        })?,
        Event::AccountLinked { account, login } => change(tables, account, |found| {
            found.logins.push(login.clone());
            found.logins.sort();
        })?,
        Event::AccountUnlinked { account, login } => change(tables, account, |found| {
            found.logins.retain(|held| held != login);
        })?,
        Event::CredentialSet { account, .. } | Event::CredentialRemoved { account, .. } => {
            change(tables, account, |_| {})?;
        }
        Event::AccountLockedOut { account, until, .. } => {
            // Ends no session: it is about those who are still outside.
            let mut found = known(tables, account)?;
            found.locked_out_until = Some(*until);
            tables.put_account(&found)?;
        }
    }
    Ok(())
}

fn known(tables: &dyn Tables, account: &AccountName) -> Result<Account, ApplyError> {
    tables
        .account(account)?
        .ok_or_else(|| missing("account", account))
}

/// Changes an account; sessions of before are dead by it.
fn change(
    tables: &mut dyn Tables,
    account: &AccountName,
    change: impl FnOnce(&mut Account),
) -> Result<(), ApplyError> {
    let mut found = known(tables, account)?;
    change(&mut found);
    found.generation += 1;
    tables.put_account(&found)?;
    Ok(())
}

fn stand(
    tables: &mut dyn Tables,
    number: ParticipantNumber,
    standing: Standing,
) -> Result<(), ApplyError> {
    let mut found = tables
        .participant(number)?
        .ok_or_else(|| missing("participant", &number))?;
    found.standing = standing;
    tables.put_participant(&found)?;
    Ok(())
}
