//! Listings, search, history.

use super::records::{self, whole};
use super::search::Conditions;
use super::session::{Session, limit_of};
use crate::error::StoreError;
use crate::query::{
    AccountQuery, AfterCode, AgreementQuery, ApplicantQuery, CaseQuery, HistoryItem,
    ParticipantQuery, RevokedCertificate,
};
use crate::side::{SideValue, Space};
use crate::sql::{self, integer, values};
use crate::store::Reader;
use iryonet_domain::{
    AccountName, AgreementId, CaseId, DeviceId, GatewayId, InstitutionCode, LineId,
    ParticipantNumber, ServiceId, UnixMillis,
};
use iryonet_ledger::{Entry, Outcome, Tip};
use iryonet_registry::{
    Account, Agreement, Applicant, Case, Device, Event, Gateway, GatewayCertificate, Line, ListId,
    Participant, PublishedRules, Service, Site, SpeaksFor, Topic,
};
use iryonet_rules::RuleVersion;
use std::collections::BTreeMap;

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
        let Ok(from) = integer(from) else {
            // No entry has such a number, and none ever will.
            return Ok(Vec::new());
        };
        self.list(
            "WHERE sequence >= ?1 ORDER BY sequence LIMIT ?2",
            &values![from, limit_of(limit)],
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
        if let Some(side) = query.side {
            let place = wanted.place(side.get());
            wanted.and(&format!(
                "(participant = {place} OR service IN (SELECT service FROM service WHERE provider = {place}))"
            ));
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

    fn holders_of(
        &self,
        codes: &[InstitutionCode],
    ) -> Result<BTreeMap<InstitutionCode, ParticipantNumber>, StoreError> {
        let found = self.known_holders(codes)?;
        Ok(found
            .into_iter()
            .filter_map(|(code, holder)| Some((code, holder?)))
            .collect())
    }

    fn cases(
        &self,
        query: &CaseQuery,
        after: Option<CaseId>,
        limit: usize,
    ) -> Result<Vec<Case>, StoreError> {
        let mut wanted = Conditions::new(self.driver.dialect());
        if let Some(kind) = query.kind {
            wanted.holds("kind", "=", kind.as_str());
        }
        if let Some(state) = query.state {
            wanted.holds("state", "=", state.as_str());
        }
        if query.open {
            wanted.and("is_open = 1");
        }
        if let Some(participant) = query.participant {
            wanted.holds("participant", "=", participant.get());
        }
        if let Some(applicant) = &query.applicant {
            wanted.holds("applicant", "=", applicant.clone());
        }
        if let Some(since) = query.untouched_since {
            wanted.holds("touched_at", "<=", sql::millis(since)?);
        }
        if let Some((whom, applicant)) = &query.visible_to {
            let name = wanted.place(applicant.clone());
            match whom {
                None | Some(SpeaksFor::Applicant) => wanted.and(&format!("applicant = {name}")),
                Some(SpeaksFor::Participant(participant)) => {
                    let number = wanted.place(participant.get());
                    wanted.and(&format!("(applicant = {name} OR participant = {number})"));
                }
                Some(SpeaksFor::Application(case)) => {
                    let number = wanted.place(i64::try_from(case.0).unwrap_or(i64::MAX));
                    wanted.and(&format!("(applicant = {name} OR number = {number})"));
                }
            }
        }
        if let Some(after) = after {
            wanted.holds("number", ">", i64::try_from(after.0).unwrap_or(i64::MAX));
        }
        let (tail, values) = wanted.page("number", limit);
        self.list(&tail, &values)
    }

    fn cases_untouched_since(
        &self,
        before: UnixMillis,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError> {
        self.all(
            "SELECT number FROM case_file WHERE is_open = 1 AND touched_at <= ?1
             AND NOT (state = 'approved' AND due_at IS NOT NULL)
             ORDER BY touched_at, number LIMIT ?2",
            &values![sql::millis(before)?, limit_of(limit)],
            |row| whole(row, 0).map(CaseId),
        )
    }

    fn cases_due(&self, now: UnixMillis, limit: usize) -> Result<Vec<CaseId>, StoreError> {
        self.all(
            "SELECT number FROM case_file WHERE state = 'approved' AND due_at IS NOT NULL AND due_at <= ?1
             ORDER BY due_at, number LIMIT ?2",
            &values![sql::millis(now)?, limit_of(limit)],
            |row| whole(row, 0).map(CaseId),
        )
    }

    fn agreements_over(
        &self,
        now: UnixMillis,
        limit: usize,
    ) -> Result<Vec<AgreementId>, StoreError> {
        self.all(
            "SELECT agreement FROM agreement WHERE state <> 'ended' AND valid_until <= ?1
             ORDER BY valid_until, agreement LIMIT ?2",
            &values![sql::millis(now)?, limit_of(limit)],
            |row| whole(row, 0).map(AgreementId),
        )
    }

    fn agreements_to_notice(
        &self,
        now: UnixMillis,
        until: UnixMillis,
        limit: usize,
    ) -> Result<Vec<AgreementId>, StoreError> {
        self.all(
            "SELECT agreement FROM agreement WHERE state = 'accepted' AND noticed_at IS NULL
             AND valid_until > ?1 AND valid_until <= ?2 ORDER BY valid_until, agreement LIMIT ?3",
            &values![sql::millis(now)?, sql::millis(until)?, limit_of(limit)],
            |row| whole(row, 0).map(AgreementId),
        )
    }

    fn all_rules(&self) -> Result<Vec<PublishedRules>, StoreError> {
        self.list("ORDER BY version", &[])
    }

    fn participants_examined_before(
        &self,
        version: RuleVersion,
        after: Option<ParticipantNumber>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError> {
        self.list(
            "WHERE standing <> 'closed' AND (examined IS NULL OR examined < ?1) AND number > ?2
             ORDER BY number LIMIT ?3",
            &values![
                version.0,
                after.map_or(0, ParticipantNumber::get),
                limit_of(limit)
            ],
        )
    }

    fn codes_in_list(
        &self,
        list: &ListId,
        after: AfterCode,
        limit: usize,
    ) -> Result<Vec<InstitutionCode>, StoreError> {
        self.all(
            "SELECT code FROM applicant WHERE list = ?1 AND vanished_at IS NULL AND code > ?2
             ORDER BY code LIMIT ?3",
            &values![
                list.as_str(),
                after.map(|code| code.to_string()).unwrap_or_default(),
                limit_of(limit)
            ],
            |row| records::word(row, 0),
        )
    }

    fn accounts(
        &self,
        query: &AccountQuery,
        after: Option<&AccountName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError> {
        let mut wanted = Conditions::new(self.driver.dialect());
        if let Some(role) = query.role {
            // A list of words in JSON: the quotes make it the whole word.
            let part = wanted.part("roles", format!("\"{}\"", role.as_str()));
            wanted.and(&part);
        }
        if let Some(whom) = query.speaks_for {
            wanted.holds("speaks_for", "=", whom.to_string());
        }
        if let Some(after) = after {
            wanted.holds("account", ">", after.to_string());
        }
        let (tail, values) = wanted.page("account", limit);
        self.list(&tail, &values)
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

    fn side_bytes(&self, space: Space) -> Result<u64, StoreError> {
        self.bytes_of_side(space)
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
