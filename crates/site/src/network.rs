//! The site's own routes and addresses: the LAN's prefix on the LAN interface,
//! the network behind the line, for as long as the line is bound.
//!
//! Fails closed: without a binding the network's prefix is unreachable here, so
//! that nothing for it ever leaves by another way (a default route to the
//! Internet, say). One task owns it; the lease ends here by itself when nobody
//! prolongs it.

use crate::config::Config;
use iryonet_agent::chain;
use iryonet_agent::netlink::{Netlink, NetlinkError, Route, Way};
use iryonet_agent::sysctl::{self, SysctlError};
use iryonet_domain::{NetworkPrefix, SitePrefix};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

const METRIC: u32 = 1024;
const LAST_RESORT: u32 = 1 << 20;

/// Why the site's network could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No interface.
    #[error("the interface {0} is not there; check the configuration and the cable")]
    NoInterface(String),
    /// The kernel.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A kernel switch.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Its task has ended.
    #[error("the agent is stopping")]
    Stopping,
}

/// What a binding brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    /// The site's /64.
    pub prefix: SitePrefix,
    /// The whole network.
    pub network: NetworkPrefix,
    /// When the binding ends without a renewal.
    pub until: Instant,
}

enum Order {
    Bind(Bound, oneshot::Sender<Result<(), NetworkError>>),
    Prolong(Instant),
    Release(oneshot::Sender<()>),
}

/// Handle of the task.
#[derive(Debug, Clone)]
pub struct SiteNetwork(mpsc::Sender<Order>);

impl SiteNetwork {
    /// Starts the task; `network` as known from the enrolment is closed at once.
    #[must_use]
    pub fn start(config: Config, netlink: Netlink, network: Option<NetworkPrefix>) -> Self {
        let (sender, orders) = mpsc::channel(16);
        let keeper = Keeper {
            config,
            netlink,
            closed: None,
            open: None,
        };
        tokio::spawn(keeper.run(orders, network));
        Self(sender)
    }

    /// Sets addresses and routes for a binding.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing leads to the network.
    pub async fn bind(&self, bound: Bound) -> Result<(), NetworkError> {
        let (done, wait) = oneshot::channel();
        let gone = |_| NetworkError::Stopping;
        self.0
            .send(Order::Bind(bound, done))
            .await
            .map_err(|_| NetworkError::Stopping)?;
        wait.await.map_err(gone)?
    }

    /// The binding was renewed.
    pub async fn prolong(&self, until: Instant) {
        // Without the task there is nothing to prolong.
        let _ = self.0.send(Order::Prolong(until)).await;
    }

    /// The binding has ended: removes the way to the network.
    pub async fn release(&self) {
        let (done, wait) = oneshot::channel();
        if self.0.send(Order::Release(done)).await.is_ok() {
            // An answer that does not come means that the task has ended.
            let _ = wait.await;
        }
    }
}

struct Keeper {
    config: Config,
    netlink: Netlink,
    /// The unreachable route that stands.
    closed: Option<Route>,
    open: Option<Open>,
}

struct Open {
    bound: Bound,
    route: Route,
}

impl Keeper {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, network: Option<NetworkPrefix>) {
        self.forget_earlier().await;
        if let Some(network) = network
            && let Err(error) = self.close(network).await
        {
            tracing::error!(error = chain(&error), "the network could not be closed off");
        }
        loop {
            let until = self.open.as_ref().map(|open| open.bound.until);
            let order = tokio::select! {
                order = orders.recv() => order,
                () = until_or_never(until) => {
                    tracing::warn!("the binding was not renewed in time; the way to the network is closed");
                    self.release().await;
                    continue;
                }
            };
            match order {
                Some(Order::Bind(bound, done)) => {
                    let result = self.bind(bound).await;
                    if result.is_err() {
                        self.release().await;
                    }
                    // Whoever asked may have gone.
                    let _ = done.send(result);
                }
                Some(Order::Prolong(until)) => {
                    if let Some(open) = &mut self.open {
                        open.bound.until = until;
                    }
                }
                Some(Order::Release(done)) => {
                    self.release().await;
                    let _ = done.send(());
                }
                None => {
                    self.release().await;
                    return;
                }
            }
        }
    }

    /// An agent that was killed may have left the way open; its binding is not ours.
    async fn forget_earlier(&self) {
        match self.netlink.our_routes().await {
            Ok(routes) => {
                for route in routes.iter().filter(|r| r.way != Way::Unreachable) {
                    if let Err(error) = self.netlink.remove_route(route).await {
                        tracing::error!(error = chain(&error), "an earlier route stays");
                    }
                }
            }
            Err(error) => tracing::error!(error = chain(&error), "the routes could not be listed"),
        }
    }

    async fn close(&mut self, network: NetworkPrefix) -> Result<(), NetworkError> {
        let route = Route {
            destination: network.address(),
            length: network.prefix_len(),
            metric: LAST_RESORT,
            way: Way::Unreachable,
        };
        if self.closed.as_ref() != Some(&route) {
            self.netlink.set_route(&route).await?;
            if let Some(old) = self.closed.replace(route) {
                self.netlink.remove_route(&old).await?;
            }
        }
        Ok(())
    }

    async fn interface(&self, name: &str) -> Result<u32, NetworkError> {
        let interface = self
            .netlink
            .interface(name)
            .await?
            .ok_or_else(|| NetworkError::NoInterface(name.to_owned()))?;
        sysctl::quiet_interface(name)?;
        if !interface.up {
            self.netlink.set_up(interface.index).await?;
        }
        Ok(interface.index)
    }

    async fn bind(&mut self, bound: Bound) -> Result<(), NetworkError> {
        self.close(bound.network).await?;
        let lan = self.interface(&self.config.lan_interface).await?;
        let line = self.interface(&self.config.line_interface).await?;
        let own = bound.prefix.host(1);
        for (address, length) in self.netlink.addresses(lan).await? {
            // Of an earlier number or site of ours; a person's own addresses
            // outside the network are left alone.
            if address != own && bound.network.contains(address) {
                self.netlink.remove_address(lan, address, length).await?;
            }
        }
        self.netlink.add_address(lan, own, 64).await?;
        sysctl::forward_ipv6()?;
        let route = Route {
            destination: bound.network.address(),
            length: bound.network.prefix_len(),
            metric: METRIC,
            way: Way::Via {
                hop: self.config.gateway_link_local,
                interface: line,
            },
        };
        // Set again even if it stands: a line that was down has lost it.
        self.netlink.set_route(&route).await?;
        let old = self.open.replace(Open {
            bound,
            route: route.clone(),
        });
        if let Some(old) = old
            && old.route != route
        {
            self.netlink.remove_route(&old.route).await?;
        }
        Ok(())
    }

    async fn release(&mut self) {
        if let Some(open) = self.open.take()
            && let Err(error) = self.netlink.remove_route(&open.route).await
        {
            tracing::error!(error = chain(&error), "the route to the network stays");
        }
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
