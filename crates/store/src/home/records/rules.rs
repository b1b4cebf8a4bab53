//! 公布された要件・審査項目.

use super::{Record, Written, list, millis, whole};
use crate::error::StoreError;
use crate::home::session::json;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, values};
use iryonet_registry::PublishedRules;
use iryonet_rules::RuleVersion;

impl Record for PublishedRules {
    const TABLE: Table = Table {
        name: "rules",
        columns: &[
            ("version", Kind::Integer),
            ("files", Kind::Text),
            ("published_at", Kind::Integer),
        ],
        key: 1,
        read: 3,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            version: whole(row, 0).map(RuleVersion)?,
            files: list(row, 1)?,
            published_at: millis(row, 2)?,
        })
    }
}

impl Written for PublishedRules {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.version.0,
            json(&self.files)?,
            sql::millis(self.published_at)?,
        ]
        .into())
    }
}
