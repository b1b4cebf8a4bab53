//! Services and where they are reached.

use super::{Record, Written, list, made, plain_json, plain_or_json, text, whole, word, yes};
use crate::error::StoreError;
use crate::home::session::json;
use crate::sql::{Kind, Misfit, Row, Table, Value, values};
use iryonet_domain::{Endpoint, ParticipantNumber, ServiceId};
use iryonet_registry::Service;

impl Record for Service {
    const TABLE: Table = Table {
        name: "service",
        columns: &[
            ("service", Kind::Integer),
            ("provider", Kind::Integer),
            ("name", Kind::Text),
            ("class", Kind::Text),
            ("purposes", Kind::Text),
            ("endpoints", Kind::Text),
            ("eligible", Kind::Text),
            ("retired", Kind::Integer),
            ("offer", Kind::Text),
            ("dns", Kind::Text),
        ],
        key: 1,
        read: 9,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            service: made(row, 0, ServiceId::new)?,
            provider: made(row, 1, ParticipantNumber::new)?,
            name: text(row, 2)?,
            class: word(row, 3)?,
            purposes: list(row, 4)?,
            endpoints: list(row, 5)?,
            eligible: list(row, 6)?,
            retired: yes(row, 7)?,
            offer: plain_or_json(row, 8)?,
        })
    }
}

impl Written for Service {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.service.get(),
            self.provider.get(),
            &self.name,
            self.class.as_str(),
            json(&self.purposes)?,
            json(&self.endpoints)?,
            json(&self.eligible)?,
            self.retired,
            plain_json(&self.offer)?,
            self.offer.dns.as_ref().map(|name| name.as_str()),
        ]
        .into())
    }
}

/// The open service that is reached there.
#[derive(Debug)]
pub(crate) struct EndpointOf {
    pub(crate) address: String,
    pub(crate) protocol: u8,
    pub(crate) port: u16,
    pub(crate) service: ServiceId,
}

impl EndpointOf {
    pub(crate) fn new(endpoint: &Endpoint, service: ServiceId) -> Self {
        Self {
            address: endpoint.address.to_string(),
            protocol: endpoint.protocol.number(),
            port: endpoint.port,
            service,
        }
    }
}

impl Record for EndpointOf {
    const TABLE: Table = Table {
        name: "endpoint",
        columns: &[
            ("address", Kind::Text),
            ("protocol", Kind::Integer),
            ("port", Kind::Integer),
            ("service", Kind::Integer),
        ],
        key: 3,
        read: 4,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            address: text(row, 0)?,
            protocol: whole(row, 1)?,
            port: whole(row, 2)?,
            service: made(row, 3, ServiceId::new)?,
        })
    }
}

impl Written for EndpointOf {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![&self.address, self.protocol, self.port, self.service.get()].into())
    }
}
