//! Devices and enrolment codes.

use super::{Record, Written, fingerprint, maybe_millis, millis, revocation, text, whole, word};
use crate::error::StoreError;
use crate::home::records::made;
use crate::sql::{self, Kind, Misfit, Row, Table, Value, values};
use iryonet_domain::{DeviceId, ParticipantNumber};
use iryonet_registry::{Device, EnrolmentCode};

impl Record for Device {
    const TABLE: Table = Table {
        name: "device",
        columns: &[
            ("participant", Kind::Integer),
            ("device", Kind::Integer),
            ("fingerprint", Kind::Blob),
            ("serial", Kind::Text),
            ("not_before", Kind::Integer),
            ("not_after", Kind::Integer),
            ("revoked_at", Kind::Integer),
            ("revoked_reason", Kind::Text),
            ("ran_out_at", Kind::Integer),
        ],
        key: 2,
        read: 9,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            participant: made(row, 0, ParticipantNumber::new)?,
            device: whole(row, 1).map(DeviceId)?,
            fingerprint: fingerprint(row, 2)?,
            serial: word(row, 3)?,
            not_before: millis(row, 4)?,
            not_after: millis(row, 5)?,
            revoked: revocation(row, 6)?,
            ran_out_at: maybe_millis(row, 8)?,
        })
    }
}

impl Written for Device {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.participant.get(),
            self.device.0,
            &self.fingerprint.0,
            self.serial.as_str(),
            sql::millis(self.not_before)?,
            sql::millis(self.not_after)?,
            self.revoked.map(|it| sql::millis(it.at)).transpose()?,
            self.revoked.map(|it| it.reason.as_str()),
            self.ran_out_at.map(sql::millis).transpose()?,
        ]
        .into())
    }
}

impl Record for EnrolmentCode {
    const TABLE: Table = Table {
        name: "enrolment_code",
        columns: &[
            ("code_hash", Kind::Text),
            ("subject", Kind::Text),
            ("issued_at", Kind::Integer),
            ("expires_at", Kind::Integer),
            ("spent_at", Kind::Integer),
        ],
        key: 1,
        read: 5,
    };

    fn read(row: &dyn Row) -> Result<Self, Misfit> {
        Ok(Self {
            code_hash: word(row, 0)?,
            subject: text(row, 1)?
                .parse()
                .map_err(|error| Misfit::new(1, error))?,
            issued_at: millis(row, 2)?,
            expires_at: millis(row, 3)?,
            spent_at: maybe_millis(row, 4)?,
        })
    }
}

impl Written for EnrolmentCode {
    fn write(&self) -> Result<Vec<Value<'_>>, StoreError> {
        Ok(values![
            self.code_hash.as_str(),
            self.subject.to_string(),
            sql::millis(self.issued_at)?,
            sql::millis(self.expires_at)?,
            self.spent_at.map(sql::millis).transpose()?,
        ]
        .into())
    }
}
