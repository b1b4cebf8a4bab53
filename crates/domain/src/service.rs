//! サービス: what a provider runs on the network, as endpoints.

use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// A service's number, given by the center: 1..=0x00FF_FFFF (24 bits, so that a
/// grant fits into one machine word of the datapath).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ServiceId(u32);

/// The number is not that of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a service number; numbers are 1 to 16777215 (24 bits)")]
pub struct ServiceIdError(pub u32);

impl ServiceId {
    /// The service with this number.
    ///
    /// # Errors
    /// For zero and for more than 24 bits.
    pub fn new(number: u32) -> Result<Self, ServiceIdError> {
        if (1..=0x00ff_ffff).contains(&number) {
            Ok(Self(number))
        } else {
            Err(ServiceIdError(number))
        }
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for ServiceId {
    type Error = ServiceIdError;
    fn try_from(number: u32) -> Result<Self, Self::Error> {
        Self::new(number)
    }
}

impl From<ServiceId> for u32 {
    fn from(id: ServiceId) -> Self {
        id.0
    }
}

impl std::fmt::Display for ServiceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Transport protocol of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP (protocol number 6).
    Tcp,
    /// UDP (17).
    Udp,
    /// ICMPv6 echo (58): reachability tests; has no port.
    Echo,
}

impl Protocol {
    /// The number in the IPv6 header.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Echo => 58,
        }
    }

    /// The word used in files, commands and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Echo => "echo",
        }
    }
}

/// One way to reach a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Endpoint {
    /// Inside the provider's own /56.
    pub address: Ipv6Addr,
    /// Transport.
    pub protocol: Protocol,
    /// 1..=65535; 0 for [`Protocol::Echo`].
    pub port: u16,
}

/// Why an endpoint cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// TCP and UDP want a port.
    #[error("an endpoint of {} wants a port from 1 to 65535", .0.as_str())]
    PortMissing(Protocol),
    /// Echo has none.
    #[error("an echo endpoint has no port; write 0, not {0}")]
    PortOfEcho(u16),
}

impl Endpoint {
    /// Checks that protocol and port go together.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self) -> Result<(), EndpointError> {
        match (self.protocol, self.port) {
            (Protocol::Echo, 0) => Ok(()),
            (Protocol::Echo, port) => Err(EndpointError::PortOfEcho(port)),
            (protocol, 0) => Err(EndpointError::PortMissing(protocol)),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} [{}]:{}",
            self.protocol.as_str(),
            self.address,
            self.port
        )
    }
}
