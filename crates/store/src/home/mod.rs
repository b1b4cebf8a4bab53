//! What is the same in every home: reading, deciding, recording, writing. Over
//! [`crate::sql`]; it must not know which database it is.

mod many;
mod postings;
mod reader;
pub(crate) mod records;
mod search;
mod session;
mod side;
mod tables;
mod view;

pub(crate) use session::Session;

use crate::error::StoreError;
use crate::sql::Driver;

/// Fills what a layout has made and statements cannot fill: once the newest
/// layout is reached, which is the one that reading and writing know, and in
/// the transaction that reaches it.
pub(crate) fn fill(driver: &dyn Driver, home: &str) -> Result<(), StoreError> {
    // Values of the side store are not looked at here, so no time counts.
    let session = Session::new(driver, home, iryonet_domain::UnixMillis(0));
    if session.take_unfilled()? {
        session.rebuild_search()?;
    }
    session.finish()
}
