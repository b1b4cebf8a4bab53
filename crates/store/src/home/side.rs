//! The side store: what is kept beside the ledger.

use super::records::{blob, maybe_millis, whole};
use super::session::{Session, limit_of};
use crate::error::StoreError;
use crate::side::{LIST_MAX_BYTES, SideValue, Space, end_of_prefix};
use crate::sql::{self, Misfit, Row, values};
use iryonet_domain::UnixMillis;

fn key_and_value(row: &dyn Row) -> Result<(Vec<u8>, SideValue), Misfit> {
    Ok((
        blob(row, 0)?,
        SideValue {
            value: blob(row, 1)?,
            expires_at: maybe_millis(row, 2)?,
        },
    ))
}

impl Session<'_> {
    pub(super) fn get_side(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<SideValue>, StoreError> {
        self.one(
            "SELECT key, value, expires_at FROM side
             WHERE space = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
            &values![space.as_str(), key, sql::millis(self.now)?],
            key_and_value,
        )
        .map(|found| found.map(|(_, value)| value))
    }

    pub(super) fn list_side(
        &self,
        space: Space,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, SideValue)>, StoreError> {
        // Sizes first, so that no more is read than is handed over.
        let mut sizes_of = "SELECT key, length(value) FROM side
             WHERE space = ?1 AND key >= ?2 AND key > ?3
               AND (expires_at IS NULL OR expires_at > ?4)"
            .to_owned();
        let mut values = Vec::from(values![
            space.as_str(),
            prefix,
            after.unwrap_or_default(),
            sql::millis(self.now)?,
            limit_of(limit),
        ]);
        if let Some(end) = end_of_prefix(prefix) {
            sizes_of.push_str(" AND key < ?6");
            values.push(end.into());
        }
        sizes_of.push_str(" ORDER BY key LIMIT ?5");
        let sizes = self.all(&sizes_of, &values, |row| {
            Ok((blob(row, 0)?, whole::<usize>(row, 1)?))
        })?;
        let mut room = LIST_MAX_BYTES;
        let mut last: Option<Vec<u8>> = None;
        for (key, size) in sizes {
            let left = room.checked_sub(size);
            if left.is_none() && last.is_some() {
                break;
            }
            last = Some(key);
            let Some(left) = left else { break };
            room = left;
        }
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        self.all(
            "SELECT key, value, expires_at FROM side
             WHERE space = ?1 AND key >= ?2 AND key > ?3 AND key <= ?4
               AND (expires_at IS NULL OR expires_at > ?5)
             ORDER BY key",
            &values![
                space.as_str(),
                prefix,
                after.unwrap_or_default(),
                last,
                sql::millis(self.now)?
            ],
            key_and_value,
        )
    }

    pub(super) fn bytes_of_side(&self, space: Space) -> Result<u64, StoreError> {
        self.one(
            "SELECT COALESCE(CAST(sum(length(value)) AS BIGINT), 0) FROM side WHERE space = ?1",
            &values![space.as_str()],
            |row| whole(row, 0),
        )
        .map(Option::unwrap_or_default)
    }

    pub(super) fn put_side(
        &self,
        space: Space,
        key: &[u8],
        value: &[u8],
        expires_at: Option<UnixMillis>,
    ) -> Result<(), StoreError> {
        space.check(key, value)?;
        self.run(
            "INSERT INTO side (space, key, value, expires_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (space, key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at",
            &values![
                space.as_str(),
                key,
                value,
                expires_at.map(sql::millis).transpose()?
            ],
        )
        .map(drop)
    }

    pub(super) fn delete_side(&self, space: Space, key: &[u8]) -> Result<bool, StoreError> {
        let there = self
            .one(
                "SELECT length(value) FROM side
                 WHERE space = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
                &values![space.as_str(), key, sql::millis(self.now)?],
                |_| Ok(()),
            )?
            .is_some();
        self.run(
            "DELETE FROM side WHERE space = ?1 AND key = ?2",
            &values![space.as_str(), key],
        )?;
        Ok(there)
    }

    pub(super) fn purge_side(&self, now: UnixMillis, limit: usize) -> Result<usize, StoreError> {
        let purged = self.run(
            "DELETE FROM side WHERE (space, key) IN
               (SELECT space, key FROM side WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            &values![sql::millis(now)?, limit_of(limit)],
        )?;
        Ok(usize::try_from(purged).unwrap_or(usize::MAX))
    }
}
