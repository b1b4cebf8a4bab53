//! 利用合意.

use super::{Record, Written, made, maybe_millis, maybe_word, millis, whole, word, yes};
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
            ("proposing_officer", Kind::Text),
            ("accepting_officer", Kind::Text),
            ("automatic", Kind::Integer),
            ("noticed_at", Kind::Integer),
        ],
        key: 1,
        read: 12,
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
            proposing_officer: maybe_word(row, 8)?,
            accepting_officer: maybe_word(row, 9)?,
            automatic: yes(row, 10)?,
            noticed_at: maybe_millis(row, 11)?,
        })
    }
}

impl Written for Agreement {
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
            self.proposing_officer.as_ref().map(ToString::to_string),
            self.accepting_officer.as_ref().map(ToString::to_string),
            self.automatic,
            self.noticed_at.map(sql::millis).transpose()?,
        ]
        .into())
    }
}
