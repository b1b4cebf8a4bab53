//! Listings, search, history.

use super::records::{self, whole};
use super::search::Conditions;
use super::session::{Session, limit_of};
use crate::error::StoreError;
use crate::query::{
    AfterCode, AgreementQuery, ApplicantQuery, HistoryItem, ParticipantQuery, RevokedCertificate,
};
use crate::side::{SideValue, Space};
use crate::sql::{integer, values};
use crate::store::Reader;
use iryonet_domain::{
    AgreementId, DeviceId, GatewayId, InstitutionCode, LineId, ParticipantNumber, ServiceId,
};
use iryonet_ledger::{Entry, Outcome, Tip};
use iryonet_registry::{
    Agreement, Applicant, Device, Event, Gateway, GatewayCertificate, Line, Participant, Service,
    Site, Topic,
};

impl Reader for Session<'_> {
    fn tip(&self) -> Result<Tip, StoreError> {
        if let Some(tip) = self.tip.get() {
            return Ok(tip);
        }
        let tip = self
            .one(
                "SELECT sequence, at, hash FROM entry ORDER BY sequence DESC LIMIT 1",
                &[],
                records::tip,
            )?
            .unwrap_or(Tip::EMPTY);
        self.tip.set(Some(tip));
        Ok(tip)
    }

    fn entries(&self, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.list(
            "WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
            &values![integer(from)?, limit_of(limit)],
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
            &values![topic.to_string(), sequence, place, limit_of(limit)],
            |row| Ok((whole(row, 0)?, whole(row, 1)?)),
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
                    let entry: Entry = self
                        .find("WHERE sequence = ?1", &values![sequence])?
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
        self.list("ORDER BY gateway", &[])
    }

    fn gateway_certificates(
        &self,
        gateway: &GatewayId,
    ) -> Result<Vec<GatewayCertificate>, StoreError> {
        self.list(
            "WHERE gateway = ?1 ORDER BY fingerprint",
            &values![gateway.as_str()],
        )
    }

    fn participants(
        &self,
        query: &ParticipantQuery,
        after: Option<ParticipantNumber>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError> {
        self.search_participants(query, after, limit)
    }

    fn lines(&self, after: Option<LineId>, limit: usize) -> Result<Vec<Line>, StoreError> {
        self.list(
            "WHERE removed = 0 AND line > ?1 ORDER BY line LIMIT ?2",
            &values![after.map_or(-1, |line| i64::from(line.0)), limit_of(limit)],
        )
    }

    fn devices(
        &self,
        participant: ParticipantNumber,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError> {
        self.list(
            "WHERE participant = ?1 AND device > ?2 ORDER BY device LIMIT ?3",
            &values![
                participant.get(),
                after.map_or(-1, |device| i64::from(device.0)),
                limit_of(limit)
            ],
        )
    }

    fn services(&self, after: Option<ServiceId>, limit: usize) -> Result<Vec<Service>, StoreError> {
        self.list(
            "WHERE service > ?1 ORDER BY service LIMIT ?2",
            &values![after.map_or(0, ServiceId::get), limit_of(limit)],
        )
    }

    fn agreements(
        &self,
        query: &AgreementQuery,
        after: Option<AgreementId>,
        limit: usize,
    ) -> Result<Vec<Agreement>, StoreError> {
        let mut wanted = Conditions::new(self.driver.dialect());
        if let Some(participant) = query.participant {
            wanted.holds("participant", "=", participant.get());
        }
        if let Some(service) = query.service {
            wanted.holds("service", "=", service.get());
        }
        if let Some(state) = query.state {
            wanted.holds("state", "=", state.as_str());
        }
        if let Some(after) = after {
            wanted.holds("agreement", ">", i64::try_from(after.0).unwrap_or(i64::MAX));
        }
        let (tail, values) = wanted.page("agreement", limit);
        self.list(&tail, &values)
    }

    fn applicants(
        &self,
        query: &ApplicantQuery,
        after: AfterCode,
        limit: usize,
    ) -> Result<Vec<Applicant>, StoreError> {
        self.search_applicants(query, after, limit)
    }

    fn applicants_with(&self, codes: &[InstitutionCode]) -> Result<Vec<Applicant>, StoreError> {
        let found = self.known_applicants(codes)?;
        // In the order of the question.
        Ok(codes
            .iter()
            .filter_map(|code| found.get(code).cloned().flatten())
            .collect())
    }

    fn applicant_count(&self) -> Result<u64, StoreError> {
        let count = self.one("SELECT count(*) FROM applicant", &[], |row| whole(row, 0))?;
        Ok(count.unwrap_or(0))
    }

    fn each_participant(
        &self,
        visit: &mut dyn FnMut(Participant) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.visit("ORDER BY number", &[], visit)
    }

    fn each_site(
        &self,
        visit: &mut dyn FnMut(Site) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.visit("ORDER BY participant, site", &[], visit)
    }

    fn each_line(
        &self,
        visit: &mut dyn FnMut(Line) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.visit("WHERE removed = 0 ORDER BY line", &[], visit)
    }

    fn each_unrevoked_device(
        &self,
        visit: &mut dyn FnMut(Device) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.visit(
            "WHERE revoked_at IS NULL ORDER BY participant, device",
            &[],
            visit,
        )
    }

    fn each_open_service(
        &self,
        visit: &mut dyn FnMut(Service) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.visit("WHERE retired = 0 ORDER BY service", &[], visit)
    }

    fn each_accepted_agreement(
        &self,
        visit: &mut dyn FnMut(Agreement) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.visit("WHERE state = 'accepted' ORDER BY agreement", &[], visit)
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
            &[],
            records::revoked,
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
