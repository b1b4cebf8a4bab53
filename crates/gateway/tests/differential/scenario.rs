//! One gateway twice, in the kernel and in memory, and what happens to it.

use std::process::Command;

use iryonet_gateway::datapath::{Binding, Config, Datapath};
use iryonet_verdict::address::site_prefix;
use iryonet_verdict::native::Setting;
use iryonet_verdict::slot::Seed;
use iryonet_verdict::{Hook, ParticipantState, Verdict};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::packets::{self, Tuple};
use crate::twins::Twins;

const NETWORK: u32 = 0x2001_0db8;
const PARTICIPANTS: u32 = 8;
const LINES: usize = 3;
const PORTS: [u16; 4] = [80, 443, 4430, 53];
const SECOND: u64 = 1_000_000_000;

/// Interfaces that only this test's thread sees.
pub(crate) struct Interfaces {
    lines: [u32; LINES],
    backbone: u32,
}

impl Interfaces {
    pub(crate) fn in_a_namespace_of_their_own() -> Self {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("a network namespace");
        for (a, b) in [("line0", "line1"), ("line2", "backbone")] {
            let status = Command::new("ip")
                .args(["link", "add", a, "type", "veth", "peer", "name", b])
                .status()
                .expect("ip (iproute2)");
            assert!(status.success(), "making {a} and {b}");
        }
        let index = |name: &str| nix::net::if_::if_nametoindex(name).expect(name);
        Self {
            lines: [index("line0"), index("line1"), index("line2")],
            backbone: index("backbone"),
        }
    }
}

/// A site that may be bound to a line.
#[derive(Clone, Copy)]
struct Site {
    participant: u32,
    index: u8,
}

impl Site {
    fn address(self, host: u64) -> u128 {
        u128::from(site_prefix(NETWORK, self.participant, self.index)) << 64 | u128::from(host)
    }
}

/// A packet that went by: replies, errors and fragments refer to it.
#[derive(Clone)]
struct Memory {
    tuple: Tuple,
    frame: Vec<u8>,
    hook: Hook,
    ifindex: u32,
}

pub(crate) struct Scenario {
    rng: StdRng,
    datapath: Datapath,
    native: Twins,
    lines: [u32; LINES],
    backbone: u32,
    bound: [Option<Site>; LINES],
    endpoints: Vec<(u128, u8, u16, u32)>,
    memory: Vec<Memory>,
    now_ns: u64,
    steps: u64,
}

impl Scenario {
    pub(crate) fn new(
        datapath: Datapath,
        config: &Config,
        tables: [u64; 2],
        interfaces: &Interfaces,
        seed: u64,
    ) -> Self {
        let link_local = u128::from(config.gateway_link_local);
        let native = Twins::new(Setting {
            network: NETWORK,
            gateway_link_local: ((link_local >> 64) as u64, link_local as u64),
            attach_port: config.attach_port,
            enrol_port: config.enrol_port,
            participants_max: config.participants_max,
            grants_max: config.grants_max,
            flows_max: config.flows_max,
            seed: Seed(tables),
        });
        let mut scenario = Self {
            rng: StdRng::seed_from_u64(seed),
            datapath,
            native,
            lines: interfaces.lines,
            backbone: interfaces.backbone,
            bound: [None; LINES],
            endpoints: Vec::new(),
            memory: Vec::new(),
            now_ns: 0,
            steps: 0,
        };
        scenario.set_now(1000 * SECOND);
        scenario.first_policy();
        scenario
    }

    /// One packet, sometimes after a change, to both.
    pub(crate) fn step(&mut self) -> (Hook, Verdict) {
        self.steps += 1;
        if self.rng.random_bool(0.002) {
            self.change();
        }
        if self.rng.random_bool(0.02) {
            let ns = match self.rng.random_range(0..20) {
                0 => self.rng.random_range(60..400) * SECOND,
                1 => 8000 * SECOND,
                2..=5 => self.rng.random_range(5..15) * SECOND,
                _ => self.rng.random_range(0..2 * SECOND),
            };
            self.set_now(self.now_ns + ns);
        }
        let (hook, ifindex, mut frame) = self.packet();
        // A test run takes no IP packet without its fixed header; what the
        // verdict does with those is tested natively.
        let least = match frame.get(12..14) {
            Some([0x86, 0xdd]) => 54,
            Some([0x08, 0x00]) => 34,
            _ => 15,
        };
        frame.resize(frame.len().max(least), 0);
        let native = self.native.run(hook, ifindex, &frame);
        let run = match self.datapath.test_run(hook, ifindex, &frame, 1) {
            Ok(run) => run,
            Err(error) => panic!("test run of {} bytes: {error:?}", frame.len()),
        };
        let kernel = match (run.passed, run.reason) {
            (true, _) => Ok(()),
            (false, Some(reason)) => Err(reason),
            (false, None) => panic!("the kernel dropped a packet without a reason"),
        };
        assert_eq!(
            kernel,
            native,
            "step {}: the kernel says the left, the native world the right, about this frame at \
             {hook:?} on {ifindex}, at {} ns:\n{}",
            self.steps,
            self.now_ns,
            frame
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        );
        (hook, native)
    }

    /// All counters that both keep.
    pub(crate) fn counters_are_equal(&mut self) {
        let kernel: Vec<_> = self
            .datapath
            .reason_totals()
            .unwrap()
            .iter()
            .map(|t| (t.reason, t.packets))
            .collect();
        let native: Vec<_> = self
            .native
            .one()
            .reason_totals()
            .iter()
            .map(|(r, n)| (*r, *n))
            .collect();
        assert_eq!(kernel, native, "refused packets by reason");

        let kernel: Vec<_> = self
            .datapath
            .drops()
            .unwrap()
            .iter()
            .map(|d| (d.ifindex, d.participant, d.reason as u32, d.packets))
            .collect();
        let native: Vec<_> = self
            .native
            .one()
            .drops()
            .iter()
            .map(|(k, n)| (k.ifindex, k.participant, k.reason, *n))
            .collect();
        assert_eq!(
            kernel, native,
            "refused packets by interface, participant and reason"
        );

        assert_eq!(
            self.datapath.flow_count(),
            self.native.one().flow_count(),
            "conversations"
        );
        let zero = iryonet_verdict::LineCounters::default();
        let slot_0 = self
            .native
            .one()
            .counters()
            .get(&0)
            .copied()
            .unwrap_or(zero);
        assert_eq!(self.datapath.unbound_counters().unwrap(), slot_0);
        for (line, ifindex) in self.lines.into_iter().enumerate() {
            let native = self
                .native
                .one()
                .counters()
                .get(&ifindex)
                .copied()
                .unwrap_or(zero);
            let kernel = self.datapath.line_counters(ifindex).unwrap();
            assert_eq!(kernel, native, "counters of line {line}");
        }

        let native: Vec<_> = self
            .native
            .one()
            .denials()
            .iter()
            .rev()
            .take(500)
            .copied()
            .collect();
        let kernel = self.datapath.recent_denials(500).unwrap();
        assert_eq!(kernel.len(), native.len());
        for (kernel, native) in kernel.iter().zip(&native) {
            assert_eq!(
                (
                    kernel.sequence,
                    kernel.reason as u8,
                    kernel.ifindex,
                    kernel.time_ns
                ),
                (
                    native.sequence,
                    native.reason,
                    native.ifindex,
                    native.time_ns
                )
            );
            assert_eq!(u128::from(kernel.source) as u64, native.source[1]);
            assert_eq!(kernel.destination_port, native.destination_port);
        }
    }

    fn set_now(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        self.native.set_now_ns(now_ns);
        self.datapath.set_test_clock_ns(now_ns).unwrap();
    }

    fn first_policy(&mut self) {
        for number in 1..=PARTICIPANTS {
            self.set_participant(number, ParticipantState::Live, 1);
        }
        for participant in 1..=PARTICIPANTS {
            for _ in 0..2 {
                self.add_endpoint(participant);
            }
        }
        for participant in 1..=PARTICIPANTS {
            for service in 0..10 {
                if self.rng.random_bool(0.5) {
                    self.set_grant(participant, service);
                }
            }
        }
        for line in 0..LINES {
            self.bind(line);
        }
        let infrastructure = Site {
            participant: 0,
            index: 0,
        };
        for (protocol, port) in [(17, 53), (6, 443), (58, 0)] {
            let address = infrastructure.address(1);
            self.native.set_base_service(address, protocol, port);
            self.datapath
                .set_base_service(address.into(), protocol, port)
                .unwrap();
        }
    }

    fn change(&mut self) {
        let participant = self.rng.random_range(1..=PARTICIPANTS);
        match self.rng.random_range(0..16) {
            0 => {
                let states = [
                    ParticipantState::Quarantined,
                    ParticipantState::NotLive,
                    ParticipantState::Live,
                    ParticipantState::Live,
                ];
                let state = *states.choose(&mut self.rng).unwrap();
                let generation = self.rng.random_range(1..5);
                self.set_participant(participant, state, generation);
            }
            1 => {
                self.native.remove_participant(participant);
                self.datapath.remove_participant(participant);
            }
            2 | 12 | 13 => self.set_participant(participant, ParticipantState::Live, 1),
            3 | 4 => {
                let service = self.rng.random_range(0..10);
                self.set_grant(participant, service);
            }
            5 | 6 => {
                let service = self.rng.random_range(0..10);
                let native = self.native.remove_grant(participant, service).unwrap();
                assert_eq!(
                    self.datapath.remove_grant(participant, service).unwrap(),
                    native
                );
            }
            7 => self.add_endpoint(participant),
            8 => {
                if self.endpoints.len() > 6 {
                    let at = self.rng.random_range(0..self.endpoints.len());
                    let (address, protocol, port, _) = self.endpoints.swap_remove(at);
                    assert!(self.native.remove_endpoint(address, protocol, port));
                    assert!(
                        self.datapath
                            .remove_endpoint(address.into(), protocol, port)
                            .unwrap()
                    );
                }
            }
            9 => {
                let line = self.rng.random_range(0..LINES);
                self.native.unbind(self.lines[line]);
                self.datapath.unbind(self.lines[line]).unwrap();
                self.bound[line] = None;
            }
            _ => {
                let line = self.rng.random_range(0..LINES);
                self.bind(line);
            }
        }
    }

    fn set_participant(&mut self, number: u32, state: ParticipantState, generation: u32) {
        let native = self
            .native
            .set_participant(number, state, generation)
            .unwrap();
        assert_eq!(
            self.datapath
                .set_participant(number, state, generation)
                .unwrap(),
            native
        );
    }

    fn set_grant(&mut self, participant: u32, service: u32) {
        let native = self.native.set_grant(participant, service).unwrap();
        assert_eq!(
            self.datapath.set_grant(participant, service).unwrap(),
            native
        );
    }

    fn add_endpoint(&mut self, participant: u32) {
        let site = Site {
            participant,
            index: self.rng.random_range(0..2),
        };
        let address = site.address(self.rng.random_range(1..4));
        let protocol = *[6u8, 6, 17, 58].choose(&mut self.rng).unwrap();
        let port = if protocol == 58 {
            0
        } else {
            *PORTS.choose(&mut self.rng).unwrap()
        };
        let service = self.rng.random_range(0..10);
        self.native.set_endpoint(address, protocol, port, service);
        self.datapath
            .set_endpoint(address.into(), protocol, port, service)
            .unwrap();
        self.endpoints
            .retain(|&(a, p, o, _)| (a, p, o) != (address, protocol, port));
        self.endpoints.push((address, protocol, port, service));
    }

    fn bind(&mut self, line: usize) {
        // A line keeps its participant, so that its counters run on.
        let site = Site {
            participant: line as u32 + 1,
            index: self.rng.random_range(0..2),
        };
        let lease = self.now_ns
            + if self.rng.random_bool(0.2) {
                SECOND
            } else {
                100_000 * SECOND
            };
        let ifindex = self.lines[line];
        self.native
            .bind(ifindex, site.participant, site.index, lease);
        let binding = Binding {
            participant: site.participant,
            prefix: site_prefix(NETWORK, site.participant, site.index),
            lease_expires_ns: lease,
        };
        self.datapath.bind(ifindex, binding).unwrap();
        self.bound[line] = Some(site);
    }

    fn packet(&mut self) -> (Hook, u32, Vec<u8>) {
        let (hook, ifindex) = self.place();
        let choice = self.rng.random_range(0..100);
        match choice {
            0..=39 => self.conversation(hook, ifindex),
            40..=64 => self.follow_up(),
            65..=74 => self.error_message(),
            75..=84 => self.fragments(),
            85..=92 => {
                let (hook, ifindex, mut frame) = match self.recall() {
                    Some(memory) => (memory.hook, memory.ifindex, memory.frame),
                    None => self.conversation(hook, ifindex),
                };
                packets::mutate(&mut self.rng, &mut frame);
                (hook, ifindex, frame)
            }
            93..=97 => (hook, ifindex, self.link_scope()),
            _ => (hook, ifindex, packets::foreign(&mut self.rng)),
        }
    }

    fn place(&mut self) -> (Hook, u32) {
        match self.rng.random_range(0..5) {
            0 | 1 => (Hook::LineIn, *self.lines.choose(&mut self.rng).unwrap()),
            2 | 3 => (Hook::LineOut, *self.lines.choose(&mut self.rng).unwrap()),
            _ => (Hook::BackboneIn, self.backbone),
        }
    }

    fn any_address(&mut self) -> u128 {
        let host = self.rng.random_range(1..4);
        match self.rng.random_range(0..24) {
            0 => 0xfe80 << 112 | u128::from(host),
            1 => 0xff02 << 112 | 1,
            2 => 0x2001_0db9 << 96 | 1,
            3 => 0xfc00 << 112 | 1,
            4 => 0,
            5 => 0xff0e << 112 | 1,
            6..=8 => Site {
                participant: 0,
                index: 0,
            }
            .address(self.rng.random_range(1..3)),
            9 => Site {
                participant: 77,
                index: 0,
            }
            .address(host),
            _ => {
                let participant = self.rng.random_range(1..=PARTICIPANTS);
                Site {
                    participant,
                    index: self.rng.random_range(0..2),
                }
                .address(host)
            }
        }
    }

    fn site_of(&self, ifindex: u32) -> Option<Site> {
        let line = self.lines.iter().position(|&line| line == ifindex)?;
        self.bound.get(line).copied().flatten()
    }

    /// A packet between somebody and an endpoint, rightly placed most times.
    fn conversation(&mut self, hook: Hook, ifindex: u32) -> (Hook, u32, Vec<u8>) {
        let infrastructure = Site {
            participant: 0,
            index: 0,
        }
        .address(1);
        let (server, protocol, port) = match self.rng.random_range(0..10) {
            0 => *[
                (infrastructure, 17, 53),
                (infrastructure, 6, 443),
                (infrastructure, 58, 0),
            ]
            .choose(&mut self.rng)
            .unwrap(),
            1 => (
                self.any_address(),
                *[6, 17, 58].choose(&mut self.rng).unwrap(),
                80,
            ),
            _ => {
                let &(address, protocol, port, _) = self.endpoints.choose(&mut self.rng).unwrap();
                (address, protocol, port)
            }
        };
        let port = match protocol {
            58 => 0,
            _ if self.rng.random_bool(0.06) => self.rng.random(),
            _ => port,
        };
        let client = if self.rng.random_bool(0.05) {
            self.any_address()
        } else {
            let host = self.rng.random_range(1..4);
            match (hook, self.site_of(ifindex)) {
                (Hook::LineIn, Some(site)) => site.address(host),
                _ => {
                    let participant = self.rng.random_range(1..=PARTICIPANTS);
                    Site {
                        participant,
                        index: self.rng.random_range(0..2),
                    }
                    .address(host)
                }
            }
        };
        let mut tuple = Tuple {
            source: client,
            destination: server,
            protocol,
            source_port: self.rng.random_range(1000..1040),
            destination_port: port,
        };
        let opening = self.rng.random_bool(0.85);
        if !opening {
            tuple = tuple.swapped();
        }
        // Out of a line goes what is for its site.
        if hook == Hook::LineOut
            && let Some(site) = self.site_of(ifindex)
            && self.rng.random_bool(0.9)
        {
            let host = tuple.destination as u64;
            tuple.destination = site.address(host);
            if opening {
                let mine: Vec<_> = self
                    .endpoints
                    .iter()
                    .filter(|(address, ..)| (address >> 64) == (tuple.destination >> 64))
                    .copied()
                    .collect();
                if let Some(&(address, protocol, port, _)) = mine.choose(&mut self.rng) {
                    tuple = Tuple {
                        destination: address,
                        protocol,
                        destination_port: port,
                        ..tuple
                    };
                }
            }
        }
        (hook, ifindex, self.frame(tuple, opening, hook, ifindex))
    }

    fn frame(&mut self, tuple: Tuple, opening: bool, hook: Hook, ifindex: u32) -> Vec<u8> {
        let mut payload = packets::transport(&mut self.rng, &tuple, opening);
        let mut next = tuple.protocol;
        if self.rng.random_bool(0.03) {
            next = *[50, 59, 89, 132, 4, 41].choose(&mut self.rng).unwrap();
        }
        if self.rng.random_bool(0.12) {
            (next, payload) = packets::extensions(&mut self.rng, next, payload);
        }
        let hop_limit = *[64, 255, 1].choose(&mut self.rng).unwrap();
        let packet = packets::ipv6(tuple.source, tuple.destination, next, hop_limit, &payload);
        let mut frame = packets::ethernet(0x86dd, &packet);
        if self.rng.random_bool(0.05) {
            // Ethernet padding.
            frame.resize(frame.len().max(60) + self.rng.random_range(0..8), 0);
        }
        let memory = Memory {
            tuple,
            frame: frame.clone(),
            hook,
            ifindex,
        };
        if self.memory.len() < 256 {
            self.memory.push(memory);
        } else {
            let at = self.rng.random_range(0..self.memory.len());
            self.memory[at] = memory;
        }
        frame
    }

    fn recall(&mut self) -> Option<Memory> {
        self.memory.choose(&mut self.rng).cloned()
    }

    /// The place where the other side's packets are seen.
    fn other_side(&mut self, memory: &Memory) -> (Hook, u32) {
        match (memory.hook, self.rng.random_range(0..4)) {
            (_, 0) => self.place(),
            (Hook::LineIn, _) => (Hook::LineOut, memory.ifindex),
            (Hook::LineOut, _) => (Hook::LineIn, memory.ifindex),
            (Hook::BackboneIn, _) => self.place(),
        }
    }

    /// An answer to, or a repetition of, something that went by.
    fn follow_up(&mut self) -> (Hook, u32, Vec<u8>) {
        let Some(memory) = self.recall() else {
            let (hook, ifindex) = self.place();
            return self.conversation(hook, ifindex);
        };
        match self.rng.random_range(0..5) {
            0 => (memory.hook, memory.ifindex, memory.frame),
            1 => {
                let opening = self.rng.random_bool(0.8);
                let frame = self.frame(memory.tuple, opening, memory.hook, memory.ifindex);
                (memory.hook, memory.ifindex, frame)
            }
            2 => {
                // The same conversation as the line that delivers sees it.
                let line = self.lines.iter().copied().find(|&line| {
                    self.site_of(line)
                        .is_some_and(|site| site.address(0) >> 64 == memory.tuple.destination >> 64)
                });
                let hook = if line.is_some() {
                    Hook::LineOut
                } else {
                    memory.hook
                };
                (hook, line.unwrap_or(memory.ifindex), memory.frame)
            }
            _ => {
                let (hook, ifindex) = self.other_side(&memory);
                let opening = self.rng.random_bool(0.1);
                let frame = self.frame(memory.tuple.swapped(), opening, hook, ifindex);
                (hook, ifindex, frame)
            }
        }
    }

    fn error_message(&mut self) -> (Hook, u32, Vec<u8>) {
        let Some(memory) = self.recall() else {
            let (hook, ifindex) = self.place();
            return self.conversation(hook, ifindex);
        };
        let (hook, ifindex) = self.other_side(&memory);
        let kind = self.rng.random_range(1..=4);
        let mut quoted = memory.frame.get(14..).unwrap_or_default().to_vec();
        quoted.truncate(self.rng.random_range(30..200));
        let message = packets::icmp(kind, 0, 0, &quoted);
        let source = match self.rng.random_range(0..8) {
            0 => self.any_address(),
            1 | 2 => Site {
                participant: 0,
                index: 0,
            }
            .address(9),
            _ => memory.tuple.destination,
        };
        let destination = if self.rng.random_bool(0.05) {
            self.any_address()
        } else {
            memory.tuple.source
        };
        let (next, payload) = if self.rng.random_bool(0.05) {
            packets::extensions(&mut self.rng, 58, message)
        } else if self.rng.random_bool(0.03) {
            (
                44,
                packets::fragment(58, 1, 0, true, &message[..message.len() / 8 * 8]),
            )
        } else {
            (58, message)
        };
        let packet = packets::ipv6(source, destination, next, 64, &payload);
        (hook, ifindex, packets::ethernet(0x86dd, &packet))
    }

    fn fragments(&mut self) -> (Hook, u32, Vec<u8>) {
        let Some(memory) = self.recall() else {
            let (hook, ifindex) = self.place();
            return self.conversation(hook, ifindex);
        };
        let tuple = memory.tuple;
        let mut payload = packets::transport(&mut self.rng, &tuple, true);
        payload.resize(payload.len().max(64), 0xdd);
        let mut next = tuple.protocol;
        if self.rng.random_bool(0.1) {
            (next, payload) = packets::extensions(&mut self.rng, next, payload);
        }
        let id = self.rng.random_range(0..3);
        let cut = *[8usize, 16, 24, 32, 40, 48].choose(&mut self.rng).unwrap();
        let body = match self.rng.random_range(0..6) {
            0..=2 => packets::fragment(next, id, 0, true, payload.get(..cut).unwrap_or(&payload)),
            3 => packets::fragment(next, id, cut as u16, false, &payload[..17]),
            4 => packets::fragment(next, id, cut as u16, true, &payload[..16]),
            _ => {
                let offset = *[8u16, 1480, 65_528, 65_000].choose(&mut self.rng).unwrap();
                let length = self.rng.random_range(0..30);
                let more = self.rng.random_bool(0.5);
                packets::fragment(next, id, offset, more, &payload[..length])
            }
        };
        let packet = packets::ipv6(tuple.source, tuple.destination, 44, 64, &body);
        (
            memory.hook,
            memory.ifindex,
            packets::ethernet(0x86dd, &packet),
        )
    }

    /// Neighbour discovery, attach, enrolment, and what looks like it.
    fn link_scope(&mut self) -> Vec<u8> {
        let gateway = 0xfe80 << 112 | 1;
        let other = 0xfe80 << 112 | 9;
        let nodes = 0xff02_0000_0000_0000_0000_0001_ff00_0001;
        // One that stands on a line with an address of the network.
        let standing = self.any_address();
        let ends = [
            (other, gateway),
            (gateway, other),
            (other, 0xff02 << 112 | 1),
            (other, 0xff02 << 112 | 0x16),
            (0, nodes),
            (standing, nodes),
            (standing, gateway),
            (gateway, standing),
        ];
        let (mut source, mut destination) = *ends.choose(&mut self.rng).unwrap();
        if self.rng.random_bool(0.1) {
            source = self.any_address();
        }
        if self.rng.random_bool(0.1) {
            destination = self.any_address();
        }
        let hop_limit = *[255, 255, 255, 64, 1].choose(&mut self.rng).unwrap();
        let (mut next, mut payload) = if self.rng.random_bool(0.5) {
            let kind = self.rng.random_range(130..140);
            let code = u8::from(self.rng.random_bool(0.1));
            (58, packets::icmp(kind, code, 0, &[0; 16]))
        } else if self.rng.random_bool(0.4) {
            let hop_limit = if self.rng.random_bool(0.9) { 1 } else { 255 };
            let kind = *[130, 131, 132, 143, 135].choose(&mut self.rng).unwrap();
            let payload = packets::listener(&mut self.rng, kind);
            return packets::ethernet(
                0x86dd,
                &packets::ipv6(source, destination, 0, hop_limit, &payload),
            );
        } else {
            let ports = [4430, 4431, 22, 50_000];
            let from = *ports.choose(&mut self.rng).unwrap();
            let to = *ports.choose(&mut self.rng).unwrap();
            let flags = *[0x02, 0x10, 0x12].choose(&mut self.rng).unwrap();
            (6, packets::tcp(from, to, flags, 10))
        };
        if self.rng.random_bool(0.1) {
            (next, payload) = packets::extensions(&mut self.rng, next, payload);
        }
        packets::ethernet(
            0x86dd,
            &packets::ipv6(source, destination, next, hop_limit, &payload),
        )
    }
}
