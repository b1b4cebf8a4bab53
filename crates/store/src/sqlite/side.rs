//! The side store: what is kept beside the ledger.

use super::rows;
use super::session::{Session, integer};
use super::view::limit_of;
use crate::error::StoreError;
use crate::side::{LIST_MAX_BYTES, SideValue, Space, end_of_prefix};
use iryonet_domain::UnixMillis;
use rusqlite::params;

impl Session<'_> {
    pub(super) fn get_side(
        &self,
        space: Space,
        key: &[u8],
    ) -> Result<Option<SideValue>, StoreError> {
        self.one(
            "SELECT key, value, expires_at FROM side
             WHERE space = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)",
            params![space.as_str(), key, integer(self.now.0)?],
            rows::side,
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
        let mut room = LIST_MAX_BYTES;
        let mut last: Option<Vec<u8>> = None;
        let sizes = self.all(
            "SELECT key, length(value) FROM side
             WHERE space = ?1 AND key >= ?2 AND key > ?3 AND (?4 IS NULL OR key < ?4)
               AND (expires_at IS NULL OR expires_at > ?5)
             ORDER BY key LIMIT ?6",
            params![
                space.as_str(),
                prefix,
                after.unwrap_or_default(),
                end_of_prefix(prefix),
                integer(self.now.0)?,
                limit_of(limit)
            ],
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, u32>(1)?)),
        )?;
        for (key, size) in sizes {
            let Some(left) = room.checked_sub(size as usize) else {
                if last.is_none() {
                    last = Some(key);
                }
                break;
            };
            room = left;
            last = Some(key);
        }
        let Some(last) = last else {
            return Ok(Vec::new());
        };
        self.all(
            "SELECT key, value, expires_at FROM side
             WHERE space = ?1 AND key >= ?2 AND key > ?3 AND key <= ?4
               AND (expires_at IS NULL OR expires_at > ?5)
             ORDER BY key",
            params![
                space.as_str(),
                prefix,
                after.unwrap_or_default(),
                last,
                integer(self.now.0)?
            ],
            rows::side,
        )
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
            params![
                space.as_str(),
                key,
                value,
                expires_at.map(|at| integer(at.0)).transpose()?
            ],
        )
        .map(drop)
    }

    pub(super) fn delete_side(&self, space: Space, key: &[u8]) -> Result<bool, StoreError> {
        let there = self.get_side(space, key)?.is_some();
        self.run(
            "DELETE FROM side WHERE space = ?1 AND key = ?2",
            params![space.as_str(), key],
        )?;
        Ok(there)
    }

    pub(super) fn purge_side(&self, now: UnixMillis, limit: usize) -> Result<usize, StoreError> {
        self.run(
            "DELETE FROM side WHERE (space, key) IN
               (SELECT space, key FROM side WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
            params![integer(now.0)?, limit_of(limit)],
        )
    }
}
