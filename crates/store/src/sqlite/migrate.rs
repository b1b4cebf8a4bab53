//! Layouts of the file, one after the other. Each step is one transaction and
//! is asked for again inside it, so that two processes that open a new file at
//! once take it once.

use super::classify;
use super::driver::SqliteDriver;
use crate::error::StoreError;
use rusqlite::Connection;

/// Marks the file as a registry of this network: "IRYO".
const APPLICATION_ID: i32 = 0x4952_594f;

/// Each brings the layout from its place in the list to the next.
const STEPS: [&str; 5] = [
    include_str!("layout-1.sql"),
    include_str!("layout-2.sql"),
    include_str!("layout-3.sql"),
    include_str!("layout-4.sql"),
    include_str!("layout-5.sql"),
];

pub(super) fn run(connection: &mut Connection, home: &str) -> Result<(), StoreError> {
    let failed = |error| classify(home, "bring its layout up to date", error);
    let newest = STEPS.len() as u32;
    loop {
        let transaction = connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(failed)?;
        let number =
            |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (id, layout) = (
            number("application_id").map_err(failed)?,
            number("user_version").map_err(failed)?,
        );
        let tables: i64 = transaction
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(failed)?;
        if id != APPLICATION_ID && (tables > 0 || id != 0) {
            return Err(StoreError::Damaged {
                home: home.to_owned(),
                what: "it is a database of another program, not a registry; name another file"
                    .to_owned(),
            });
        }
        let layout = u32::try_from(layout).unwrap_or(u32::MAX);
        if layout > newest {
            return Err(StoreError::Newer {
                home: home.to_owned(),
                found: layout,
                known: newest,
            });
        }
        let Some(step) = STEPS.get(layout as usize) else {
            return Ok(());
        };
        transaction.execute_batch(step).map_err(failed)?;
        if layout + 1 == newest {
            crate::home::fill(&SqliteDriver(&transaction), home)?;
        }
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", layout + 1)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
}

/// Is it a registry of exactly this layout? Changes nothing.
pub(super) fn check(connection: &Connection, home: &str) -> Result<(), StoreError> {
    let number = |name: &str| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i32>(0))
            .map_err(|error| classify(home, "read its layout", error))
    };
    let damaged = |what: &str| StoreError::Damaged {
        home: home.to_owned(),
        what: what.to_owned(),
    };
    if number("application_id")? != APPLICATION_ID {
        return Err(damaged(
            "it is not a registry of this network; name the center's registry.sqlite",
        ));
    }
    let found = u32::try_from(number("user_version")?).unwrap_or(u32::MAX);
    let known = STEPS.len() as u32;
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer {
            home: home.to_owned(),
            found,
            known,
        }),
        std::cmp::Ordering::Less => Err(damaged(
            "it has the layout of an earlier release; start the center once, which brings it up to date",
        )),
    }
}
