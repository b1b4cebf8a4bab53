//! Asks one gateway's programs with a packet until they answer otherwise.

use super::RevokeError;
use super::region::Region;
use iryonet_gateway::datapath::Probe;
use iryonet_verdict::Hook;
use std::net::Ipv6Addr;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Between two questions. Busy asking would take the daemons' processor.
const PAUSE: Duration = Duration::from_micros(100);
/// What is enforced later than this is not late but lost.
const LOST: Duration = Duration::from_secs(10);

/// What the programs are to say in the end; before, they say the opposite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// The packet passes.
    Passed,
    /// It does not.
    Refused,
}

enum Step {
    /// The opposite was seen.
    Before,
    Turned(Instant),
    Failed(String),
}

type Order = (Hook, u32, Vec<u8>, Until);

/// A thread in the gateway's namespace.
pub(crate) struct Watcher {
    orders: Sender<Order>,
    steps: Receiver<Step>,
    gateway: String,
}

impl Watcher {
    pub(crate) fn start(region: &Region, gateway: &str) -> Result<Self, RevokeError> {
        let (orders, taken) = channel();
        let (told, steps) = channel();
        let namespace = region.namespace_file(gateway);
        let pin_dir = region.pin_dir(gateway);
        std::thread::Builder::new()
            .name(format!("watch {gateway}"))
            .spawn(move || serve(&namespace, &pin_dir, &taken, &told))
            .map_err(|error| RevokeError::Region(error.to_string()))?;
        Ok(Self {
            orders,
            steps,
            gateway: gateway.to_owned(),
        })
    }

    /// Begins asking; returns when the programs were seen to say the opposite.
    pub(crate) fn watch(
        &self,
        hook: Hook,
        ifindex: u32,
        packet: &[u8],
        until: Until,
    ) -> Result<(), RevokeError> {
        self.orders
            .send((hook, ifindex, packet.to_vec(), until))
            .map_err(|_| self.gone())?;
        match self.step()? {
            Step::Before => Ok(()),
            Step::Turned(_) => Err(self.gone()),
            Step::Failed(why) => Err(RevokeError::Region(format!("{}: {why}", self.gateway))),
        }
    }

    /// When they first answered so.
    pub(crate) fn turned(&self) -> Result<Instant, RevokeError> {
        match self.step()? {
            Step::Turned(at) => Ok(at),
            Step::Before => Err(self.gone()),
            Step::Failed(why) => Err(RevokeError::Region(format!("{}: {why}", self.gateway))),
        }
    }

    fn step(&self) -> Result<Step, RevokeError> {
        self.steps.recv_timeout(LOST * 2).map_err(|_| self.gone())
    }

    fn gone(&self) -> RevokeError {
        RevokeError::Region(format!("{}: the watcher is gone", self.gateway))
    }
}

fn serve(namespace: &Path, pin_dir: &Path, orders: &Receiver<Order>, told: &Sender<Step>) {
    if let Err(error) = crate::lab::enter_file(namespace) {
        let _ = told.send(Step::Failed(error.to_string()));
        return;
    }
    while let Ok(order) = orders.recv() {
        let outcome = watch(pin_dir, &order, told);
        if told.send(outcome.unwrap_or_else(Step::Failed)).is_err() {
            return;
        }
    }
}

fn watch(
    pin_dir: &Path,
    (hook, ifindex, packet, until): &Order,
    told: &Sender<Step>,
) -> Result<Step, String> {
    let probe = Probe::open(pin_dir, *hook, *ifindex).map_err(|error| error.to_string())?;
    let begun = Instant::now();
    let mut before = false;
    loop {
        let run = probe.ask(packet).map_err(|error| error.to_string())?;
        let at = Instant::now();
        if run.passed == (*until == Until::Passed) {
            if before {
                return Ok(Step::Turned(at));
            }
            return Err(format!(
                "before anything was done, the packet is {until:?} already: {:?}",
                run.reason
            ));
        }
        if !before {
            before = true;
            let _ = told.send(Step::Before);
        }
        if at.duration_since(begun) > LOST {
            return Err(format!(
                "not {until:?} after {} s: {:?}",
                LOST.as_secs(),
                run.reason
            ));
        }
        std::thread::sleep(PAUSE);
    }
}

/// A TCP SYN in an Ethernet frame, as it stands on a line.
pub(crate) fn opening_packet(from: Ipv6Addr, to: Ipv6Addr, port: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + 40 + 20);
    frame.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd]);
    frame.extend_from_slice(&[0x60, 0, 0, 0, 0, 20, 6, 64]);
    frame.extend_from_slice(&from.octets());
    frame.extend_from_slice(&to.octets());
    frame.extend_from_slice(&40_000_u16.to_be_bytes());
    frame.extend_from_slice(&port.to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    frame
}
