//! What is the same in every home: reading, deciding, recording, writing. Over
//! [`crate::sql`]; it must not know which database it is.

mod reader;
pub(crate) mod records;
mod session;
mod side;
mod tables;
mod view;

pub(crate) use session::Session;
