//! The first packet of a conversation, put before the verdict at both ends.
//!
//! It must not know why anything is as it is: it fills the tables as gateways
//! do and reads the answer.

use super::{LOCKS, has_valid_device, site_of};
use crate::model::Model;
use iryonet_domain::{Endpoint, GatewayId, ParticipantNumber, Protocol, UnixMillis};
use iryonet_verdict::native::{NativeWorld, Setting};
use iryonet_verdict::{Hook, ParticipantState, Verdict};
use iryonet_wire::feed::Condition;
use std::net::Ipv6Addr;

/// What one lock said.
pub(super) struct Lock {
    pub(super) gateway: Option<GatewayId>,
    pub(super) hook: Hook,
    pub(super) verdict: Verdict,
}

/// The host on the site's LAN that sends the packet. No verdict depends on it.
const SENDER: u64 = 0x10;
const SENDER_PORT: u16 = 49_152;
const LINE: u32 = 1;

/// Asks both locks; the second one only when the first lets the packet pass.
pub(super) fn probe(
    model: &Model,
    from: ParticipantNumber,
    to: Endpoint,
    now: UnixMillis,
) -> Vec<Lock> {
    let near = model.line_of(from, None);
    let site = near.map_or(0, |(site, _)| site);
    let source = model.network.site(from, site).host(SENDER);
    let frame = first_packet(source, to);
    let owner = model.network.owner(to.address).flatten();
    let mut locks = Vec::new();
    for hook in LOCKS {
        let (bound, site) = match (hook, owner) {
            (Hook::LineIn, _) => (from, site),
            (_, Some(owner)) => (owner, site_of(to)),
            // Delivered to nobody's line.
            (_, None) => break,
        };
        let line = model.line_of(bound, Some(site));
        let verdict = match world(model, from, owner, to, now) {
            Some(mut world) => {
                let attached = model.participants.get(bound);
                if line.is_some() && attached.is_some_and(|known| has_valid_device(known, now)) {
                    world.bind(LINE, bound.get(), site, u64::MAX);
                }
                world.run(hook, LINE, &frame)
            }
            None => Err(iryonet_verdict::DenyReason::TableUnavailable),
        };
        locks.push(Lock {
            gateway: line.map(|(_, gateway)| gateway.clone()),
            hook,
            verdict,
        });
        if verdict.is_err() {
            break;
        }
    }
    locks
}

/// A gateway that holds what concerns these two and this address.
fn world(
    model: &Model,
    from: ParticipantNumber,
    owner: Option<ParticipantNumber>,
    to: Endpoint,
    now: UnixMillis,
) -> Option<NativeWorld> {
    let services: Vec<_> = model.offered_at(to).collect();
    let mut world = NativeWorld::new(Setting {
        network: (u128::from(model.network.address()) >> 96) as u32,
        participants_max: 2,
        grants_max: u32::try_from(services.len()).ok()?.max(1),
        flows_max: 1,
        ..Setting::default()
    });
    for number in [Some(from), owner].into_iter().flatten() {
        if let Some(known) = model.participants.get(number) {
            let state = match known.condition() {
                Condition::Live => ParticipantState::Live,
                Condition::Quarantined => ParticipantState::Quarantined,
                Condition::NoDevice | Condition::Closed | Condition::NotOpen => {
                    ParticipantState::NotLive
                }
            };
            (world.set_participant(number.get(), state, known.generation)).ok()?;
        }
    }
    for (endpoint, service) in services {
        let address = u128::from(endpoint.address);
        let protocol = endpoint.protocol.number();
        world.set_endpoint(address, protocol, endpoint.port, service.get());
        let granted = (model.services.get(&service))
            .is_some_and(|known| known.grantees.contains(&from))
            && (model.agreement(from, service))
                .is_some_and(|known| known.from <= now && now < known.until);
        if granted {
            world.set_grant(from.get(), service.get()).ok()?;
        }
    }
    Some(world)
}

/// An Ethernet frame with a TCP SYN, an empty UDP datagram or an ICMPv6 echo
/// request. Checksums are for the receiver, and no verdict looks at them.
fn first_packet(source: Ipv6Addr, to: Endpoint) -> Vec<u8> {
    let mut payload = Vec::with_capacity(20);
    match to.protocol {
        Protocol::Tcp => {
            payload.extend(SENDER_PORT.to_be_bytes());
            payload.extend(to.port.to_be_bytes());
            payload.extend([0; 8]); // sequence, acknowledgement
            payload.extend([5 << 4, 0x02]); // five words of header; SYN
            payload.extend([0xff, 0xff, 0, 0, 0, 0]); // window, checksum, urgent
        }
        Protocol::Udp => {
            payload.extend(SENDER_PORT.to_be_bytes());
            payload.extend(to.port.to_be_bytes());
            payload.extend([0, 8, 0, 0]); // length, checksum
        }
        Protocol::Echo => {
            payload.extend([128, 0, 0, 0]); // echo request, checksum
            payload.extend(SENDER_PORT.to_be_bytes()); // identifier
            payload.extend([0, 1]); // sequence
        }
    }
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0]); // version
    frame.extend((payload.len() as u16).to_be_bytes());
    frame.extend([to.protocol.number(), 64]); // next header, hop limit
    frame.extend(source.octets());
    frame.extend(to.address.octets());
    frame.extend(payload);
    frame
}
