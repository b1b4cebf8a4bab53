//! What one ledger entry changes at which gateway.
//!
//! While the model changes, it tells [`Dirty`] about each thing that it is
//! about to touch; what the gateways held of it is noted once. At the end the
//! two states are compared, and each gateway is told the difference in an
//! order that never lets a flow outlive what allowed it:
//!
//! 1. grants, lines and devices that go;
//! 2. services that go, then services that lose an endpoint;
//! 3. participants that concern the gateway no more (unknown is not live);
//! 4. participants, with the generation that makes 1 and 2 bite;
//! 5. all that is new: gateways, services, devices, lines, grants.
//!
//! It must not know which events there are.

use crate::model::Model;
use crate::records::{GatewayIndex, Participant};
use iryonet_domain::{Fingerprint, GatewayId, LineId, ParticipantNumber, ServiceId};
use iryonet_wire::feed::{
    Change, Condition, DeviceEntry, GatewayEntry, Grant, LineEntry, ParticipantEntry, ServiceEntry,
};
use std::collections::{BTreeMap, BTreeSet};

/// A thing, and the gateways that hold it, ascending.
type Held<T> = (Option<T>, Vec<GatewayIndex>);

/// What was touched, as it was before.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// Loading: nobody holds anything yet, so nothing is noted.
    off: bool,
    participants: BTreeMap<ParticipantNumber, Held<ParticipantEntry>>,
    grants: BTreeMap<(ParticipantNumber, ServiceId), Held<Grant>>,
    devices: BTreeMap<(ParticipantNumber, Fingerprint), Held<DeviceEntry>>,
    lines: BTreeMap<LineId, Held<LineEntry>>,
    services: BTreeMap<ServiceId, Option<ServiceEntry>>,
    gateways: BTreeMap<GatewayIndex, Option<GatewayEntry>>,
    narrowed: BTreeSet<ParticipantNumber>,
}

/// The steps of the order above.
const STEPS: usize = 9;
const GOES: usize = 0;
const SERVICE_GOES: usize = 1;
const SERVICE_NARROWER: usize = 2;
const PARTICIPANT_GOES: usize = 3;
const PARTICIPANT: usize = 4;
const GATEWAY: usize = 5;
const SERVICE: usize = 6;
const DEVICE_OR_LINE: usize = 7;
const GRANT: usize = 8;

/// Changes by gateway and step.
#[derive(Default)]
struct Outbox(BTreeMap<GatewayIndex, [Vec<Change>; STEPS]>);

impl Outbox {
    fn put(&mut self, gateway: GatewayIndex, step: usize, change: Change) {
        if let Some(list) = self.0.entry(gateway).or_default().get_mut(step) {
            list.push(change);
        }
    }

    /// Tells the holders of a thing what became of it: `gone` where it is held
    /// no more, `gone` and then `new` where it is another.
    fn compare<T: PartialEq>(
        &mut self,
        before: &Held<T>,
        after: &Held<T>,
        gone: impl Fn() -> Change,
        step: usize,
        new: impl Fn(&T) -> Change,
    ) {
        for &gateway in &before.1 {
            let stays = after.0 == before.0 && after.1.binary_search(&gateway).is_ok();
            if before.0.is_some() && !stays {
                self.put(gateway, GOES, gone());
            }
        }
        for &gateway in &after.1 {
            let held = before.0 == after.0 && before.1.binary_search(&gateway).is_ok();
            if let Some(value) = &after.0
                && !held
            {
                self.put(gateway, step, new(value));
            }
        }
    }
}

impl Dirty {
    /// For loading: notes nothing.
    pub(crate) fn off() -> Self {
        Self {
            off: true,
            ..Self::default()
        }
    }

    /// A participant is about to change, or whom it concerns.
    pub(crate) fn participant(&mut self, model: &Model, number: ParticipantNumber) {
        if !self.off {
            self.participants
                .entry(number)
                .or_insert_with(|| held_participant(model, number));
        }
    }

    /// A grant is about to come, to go, or to concern other gateways.
    pub(crate) fn grant(
        &mut self,
        model: &Model,
        participant: ParticipantNumber,
        service: ServiceId,
    ) {
        if !self.off {
            self.grants
                .entry((participant, service))
                .or_insert_with(|| held_grant(model, participant, service));
        }
    }

    /// A device is about to come or to go.
    pub(crate) fn device(
        &mut self,
        model: &Model,
        number: ParticipantNumber,
        fingerprint: Fingerprint,
    ) {
        if !self.off {
            self.devices
                .entry((number, fingerprint))
                .or_insert_with(|| held_device(model, number, fingerprint));
        }
    }

    /// A participant's devices are about to concern other gateways.
    pub(crate) fn devices(&mut self, model: &Model, number: ParticipantNumber) {
        if !self.off
            && let Some(participant) = model.participants.get(number)
        {
            for device in participant.devices.iter() {
                self.device(model, number, device.fingerprint);
            }
        }
    }

    /// A line is about to come or to go.
    pub(crate) fn line(&mut self, model: &Model, line: LineId) {
        if !self.off {
            self.lines
                .entry(line)
                .or_insert_with(|| held_line(model, line));
        }
    }

    /// A service is about to come, to change or to go.
    pub(crate) fn service(&mut self, model: &Model, id: ServiceId) {
        if !self.off {
            self.services
                .entry(id)
                .or_insert_with(|| model.services.get(&id).map(|service| service.entry(id)));
        }
    }

    /// A gateway is about to come or to change.
    pub(crate) fn gateway(&mut self, model: &Model, at: GatewayIndex) {
        if !self.off {
            self.gateways.entry(at).or_insert_with(|| {
                let known = model.gateways.get(usize::from(at.0));
                known.map(|gateway| gateway.entry.clone())
            });
        }
    }

    /// Something that was allowed to this participant, or to its services, may
    /// be so no longer.
    pub(crate) fn narrow(&mut self, model: &Model, number: ParticipantNumber) {
        if !self.off {
            self.participant(model, number);
            self.narrowed.insert(number);
        }
    }

    /// Sets the generations, and says what is different for whom.
    pub(crate) fn conclude(mut self, model: &mut Model) -> Vec<(GatewayId, Change)> {
        self.bump(model);
        model.compared += self.touched();
        let mut outbox = Outbox::default();
        for (&(participant, service), before) in &self.grants {
            let after = held_grant(model, participant, service);
            let gone = || Change::GrantGone {
                participant,
                service,
            };
            outbox.compare(before, &after, gone, GRANT, |grant| Change::Grant(*grant));
        }
        for (&line, before) in &self.lines {
            let after = held_line(model, line);
            let gone = || Change::LineGone(line);
            outbox.compare(before, &after, gone, DEVICE_OR_LINE, |line| {
                Change::Line(line.clone())
            });
        }
        for (&(number, fingerprint), before) in &self.devices {
            let after = held_device(model, number, fingerprint);
            let gone = || Change::DeviceGone(fingerprint);
            outbox.compare(before, &after, gone, DEVICE_OR_LINE, |device| {
                Change::Device(device.clone())
            });
        }
        for (&number, before) in &self.participants {
            compare_participant(
                &mut outbox,
                number,
                before,
                &held_participant(model, number),
            );
        }
        self.broadcast(model, &mut outbox);
        let mut changes = Vec::new();
        for (at, steps) in outbox.0 {
            if let Some(name) = model.gateway_name(at) {
                changes.extend(steps.into_iter().flatten().map(|c| (name.clone(), c)));
            }
        }
        changes
    }

    fn touched(&self) -> u64 {
        let records = self.participants.len()
            + self.grants.len()
            + self.devices.len()
            + self.lines.len()
            + self.services.len()
            + self.gateways.len();
        records as u64
    }

    fn bump(&mut self, model: &mut Model) {
        for (&number, before) in &self.participants {
            let was_live = matches!(&before.0, Some(entry) if entry.condition == Condition::Live);
            if was_live && model.condition(number) != Some(Condition::Live) {
                self.narrowed.insert(number);
            }
        }
        let generation = model.revision as u32;
        for &number in &self.narrowed {
            if let Some(participant) = model.participants.get_mut(number) {
                participant.generation = generation;
            }
        }
    }

    /// What every gateway holds.
    fn broadcast(&self, model: &Model, outbox: &mut Outbox) {
        let mut news = Vec::new();
        for (&id, before) in &self.services {
            let after = model.services.get(&id).map(|service| service.entry(id));
            match (before, after) {
                (before, Some(after)) if before.as_ref() != Some(&after) => {
                    let loses = |before: &ServiceEntry| {
                        let kept = |e| after.endpoints.binary_search(e).is_ok();
                        !before.endpoints.iter().all(kept)
                    };
                    let step = match before {
                        Some(before) if loses(before) => SERVICE_NARROWER,
                        _ => SERVICE,
                    };
                    news.push((step, Change::Service(after)));
                }
                (Some(_), None) => news.push((SERVICE_GOES, Change::ServiceGone(id))),
                _ => {}
            }
        }
        for (&at, before) in &self.gateways {
            let after = model.gateways.get(usize::from(at.0)).map(|g| &g.entry);
            if let Some(entry) = after
                && before.as_ref() != after
            {
                news.push((GATEWAY, Change::Gateway(entry.clone())));
            }
        }
        for &at in model.gateway_names.values() {
            for (step, change) in &news {
                outbox.put(at, *step, change.clone());
            }
        }
    }
}

fn compare_participant(
    outbox: &mut Outbox,
    number: ParticipantNumber,
    before: &Held<ParticipantEntry>,
    after: &Held<ParticipantEntry>,
) {
    for gateway in &before.1 {
        if after.1.binary_search(gateway).is_err() {
            outbox.put(*gateway, PARTICIPANT_GOES, Change::ParticipantGone(number));
        }
    }
    for gateway in &after.1 {
        let same = before.0 == after.0 && before.1.binary_search(gateway).is_ok();
        if let Some(entry) = &after.0
            && !same
        {
            // Never gone and new: that would be a moment without an answer.
            outbox.put(*gateway, PARTICIPANT, Change::Participant(entry.clone()));
        }
    }
}

fn held_participant(model: &Model, number: ParticipantNumber) -> Held<ParticipantEntry> {
    match model.participants.get(number) {
        Some(known) => (Some(known.entry(number)), known.concerns()),
        None => (None, Vec::new()),
    }
}

fn held_grant(model: &Model, participant: ParticipantNumber, service: ServiceId) -> Held<Grant> {
    let granted = model
        .services
        .get(&service)
        .filter(|known| known.grantees.contains(&participant));
    let (Some(service), Some(agreement)) = (granted, model.agreement(participant, service)) else {
        return (None, Vec::new());
    };
    let present_at = |number| {
        let known = model.participants.get(number);
        known.map(Participant::present_at).unwrap_or_default()
    };
    let mut holders = present_at(participant);
    holders.extend(present_at(service.provider));
    holders.sort_unstable();
    holders.dedup();
    (Some(agreement.grant(participant)), holders)
}

fn held_device(
    model: &Model,
    number: ParticipantNumber,
    fingerprint: Fingerprint,
) -> Held<DeviceEntry> {
    let owner = model.participants.get(number);
    match owner.and_then(|owner| Some((owner, owner.devices.get(&fingerprint)?))) {
        Some((owner, device)) => (Some(device.entry(number)), owner.present_at()),
        None => (None, Vec::new()),
    }
}

fn held_line(model: &Model, line: LineId) -> Held<LineEntry> {
    let known = model.lines.get(&line);
    match known.and_then(|known| Some((known, model.gateway_name(known.gateway)?))) {
        Some((known, gateway)) => (Some(known.entry(line, gateway)), vec![known.gateway]),
        None => (None, Vec::new()),
    }
}
