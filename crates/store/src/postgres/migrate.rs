//! Layouts of the database, one after the other; number N is what number N is
//! on SQLite. Each step is one transaction behind the writers' lock and is
//! asked for again inside it, so that several centers that start at once take
//! it once.

use super::classify;
use super::connection::Connection;
use super::driver::PostgresDriver;
use crate::error::StoreError;

/// Each brings the layout from its place in the list to the next.
const STEPS: [&str; 5] = [
    include_str!("layout-1.sql"),
    include_str!("layout-2.sql"),
    include_str!("layout-3.sql"),
    include_str!("layout-4.sql"),
    include_str!("layout-5.sql"),
];

pub(super) fn run(connection: &mut Connection, home: &str) -> Result<(), StoreError> {
    loop {
        connection
            .begin_to_write()
            .map_err(|failure| StoreError::from_failure(home, "look at its layout", failure))?;
        let taken = step(connection, home);
        let end = if matches!(taken, Ok(true)) {
            "COMMIT"
        } else {
            "ROLLBACK"
        };
        let ended = connection.batch(end).map_err(|failure| {
            StoreError::from_failure(home, "bring its layout up to date", failure)
        });
        if !taken? {
            return ended;
        }
        ended?;
    }
}

/// Takes the next step; was there one?
fn step(connection: &mut Connection, home: &str) -> Result<bool, StoreError> {
    let found = layout(connection, home)?;
    let known = STEPS.len() as u32;
    if found > known {
        return Err(StoreError::Newer {
            home: home.to_owned(),
            found,
            known,
        });
    }
    let Some(step) = STEPS.get(found as usize) else {
        return Ok(false);
    };
    let failed = |error| classify(home, "bring its layout up to date", error);
    let client = connection.client().map_err(|failure| {
        StoreError::from_failure(home, "bring its layout up to date", failure)
    })?;
    client.batch_execute(step).map_err(failed)?;
    client
        .execute(
            "INSERT INTO meta (key, value) VALUES ('layout', $1)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            &[&(found + 1).to_string()],
        )
        .map_err(failed)?;
    if found + 1 == known {
        crate::home::fill(&PostgresDriver::new(connection), home)?;
    }
    Ok(true)
}

/// The number of the layout that is there; 0 for a database with nothing in it.
fn layout(connection: &mut Connection, home: &str) -> Result<u32, StoreError> {
    let failed = |error| classify(home, "read its layout", error);
    let client = connection
        .client()
        .map_err(|failure| StoreError::from_failure(home, "read its layout", failure))?;
    let stranger = || StoreError::Damaged {
        home: home.to_owned(),
        what: "it is a database of another program, not a registry; name another one".to_owned(),
    };
    let tables: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_class
             WHERE relkind IN ('r', 'p', 'v', 'm') AND relnamespace = current_schema()::regnamespace",
            &[],
        )
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    if tables == 0 {
        return Ok(0);
    }
    let ours: bool = client
        .query_one(
            "SELECT count(*) = 2 FROM pg_attribute
             WHERE attrelid = to_regclass('meta') AND attname IN ('key', 'value')",
            &[],
        )
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    if !ours {
        return Err(stranger());
    }
    let found: Option<String> = client
        .query_opt("SELECT value FROM meta WHERE key = 'layout'", &[])
        .map_err(failed)?
        .map(|row| row.try_get(0))
        .transpose()
        .map_err(failed)?;
    found
        .and_then(|number| number.parse().ok())
        .ok_or_else(stranger)
}

/// Is it a registry of exactly this layout? Changes nothing.
pub(super) fn check(connection: &mut Connection, home: &str) -> Result<(), StoreError> {
    let found = layout(connection, home)?;
    let known = STEPS.len() as u32;
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer {
            home: home.to_owned(),
            found,
            known,
        }),
        std::cmp::Ordering::Less => Err(StoreError::Damaged {
            home: home.to_owned(),
            what: if found == 0 {
                "there is no registry in it; name the center's database".to_owned()
            } else {
                "it has the layout of an earlier release; start the center once, which brings it up to date".to_owned()
            },
        }),
    }
}
