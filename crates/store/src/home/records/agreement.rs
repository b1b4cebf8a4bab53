//! 利用合意.

use super::{Record, made, millis, whole, word};
use crate::error::StoreError;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, integer, values};
use iryonet_domain::{AgreementId, ParticipantNumber, ServiceId, Validity};
use iryonet_registry::Agreement;

impl Record for Agreement {
    const TABLE: Table = Table {
        name: "agreement",
        columns: &[
            ("agreement", Kind::Integer),
            ("participant", Kind::Integer),
            ("service", Kind::Integer),
            ("purpose", Kind::Text),
            ("valid_from", Kind::Integer),
            ("valid_until", Kind::Integer),
            ("proposed_by", Kind::Integer),
            ("state", Kind::Text),
        ],
        key: 1,
        read: 8,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            agreement: whole(row, 0).map(AgreementId)?,
            participant: made(row, 1, ParticipantNumber::new)?,
            service: made(row, 2, ServiceId::new)?,
            purpose: word(row, 3)?,
            validity: Validity {
                from: millis(row, 4)?,
                until: millis(row, 5)?,
            },
            proposed_by: made(row, 6, ParticipantNumber::new)?,
            state: word(row, 7)?,
        })
    }

    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            integer(self.agreement.0)?,
            self.participant.get(),
            self.service.get(),
            self.purpose.as_str(),
            sql::millis(self.validity.from)?,
            sql::millis(self.validity.until)?,
            self.proposed_by.get(),
            self.state.as_str(),
        ]
        .into())
    }
}
