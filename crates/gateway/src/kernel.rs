//! What the daemon needs from the datapath, so that all above it is tested
//! without root.

use crate::datapath::{
    Binding, Datapath, DatapathError, DenialRecord, DropCount, LineCounters, ParticipantState,
    ReasonTotal,
};
use crate::policy::{Held, Op};
use iryonet_domain::{Endpoint, ParticipantNumber, Protocol, ServiceId, SitePrefix};
use iryonet_wire::feed::Condition;

/// The datapath's operations.
pub trait Kernel: Send {
    /// Does one table operation; that the tables show it already is as good.
    /// [`Op::Unbind`] and [`Op::Reconcile`] have
    /// calls of their own and are nothing here.
    ///
    /// # Errors
    /// When a table is full or the kernel refuses.
    fn apply(&mut self, op: &Op) -> Result<(), DatapathError>;
    /// What the tables hold.
    fn held(&self) -> Held;
    /// Binds a line until its lease ends.
    ///
    /// # Errors
    /// When a table is full or the kernel refuses.
    fn bind(
        &mut self,
        ifindex: u32,
        participant: ParticipantNumber,
        prefix: SitePrefix,
        lease_end_ns: u64,
    ) -> Result<(), DatapathError>;
    /// Prolongs the lease.
    ///
    /// # Errors
    /// When the line is not bound.
    fn renew(&mut self, ifindex: u32, lease_end_ns: u64) -> Result<(), DatapathError>;
    /// Ends a binding; that there is none is as good.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn unbind(&mut self, ifindex: u32) -> Result<(), DatapathError>;
    /// Enforces on a line.
    ///
    /// # Errors
    /// When there is no such interface or the kernel refuses.
    fn attach_line(&mut self, ifindex: u32, name: &str) -> Result<(), DatapathError>;
    /// Enforces on the backbone's interface.
    ///
    /// # Errors
    /// When there is no such interface or the kernel refuses.
    fn attach_backbone(&mut self, ifindex: u32, name: &str) -> Result<(), DatapathError>;
    /// Forgets a line whose interface is gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn detach_line(&mut self, ifindex: u32) -> Result<(), DatapathError>;
    /// Refused packets by interface, participant and reason.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn drops(&self) -> Result<Vec<DropCount>, DatapathError>;
    /// Refused packets by reason.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn totals(&self) -> Result<Vec<ReasonTotal>, DatapathError>;
    /// The last refused packets, newest first.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn recent(&mut self, max: usize) -> Result<Vec<DenialRecord>, DatapathError>;
    /// A line's counters.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn line_counters(&self, ifindex: u32) -> Result<LineCounters, DatapathError>;
}

fn state(condition: Condition) -> ParticipantState {
    match condition {
        Condition::Live => ParticipantState::Live,
        Condition::Quarantined => ParticipantState::Quarantined,
        Condition::NoDevice | Condition::Closed | Condition::NotOpen => ParticipantState::NotLive,
    }
}

fn place(endpoint: &Endpoint) -> (std::net::Ipv6Addr, u8, u16) {
    (endpoint.address, endpoint.protocol.number(), endpoint.port)
}

fn protocol_of(number: u8) -> Option<Protocol> {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Echo];
    all.into_iter().find(|protocol| protocol.number() == number)
}

impl Kernel for Datapath {
    fn apply(&mut self, op: &Op) -> Result<(), DatapathError> {
        match op {
            Op::RemoveGrant {
                participant,
                service,
            } => {
                self.remove_grant(participant.get(), service.get())?;
            }
            Op::RemoveEndpoint(endpoint) => {
                let (address, protocol, port) = place(endpoint);
                self.remove_endpoint(address, protocol, port)?;
            }
            Op::RemoveParticipant(number) => {
                self.remove_participant(number.get());
            }
            Op::SetParticipant {
                number,
                condition,
                generation,
            } => {
                self.set_participant(number.get(), state(*condition), *generation)?;
            }
            Op::SetEndpoint(endpoint, service) => {
                let (address, protocol, port) = place(endpoint);
                self.set_endpoint(address, protocol, port, service.get())?;
            }
            Op::SetGrant {
                participant,
                service,
            } => {
                self.set_grant(participant.get(), service.get())?;
            }
            Op::Unbind { .. } | Op::Reconcile => {}
        }
        Ok(())
    }

    fn held(&self) -> Held {
        // Whatever is in the tables came from values of these types.
        let number = |number| ParticipantNumber::new(number).ok();
        Held {
            participants: self.participants().filter_map(number).collect(),
            grants: self
                .grants()
                .filter_map(|(participant, service)| {
                    Some((number(participant)?, ServiceId::new(service).ok()?))
                })
                .collect(),
            endpoints: self
                .endpoints()
                .filter_map(|(address, protocol, port)| {
                    Some(Endpoint {
                        address,
                        protocol: protocol_of(protocol)?,
                        port,
                    })
                })
                .collect(),
        }
    }

    fn bind(
        &mut self,
        ifindex: u32,
        participant: ParticipantNumber,
        prefix: SitePrefix,
        lease_end_ns: u64,
    ) -> Result<(), DatapathError> {
        let binding = Binding {
            participant: participant.get(),
            prefix: prefix.upper(),
            lease_expires_ns: lease_end_ns,
        };
        match Datapath::bind(self, ifindex, binding) {
            // What the policy binds now wins over what an earlier process, or
            // an earlier place of the line, left in the tables.
            Err(DatapathError::PrefixBound { ifindex: other, .. }) => {
                Datapath::unbind(self, other)?;
                Datapath::bind(self, ifindex, binding)
            }
            other => other,
        }
    }

    fn renew(&mut self, ifindex: u32, lease_end_ns: u64) -> Result<(), DatapathError> {
        Datapath::renew(self, ifindex, lease_end_ns)
    }

    fn unbind(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        Datapath::unbind(self, ifindex).map(|_| ())
    }

    fn attach_line(&mut self, ifindex: u32, name: &str) -> Result<(), DatapathError> {
        Datapath::attach_line(self, ifindex, name)
    }

    fn attach_backbone(&mut self, ifindex: u32, name: &str) -> Result<(), DatapathError> {
        Datapath::attach_backbone(self, ifindex, name)
    }

    fn detach_line(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        Datapath::detach_line(self, ifindex)
    }

    fn drops(&self) -> Result<Vec<DropCount>, DatapathError> {
        Datapath::drops(self)
    }

    fn totals(&self) -> Result<Vec<ReasonTotal>, DatapathError> {
        self.reason_totals()
    }

    fn recent(&mut self, max: usize) -> Result<Vec<DenialRecord>, DatapathError> {
        self.recent_denials(max)
    }

    fn line_counters(&self, ifindex: u32) -> Result<LineCounters, DatapathError> {
        Datapath::line_counters(self, ifindex)
    }
}
