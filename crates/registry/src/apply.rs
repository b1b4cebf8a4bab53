//! Events into tables: the one place that knows what an event makes of the
//! state, for every store alike.

use crate::Event;
use crate::account::{Account, AccountStanding, SpeaksFor};
use crate::agreement::{Agreement, AgreementState};
use crate::applicant::{self, Applicant, Attribute, ListId};
use crate::certificate::{GatewayCertificate, Revocation};
use crate::device::Device;
use crate::enrolment::EnrolmentCode;
use crate::gateway::Gateway;
use crate::line::Line;
use crate::membership::{Membership, MembershipEvent};
use crate::offer::Offer;
use crate::participant::{Participant, Standing};
use crate::rules::PublishedRules;
use crate::service::Service;
use crate::site::Site;
use crate::view::{Tables, ViewError};
use iryonet_domain::{AccountName, AgreementId, ParticipantNumber, UnixMillis};

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

pub(crate) fn missing(what: &'static str, key: &dyn std::fmt::Display) -> ApplyError {
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
            area,
        } => tables.put_participant(&Participant {
            number: *number,
            kind: *kind,
            name: name.clone(),
            code: *code,
            standing: Standing::Open,
            admitted_at: at,
            membership: Membership {
                area: *area,
                ..Membership::default()
            },
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
            ran_out_at: None,
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
            with_participant(tables, *participant, |known| {
                known.membership.returns_to = known.standing;
                known.standing = Standing::Quarantined;
            })?;
        }
        Event::ParticipantReleased { participant } => {
            with_participant(tables, *participant, |known| {
                known.standing = std::mem::take(&mut known.membership.returns_to);
            })?;
        }
        Event::ParticipantClosed { participant, .. } => {
            with_participant(tables, *participant, |known| {
                known.standing = Standing::Closed;
            })?;
        }
        Event::Membership(event) => membership(tables, event, at)?,
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
            offer: Offer::default(),
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
            officer,
        } => tables.put_agreement(&Agreement {
            agreement: *agreement,
            participant: *participant,
            service: *service,
            purpose: *purpose,
            validity: *validity,
            proposed_by: *by,
            state: AgreementState::Proposed,
            proposing_officer: officer.clone(),
            accepting_officer: None,
            automatic: false,
            noticed_at: None,
        })?,
        Event::AgreementAccepted {
            agreement,
            officer,
            automatic,
            ..
        } => with_agreement(tables, *agreement, |found| {
            found.state = AgreementState::Accepted;
            found.accepting_officer.clone_from(officer);
            found.automatic = *automatic;
        })?,
        Event::AgreementEnded { agreement, .. } => {
            with_agreement(tables, *agreement, |found| {
                found.state = AgreementState::Ended;
            })?;
        }
        Event::AgreementEndSet {
            agreement,
            validity,
            ..
        } => with_agreement(tables, *agreement, |found| found.validity = *validity)?,
        Event::AgreementNoticed { agreement, .. } => {
            with_agreement(tables, *agreement, |found| found.noticed_at = Some(at))?;
        }
        Event::ServiceOfferChanged { service, offer, .. } => {
            let mut found = tables
                .service(*service)?
                .ok_or_else(|| missing("service", service))?;
            found.offer.clone_from(offer);
            tables.put_service(&found)?;
        }
        Event::RulesPublished { version, files } => tables.put_rules(&PublishedRules {
            version: *version,
            files: files.clone(),
            published_at: at,
        })?,
        Event::Case(event) => crate::case::apply(tables, event, at)?,
        Event::Recheck(event) => crate::recheck::apply(tables, event, at)?,
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
            vanished_at: None,
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
                    Attribute::Presence => {
                        found.vanished_at = (after == applicant::VANISHED).then_some(at);
                    }
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
        } => {
            let mut found = known(tables, account)?;
            // Who applied goes on in its session, for the application and for
            // whom that brought; who is to speak for somebody else comes in anew.
            if !matches!(
                found.speaks_for,
                Some(SpeaksFor::Applicant | SpeaksFor::Application(_))
            ) {
                found.generation += 1;
            }
            found.speaks_for = Some(*speaks_for);
            tables.put_account(&found)?;
        }
        Event::AccountLocked { account, .. } => change(tables, account, |found| {
            found.standing = AccountStanding::Locked;
        })?,
        Event::AccountUnlocked { account } => change(tables, account, |found| {
            found.standing = AccountStanding::Active;
            found.locked_out_until = None;
        })?,
        Event::AccountRetired { account, .. } => change(tables, account, |found| {
            found.standing = AccountStanding::Retired;
            // Whom an issuer knows may come back under another account.
            found.logins.clear();
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

fn with_participant(
    tables: &mut dyn Tables,
    number: ParticipantNumber,
    change: impl FnOnce(&mut Participant),
) -> Result<(), ApplyError> {
    let mut found = tables
        .participant(number)?
        .ok_or_else(|| missing("participant", &number))?;
    change(&mut found);
    tables.put_participant(&found)?;
    Ok(())
}

fn membership(
    tables: &mut dyn Tables,
    event: &MembershipEvent,
    at: UnixMillis,
) -> Result<(), ApplyError> {
    with_participant(tables, event.participant(), |known| event.change(known, at))
}

fn with_agreement(
    tables: &mut dyn Tables,
    agreement: AgreementId,
    change: impl FnOnce(&mut Agreement),
) -> Result<(), ApplyError> {
    let mut found = tables
        .agreement(agreement)?
        .ok_or_else(|| missing("agreement", &agreement))?;
    change(&mut found);
    tables.put_agreement(&found)?;
    Ok(())
}
