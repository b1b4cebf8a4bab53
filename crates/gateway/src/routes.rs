//! Kernel routes: attached sites by their box, other gateways' blocks over the
//! backbone, and for our own blocks an unreachable route, so that a packet to a
//! site of ours that is not attached is answered instead of sent round in
//! circles.
//!
//! One task compares what is wanted with what it has set; nothing else sets
//! routes. It must not know why a site is attached.

use crate::engine::Engine;
use crate::policy::Policy;
use iryonet_agent::chain;
use iryonet_agent::netlink::{Netlink, NetlinkError, Route, Way};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Metric of routes that lead somewhere.
const METRIC: u32 = 1024;
/// Metric of the unreachable routes of our own blocks.
const LAST_RESORT: u32 = 1 << 20;
/// After a failure.
const AGAIN: Duration = Duration::from_secs(2);
/// To mend what somebody else removed.
const RELIST: Duration = Duration::from_secs(60);

enum Ask {
    /// Bring them up to date, and say when.
    Sync(oneshot::Sender<()>),
    /// An interface was down: the kernel has dropped its routes by itself.
    Relist,
}

/// Asks that the kernel's routes be brought up to date.
#[derive(Debug, Clone)]
pub struct RouteKeeper(mpsc::Sender<Ask>);

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sync(_) => "Sync",
            Self::Relist => "Relist",
        })
    }
}

impl RouteKeeper {
    /// Waits until the routes are those of this moment, or a second has passed.
    pub async fn synced(&self) {
        let (done, wait) = oneshot::channel();
        if self.0.send(Ask::Sync(done)).await.is_ok() {
            // A slow kernel must not keep a device waiting for its answer.
            let _ = tokio::time::timeout(Duration::from_secs(1), wait).await;
        }
    }

    /// Looks at what the kernel really has: an interface was down.
    pub async fn relist(&self) {
        // It fails only when the keeper has ended, and then nothing is kept.
        let _ = self.0.send(Ask::Relist).await;
    }

    /// A keeper that keeps nothing, for sessions tested without a kernel.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self(mpsc::channel(1).0)
    }
}

/// The routes to other gateways' blocks and of our own, from the policy.
fn blocks(policy: &Policy, backbone: u32) -> BTreeSet<Route> {
    let network = policy.network();
    policy
        .gateways()
        .flat_map(|gateway| {
            let own = gateway.gateway == *policy.gateway();
            gateway.blocks.iter().map(move |block| Route {
                destination: network.block(*block),
                length: 40,
                metric: if own { LAST_RESORT } else { METRIC },
                way: if own {
                    Way::Unreachable
                } else {
                    Way::Via {
                        hop: gateway.backbone,
                        interface: backbone,
                    }
                },
            })
        })
        .collect()
}

fn wanted(engine: &Engine, backbone: u32) -> BTreeSet<Route> {
    let mut routes = engine.with_policy(|policy| blocks(policy, backbone));
    routes.extend(engine.site_routes().into_iter().map(|site| Route {
        destination: site.prefix.address(),
        length: 64,
        metric: METRIC,
        way: Way::Via {
            hop: site.hop,
            interface: site.ifindex,
        },
    }));
    routes
}

/// Keeps the routes until `shutdown`. Routes that an earlier process left are
/// kept for `grace`: their sites are still bound in the datapath and about to
/// attach again.
///
/// # Errors
/// When the kernel does not tell which routes there are.
pub async fn start(
    engine: Arc<Engine>,
    netlink: Netlink,
    backbone: u32,
    grace: Duration,
    shutdown: CancellationToken,
) -> Result<RouteKeeper, NetlinkError> {
    let left: BTreeSet<Route> = netlink.our_routes().await?.into_iter().collect();
    let (sender, requests) = mpsc::channel(256);
    let keeper = Keeper {
        engine,
        netlink,
        backbone,
        set: BTreeSet::new(),
        left,
        grace_ends: Instant::now() + grace,
    };
    tokio::spawn(keeper.run(requests, shutdown));
    Ok(RouteKeeper(sender))
}

struct Keeper {
    engine: Arc<Engine>,
    netlink: Netlink,
    backbone: u32,
    /// What we have set.
    set: BTreeSet<Route>,
    /// What an earlier process left and nobody has claimed yet.
    left: BTreeSet<Route>,
    grace_ends: Instant,
}

impl Keeper {
    async fn run(mut self, mut asks: mpsc::Receiver<Ask>, shutdown: CancellationToken) {
        let engine = Arc::clone(&self.engine);
        let mut relisted = Instant::now();
        let mut waiting = Vec::new();
        loop {
            let fits = self.compare().await;
            for done in waiting.drain(..) {
                // Whoever asked may have gone.
                let _ = oneshot::Sender::send(done, ());
            }
            let mut again = relisted + RELIST;
            if !fits {
                again = again.min(Instant::now() + AGAIN);
            }
            if !self.left.is_empty() {
                again = again.min(self.grace_ends);
            }
            let mut next = None;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = engine.routes_changed.notified() => {}
                () = tokio::time::sleep_until(again) => {}
                ask = asks.recv() => next = ask,
            }
            let mut relist = Instant::now() >= relisted + RELIST;
            while let Some(ask) = next {
                match ask {
                    Ask::Sync(done) => waiting.push(done),
                    Ask::Relist => relist = true,
                }
                next = asks.try_recv().ok();
            }
            if relist {
                relisted = Instant::now();
                self.relist().await;
            }
        }
    }

    /// What the kernel really has counts, not what we remember.
    async fn relist(&mut self) {
        match self.netlink.our_routes().await {
            Ok(routes) => {
                let there: BTreeSet<Route> = routes.into_iter().collect();
                self.set = there.difference(&self.left).cloned().collect();
            }
            Err(error) => tracing::error!(error = %chain(&error), "the routes could not be listed"),
        }
    }

    /// Removes what is too much, sets what is missing; `false` if the kernel refused any.
    async fn compare(&mut self) -> bool {
        let wanted = wanted(&self.engine, self.backbone);
        let mut fits = true;
        let gone: Vec<Route> = self.set.difference(&wanted).cloned().collect();
        for route in gone {
            if self.ask(self.netlink.remove_route(&route).await) {
                self.set.remove(&route);
            } else {
                fits = false;
            }
        }
        let new: Vec<Route> = wanted.difference(&self.set).cloned().collect();
        for route in new {
            self.clear_left(&route).await;
            if self.ask(self.netlink.set_route(&route).await) {
                self.set.insert(route);
            } else {
                fits = false;
            }
        }
        if Instant::now() >= self.grace_ends {
            for route in std::mem::take(&mut self.left) {
                if !self.set.contains(&route) {
                    fits &= self.ask(self.netlink.remove_route(&route).await);
                }
            }
        }
        fits
    }

    /// A route that an earlier process left to the same destination gives way.
    async fn clear_left(&mut self, route: &Route) {
        let same: Vec<Route> = self
            .left
            .iter()
            .filter(|l| (l.destination, l.length) == (route.destination, route.length))
            .cloned()
            .collect();
        for old in same {
            self.left.remove(&old);
            if old != *route {
                self.ask(self.netlink.remove_route(&old).await);
            }
        }
    }

    fn ask(&self, result: Result<(), NetlinkError>) -> bool {
        match result {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(error = %chain(&error), "a route could not be changed");
                false
            }
        }
    }
}
