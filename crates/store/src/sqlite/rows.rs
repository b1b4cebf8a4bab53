//! Rows into records.

use iryonet_domain::{
    AgreementId, Circuit, DeviceId, Fingerprint, LineId, ParticipantNumber, ServiceId, UnixMillis,
    Validity,
};
use iryonet_ledger::{Entry, Hash, Outcome};
use iryonet_registry::{
    Agreement, Applicant, Device, EnrolmentCode, Gateway, GatewayCertificate, Line, Participant,
    Revocation, Service, Site,
};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde::de::DeserializeOwned;
use serde::de::value::StrDeserializer;

fn bad(column: usize, kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, kind, Box::new(error))
}

/// A number of any type that is made from `i64` with a check.
fn whole<T>(row: &Row<'_>, column: usize) -> Result<T>
where
    T: TryFrom<i64>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(row.get::<_, i64>(column)?).map_err(|error| bad(column, Type::Integer, error))
}

pub(super) fn millis(row: &Row<'_>, column: usize) -> Result<UnixMillis> {
    whole(row, column).map(UnixMillis)
}

pub(super) fn number(row: &Row<'_>, column: usize) -> Result<ParticipantNumber> {
    ParticipantNumber::new(whole(row, column)?).map_err(|error| bad(column, Type::Integer, error))
}

pub(super) fn service_id(row: &Row<'_>, column: usize) -> Result<ServiceId> {
    ServiceId::new(whole(row, column)?).map_err(|error| bad(column, Type::Integer, error))
}

pub(super) fn line_id(row: &Row<'_>, column: usize) -> Result<LineId> {
    whole(row, column).map(LineId)
}

pub(super) fn agreement_id(row: &Row<'_>, column: usize) -> Result<AgreementId> {
    whole(row, column).map(AgreementId)
}

pub(super) fn device_id(row: &Row<'_>, column: usize) -> Result<DeviceId> {
    whole(row, column).map(DeviceId)
}

/// A value that stands as a word, by the word its type is written with.
pub(super) fn word<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    T::deserialize(StrDeserializer::<serde::de::value::Error>::new(text))
        .map_err(|error| bad(column, Type::Text, error))
}

fn list<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Vec<T>> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| bad(column, Type::Text, error))
}

fn fingerprint(row: &Row<'_>, column: usize) -> Result<Fingerprint> {
    row.get(column).map(Fingerprint)
}

fn revocation(row: &Row<'_>, at: usize, reason: usize) -> Result<Option<Revocation>> {
    if row.get::<_, Option<i64>>(at)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Revocation {
        at: millis(row, at)?,
        reason: word(row, reason)?,
    }))
}

pub(super) const ENTRY: &str =
    "sequence, at, actor, command, events, refusal_code, refusal_text, previous, hash";

pub(super) fn entry(row: &Row<'_>) -> Result<Entry> {
    Ok(Entry {
        sequence: whole(row, 0)?,
        at: millis(row, 1)?,
        actor: word(row, 2)?,
        command: row.get(3)?,
        outcome: match row.get(4)? {
            Some(events) => Outcome::Accepted { events },
            None => Outcome::Refused {
                code: row.get(5)?,
                text: row.get(6)?,
            },
        },
        previous: Hash(row.get(7)?),
        hash: Hash(row.get(8)?),
    })
}

pub(super) fn tip(row: &Row<'_>) -> Result<iryonet_ledger::Tip> {
    Ok(iryonet_ledger::Tip {
        sequence: whole(row, 0)?,
        at: millis(row, 1)?,
        hash: Hash(row.get(2)?),
    })
}

pub(super) const GATEWAY: &str = "gateway, backbone, blocks";

pub(super) fn gateway(row: &Row<'_>) -> Result<Gateway> {
    Ok(Gateway {
        gateway: word(row, 0)?,
        backbone: word(row, 1)?,
        blocks: list(row, 2)?,
    })
}

pub(super) const PARTICIPANT: &str = "number, kind, name, code, standing, admitted_at";

pub(super) fn participant(row: &Row<'_>) -> Result<Participant> {
    Ok(Participant {
        number: number(row, 0)?,
        kind: word(row, 1)?,
        name: row.get(2)?,
        code: match row.get_ref(3)? {
            rusqlite::types::ValueRef::Null => None,
            _ => Some(word(row, 3)?),
        },
        standing: word(row, 4)?,
        admitted_at: millis(row, 5)?,
    })
}

pub(super) const SITE: &str = "participant, site, name";

pub(super) fn site(row: &Row<'_>) -> Result<Site> {
    Ok(Site {
        participant: number(row, 0)?,
        site: whole(row, 1)?,
        name: row.get(2)?,
    })
}

pub(super) const LINE: &str = "line, kind, participant, site, gateway, interface";

pub(super) fn line(row: &Row<'_>) -> Result<Line> {
    Ok(Line {
        line: line_id(row, 0)?,
        kind: word(row, 1)?,
        participant: number(row, 2)?,
        site: whole(row, 3)?,
        circuit: Circuit {
            gateway: word(row, 4)?,
            interface: row.get(5)?,
        },
    })
}

pub(super) const SERVICE: &str =
    "service, provider, name, class, purposes, endpoints, eligible, retired";

pub(super) fn service(row: &Row<'_>) -> Result<Service> {
    Ok(Service {
        service: service_id(row, 0)?,
        provider: number(row, 1)?,
        name: row.get(2)?,
        class: word(row, 3)?,
        purposes: list(row, 4)?,
        endpoints: list(row, 5)?,
        eligible: list(row, 6)?,
        retired: row.get(7)?,
    })
}

pub(super) const AGREEMENT: &str =
    "agreement, participant, service, purpose, valid_from, valid_until, proposed_by, state";

pub(super) fn agreement(row: &Row<'_>) -> Result<Agreement> {
    Ok(Agreement {
        agreement: agreement_id(row, 0)?,
        participant: number(row, 1)?,
        service: service_id(row, 2)?,
        purpose: word(row, 3)?,
        validity: Validity {
            from: millis(row, 4)?,
            until: millis(row, 5)?,
        },
        proposed_by: number(row, 6)?,
        state: word(row, 7)?,
    })
}

pub(super) const CODE: &str = "code_hash, subject, issued_at, expires_at, spent_at";

pub(super) fn code(row: &Row<'_>) -> Result<EnrolmentCode> {
    Ok(EnrolmentCode {
        code_hash: word(row, 0)?,
        subject: row
            .get_ref(1)?
            .as_str()?
            .parse()
            .map_err(|error| bad(1, Type::Text, error))?,
        issued_at: millis(row, 2)?,
        expires_at: millis(row, 3)?,
        spent_at: match row.get::<_, Option<i64>>(4)? {
            None => None,
            Some(_) => Some(millis(row, 4)?),
        },
    })
}

pub(super) const DEVICE: &str =
    "participant, device, fingerprint, serial, not_before, not_after, revoked_at, revoked_reason";

pub(super) fn device(row: &Row<'_>) -> Result<Device> {
    Ok(Device {
        participant: number(row, 0)?,
        device: device_id(row, 1)?,
        fingerprint: fingerprint(row, 2)?,
        serial: word(row, 3)?,
        not_before: millis(row, 4)?,
        not_after: millis(row, 5)?,
        revoked: revocation(row, 6, 7)?,
    })
}

pub(super) const GATEWAY_CERTIFICATE: &str =
    "gateway, fingerprint, serial, not_before, not_after, revoked_at, revoked_reason";

pub(super) fn gateway_certificate(row: &Row<'_>) -> Result<GatewayCertificate> {
    Ok(GatewayCertificate {
        gateway: word(row, 0)?,
        fingerprint: fingerprint(row, 1)?,
        serial: word(row, 2)?,
        not_before: millis(row, 3)?,
        not_after: millis(row, 4)?,
        revoked: revocation(row, 5, 6)?,
    })
}

pub(super) const APPLICANT: &str = "code, name, postal, address, list";

pub(super) fn applicant(row: &Row<'_>) -> Result<Applicant> {
    Ok(Applicant {
        code: word(row, 0)?,
        name: row.get(1)?,
        postal: row.get(2)?,
        address: row.get(3)?,
        list: word(row, 4)?,
    })
}

pub(super) fn revoked(row: &Row<'_>) -> Result<crate::query::RevokedCertificate> {
    Ok(crate::query::RevokedCertificate {
        serial: word(row, 0)?,
        revocation: Revocation {
            at: millis(row, 1)?,
            reason: word(row, 2)?,
        },
        not_after: millis(row, 3)?,
    })
}

/// Key and value of the side store.
pub(super) fn side(row: &Row<'_>) -> Result<(Vec<u8>, crate::side::SideValue)> {
    Ok((
        row.get(0)?,
        crate::side::SideValue {
            value: row.get(1)?,
            expires_at: match row.get::<_, Option<i64>>(2)? {
                None => None,
                Some(_) => Some(millis(row, 2)?),
            },
        },
    ))
}
