//! All that one gateway must hold, collected from its lines outwards: the cost
//! follows what the gateway holds.
//!
//! A gateway that is home to half of the country holds two million grants, and
//! collecting them takes its time. [`Collecting`] does it piece by piece, so
//! that the model may take in ledger entries between two pieces; at the end the
//! feed's log says what became different meanwhile, and that is put over what
//! was collected. Why this is right: only what concerns the gateway at the
//! moment of reading is collected. Of that, what no entry touched since the
//! beginning is the same whenever it was read, and what one touched stands in
//! the gateway's log with its last state. What concerned the gateway all the
//! time, but by another line or grant at the end than at the beginning, may have
//! been missed: that other one came meanwhile, so it stands in the log, and what
//! hangs on it is read again.
//!
//! It does not use the counts of [`crate::model`] of whom a participant
//! concerns: the tests compare the two ways.

use crate::feed_log::{FeedLog, Since};
use crate::model::Model;
use crate::records::{GatewayIndex, Stage};
use iryonet_domain::{Fingerprint, GatewayId, LineId, ParticipantNumber, ServiceId, UnixMillis};
use iryonet_wire::feed::{
    Change, DeviceEntry, FORMAT, GatewayEntry, Grant, LineEntry, ParticipantEntry, Revision,
    ServiceEntry, Snapshot,
};
use std::collections::BTreeMap;

impl Model {
    /// What the gateway must hold at the model's revision, or `None` for a
    /// gateway that was never registered. `issued_at` and `valid_until` are
    /// written into it as they are.
    #[must_use]
    pub fn snapshot(
        &self,
        gateway: &GatewayId,
        issued_at: UnixMillis,
        valid_until: UnixMillis,
    ) -> Option<Snapshot> {
        let mut collecting = Collecting::begin(self, gateway)?;
        loop {
            collecting.step(self, usize::MAX);
            if !collecting.sort() {
                break;
            }
        }
        collecting.finish(issued_at, valid_until)
    }
}

/// What is being read from the model, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The gateway's lines.
    Lines,
    /// Participants with a line there: devices, and paths of either direction.
    Present,
    /// Everybody on one of those paths.
    Concerned,
    /// The paths' validity.
    Paths,
    Complete,
}

/// A snapshot in the making. The holder of the model's lock calls
/// [`Collecting::step`], and without the lock [`Collecting::sort`], until that
/// says that there is no more; then, with the lock, [`Collecting::conclude`],
/// and without it [`Collecting::finish`].
#[derive(Debug)]
pub struct Collecting {
    begun: Revision,
    at: GatewayIndex,
    phase: Phase,
    place: usize,
    line_numbers: Vec<LineId>,
    present: Vec<ParticipantNumber>,
    concerned: Vec<ParticipantNumber>,
    paths: Vec<(ParticipantNumber, ServiceId)>,
    overlay: Overlay,
    snapshot: Snapshot,
}

impl Collecting {
    /// Begins at the model's present revision; `None` for a gateway that was
    /// never registered.
    #[must_use]
    pub fn begin(model: &Model, gateway: &GatewayId) -> Option<Self> {
        let at = *model.gateway_names.get(gateway)?;
        let here = model.gateways.get(usize::from(at.0))?;
        Some(Self {
            begun: model.revision,
            at,
            phase: Phase::Lines,
            place: 0,
            line_numbers: here.lines.iter().copied().collect(),
            present: Vec::new(),
            concerned: Vec::new(),
            paths: Vec::new(),
            overlay: Overlay::default(),
            snapshot: Snapshot {
                format: FORMAT,
                network: model.network,
                gateway: gateway.clone(),
                revision: model.revision,
                issued_at: UnixMillis(0),
                valid_until: UnixMillis(0),
                gateways: (model.gateway_names.values())
                    .filter_map(|at| Some(model.gateways.get(usize::from(at.0))?.entry.clone()))
                    .collect(),
                participants: Vec::new(),
                services: (model.services.iter())
                    .map(|(&id, service)| service.entry(id))
                    .collect(),
                grants: Vec::new(),
                lines: Vec::new(),
                devices: Vec::new(),
            },
        })
    }

    /// Reads about `pieces` more things from the model. A provider with all its
    /// grants is read at once, and counts as many.
    pub fn step(&mut self, model: &Model, pieces: usize) {
        let mut left = pieces;
        while left > 0 && self.place < self.things() {
            let (place, paths_before) = (self.place, self.paths.len());
            self.place += 1;
            match self.phase {
                Phase::Lines => self.line(model, place),
                Phase::Present => self.present_one(model, place),
                Phase::Concerned => {
                    if let Some(&number) = self.concerned.get(place)
                        && let Some(known) = model.participants.get(number)
                    {
                        self.snapshot.participants.push(known.entry(number));
                    }
                }
                Phase::Paths => {
                    if let Some(&(number, service)) = self.paths.get(place)
                        && let Some(agreement) = model.agreement(number, service)
                        && agreement.stage == Stage::Accepted
                    {
                        self.snapshot.grants.push(agreement.grant(number));
                    }
                }
                Phase::Complete => {}
            }
            left = left.saturating_sub(1 + self.paths.len().saturating_sub(paths_before));
        }
    }

    fn things(&self) -> usize {
        match self.phase {
            Phase::Lines => self.line_numbers.len(),
            Phase::Present => self.present.len(),
            Phase::Concerned => self.concerned.len(),
            Phase::Paths => self.paths.len(),
            Phase::Complete => 0,
        }
    }

    fn line(&mut self, model: &Model, place: usize) {
        if let Some(&line) = self.line_numbers.get(place)
            && let Some(known) = model.lines.get(&line)
        {
            self.present.push(known.participant);
            (self.snapshot.lines).push(known.entry(line, &self.snapshot.gateway));
        }
    }

    fn present_one(&mut self, model: &Model, place: usize) {
        if let Some(&number) = self.present.get(place) {
            let found = Found {
                devices: &mut self.snapshot.devices,
                concerned: &mut self.concerned,
                paths: &mut self.paths,
            };
            found.of(model, number, self.at);
        }
    }

    /// Does what needs no model, between two steps. `false`: all is read.
    pub fn sort(&mut self) -> bool {
        if self.place < self.things() {
            return true;
        }
        self.place = 0;
        self.phase = match self.phase {
            Phase::Lines => {
                self.present.sort_unstable();
                self.present.dedup();
                Phase::Present
            }
            Phase::Present => {
                self.concerned.sort_unstable();
                self.concerned.dedup();
                self.paths.sort_unstable();
                self.paths.dedup();
                self.snapshot.participants.reserve(self.concerned.len());
                self.snapshot.grants.reserve(self.paths.len());
                Phase::Concerned
            }
            Phase::Concerned => Phase::Paths,
            Phase::Paths | Phase::Complete => Phase::Complete,
        };
        self.phase != Phase::Complete
    }

    /// Takes note of what became different since the beginning; under the same
    /// lock, `log` and `model` stand at one revision. `false`: the log does not
    /// reach back that far. Begin again, or hold the lock throughout.
    #[must_use]
    pub fn conclude(&mut self, model: &Model, log: &FeedLog) -> bool {
        let (to, changes) = match log.since(&self.snapshot.gateway, self.begun) {
            Since::UpToDate => return true,
            Since::Changes { to, changes } => (to, changes),
            Since::TooOld => return false,
        };
        self.snapshot.revision = to;
        let mut overlay = Overlay::from(changes);
        let (mut devices, mut concerned, mut paths) = (Vec::new(), Vec::new(), Vec::new());
        for line in overlay.lines.values().flatten() {
            let found = Found {
                devices: &mut devices,
                concerned: &mut concerned,
                paths: &mut paths,
            };
            found.of(model, line.participant, self.at);
        }
        for grant in overlay.grants.values().flatten() {
            concerned.push(grant.participant);
            concerned.extend(model.services.get(&grant.service).map(|s| s.provider));
        }
        (overlay.devices).extend(devices.into_iter().map(|e| (e.fingerprint, Some(e))));
        for number in concerned {
            if let Some(known) = model.participants.get(number) {
                (overlay.participants).insert(number, Some(known.entry(number)));
            }
        }
        for (number, service) in paths {
            if let Some(agreement) = model.agreement(number, service) {
                (overlay.grants).insert((number, service), Some(agreement.grant(number)));
            }
        }
        self.overlay = overlay;
        true
    }

    /// The snapshot; `None` when not all was read.
    #[must_use]
    pub fn finish(mut self, issued_at: UnixMillis, valid_until: UnixMillis) -> Option<Snapshot> {
        if self.phase != Phase::Complete {
            return None;
        }
        self.overlay.put_over(&mut self.snapshot);
        self.snapshot.issued_at = issued_at;
        self.snapshot.valid_until = valid_until;
        Some(self.snapshot)
    }
}

/// What hangs on a participant with a line at the gateway.
struct Found<'a> {
    devices: &'a mut Vec<DeviceEntry>,
    concerned: &'a mut Vec<ParticipantNumber>,
    paths: &'a mut Vec<(ParticipantNumber, ServiceId)>,
}

impl Found<'_> {
    fn of(self, model: &Model, number: ParticipantNumber, at: GatewayIndex) {
        let Some(known) = model.participants.get(number) else {
            return;
        };
        if !known.lines.iter().any(|line| line.gateway == at) {
            // Its last line here went meanwhile. The log says so, and says no
            // more of what came to it since: that concerns others.
            return;
        }
        self.concerned.push(number);
        (self.devices).extend(known.devices.iter().map(|device| device.entry(number)));
        for agreement in known.agreements.iter() {
            if agreement.stage == Stage::Accepted
                && let Some(service) = model.services.get(&agreement.service)
            {
                self.paths.push((number, agreement.service));
                self.concerned.push(service.provider);
            }
        }
        for id in model.services_of(number) {
            if let Some(service) = model.services.get(&id) {
                (self.paths).extend(service.grantees.iter().map(|&grantee| (grantee, id)));
                self.concerned.extend(service.grantees.iter());
            }
        }
    }
}

/// The last state of everything that changes touched; `None`: gone.
#[derive(Debug, Default)]
struct Overlay {
    gateways: BTreeMap<GatewayId, Option<GatewayEntry>>,
    participants: BTreeMap<ParticipantNumber, Option<ParticipantEntry>>,
    services: BTreeMap<ServiceId, Option<ServiceEntry>>,
    grants: BTreeMap<(ParticipantNumber, ServiceId), Option<Grant>>,
    lines: BTreeMap<LineId, Option<LineEntry>>,
    devices: BTreeMap<Fingerprint, Option<DeviceEntry>>,
}

impl From<Vec<Change>> for Overlay {
    fn from(changes: Vec<Change>) -> Self {
        let mut last = Self::default();
        for change in changes {
            match change {
                Change::Gateway(e) => drop(last.gateways.insert(e.gateway.clone(), Some(e))),
                Change::GatewayGone(key) => drop(last.gateways.insert(key, None)),
                Change::Participant(e) => drop(last.participants.insert(e.number, Some(e))),
                Change::ParticipantGone(key) => drop(last.participants.insert(key, None)),
                Change::Service(e) => drop(last.services.insert(e.service, Some(e))),
                Change::ServiceGone(key) => drop(last.services.insert(key, None)),
                Change::Grant(e) => {
                    last.grants.insert((e.participant, e.service), Some(e));
                }
                Change::GrantGone {
                    participant,
                    service,
                } => {
                    last.grants.insert((participant, service), None);
                }
                Change::Line(e) => drop(last.lines.insert(e.line, Some(e))),
                Change::LineGone(key) => drop(last.lines.insert(key, None)),
                Change::Device(e) => drop(last.devices.insert(e.fingerprint, Some(e))),
                Change::DeviceGone(key) => drop(last.devices.insert(key, None)),
            }
        }
        last
    }
}

impl Overlay {
    fn put_over(self, snapshot: &mut Snapshot) {
        put(&mut snapshot.gateways, self.gateways, |e| e.gateway.clone());
        put(&mut snapshot.participants, self.participants, |e| e.number);
        put(&mut snapshot.services, self.services, |e| e.service);
        put(&mut snapshot.grants, self.grants, |e| {
            (e.participant, e.service)
        });
        put(&mut snapshot.lines, self.lines, |e| e.line);
        if !self.devices.is_empty() {
            put(&mut snapshot.devices, self.devices, |e| e.fingerprint);
            // By owner first, as they are collected.
            (snapshot.devices).sort_unstable_by_key(|e| (e.participant, e.fingerprint));
        }
    }
}

fn put<K: Ord, E>(list: &mut Vec<E>, last: BTreeMap<K, Option<E>>, key: impl Fn(&E) -> K) {
    if last.is_empty() {
        return;
    }
    list.retain(|entry| !last.contains_key(&key(entry)));
    list.extend(last.into_values().flatten());
    list.sort_by_cached_key(key);
}
