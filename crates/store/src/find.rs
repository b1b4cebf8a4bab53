//! Who is this institution, and what was said about it before?

use crate::error::StoreError;
use crate::query::{ApplicantQuery, ApplicantStory};
use crate::store::{Reader, Store, look};
use iryonet_domain::InstitutionCode;
use iryonet_registry::{Applicant, Topic};

/// Most events of a history that are shown at once.
const HISTORY_MAX: usize = 1_000;

/// Applicants that answer the query, ascending by code.
///
/// # Errors
/// When the store fails.
pub fn find(
    store: &dyn Store,
    query: &ApplicantQuery,
    after: Option<InstitutionCode>,
    limit: usize,
) -> Result<Vec<Applicant>, StoreError> {
    look(store, |reader| reader.applicants(query, after, limit))
}

/// An applicant with its history; nothing when no list ever named the code.
///
/// # Errors
/// When the store fails.
pub fn show(
    store: &dyn Store,
    code: InstitutionCode,
) -> Result<Option<ApplicantStory>, StoreError> {
    look(store, |reader| {
        let Some(applicant) = reader.applicant(code)? else {
            return Ok(None);
        };
        let participant = match reader.holder_of_code(code)? {
            Some(number) => reader.participant(number)?,
            None => None,
        };
        Ok(Some(ApplicantStory {
            applicant,
            participant,
            history: Reader::history(reader, &Topic::Applicant(code), None, HISTORY_MAX)?,
        }))
    })
}
