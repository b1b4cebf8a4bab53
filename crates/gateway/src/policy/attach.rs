//! May this device bind this line? And what is bound now.

use super::Policy;
use iryonet_domain::{
    DeviceId, Fingerprint, Identity, LineId, ParticipantNumber, SiteIndex, SitePrefix, UnixMillis,
};
use iryonet_wire::attach::Refusal;
use iryonet_wire::feed::{Condition, LineEntry};

/// A device that may bind a line now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorised {
    /// Which line.
    pub line: LineId,
    /// Whose.
    pub participant: ParticipantNumber,
    /// Which site.
    pub site: SiteIndex,
    /// The site's /64.
    pub prefix: SitePrefix,
    /// By which device.
    pub device: DeviceId,
    /// Proved with which certificate.
    pub fingerprint: Fingerprint,
}

/// A line bound to a participant, for as long as its lease is renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What was allowed.
    pub authorised: Authorised,
    /// By which session.
    pub session: u64,
    /// On which interface.
    pub ifindex: u32,
    /// Since when.
    pub since: UnixMillis,
    /// When it ends without a renewal, on the monotonic clock.
    pub lease_end_ns: u64,
}

impl Policy {
    /// May the device with this proven identity and certificate bind the line
    /// that ends on this interface?
    ///
    /// # Errors
    /// The refusal, as the device and the counters are told.
    pub fn authorise(
        &self,
        interface: &str,
        identity: &Identity,
        fingerprint: Fingerprint,
        now: UnixMillis,
    ) -> Result<Authorised, Refusal> {
        if self.lapsed || now >= self.valid_until {
            return Err(Refusal::NoPolicy);
        }
        let line = self
            .entries
            .line_at(&self.gateway, interface)
            .ok_or(Refusal::UnknownLine)?;
        let Identity::Participant { number, device } = identity else {
            return Err(Refusal::UnknownDevice);
        };
        if *number != line.participant {
            return Err(Refusal::WrongLine);
        }
        self.device_may(line, *device, fingerprint, now)?;
        Ok(Authorised {
            line: line.line,
            participant: line.participant,
            site: line.site,
            prefix: self.network.site(line.participant, line.site),
            device: *device,
            fingerprint,
        })
    }

    /// The part of the question that can change while a line is bound.
    fn device_may(
        &self,
        line: &LineEntry,
        device: DeviceId,
        fingerprint: Fingerprint,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        let condition = self
            .entries
            .participants
            .get(&line.participant)
            .map(|entry| entry.condition);
        if condition == Some(Condition::Closed) {
            return Err(Refusal::Closed);
        }
        match self.entries.devices.get(&fingerprint) {
            Some(known) if known.participant != line.participant || known.device != device => {
                return Err(Refusal::UnknownDevice);
            }
            Some(known) if known.not_after <= now => return Err(Refusal::Expired),
            Some(_) => {}
            None if self.gone.contains(&fingerprint) => return Err(Refusal::Revoked),
            None => return Err(Refusal::UnknownDevice),
        }
        match condition {
            // Who is not open yet attaches for the opening test: the datapath
            // lets nothing of it pass.
            Some(Condition::Live | Condition::NotOpen) => Ok(()),
            Some(Condition::Quarantined) => Err(Refusal::Quarantined),
            Some(Condition::Closed) => Err(Refusal::Closed),
            // Its device is listed and it is not live: the feed contradicts
            // itself, and then nobody comes in.
            Some(Condition::NoDevice) | None => Err(Refusal::UnknownDevice),
        }
    }

    /// Why a binding may not go on; `None` if it may.
    pub(super) fn objection(&self, binding: &Binding, now: UnixMillis) -> Option<Refusal> {
        if self.lapsed || now >= self.valid_until {
            return Some(Refusal::NoPolicy);
        }
        let held = &binding.authorised;
        let line = match self.entries.lines.get(&held.line) {
            Some(line) if self.entries.unserved(&self.gateway, line).is_none() => line,
            _ => return Some(Refusal::UnknownLine),
        };
        if line.participant != held.participant || line.site != held.site {
            return Some(Refusal::WrongLine);
        }
        self.device_may(line, held.device, held.fingerprint, now)
            .err()
    }

    /// Binds the line. The newer attachment wins: a binding that the line had,
    /// or that another line of the same site has here, is replaced. Returns the
    /// bindings that lost.
    pub fn bind(
        &mut self,
        authorised: Authorised,
        session: u64,
        ifindex: u32,
        lease_end_ns: u64,
        now: UnixMillis,
    ) -> Vec<Binding> {
        let line = authorised.line;
        let twins: Vec<LineId> = self
            .bound_of
            .get(&authorised.participant)
            .into_iter()
            .flatten()
            .filter(|other| {
                self.bindings
                    .get(other)
                    .is_some_and(|b| b.authorised.prefix == authorised.prefix)
            })
            .copied()
            .collect();
        let mut lost: Vec<Binding> = twins
            .into_iter()
            .filter_map(|twin| self.release(twin))
            .collect();
        lost.extend(self.release(line));
        self.bound_of
            .entry(authorised.participant)
            .or_default()
            .insert(line);
        self.lease_ends.insert((lease_end_ns, line));
        self.bindings.insert(
            line,
            Binding {
                authorised,
                session,
                ifindex,
                since: now,
                lease_end_ns,
            },
        );
        lost
    }

    /// Prolongs the lease of a line, if this session still holds it.
    pub fn renew(&mut self, line: LineId, session: u64, lease_end_ns: u64) -> Option<&Binding> {
        let binding = self
            .bindings
            .get_mut(&line)
            .filter(|binding| binding.session == session)?;
        self.lease_ends.remove(&(binding.lease_end_ns, line));
        binding.lease_end_ns = lease_end_ns;
        self.lease_ends.insert((lease_end_ns, line));
        Some(binding)
    }

    /// Ends the binding of a line, if this session still holds it.
    pub fn leave(&mut self, line: LineId, session: u64) -> Option<Binding> {
        if self.bindings.get(&line)?.session == session {
            self.release(line)
        } else {
            None
        }
    }

    /// Ends the bindings on an interface that is no more.
    pub fn interface_gone(&mut self, ifindex: u32) -> Vec<Binding> {
        let lines: Vec<LineId> = self
            .bindings
            .values()
            .filter(|binding| binding.ifindex == ifindex)
            .map(|binding| binding.authorised.line)
            .collect();
        lines
            .into_iter()
            .filter_map(|line| self.release(line))
            .collect()
    }

    pub(super) fn release(&mut self, line: LineId) -> Option<Binding> {
        let binding = self.bindings.remove(&line)?;
        self.lease_ends.remove(&(binding.lease_end_ns, line));
        let participant = binding.authorised.participant;
        if let Some(lines) = self.bound_of.get_mut(&participant) {
            lines.remove(&line);
            if lines.is_empty() {
                self.bound_of.remove(&participant);
            }
        }
        Some(binding)
    }
}
