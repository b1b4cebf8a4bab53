//! Kernel interfaces, addresses and routes: the only importer of rtnetlink.
//!
//! Every route that we make carries the protocol number [`OURS`], so that ours
//! are told from a person's and from a routing daemon's.

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteType,
};
use rtnetlink::{Handle, LinkUnspec, MulticastGroup, RouteMessageBuilder};
use std::net::{IpAddr, Ipv6Addr};
use tokio::sync::Notify;

/// Routing protocol number of our routes (`ip -6 route show proto 188`).
pub const OURS: u8 = 188;

/// Why the kernel did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No netlink socket.
    #[error("no netlink socket could be opened")]
    Open(#[source] std::io::Error),
    /// The kernel refused.
    #[error("the kernel refused to {act}")]
    Refused {
        /// What was asked.
        act: String,
        /// What it said.
        #[source]
        source: rtnetlink::Error,
    },
}

fn refused(act: impl Into<String>) -> impl FnOnce(rtnetlink::Error) -> NetlinkError {
    let act = act.into();
    move |source| NetlinkError::Refused { act, source }
}

/// An interface, as the kernel shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// Index.
    pub index: u32,
    /// Is it set up?
    pub up: bool,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To a next hop on an interface.
    Via {
        /// Next hop.
        hop: Ipv6Addr,
        /// Interface index.
        interface: u32,
    },
    /// Nowhere: the sender is told so.
    Unreachable,
}

/// One IPv6 route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Destination.
    pub destination: Ipv6Addr,
    /// Its prefix length.
    pub length: u8,
    /// A smaller one wins among equals.
    pub metric: u32,
    /// Where it leads.
    pub way: Way,
}

impl Route {
    fn message(&self) -> RouteMessage {
        let builder = RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(self.destination, self.length)
            .priority(self.metric)
            .protocol(RouteProtocol::Other(OURS));
        match &self.way {
            Way::Via { hop, interface } => builder.gateway(*hop).output_interface(*interface),
            Way::Unreachable => builder.kind(RouteType::Unreachable),
        }
        .build()
    }

    fn read(message: &RouteMessage) -> Option<Self> {
        let (mut destination, mut metric, mut hop, mut interface) =
            (Ipv6Addr::UNSPECIFIED, 0, None, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet6(address)) => destination = *address,
                RouteAttribute::Priority(value) => metric = *value,
                RouteAttribute::Gateway(RouteAddress::Inet6(address)) => hop = Some(*address),
                RouteAttribute::Oif(index) => interface = Some(*index),
                _ => {}
            }
        }
        let way = match (message.header.kind, hop, interface) {
            (RouteType::Unreachable, _, _) => Way::Unreachable,
            (RouteType::Unicast, Some(hop), Some(interface)) => Way::Via { hop, interface },
            _ => return None,
        };
        Some(Self {
            destination,
            length: message.header.destination_prefix_length,
            metric,
            way,
        })
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.way {
            Way::Via { hop, interface } => write!(
                f,
                "{}/{} via {hop} on interface {interface}",
                self.destination, self.length
            ),
            Way::Unreachable => write!(f, "unreachable {}/{}", self.destination, self.length),
        }
    }
}

/// A connection to the kernel. Its worker ends with the last handle.
#[derive(Debug, Clone)]
pub struct Netlink {
    handle: Handle,
}

impl Netlink {
    /// Opens it. Call within a tokio runtime.
    ///
    /// # Errors
    /// When the kernel gives no socket.
    pub fn open() -> Result<Self, NetlinkError> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(NetlinkError::Open)?;
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// The interface of this name, if there is one.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub async fn interface(&self, name: &str) -> Result<Option<Interface>, NetlinkError> {
        let found = self
            .handle
            .link()
            .get()
            .match_name(name)
            .execute()
            .try_next()
            .await;
        match found {
            Ok(Some(link)) => Ok(Some(Interface {
                index: link.header.index,
                up: link.header.flags.contains(LinkFlags::Up),
            })),
            Ok(None) => Ok(None),
            Err(error) if error_number(&error) == Some(NO_DEVICE) => Ok(None),
            Err(error) => Err(refused(format!("show interface {name}"))(error)),
        }
    }

    /// Names and indices of all interfaces.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub async fn interfaces(&self) -> Result<Vec<(String, Interface)>, NetlinkError> {
        let links: Vec<_> = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(refused("list the interfaces"))?;
        Ok(links
            .into_iter()
            .filter_map(|link| {
                let name = link.attributes.iter().find_map(|a| match a {
                    LinkAttribute::IfName(name) => Some(name.clone()),
                    _ => None,
                })?;
                Some((
                    name,
                    Interface {
                        index: link.header.index,
                        up: link.header.flags.contains(LinkFlags::Up),
                    },
                ))
            })
            .collect())
    }

    /// Sets an interface up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn set_up(&self, index: u32) -> Result<(), NetlinkError> {
        self.handle
            .link()
            .set(LinkUnspec::new_with_index(index).up().build())
            .execute()
            .await
            .map_err(refused(format!("set interface {index} up")))
    }

    /// Gives an interface an address that is usable at once (no duplicate
    /// address detection); that it has it already is as good.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn add_address(
        &self,
        index: u32,
        address: Ipv6Addr,
        length: u8,
    ) -> Result<(), NetlinkError> {
        let mut request = self
            .handle
            .address()
            .add(index, IpAddr::V6(address), length)
            .replace();
        let message = request.message_mut();
        message.header.flags |= AddressHeaderFlags::Nodad;
        message
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        request.execute().await.map_err(refused(format!(
            "give {address}/{length} to interface {index}"
        )))
    }

    /// Takes an address away; that it is not there is as good.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_address(
        &self,
        index: u32,
        address: Ipv6Addr,
        length: u8,
    ) -> Result<(), NetlinkError> {
        let message = self
            .handle
            .address()
            .add(index, IpAddr::V6(address), length)
            .message_mut()
            .clone();
        match self.handle.address().del(message).execute().await {
            Err(error) if error_number(&error) == Some(NO_ADDRESS) => Ok(()),
            other => other.map_err(refused(format!(
                "take {address}/{length} from interface {index}"
            ))),
        }
    }

    /// The IPv6 addresses of an interface that are usable now, with their
    /// prefix lengths, link-local ones included.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub async fn addresses(&self, index: u32) -> Result<Vec<(Ipv6Addr, u8)>, NetlinkError> {
        let messages: Vec<_> = self
            .handle
            .address()
            .get()
            .set_link_index_filter(index)
            .execute()
            .try_collect()
            .await
            .map_err(refused(format!("list the addresses of interface {index}")))?;
        Ok(messages
            .into_iter()
            .filter(|message| {
                message.header.family == AddressFamily::Inet6
                    && !message
                        .header
                        .flags
                        .intersects(AddressHeaderFlags::Tentative | AddressHeaderFlags::Dadfailed)
            })
            .filter_map(|message| {
                message.attributes.iter().find_map(|a| match a {
                    AddressAttribute::Address(IpAddr::V6(address)) => {
                        Some((*address, message.header.prefix_len))
                    }
                    _ => None,
                })
            })
            .collect())
    }

    /// Has the interface a link-local address that is usable now?
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub async fn has_link_local(&self, index: u32) -> Result<bool, NetlinkError> {
        Ok(self
            .addresses(index)
            .await?
            .iter()
            .any(|(address, _)| address.is_unicast_link_local()))
    }

    /// Makes this the route to its destination at its metric.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn set_route(&self, route: &Route) -> Result<(), NetlinkError> {
        self.handle
            .route()
            .add(route.message())
            .replace()
            .execute()
            .await
            .map_err(refused(format!("set the route {route}")))
    }

    /// Removes a route; that it is not there is as good.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub async fn remove_route(&self, route: &Route) -> Result<(), NetlinkError> {
        match self.handle.route().del(route.message()).execute().await {
            Err(error) if matches!(error_number(&error), Some(NO_ROUTE | NO_DEVICE)) => Ok(()),
            other => other.map_err(refused(format!("remove the route {route}"))),
        }
    }

    /// All routes that carry our protocol number.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub async fn our_routes(&self) -> Result<Vec<Route>, NetlinkError> {
        let messages: Vec<_> = self
            .handle
            .route()
            .get(RouteMessageBuilder::<Ipv6Addr>::new().build())
            .execute()
            .try_collect()
            .await
            .map_err(refused("list the routes"))?;
        Ok(messages
            .iter()
            .filter(|message| message.header.protocol == RouteProtocol::Other(OURS))
            .filter_map(Route::read)
            .collect())
    }
}

/// Wakes whoever waits when an interface comes, goes or changes.
///
/// # Errors
/// When the kernel gives no socket.
pub fn watch_interfaces(wake: std::sync::Arc<Notify>) -> Result<(), NetlinkError> {
    let (connection, handle, mut messages) =
        rtnetlink::new_multicast_connection(&[MulticastGroup::Link]).map_err(NetlinkError::Open)?;
    tokio::spawn(connection);
    tokio::spawn(async move {
        // The handle keeps the connection's worker alive.
        let _handle = handle;
        while messages.next().await.is_some() {
            wake.notify_one();
        }
    });
    Ok(())
}

const NO_ROUTE: i32 = nix::errno::Errno::ESRCH as i32;
const NO_DEVICE: i32 = nix::errno::Errno::ENODEV as i32;
const NO_ADDRESS: i32 = nix::errno::Errno::EADDRNOTAVAIL as i32;

fn error_number(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.code.map(|code| code.get().abs()),
        _ => None,
    }
}
