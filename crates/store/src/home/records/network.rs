//! Gateways and their certificates.

use super::{Record, Written, fingerprint, list, millis, revocation, whole, word};
use crate::error::StoreError;
use crate::home::session::json;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, values};
use iryonet_domain::GatewayId;
use iryonet_registry::{Gateway, GatewayCertificate};

impl Record for Gateway {
    const TABLE: Table = Table {
        name: "gateway",
        columns: &[
            ("gateway", Kind::Text),
            ("backbone", Kind::Text),
            ("blocks", Kind::Text),
        ],
        key: 1,
        read: 3,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            gateway: word(row, 0)?,
            backbone: word(row, 1)?,
            blocks: list(row, 2)?,
        })
    }
}

impl Written for Gateway {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.gateway.as_str(),
            self.backbone.to_string(),
            json(&self.blocks)?
        ]
        .into())
    }
}

impl Record for GatewayCertificate {
    const TABLE: Table = Table {
        name: "gateway_certificate",
        columns: &[
            ("fingerprint", Kind::Blob),
            ("gateway", Kind::Text),
            ("serial", Kind::Text),
            ("not_before", Kind::Integer),
            ("not_after", Kind::Integer),
            ("revoked_at", Kind::Integer),
            ("revoked_reason", Kind::Text),
        ],
        key: 1,
        read: 7,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            fingerprint: fingerprint(row, 0)?,
            gateway: word(row, 1)?,
            serial: word(row, 2)?,
            not_before: millis(row, 3)?,
            not_after: millis(row, 4)?,
            revoked: revocation(row, 5)?,
        })
    }
}

impl Written for GatewayCertificate {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            &self.fingerprint.0,
            self.gateway.as_str(),
            self.serial.as_str(),
            sql::millis(self.not_before)?,
            sql::millis(self.not_after)?,
            self.revoked.map(|it| sql::millis(it.at)).transpose()?,
            self.revoked.map(|it| it.reason.as_str()),
        ]
        .into())
    }
}

/// The gateway that is home to a block.
#[derive(Debug)]
pub(crate) struct BlockOf {
    pub(crate) block: u8,
    pub(crate) gateway: GatewayId,
}

impl Record for BlockOf {
    const TABLE: Table = Table {
        name: "block",
        columns: &[("block", Kind::Integer), ("gateway", Kind::Text)],
        key: 1,
        read: 2,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            block: whole(row, 0)?,
            gateway: word(row, 1)?,
        })
    }
}

impl Written for BlockOf {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![self.block, self.gateway.as_str()].into())
    }
}
