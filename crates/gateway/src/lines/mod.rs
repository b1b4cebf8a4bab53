//! Lines: how sites come in.
//!
//! One task compares the policy's lines with the interfaces that are there.
//! For each line whose interface is there it enforces first (programs before
//! the interface is set up), then gives it our address, then listens. A line
//! that the policy takes away is no longer listened on; its programs stay on
//! the interface, so that nothing passes, until the interface itself is gone.

pub mod ethernet;
pub mod relay;
pub mod session;
#[cfg(test)]
mod tests;

use crate::engine::Engine;
use crate::routes::RouteKeeper;
use ethernet::{Doors, LineTasks};
use iryonet_agent::chain;
use iryonet_agent::netlink::{Interface, Netlink};
use iryonet_agent::sysctl;
use iryonet_domain::LineId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const LOOPBACK: &str = "lo";

/// Without any event, interfaces are looked at this often.
const LOOK: Duration = Duration::from_secs(2);

/// How far a line is, apart from who is bound to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineState {
    /// Its interface is not there.
    NoInterface,
    /// Something failed; it is tried again.
    Trouble(String),
    /// A site may attach.
    Listening {
        /// The interface's number.
        ifindex: u32,
    },
}

/// The state of each line, for `status`.
#[derive(Debug, Clone, Default)]
pub struct LineStates(Arc<Mutex<BTreeMap<LineId, LineState>>>);

impl LineStates {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeMap<LineId, LineState> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, states: BTreeMap<LineId, LineState>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = states;
    }
}

struct Served {
    interface: String,
    ifindex: u32,
    was_up: bool,
    tasks: LineTasks,
}

/// Serves the policy's lines until `shutdown`.
pub struct Manager {
    engine: Arc<Engine>,
    netlink: Netlink,
    routes: RouteKeeper,
    doors: Arc<Doors>,
    states: LineStates,
    served: BTreeMap<LineId, Served>,
    shutdown: CancellationToken,
}

impl Manager {
    /// A manager that serves no line yet.
    #[must_use]
    pub fn new(
        engine: Arc<Engine>,
        netlink: Netlink,
        routes: RouteKeeper,
        doors: Arc<Doors>,
        states: LineStates,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            engine,
            netlink,
            routes,
            doors,
            states,
            served: BTreeMap::new(),
            shutdown,
        }
    }

    /// Runs until the end.
    pub async fn run(mut self) {
        let wake = Arc::clone(&self.engine.lines_changed);
        loop {
            self.compare().await;
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Brings what is served up to what should be.
    pub async fn compare(&mut self) {
        let interfaces: BTreeMap<String, Interface> = match self.netlink.interfaces().await {
            Ok(list) => list.into_iter().collect(),
            Err(error) => {
                tracing::error!(error = %chain(&error), "the interfaces could not be listed");
                return;
            }
        };
        let wanted: BTreeMap<LineId, String> = self.engine.with_policy(|policy| {
            policy
                .lines()
                .map(|line| (line.line, line.circuit.interface.clone()))
                .collect()
        });
        self.end_what_is_over(&wanted, &interfaces);
        let mut states = BTreeMap::new();
        for (line, name) in wanted {
            let state = match interfaces.get(&name) {
                None => LineState::NoInterface,
                Some(interface) => self.serve(line, &name, *interface).await,
            };
            states.insert(line, state);
        }
        self.states.set(states);
    }

    fn end_what_is_over(
        &mut self,
        wanted: &BTreeMap<LineId, String>,
        interfaces: &BTreeMap<String, Interface>,
    ) {
        let mut gone = Vec::new();
        self.served.retain(|line, served| {
            let there = interfaces.get(&served.interface).map(|i| i.index) == Some(served.ifindex);
            let stays = there && wanted.get(line) == Some(&served.interface);
            if !there {
                gone.push(served.ifindex);
            }
            if !stays {
                tracing::info!(%line, interface = served.interface, "line no longer served");
                served.tasks.end();
            }
            stays
        });
        for ifindex in gone {
            self.engine.interface_gone(ifindex);
        }
    }

    async fn serve(&mut self, line: LineId, name: &str, interface: Interface) -> LineState {
        let ifindex = interface.index;
        let known = self.served.get_mut(&line);
        let steady = known
            .as_ref()
            .is_some_and(|served| served.was_up && interface.up && served.tasks.alive());
        if steady {
            return LineState::Listening { ifindex };
        }
        let flapped = known.is_some();
        if let Err(trouble) = self.prepare(name, interface).await {
            tracing::error!(%line, interface = name, trouble, "the line cannot be served; trying again");
            return LineState::Trouble(trouble);
        }
        let alive = self
            .served
            .get(&line)
            .is_some_and(|served| served.tasks.alive());
        if alive {
            if let Some(served) = self.served.get_mut(&line) {
                served.was_up = true;
            }
        } else {
            match LineTasks::start(Arc::clone(&self.doors), name, ifindex, &self.shutdown).await {
                Ok(tasks) => {
                    tracing::info!(%line, interface = name, ifindex, "line served");
                    self.served.insert(
                        line,
                        Served {
                            interface: name.to_owned(),
                            ifindex,
                            was_up: true,
                            tasks,
                        },
                    );
                }
                Err(error) => {
                    let trouble = chain(&error);
                    tracing::error!(%line, interface = name, trouble, "nobody can attach on the line; trying again");
                    return LineState::Trouble(trouble);
                }
            }
        }
        if flapped {
            self.routes.relist().await;
        }
        LineState::Listening { ifindex }
    }

    /// Closes what was there before the gateway and is no line of it; `backbone`
    /// is the backbone's interface. To be done before anything is forwarded.
    pub async fn close_what_is_no_line(&self, backbone: u32) {
        let interfaces = match self.netlink.interfaces().await {
            Ok(interfaces) => interfaces,
            Err(error) => {
                tracing::error!(error = %chain(&error), "the interfaces could not be listed");
                return;
            }
        };
        let mut taken: BTreeSet<u32> = self.served.values().map(|s| s.ifindex).collect();
        taken.insert(backbone);
        let (down, up) = not_taken(&interfaces, &taken);
        for name in down {
            match sysctl::close_interface(name) {
                Ok(()) => tracing::info!(interface = name, "no line: closed until it is one"),
                Err(error) => {
                    tracing::error!(interface = name, error = %chain(&error), "not closed");
                }
            }
        }
        for name in up {
            tracing::warn!(
                interface = name,
                "this interface is up and no line: what comes in there is forwarded unchecked; \
                 set it down, or take IPv6 off it, unless nobody else can send there"
            );
        }
    }

    /// Enforce, then open.
    async fn prepare(&self, name: &str, interface: Interface) -> Result<(), String> {
        self.engine
            .attach_line(interface.index, name)
            .map_err(|e| chain(&e))?;
        sysctl::quiet_interface(name).map_err(|e| chain(&e))?;
        if !interface.up {
            self.netlink
                .set_up(interface.index)
                .await
                .map_err(|e| chain(&e))?;
        }
        self.netlink
            .add_address(interface.index, self.doors.link_local, 64)
            .await
            .map_err(|e| chain(&e))
    }
}

/// The names of interfaces that nobody has taken: those that are down, and those
/// that are up.
fn not_taken<'a>(
    interfaces: &'a [(String, Interface)],
    taken: &BTreeSet<u32>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let mut names = (Vec::new(), Vec::new());
    for (name, interface) in interfaces {
        if name != LOOPBACK && !taken.contains(&interface.index) {
            let list = if interface.up {
                &mut names.1
            } else {
                &mut names.0
            };
            list.push(name.as_str());
        }
    }
    names
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").finish_non_exhaustive()
    }
}
