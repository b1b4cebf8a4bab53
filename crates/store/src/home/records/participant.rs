//! Participants, their sites and lines, and the applicants of public lists.

use super::{
    Record, Written, made, maybe_millis, maybe_word, millis, plain_json, plain_or_json, text,
    whole, word,
};
use crate::error::StoreError;
use crate::query::search_key;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, values};
use iryonet_domain::{Circuit, LineId, ParticipantNumber, Prefecture};
use iryonet_registry::{Applicant, Line, Participant, Site};

/// Only read so: it is written with where it is, as [`Placed`].
impl Record for Participant {
    const TABLE: Table = Table {
        read: 7,
        ..Placed::TABLE
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            number: made(row, 0, ParticipantNumber::new)?,
            kind: word(row, 1)?,
            name: text(row, 2)?,
            code: maybe_word(row, 3)?,
            standing: word(row, 4)?,
            admitted_at: millis(row, 5)?,
            membership: plain_or_json(row, 6)?,
        })
    }
}

impl Record for Site {
    const TABLE: Table = Table {
        name: "site",
        columns: &[
            ("participant", Kind::Integer),
            ("site", Kind::Integer),
            ("name", Kind::Text),
        ],
        key: 2,
        read: 3,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            participant: made(row, 0, ParticipantNumber::new)?,
            site: whole(row, 1)?,
            name: text(row, 2)?,
        })
    }
}

impl Written for Site {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![self.participant.get(), self.site, &self.name].into())
    }
}

/// A participant as it is written: with where it is, as it is searched.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) participant: Participant,
    pub(crate) area_key: String,
}

impl Record for Placed {
    const TABLE: Table = Table {
        name: "participant",
        columns: &[
            ("number", Kind::Integer),
            ("kind", Kind::Text),
            ("name", Kind::Text),
            ("code", Kind::Text),
            ("standing", Kind::Text),
            ("admitted_at", Kind::Integer),
            ("membership", Kind::Text),
            ("area_key", Kind::Text),
            ("name_key", Kind::Text),
            ("examined", Kind::Integer),
            ("prefecture", Kind::Integer),
        ],
        key: 1,
        read: 8,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            participant: Participant::read(row)?,
            area_key: text(row, 7)?,
        })
    }
}

impl Written for Placed {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        let participant = &self.participant;
        Ok(values![
            participant.number.get(),
            participant.kind.as_str(),
            &participant.name,
            participant.code.map(|code| code.to_string()),
            participant.standing.as_str(),
            sql::millis(participant.admitted_at)?,
            plain_json(&participant.membership)?,
            &self.area_key,
            search_key(&participant.name),
            participant.membership.examined.map(|version| version.0),
            participant.prefecture().map(Prefecture::number),
        ]
        .into())
    }
}

/// A line that was removed stays in its table, so that its number is not given
/// again; as a record it is not there.
impl Record for Line {
    const TABLE: Table = Table {
        name: "line",
        columns: &[
            ("line", Kind::Integer),
            ("kind", Kind::Text),
            ("participant", Kind::Integer),
            ("site", Kind::Integer),
            ("gateway", Kind::Text),
            ("interface", Kind::Text),
            ("removed", Kind::Integer),
        ],
        key: 1,
        read: 6,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            line: whole(row, 0).map(LineId)?,
            kind: word(row, 1)?,
            participant: made(row, 2, ParticipantNumber::new)?,
            site: whole(row, 3)?,
            circuit: Circuit {
                gateway: word(row, 4)?,
                interface: text(row, 5)?,
            },
        })
    }
}

impl Written for Line {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.line.0,
            self.kind.as_str(),
            self.participant.get(),
            self.site,
            self.circuit.gateway.as_str(),
            &self.circuit.interface,
            false,
        ]
        .into())
    }
}

impl Record for Applicant {
    const TABLE: Table = Table {
        name: "applicant",
        columns: &[
            ("code", Kind::Text),
            ("name", Kind::Text),
            ("postal", Kind::Text),
            ("address", Kind::Text),
            ("list", Kind::Text),
            ("vanished_at", Kind::Integer),
            ("name_key", Kind::Text),
            ("address_key", Kind::Text),
        ],
        key: 1,
        read: 6,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            code: word(row, 0)?,
            name: text(row, 1)?,
            postal: text(row, 2)?,
            address: text(row, 3)?,
            list: word(row, 4)?,
            vanished_at: maybe_millis(row, 5)?,
        })
    }
}

impl Written for Applicant {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.code.to_string(),
            &self.name,
            &self.postal,
            &self.address,
            self.list.as_str(),
            self.vanished_at.map(sql::millis).transpose()?,
            search_key(&self.name),
            search_key(&self.address),
        ]
        .into())
    }
}
