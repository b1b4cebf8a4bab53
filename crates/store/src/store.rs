//! The storage trait.

use crate::error::StoreError;
use crate::query::{
    AccountQuery, AfterCode, AgreementQuery, ApplicantQuery, CaseQuery, HistoryItem,
    ParticipantQuery, RevokedCertificate,
};
use crate::side::{SideValue, Space};
use iryonet_domain::{
    AccountName, Actor, AgreementId, CaseId, DeviceId, GatewayId, InstitutionCode, LineId,
    NetworkPrefix, ParticipantNumber, ServiceId, UnixMillis,
};
use iryonet_ledger::{Entry, Tip};
use iryonet_registry::{
    Account, Agreement, Applicant, Case, Command, Device, Event, Gateway, GatewayCertificate, Line,
    ListId, Participant, PublishedRules, Refusal, Service, Site, Topic, View,
};
use iryonet_rules::RuleVersion;
use std::collections::BTreeMap;

/// What became of a recorded command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done; these are its events.
    Accepted(Vec<Event>),
    /// It was refused; nothing changed but the ledger.
    Refused(Refusal),
}

/// A command in the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its ledger entry; the revision of the state after it.
    pub sequence: u64,
    /// The time it is recorded with: the clock's, or the entry before's where
    /// the clock stands behind that.
    pub at: UnixMillis,
    /// What became of it.
    pub outcome: Outcome,
}

impl Recorded {
    /// The events, or the refusal.
    ///
    /// # Errors
    /// The refusal.
    pub fn events(self) -> Result<Vec<Event>, Refusal> {
        match self.outcome {
            Outcome::Accepted(events) => Ok(events),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }
}

/// Read access to everything, at one moment. Listings are ascending by key;
/// `after` is the last key of the page before, and at most `limit` come back.
/// The `each_*` methods hand over one record at a time and hold no more.
///
/// # Errors
/// Every method: when the home cannot answer, or what the visitor returns.
#[allow(
    clippy::missing_errors_doc,
    reason = "one sentence on the trait says it for all"
)]
pub trait Reader: View {
    /// The last ledger entry. Its sequence is the revision of the state.
    fn tip(&self) -> Result<Tip, StoreError>;
    /// Ledger entries from a sequence on, this one included.
    fn entries(&self, from: u64, limit: usize) -> Result<Vec<Entry>, StoreError>;
    /// Everything recorded about somebody after this (sequence, place), oldest first.
    fn history(
        &self,
        topic: &Topic,
        after: Option<(u64, u32)>,
        limit: usize,
    ) -> Result<Vec<HistoryItem>, StoreError>;

    /// All gateways; there are few.
    fn gateways(&self) -> Result<Vec<Gateway>, StoreError>;
    /// Certificates of one gateway, valid or not.
    fn gateway_certificates(
        &self,
        gateway: &GatewayId,
    ) -> Result<Vec<GatewayCertificate>, StoreError>;
    /// Participants that answer the query.
    fn participants(
        &self,
        query: &ParticipantQuery,
        after: Option<ParticipantNumber>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError>;
    /// All lines.
    fn lines(&self, after: Option<LineId>, limit: usize) -> Result<Vec<Line>, StoreError>;
    /// Devices of one participant, valid or not.
    fn devices(
        &self,
        participant: ParticipantNumber,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<Device>, StoreError>;
    /// All services, retired ones too.
    fn services(&self, after: Option<ServiceId>, limit: usize) -> Result<Vec<Service>, StoreError>;
    /// Agreements that answer the query.
    fn agreements(
        &self,
        query: &AgreementQuery,
        after: Option<AgreementId>,
        limit: usize,
    ) -> Result<Vec<Agreement>, StoreError>;
    /// Applicants that answer the query.
    fn applicants(
        &self,
        query: &ApplicantQuery,
        after: AfterCode,
        limit: usize,
    ) -> Result<Vec<Applicant>, StoreError>;
    /// Cases that answer the query.
    fn cases(
        &self,
        query: &CaseQuery,
        after: Option<CaseId>,
        limit: usize,
    ) -> Result<Vec<Case>, StoreError>;
    /// Open cases that nobody touched since before this time, oldest first.
    fn cases_untouched_since(
        &self,
        before: UnixMillis,
        limit: usize,
    ) -> Result<Vec<CaseId>, StoreError>;
    /// Approved cases whose day has come, earliest first.
    fn cases_due(&self, now: UnixMillis, limit: usize) -> Result<Vec<CaseId>, StoreError>;
    /// Agreements that are over by time, with no entry that says so, earliest
    /// first.
    fn agreements_over(
        &self,
        now: UnixMillis,
        limit: usize,
    ) -> Result<Vec<AgreementId>, StoreError>;
    /// Accepted agreements that end after `now` and by `until`, of which the
    /// sides were not told yet, earliest first.
    fn agreements_to_notice(
        &self,
        now: UnixMillis,
        until: UnixMillis,
        limit: usize,
    ) -> Result<Vec<AgreementId>, StoreError>;
    /// Every version of the rules, ascending; there are few.
    fn all_rules(&self) -> Result<Vec<PublishedRules>, StoreError>;
    /// Participants that are not closed and were not examined under this
    /// version or a later one.
    fn participants_examined_before(
        &self,
        version: RuleVersion,
        after: Option<ParticipantNumber>,
        limit: usize,
    ) -> Result<Vec<Participant>, StoreError>;
    /// Codes that a list names, or named and whose vanishing nobody recorded.
    fn codes_in_list(
        &self,
        list: &ListId,
        after: AfterCode,
        limit: usize,
    ) -> Result<Vec<InstitutionCode>, StoreError>;
    /// Accounts that answer the query, ascending by name.
    fn accounts(
        &self,
        query: &AccountQuery,
        after: Option<&AccountName>,
        limit: usize,
    ) -> Result<Vec<Account>, StoreError>;
    /// The applicants with these codes, in any order; those that no list named
    /// are left out.
    fn applicants_with(&self, codes: &[InstitutionCode]) -> Result<Vec<Applicant>, StoreError>;
    /// The open participants that hold these codes; codes that nobody holds are
    /// left out.
    fn holders_of(
        &self,
        codes: &[InstitutionCode],
    ) -> Result<BTreeMap<InstitutionCode, ParticipantNumber>, StoreError>;
    /// How many applicants there are.
    fn applicant_count(&self) -> Result<u64, StoreError>;

    /// Every participant, closed ones too.
    fn each_participant(
        &self,
        visit: &mut dyn FnMut(Participant) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Every site.
    fn each_site(
        &self,
        visit: &mut dyn FnMut(Site) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Every line.
    fn each_line(
        &self,
        visit: &mut dyn FnMut(Line) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Every device that is not revoked, run out or not.
    fn each_unrevoked_device(
        &self,
        visit: &mut dyn FnMut(Device) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Every service that is not retired.
    fn each_open_service(
        &self,
        visit: &mut dyn FnMut(Service) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Every accepted agreement that has not ended, over by time or not.
    fn each_accepted_agreement(
        &self,
        visit: &mut dyn FnMut(Agreement) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;
    /// Every revoked certificate, of devices and gateways, ascending by serial.
    fn each_revoked(
        &self,
        visit: &mut dyn FnMut(RevokedCertificate) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// A value of the side store (see [`crate::side`]); nothing when there is
    /// none or when it has expired.
    fn side_get(&self, space: Space, key: &[u8]) -> Result<Option<SideValue>, StoreError>;
    /// All values of a space together, in bytes, those too that have ended and
    /// were not taken away yet. It looks at every one: not for each request.
    fn side_bytes(&self, space: Space) -> Result<u64, StoreError>;
    /// Values of the side store whose keys begin with `prefix`, ascending by
    /// key, without the expired ones. At most `limit`, and no more than
    /// [`crate::side::LIST_MAX_BYTES`] of values: a page may be shorter than
    /// `limit`, and only an empty one is the end.
    fn side_list(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, SideValue)>, StoreError>;
}

/// One write transaction. What it reads includes what it wrote.
pub trait Transaction: Reader {
    /// Decides the command, appends it to the ledger whatever comes out, and
    /// applies its events. Acknowledge it to nobody before the transaction has
    /// been committed, that is, before [`Store::write`] has returned `Ok`.
    ///
    /// A decision is taken for the time that the entry gets, so that a clock
    /// that went back makes no expired code good again.
    ///
    /// # Errors
    /// When the home cannot read or write; let the error end the transaction.
    fn record(
        &mut self,
        actor: &Actor,
        command: &Command,
        now: UnixMillis,
    ) -> Result<Recorded, StoreError>;

    /// Puts a value into the side store (see [`crate::side`]), in place of one
    /// that is there. From `expires_at` on it is not there any more.
    ///
    /// # Errors
    /// [`StoreError::Side`] when key or value have a size that the space does
    /// not take; nothing was changed then, and the transaction may go on.
    fn side_put(
        &mut self,
        space: Space,
        key: &[u8],
        value: &[u8],
        expires_at: Option<UnixMillis>,
    ) -> Result<(), StoreError>;
    /// Takes a value out of the side store. Was it there, and not expired?
    ///
    /// # Errors
    /// When the home cannot write.
    fn side_delete(&mut self, space: Space, key: &[u8]) -> Result<bool, StoreError>;
    /// Removes values that have expired at `now`, the oldest first and `limit`
    /// at most. Tells how many.
    ///
    /// # Errors
    /// When the home cannot write.
    fn side_purge(&mut self, now: UnixMillis, limit: usize) -> Result<usize, StoreError>;
}

/// What runs in a write transaction.
pub type Act<'a> = dyn FnMut(&mut dyn Transaction) -> Result<(), StoreError> + 'a;
/// What runs on one moment's state.
pub type Look<'a> = dyn FnMut(&dyn Reader) -> Result<(), StoreError> + 'a;

/// A home of the ledger and its tables. Its methods block: an asynchronous
/// caller gives them a thread of their own.
pub trait Store: Send + Sync {
    /// Runs `act` in one transaction and commits it durably when it returns
    /// `Ok`; undoes everything when it returns an error. There is one writer at
    /// a time. Many commands in one transaction cost one wait for the disk.
    ///
    /// A home that must begin a transaction again (several centers on one
    /// database) calls `act` again from the start: let it have no effect
    /// elsewhere before this method has returned.
    ///
    /// # Errors
    /// When the home fails or `act` does. Nothing is half done.
    fn write(&self, act: &mut Act<'_>) -> Result<(), StoreError>;

    /// Runs `look` on the state of one moment, while others write.
    ///
    /// # Errors
    /// When the home fails or `look` does.
    fn read(&self, look: &mut Look<'_>) -> Result<(), StoreError>;

    /// The sequence of the last ledger entry, whoever wrote it.
    ///
    /// # Errors
    /// When the home fails.
    fn revision(&self) -> Result<u64, StoreError> {
        look(self, |reader| Ok(reader.tip()?.sequence))
    }
}

/// [`Store::read`] with an answer.
///
/// # Errors
/// When the home fails or `f` does.
pub fn look<S: Store + ?Sized, T>(
    store: &S,
    mut f: impl FnMut(&dyn Reader) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut answer = None;
    store.read(&mut |reader| {
        answer = Some(f(reader)?);
        Ok(())
    })?;
    answer
        .ok_or_else(|| StoreError::GivenUp("the store did not run what it was given".into(), None))
}

/// [`Store::write`] with an answer.
///
/// # Errors
/// When the home fails or `f` does.
pub fn change<S: Store + ?Sized, T>(
    store: &S,
    mut f: impl FnMut(&mut dyn Transaction) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut answer = None;
    store.write(&mut |transaction| {
        answer = Some(f(transaction)?);
        Ok(())
    })?;
    answer
        .ok_or_else(|| StoreError::GivenUp("the store did not run what it was given".into(), None))
}

/// One command in a transaction of its own.
///
/// # Errors
/// When the home fails. A refusal is no error but an outcome.
pub fn act<S: Store + ?Sized>(
    store: &S,
    actor: &Actor,
    command: &Command,
    now: UnixMillis,
) -> Result<Recorded, StoreError> {
    change(store, |transaction| transaction.record(actor, command, now))
}

/// Makes sure that the registry is founded on this network: founds it when it
/// is not founded at all, and changes nothing when it is.
///
/// # Errors
/// When it is founded on another one, or when the home fails.
pub fn found<S: Store + ?Sized>(
    store: &S,
    network: NetworkPrefix,
    actor: &Actor,
    now: UnixMillis,
) -> Result<(), StoreError> {
    change(store, |transaction| match transaction.network()? {
        Some(present) if present == network => Ok(()),
        Some(present) => Err(StoreError::OtherNetwork {
            present,
            wanted: network,
        }),
        None => match transaction
            .record(actor, &Command::FoundNetwork { network }, now)?
            .outcome
        {
            Outcome::Accepted(_) => Ok(()),
            Outcome::Refused(refusal) => Err(StoreError::given_up(refusal)),
        },
    })
}
