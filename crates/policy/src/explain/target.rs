//! What somebody wants to reach, as people write it.

use iryonet_domain::{Endpoint, Protocol, ServiceId};
use serde::{Serialize, Serializer};

/// A service with all its endpoints, or one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// By its number: `12`.
    Service(ServiceId),
    /// `tcp:[2001:db8::1]:443`, `udp:[2001:db8::1]:53`, `echo:[2001:db8::1]`.
    Endpoint(Endpoint),
}

/// The text names no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither form.
    #[error(
        "{0:?} names nothing to reach; write the number of a service, or tcp:[address]:port, udp:[address]:port or echo:[address]"
    )]
    Syntax(String),
    /// The number is none.
    #[error(transparent)]
    Service(#[from] iryonet_domain::service::ServiceIdError),
    /// Protocol and port do not go together.
    #[error(transparent)]
    Endpoint(#[from] iryonet_domain::service::EndpointError),
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let number = text.parse().map_err(|_| syntax(text))?;
            return Ok(Self::Service(ServiceId::new(number)?));
        }
        let (protocol, rest) = text.split_once(":[").ok_or_else(|| syntax(text))?;
        let (address, port) = rest.split_once(']').ok_or_else(|| syntax(text))?;
        let protocol = [Protocol::Tcp, Protocol::Udp, Protocol::Echo]
            .into_iter()
            .find(|known| known.as_str() == protocol)
            .ok_or_else(|| syntax(text))?;
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| syntax(text))?,
            None if port.is_empty() => 0,
            None => return Err(syntax(text)),
        };
        let endpoint = Endpoint {
            address: address.parse().map_err(|_| syntax(text))?,
            protocol,
            port,
        };
        endpoint.check()?;
        Ok(Self::Endpoint(endpoint))
    }
}

fn syntax(text: &str) -> TargetError {
    TargetError::Syntax(text.chars().take(80).collect())
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Service(id) => write!(f, "{id}"),
            Self::Endpoint(e) if e.protocol == Protocol::Echo => write!(f, "echo:[{}]", e.address),
            Self::Endpoint(e) => write!(f, "{}:[{}]:{}", e.protocol.as_str(), e.address, e.port),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_reads_as_it_is_written() {
        for text in [
            "12",
            "tcp:[2001:db8:100::10]:443",
            "udp:[2001:db8:100::10]:53",
            "echo:[2001:db8:100::10]",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_target_is_refused_with_the_forms_that_are() {
        for text in [
            "",
            "x",
            "tcp:2001:db8::1:443",
            "sctp:[::1]:1",
            "tcp:[::1]x",
            "tcp:[::1]:70000",
        ] {
            assert!(
                matches!(text.parse::<Target>(), Err(TargetError::Syntax(_))),
                "{text}"
            );
        }
        assert!(matches!(
            "0".parse::<Target>(),
            Err(TargetError::Service(_))
        ));
        for text in ["tcp:[::1]", "tcp:[::1]:0", "echo:[::1]:7"] {
            assert!(
                matches!(text.parse::<Target>(), Err(TargetError::Endpoint(_))),
                "{text}"
            );
        }
    }
}
