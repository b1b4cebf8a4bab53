//! Listings, search, history.

use super::rows;
use super::session::{Session, integer};
use super::view::limit_of;
use crate::error::StoreError;
use crate::query::{
    AfterCode, AgreementQuery, ApplicantQuery, HistoryItem, ParticipantQuery, RevokedCertificate,
    code_range, search_key,
};
use crate::side::{SideValue, Space};
use crate::store::Reader;
use iryonet_domain::{
    AgreementId, DeviceId, GatewayId, LineId, ParticipantNumber, Prefecture, ServiceId,
};
use iryonet_ledger::{Entry, Outcome, Tip};
use iryonet_registry::{
    Agreement, Applicant, Device, Event, Gateway, GatewayCertificate, Line, Participant, Service,
    Site, Topic,
};
use rusqlite::types::Value;
use rusqlite::{params, params_from_iter};

/// Conditions of a search, collected with their values.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    /// `condition` has one `?` for each value.
    fn and(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(if self.sql.is_empty() {
            " WHERE "
        } else {
            " AND "
        });
        self.sql.push_str(condition);
        self.values.extend(values);
    }

    fn code(&mut self, code: Option<&str>, prefecture: Option<Prefecture>) {
        for prefix in [
            code.map(str::to_owned),
            prefecture.map(|prefecture| prefecture.to_string()),
        ]
        .into_iter()
        .flatten()
        {
            let (first, end) = code_range(&prefix);
            self.and(
                "code >= ? AND code < ?",
                [Value::Text(first), Value::Text(end)],
            );
        }
    }

    fn name(&mut self, name: Option<&str>) {
        if let Some(name) = name {
            self.and("instr(name_key, ?) > 0", [Value::Text(search_key(name))]);
        }
    }
}

impl Reader for Session<'_> {
    fn tip(&self) -> Result<Tip, StoreError> {
        if let Some(tip) = self.tip.get() {
            return Ok(tip);
        }
        let tip = self
            .one(
                "SELECT sequence, at, hash FROM entry ORDER BY sequence DESC LIMIT 1",
                [],
                rows::tip,
            )?
            .unwrap_or(Tip::EMPTY);
        self.tip.set(Some(tip));
        Ok(tip)
    }

    fn entries(&self, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.all(
            &format!(
                "SELECT {} FROM entry WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
                rows::ENTRY
            ),
            params![integer(from)?, limit_of(limit)],
            rows::entry,
        )
    }

    fn history(
        &self,
        topic: &Topic,
        after: Option<(u64, u32)>,
        limit: usize,
    ) -> Result<Vec<HistoryItem>, StoreError> {
        let (sequence, place) = after.map_or((-1, -1), |(sequence, place)| {
            (
                i64::try_from(sequence).unwrap_or(i64::MAX),
                i64::from(place),
            )
        });
        let places: Vec<(i64, u32)> = self.all(
            "SELECT sequence, place FROM topic
             WHERE topic = ?1 AND (sequence, place) > (?2, ?3) ORDER BY sequence, place LIMIT ?4",
            params![topic.to_string(), sequence, place, limit_of(limit)],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let mut out = Vec::with_capacity(places.len());
        // Events of one act stand together: its entry is read once.
        let mut present: Option<(Entry, Vec<Event>)> = None;
        for (sequence, place) in places {
            let damaged = || StoreError::Damaged {
                home: self.home.to_owned(),
                what: format!("event {place} of ledger entry {sequence} cannot be read"),
            };
            let (entry, events) = match present.take() {
                Some((entry, events)) if i64::try_from(entry.sequence) == Ok(sequence) => {
                    (entry, events)
                }
                _ => {
                    let entry = self
                        .one(
                            &format!("SELECT {} FROM entry WHERE sequence = ?1", rows::ENTRY),
                            [sequence],
                            rows::entry,
                        )?
                        .ok_or_else(damaged)?;
                    let Outcome::Accepted { events } = &entry.outcome else {
                        return Err(damaged());
                    };
                    let events = serde_json::from_str(events).map_err(|_| damaged())?;
                    (entry, events)
                }
            };
            out.push(HistoryItem {
                sequence: entry.sequence,
                place,
                at: entry.at,
                actor: entry.actor.clone(),
                event: events.get(place as usize).ok_or_else(damaged)?.clone(),
            });
            present = Some((entry, events));
        }
        Ok(out)
    }

    fn gateways(&self) -> Result<Vec<Gateway>, StoreError> {
        self.all(
            &format!("SELECT {} FROM gateway ORDER BY gateway", rows::GATEWAY),
            [],
            rows::gateway,
        )
    }

    fn gateway_certificates(
        &self,
        gateway: &GatewayId,
    ) -> Result<Vec<GatewayCertificate>, StoreError> {
        self.all(
            &format!(
                "SELECT {} FROM gateway_certificate WHERE gateway = ?1 ORDER BY fingerprint",
                rows::GATEWAY_CERTIFICATE
            ),
            [gateway.as_str()],
            rows::gateway_certificate,
        )
    }

    fn participants(
        &self,
        query: &ParticipantQuery,
        after: Option<ParticipantNumber>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError> {
        let mut wanted = Conditions::default();
        wanted.code(query.code.as_deref(), query.prefecture);
        wanted.name(query.name.as_deref());
        if let Some(standing) = query.standing {
            wanted.and("standing = ?", [Value::Text(standing.as_str().to_owned())]);
        }
        if let Some(after) = after {
            wanted.and("number > ?", [Value::Integer(after.get().into())]);
        }
        wanted.values.push(Value::Integer(limit_of(limit)));
        self.all(
            &format!(
                "SELECT {} FROM participant{} ORDER BY number LIMIT ?",
                rows::PARTICIPANT,
                wanted.sql
            ),
            params_from_iter(wanted.values),
            rows::participant,
        )
    }

    fn lines(&self, after: Option<LineId>, limit: usize) -> Result<Vec<Line>, StoreError> {
        self.all(
            &format!(
                "SELECT {} FROM line WHERE removed = 0 AND line > ?1 ORDER BY line LIMIT ?2",
                rows::LINE
            ),
            params![after.map_or(-1, |line| i64::from(line.0)), limit_of(limit)],
            rows::line,
        )
    }

    fn devices(
        &self,
        participant: ParticipantNumber,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        self.all(
            &format!(
                "SELECT {} FROM device WHERE participant = ?1 AND device > ?2 ORDER BY device LIMIT ?3",
                rows::DEVICE
            ),
            params![
                participant.get(),
                after.map_or(-1, |device| i64::from(device.0)),
                limit_of(limit)
            ],
            rows::device,
        )
    }

    fn services(&self, after: Option<ServiceId>, limit: usize) -> Result<Vec<Service>, StoreError> {
        self.all(
            &format!(
                "SELECT {} FROM service WHERE service > ?1 ORDER BY service LIMIT ?2",
                rows::SERVICE
            ),
            params![after.map_or(0, ServiceId::get), limit_of(limit)],
            rows::service,
        )
    }

    fn agreements(
        &self,
        query: &AgreementQuery,
        after: Option<AgreementId>,
        limit: usize,
    ) -> Result<Vec<Agreement>, StoreError> {
        let mut wanted = Conditions::default();
        if let Some(participant) = query.participant {
            wanted.and(
                "participant = ?",
                [Value::Integer(participant.get().into())],
            );
        }
        if let Some(service) = query.service {
            wanted.and("service = ?", [Value::Integer(service.get().into())]);
        }
        if let Some(state) = query.state {
            wanted.and("state = ?", [Value::Text(state.as_str().to_owned())]);
        }
        if let Some(after) = after {
            wanted.and(
                "agreement > ?",
                [Value::Integer(i64::try_from(after.0).unwrap_or(i64::MAX))],
            );
        }
        wanted.values.push(Value::Integer(limit_of(limit)));
        self.all(
            &format!(
                "SELECT {} FROM agreement{} ORDER BY agreement LIMIT ?",
                rows::AGREEMENT,
                wanted.sql
            ),
            params_from_iter(wanted.values),
            rows::agreement,
        )
    }

    fn applicants(
        &self,
        query: &ApplicantQuery,
        after: AfterCode,
        limit: usize,
    ) -> Result<Vec<Applicant>, StoreError> {
        let mut wanted = Conditions::default();
        wanted.code(query.code.as_deref(), query.prefecture);
        wanted.name(query.name.as_deref());
        if let Some(area) = &query.area {
            let key = search_key(area);
            let postal: String = key.chars().filter(|c| *c != '-').collect();
            wanted.and(
                "(instr(address_key, ?) > 0 OR substr(postal, 1, length(?)) = ?)",
                [
                    Value::Text(key),
                    Value::Text(postal.clone()),
                    Value::Text(postal),
                ],
            );
        }
        if let Some(after) = after {
            wanted.and("code > ?", [Value::Text(after.to_string())]);
        }
        wanted.values.push(Value::Integer(limit_of(limit)));
        self.all(
            &format!(
                "SELECT {} FROM applicant{} ORDER BY code LIMIT ?",
                rows::APPLICANT,
                wanted.sql
            ),
            params_from_iter(wanted.values),
            rows::applicant,
        )
    }

    fn applicant_count(&self) -> Result<u64, StoreError> {
        let count = self.one("SELECT count(*) FROM applicant", [], |row| {
            row.get::<_, u32>(0)
        })?;
        Ok(u64::from(count.unwrap_or(0)))
    }

    fn each_participant(
        &self,
        visit: &mut dyn FnMut(Participant) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            &format!(
                "SELECT {} FROM participant ORDER BY number",
                rows::PARTICIPANT
            ),
            [],
            rows::participant,
            visit,
        )
    }

    fn each_site(
        &self,
        visit: &mut dyn FnMut(Site) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            &format!("SELECT {} FROM site ORDER BY participant, site", rows::SITE),
            [],
            rows::site,
            visit,
        )
    }

    fn each_line(
        &self,
        visit: &mut dyn FnMut(Line) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            &format!(
                "SELECT {} FROM line WHERE removed = 0 ORDER BY line",
                rows::LINE
            ),
            [],
            rows::line,
            visit,
        )
    }

    fn each_unrevoked_device(
        &self,
        visit: &mut dyn FnMut(Device) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            &format!(
                "SELECT {} FROM device WHERE revoked_at IS NULL ORDER BY participant, device",
                rows::DEVICE
            ),
            [],
            rows::device,
            visit,
        )
    }

    fn each_open_service(
        &self,
        visit: &mut dyn FnMut(Service) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            &format!(
                "SELECT {} FROM service WHERE retired = 0 ORDER BY service",
                rows::SERVICE
            ),
            [],
            rows::service,
            visit,
        )
    }

    fn each_accepted_agreement(
        &self,
        visit: &mut dyn FnMut(Agreement) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            &format!(
                "SELECT {} FROM agreement WHERE state = 'accepted' ORDER BY agreement",
                rows::AGREEMENT
            ),
            [],
            rows::agreement,
            visit,
        )
    }

    fn each_revoked(
        &self,
        visit: &mut dyn FnMut(RevokedCertificate) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each(
            "SELECT serial, revoked_at, revoked_reason, not_after FROM device WHERE revoked_at IS NOT NULL
             UNION ALL
             SELECT serial, revoked_at, revoked_reason, not_after FROM gateway_certificate WHERE revoked_at IS NOT NULL
             ORDER BY serial",
            [],
            rows::revoked,
            visit,
        )
    }

    fn side_get(&self, space: Space, key: &[u8]) -> Result<Option<SideValue>, StoreError> {
        self.get_side(space, key)
    }

    fn side_list(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, SideValue)>, StoreError> {
        self.list_side(space, prefix, after, limit)
    }
}
