//! The datapath: loads the eBPF programs, keeps their tables, and reads what
//! they counted.
//!
//! Fail static: programs, links and maps are pinned, so that a gateway process
//! that dies leaves enforcement as it was. The next process adopts the maps and
//! replaces the program behind each link atomically: at no moment is an
//! interface without a program.
//!
//! It must not know the feed, certificates or sessions: it is told numbers,
//! addresses and leases. Whoever owns a [`Datapath`] is the only writer of its
//! pinned tables.

mod bindings;
mod config;
mod counters;
mod error;
mod layout;
mod object;
mod pins;
mod probe;
mod raw;
mod run;
mod tables;

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::path::Path;

use iryonet_verdict::policy::PolicyChanges;
use iryonet_verdict::slot::Seed;
use iryonet_verdict::{EndpointKey, Hook, ParticipantSlot, address};

pub use config::{Binding, Config, ENDPOINTS_MAX, MINIMUM_MAX, Opened};
pub use counters::{DenialRecord, DropCount, ReasonTotal};
pub use error::DatapathError;
pub use iryonet_verdict::{DenyReason, Hook as DatapathHook, LineCounters, ParticipantState};
pub use pins::remove_pins;
pub use probe::Probe;
pub use run::TestRun;

pub(crate) use object::Extras;
use object::Loaded;
use pins::Pins;
use tables::Tables;

/// What [`Datapath::reconcile`] changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Participants and grants.
    pub policy: PolicyChanges,
    /// Endpoints added, or moved to another service.
    pub endpoints_set: u32,
    /// Endpoints taken out.
    pub endpoints_removed: u32,
}

/// The gateway's programs and tables. See the module.
pub struct Datapath {
    loaded: Loaded,
    tables: Tables,
    pins: Option<Pins>,
    network: u32,
}

impl std::fmt::Debug for Datapath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Datapath")
            .field("pins", &self.pins)
            .finish_non_exhaustive()
    }
}

impl Datapath {
    /// Loads the programs, and adopts or makes the pinned tables.
    ///
    /// Programs behind links that an earlier process pinned are replaced by the
    /// ones loaded here before this returns.
    ///
    /// # Errors
    /// When the configuration is out of range, `pin_dir` is not on a bpffs, or
    /// the kernel refuses; links keep the programs that they had.
    pub fn open(config: &Config) -> Result<(Self, Opened), DatapathError> {
        config.check()?;
        let pins = Pins::open(&config.pin_dir)?;
        let (mut loaded, state) = object::open_pinned(config, &pins)?;
        let mut tables = Tables::open(&mut loaded, config)?;
        let (lines, backbones) = pins.replace_programs(&mut loaded)?;
        let opened = match state {
            object::MapState::Fresh => Opened::Fresh,
            object::MapState::Replaced(why) => Opened::Replaced {
                why,
                lines,
                backbones,
            },
            object::MapState::Adopted => Opened::Adopted {
                participants: tables.policy.participants().len(),
                grants: tables.policy.grants().len(),
                endpoints: tables.endpoint_count(),
                bindings: tables.bindings(),
                lines,
                backbones,
            },
        };
        tables.mark_complete(config, &mut loaded)?;
        let network = config.network32();
        Ok((
            Self {
                loaded,
                tables,
                pins: Some(pins),
                network,
            },
            opened,
        ))
    }

    /// Loads programs and tables that live only as long as this value: for
    /// tests and measurements, which need no bpffs and disturb no gateway.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_unpinned(config: &Config) -> Result<Self, DatapathError> {
        Self::open_private(config, Extras::default())
    }

    /// As [`open_unpinned`](Self::open_unpinned), for tests that set the
    /// programs' clock and know the seed of the tables. A pinned datapath can
    /// have neither.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_for_test(config: &Config, seed: [u64; 2]) -> Result<Self, DatapathError> {
        let extras = Extras {
            test_clock: true,
            seed: Some(Seed(seed)),
            ..Extras::default()
        };
        Self::open_private(config, extras)
    }

    pub(crate) fn open_private(config: &Config, extras: Extras) -> Result<Self, DatapathError> {
        config.check()?;
        let mut loaded = object::open_private(config, extras)?;
        let tables = Tables::open(&mut loaded, config)?;
        Ok(Self {
            loaded,
            tables,
            pins: None,
            network: config.network32(),
        })
    }

    /// Enforces on a line: both directions. A line without a binding gets
    /// nothing but attach. Doing it again changes nothing.
    ///
    /// To be called before the interface comes up.
    ///
    /// # Errors
    /// When there is no such interface or the kernel refuses.
    pub fn attach_line(&mut self, ifindex: u32, name: &str) -> Result<(), DatapathError> {
        // The site's packets come first: with only one of the two in force,
        // nothing of the site may enter.
        for hook in [Hook::LineIn, Hook::LineOut] {
            pins::attach(&mut self.loaded, self.pins.as_ref(), hook, ifindex, name)?;
        }
        Ok(())
    }

    /// Enforces on the backbone's interface. Doing it again changes nothing.
    ///
    /// # Errors
    /// When there is no such interface or the kernel refuses.
    pub fn attach_backbone(&mut self, ifindex: u32, name: &str) -> Result<(), DatapathError> {
        pins::attach(
            &mut self.loaded,
            self.pins.as_ref(),
            Hook::BackboneIn,
            ifindex,
            name,
        )
    }

    /// Stops enforcing on a line and forgets its binding. For interfaces that
    /// are down or gone: afterwards nothing filters this one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn detach_line(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        self.tables.unbind(ifindex)?;
        self.tables.release_counter(ifindex);
        for hook in [Hook::LineIn, Hook::LineOut] {
            pins::detach(&mut self.loaded, self.pins.as_ref(), hook, ifindex)?;
        }
        Ok(())
    }

    /// Sets where a participant stands; tells whether that changed anything.
    /// A change makes all its conversations be checked again.
    ///
    /// # Errors
    /// A number out of range (1 to 2^24 - 1) or a full table.
    pub fn set_participant(
        &mut self,
        number: u32,
        state: ParticipantState,
        generation: u32,
    ) -> Result<bool, DatapathError> {
        Ok(self
            .tables
            .policy
            .set_participant(number, state, generation)?)
    }

    /// Takes a participant out: all it sends and receives is refused.
    pub fn remove_participant(&mut self, number: u32) -> bool {
        self.tables.policy.remove_participant(number)
    }

    /// Grants a participant a service; tells whether that is new.
    ///
    /// # Errors
    /// A number out of range or a full table.
    pub fn set_grant(&mut self, participant: u32, service: u32) -> Result<bool, DatapathError> {
        Ok(self.tables.policy.set_grant(participant, service)?)
    }

    /// Takes a grant back, conversations in force included; tells whether it
    /// was there.
    ///
    /// # Errors
    /// A number out of range.
    pub fn remove_grant(&mut self, participant: u32, service: u32) -> Result<bool, DatapathError> {
        Ok(self.tables.policy.remove_grant(participant, service)?)
    }

    /// Says that a service is reached at an address, protocol and port; tells
    /// whether that changed anything. ICMPv6 echo is protocol 58, port 0.
    ///
    /// # Errors
    /// An address outside the network or of the infrastructure, a protocol that
    /// is not carried, or a full table.
    pub fn set_endpoint(
        &mut self,
        address: Ipv6Addr,
        protocol: u8,
        port: u16,
        service: u32,
    ) -> Result<bool, DatapathError> {
        let key = self.endpoint_key(address, protocol, port)?;
        self.tables.set_endpoint(key, service)
    }

    /// Takes an endpoint away, conversations in force included; tells whether
    /// it was there.
    ///
    /// # Errors
    /// As [`set_endpoint`](Self::set_endpoint).
    pub fn remove_endpoint(
        &mut self,
        address: Ipv6Addr,
        protocol: u8,
        port: u16,
    ) -> Result<bool, DatapathError> {
        let key = self.endpoint_key(address, protocol, port)?;
        self.tables.remove_endpoint(key)
    }

    /// Serves a base service to every attached participant, at an address of
    /// the infrastructure (participant number 0).
    ///
    /// # Errors
    /// An address that is not of the infrastructure, or a full table.
    pub fn set_base_service(
        &mut self,
        address: Ipv6Addr,
        protocol: u8,
        port: u16,
    ) -> Result<bool, DatapathError> {
        let key = self.base_key(address, protocol, port)?;
        self.tables.set_base_service(key)
    }

    /// Stops serving a base service; tells whether it was there.
    ///
    /// # Errors
    /// As [`set_base_service`](Self::set_base_service).
    pub fn remove_base_service(
        &mut self,
        address: Ipv6Addr,
        protocol: u8,
        port: u16,
    ) -> Result<bool, DatapathError> {
        let key = self.base_key(address, protocol, port)?;
        self.tables.remove_base_service(key)
    }

    /// Makes the base services equal to a list; tells whether that changed
    /// anything.
    ///
    /// # Errors
    /// As [`set_base_service`](Self::set_base_service).
    pub fn reconcile_base_services(
        &mut self,
        services: impl Iterator<Item = (Ipv6Addr, u8, u16)>,
    ) -> Result<bool, DatapathError> {
        let mut wanted = Vec::new();
        for (address, protocol, port) in services {
            wanted.push(self.base_key(address, protocol, port)?);
        }
        self.tables.reconcile_base_services(&wanted)
    }

    /// Binds a line to a site until the lease ends. Replaces a binding that the
    /// line had.
    ///
    /// # Errors
    /// A prefix that is not a /64 of that participant, one that another line
    /// has, or a full table.
    pub fn bind(&mut self, ifindex: u32, binding: Binding) -> Result<(), DatapathError> {
        if !address::in_network(self.network, binding.prefix)
            || address::participant_of(binding.prefix) != binding.participant
            || binding.participant == 0
        {
            return Err(DatapathError::PrefixNotOwned {
                prefix: Ipv6Addr::from(u128::from(binding.prefix) << 64),
                participant: binding.participant,
            });
        }
        self.tables.bind(ifindex, binding)
    }

    /// Moves the end of a line's lease (monotonic nanoseconds, see
    /// [`monotonic_ns`]).
    ///
    /// # Errors
    /// When the line has no binding.
    pub fn renew(&mut self, ifindex: u32, lease_expires_ns: u64) -> Result<(), DatapathError> {
        self.tables.renew(ifindex, lease_expires_ns)
    }

    /// Takes a line's binding away: nothing but attach passes any more. Tells
    /// whether there was one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unbind(&mut self, ifindex: u32) -> Result<bool, DatapathError> {
        self.tables.unbind(ifindex)
    }

    /// The bindings, by interface index.
    pub fn bindings(&self) -> BTreeMap<u32, Binding> {
        self.tables.bindings()
    }

    /// Makes participants, grants and endpoints equal to a snapshot, touching
    /// only what differs. What the snapshot takes away goes first.
    ///
    /// # Errors
    /// As the single calls; what was done before stays done.
    pub fn reconcile(
        &mut self,
        participants: impl Iterator<Item = (u32, ParticipantState, u32)>,
        grants: impl Iterator<Item = (u32, u32)>,
        endpoints: impl Iterator<Item = (Ipv6Addr, u8, u16, u32)>,
    ) -> Result<Changes, DatapathError> {
        let mut wanted = BTreeMap::new();
        for (address, protocol, port, service) in endpoints {
            wanted.insert(self.endpoint_key(address, protocol, port)?, service);
        }
        let mut changes = Changes {
            endpoints_removed: self.tables.remove_endpoints_except(&wanted)?,
            policy: self.tables.policy.reconcile(participants, grants)?,
            endpoints_set: 0,
        };
        for (key, service) in wanted {
            if self.tables.set_endpoint(key, service)? {
                changes.endpoints_set += 1;
            }
        }
        Ok(changes)
    }

    /// The numbers of the participants in the table, in no order.
    pub fn participants(&self) -> impl Iterator<Item = u32> {
        let entries = self.tables.policy.participants().iter();
        entries.map(|entry| ParticipantSlot(entry).number())
    }

    /// The grants in the table, as participant and service, in no order.
    pub fn grants(&self) -> impl Iterator<Item = (u32, u32)> {
        self.tables.policy.granted()
    }

    /// The endpoints in the table, ascending.
    pub fn endpoints(&self) -> impl Iterator<Item = (Ipv6Addr, u8, u16)> {
        let network = self.network;
        self.tables
            .endpoint_keys()
            .map(move |key| (key.address(network).into(), key.protocol(), key.port()))
    }

    /// Participants in the table.
    pub fn participant_count(&self) -> u32 {
        self.tables.policy.participants().len()
    }

    /// Grants in the table.
    pub fn grant_count(&self) -> u32 {
        self.tables.policy.grants().len()
    }

    /// Refused packets by interface, participant and reason.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn drops(&self) -> Result<Vec<DropCount>, DatapathError> {
        self.tables.drops()
    }

    /// Refused packets by reason, those without any left out.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn reason_totals(&self) -> Result<Vec<ReasonTotal>, DatapathError> {
        self.tables.reason_totals()
    }

    /// A line's counters since its participant was first bound to it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn line_counters(&self, ifindex: u32) -> Result<LineCounters, DatapathError> {
        self.tables.line_counters(ifindex)
    }

    /// The sum over the lines that are bound to a participant now.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn participant_counters(&self, number: u32) -> Result<LineCounters, DatapathError> {
        self.tables.participant_counters(number)
    }

    /// Counters of the backbone and of lines without a binding.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unbound_counters(&self) -> Result<LineCounters, DatapathError> {
        self.tables.unbound_counters()
    }

    /// The last refused packets, the newest first, at most `max`. Reading does
    /// not use them up; the ring overwrites its oldest.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn recent_denials(&mut self, max: usize) -> Result<Vec<DenialRecord>, DatapathError> {
        self.tables.recent_denials(max)
    }

    /// Kernel memory of each map, bytes, as the kernel itself reports it.
    ///
    /// # Errors
    /// When /proc cannot be read.
    pub fn memory_bytes(&self) -> Result<BTreeMap<String, u64>, DatapathError> {
        self.tables.memory_bytes()
    }

    /// Gives a packet to a hook's program without sending it anywhere, as if it
    /// were on `ifindex`, and measures it over `repeat` runs.
    ///
    /// # Errors
    /// When the kernel refuses: no such interface, or less than 14 bytes.
    pub fn test_run(
        &self,
        hook: Hook,
        ifindex: u32,
        packet: &[u8],
        repeat: u32,
    ) -> Result<TestRun, DatapathError> {
        run::test_run(
            &self.loaded,
            object::program_name(hook),
            ifindex,
            packet,
            repeat,
        )
    }

    /// Sets the clock of a datapath opened for tests; others do not look at it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_test_clock_ns(&mut self, now_ns: u64) -> Result<(), DatapathError> {
        self.tables.set_test_clock_ns(now_ns)
    }

    /// Conversations in the table, those long silent included.
    pub fn flow_count(&self) -> usize {
        self.tables.flow_count()
    }

    /// Forgets all conversations and fragments. For tests: a packet that is
    /// looked at meanwhile may be refused.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn forget_flows(&mut self) -> Result<(), DatapathError> {
        self.tables.forget_flows()
    }

    /// Reads in the table of conversations at random, one after the other, for
    /// measurements: nanoseconds of one read.
    pub(crate) fn flow_read_ns(&self, reads: u32) -> f64 {
        let started = std::time::Instant::now();
        std::hint::black_box(self.tables.read_flows_at_random(reads));
        started.elapsed().as_nanos() as f64 / f64::from(reads.max(1))
    }

    pub(crate) fn loaded_mut(&mut self) -> &mut Loaded {
        &mut self.loaded
    }

    /// A test run of any program, for measurements: nanoseconds of one run.
    pub(crate) fn test_run_program(
        &self,
        name: &'static str,
        ifindex: u32,
        packet: &[u8],
        repeat: u32,
    ) -> Result<f64, DatapathError> {
        let run = run::test_run(&self.loaded, name, ifindex, packet, repeat)?;
        Ok(run.duration_ns as f64)
    }

    fn endpoint_key(
        &self,
        address: Ipv6Addr,
        protocol: u8,
        port: u16,
    ) -> Result<EndpointKey, DatapathError> {
        let (high, low) = address::halves(address.into());
        if !address::in_network(self.network, high) || address::participant_of(high) == 0 {
            return Err(DatapathError::EndpointAddress { address });
        }
        check_protocol(protocol, port)?;
        Ok(EndpointKey::new(high, low, protocol, port))
    }

    fn base_key(
        &self,
        address: Ipv6Addr,
        protocol: u8,
        port: u16,
    ) -> Result<EndpointKey, DatapathError> {
        let (high, low) = address::halves(address.into());
        if !address::in_network(self.network, high) || address::participant_of(high) != 0 {
            return Err(DatapathError::BaseAddress { address });
        }
        check_protocol(protocol, port)?;
        Ok(EndpointKey::new(high, low, protocol, port))
    }
}

/// The clock that leases are told in: CLOCK_MONOTONIC, nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = nix::time::ClockId::CLOCK_MONOTONIC.now();
    now.map_or(0, |now| std::time::Duration::from(now).as_nanos() as u64)
}

/// Whether the path lies on a bpffs.
pub fn is_bpffs(path: &Path) -> bool {
    pins::is_bpffs(path)
}

fn check_protocol(protocol: u8, port: u16) -> Result<(), DatapathError> {
    use iryonet_verdict::protocol::{ICMPV6, TCP, UDP};
    match (protocol, port) {
        (TCP | UDP, 1..) | (ICMPV6, 0) => Ok(()),
        _ => Err(DatapathError::EndpointPort { protocol, port }),
    }
}
