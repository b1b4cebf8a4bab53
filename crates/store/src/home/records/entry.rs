//! The ledger, and the way to somebody's history.

use super::{Record, Written, millis, octets, text, whole, word};
use crate::error::StoreError;
use crate::sql::{Kind, Misfit, Row, Table, Value, integer, values};
use iryonet_ledger::{Entry, Hash, Outcome, Tip};

/// Only read here: an entry is appended, never replaced.
impl Record for Entry {
    const TABLE: Table = Table {
        name: "entry",
        columns: &[
            ("sequence", Kind::Integer),
            ("at", Kind::Integer),
            ("actor", Kind::Text),
            ("command", Kind::Text),
            ("events", Kind::Text),
            ("refusal_code", Kind::Text),
            ("refusal_text", Kind::Text),
            ("previous", Kind::Blob),
            ("hash", Kind::Blob),
        ],
        key: 1,
        read: 9,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            sequence: whole(row, 0)?,
            at: millis(row, 1)?,
            actor: word(row, 2)?,
            command: text(row, 3)?,
            outcome: match row.text(4)? {
                Some(events) => Outcome::Accepted {
                    events: events.to_owned(),
                },
                None => Outcome::Refused {
                    code: text(row, 5)?,
                    text: text(row, 6)?,
                },
            },
            previous: Hash(octets(row, 7)?),
            hash: Hash(octets(row, 8)?),
        })
    }
}

impl Written for Entry {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        let (events, code, text) = match &self.outcome {
            Outcome::Accepted { events } => (Some(events), None, None),
            Outcome::Refused { code, text } => (None, Some(code), Some(text)),
        };
        Ok(values![
            integer(self.sequence)?,
            integer(self.at.0)?,
            self.actor.to_string(),
            &self.command,
            events,
            code,
            text,
            &self.previous.0,
            &self.hash.0,
        ]
        .into())
    }
}

/// `sequence, at, hash`.
pub(crate) fn tip(row: &dyn Row) -> Result<Tip, Misfit> {
    Ok(Tip {
        sequence: whole(row, 0)?,
        at: millis(row, 1)?,
        hash: Hash(octets(row, 2)?),
    })
}

/// An event is about this.
#[derive(Debug)]
pub(crate) struct TopicPlace {
    pub(crate) topic: String,
    pub(crate) sequence: u64,
    pub(crate) place: u64,
}

impl Record for TopicPlace {
    const TABLE: Table = Table {
        name: "topic",
        columns: &[
            ("topic", Kind::Text),
            ("sequence", Kind::Integer),
            ("place", Kind::Integer),
        ],
        key: 3,
        read: 3,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            topic: text(row, 0)?,
            sequence: whole(row, 1)?,
            place: whole(row, 2)?,
        })
    }
}

impl Written for TopicPlace {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![&self.topic, integer(self.sequence)?, integer(self.place)?].into())
    }
}
