//! 申請. What is asked for about cases has columns; the case itself is JSON.

use super::{Record, Written};
use crate::error::StoreError;
use crate::home::session::json;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, integer, values};
use iryonet_registry::Case;

impl Record for Case {
    const TABLE: Table = Table {
        name: "case_file",
        columns: &[
            ("number", Kind::Integer),
            ("body", Kind::Text),
            ("kind", Kind::Text),
            ("state", Kind::Text),
            ("is_open", Kind::Integer),
            ("participant", Kind::Integer),
            ("code", Kind::Text),
            ("applicant", Kind::Text),
            ("touched_at", Kind::Integer),
            ("due_at", Kind::Integer),
        ],
        key: 1,
        read: 2,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        let text = row
            .text(1)?
            .ok_or_else(|| Misfit::new(1, "nothing stands there"))?;
        serde_json::from_str(text).map_err(|error| Misfit::new(1, error))
    }
}

impl Written for Case {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        let applicant = self.applicants.first().map(|applicant| applicant.name());
        Ok(values![
            integer(self.case.0)?,
            json(self)?,
            self.kind().as_str(),
            self.state.as_str(),
            self.state.is_open(),
            self.participant.map(|number| number.get()),
            self.application.code().map(|code| code.to_string()),
            applicant.unwrap_or_default(),
            sql::millis(self.touched_at)?,
            self.due_at().map(sql::millis).transpose()?,
        ]
        .into())
    }
}
