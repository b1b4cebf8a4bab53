//! Sessions in the side store: begun, found, used, ended.

use crate::http::problem::Problem;
use crate::state::Center;
use iryonet_domain::AccountName;
use iryonet_people::{Ended, Session, SessionToken, session};
use iryonet_registry::Account;
use iryonet_store::{Space, StoreError, Transaction};
use std::sync::Arc;

/// Keys of one account's sessions that are looked at when one begins; there are
/// no more than [`session::PER_ACCOUNT_MAX`] but in a damaged store.
const INDEX_MAX: usize = 64;

/// A session that holds, with its account at this moment.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) session: Session,
    pub(crate) account: Account,
    pub(crate) token: SessionToken,
}

/// Writes a new session; the account's oldest gives way.
pub(crate) fn begin(
    transaction: &mut dyn Transaction,
    center: &Center,
    session: &Session,
    token: &SessionToken,
) -> Result<(), StoreError> {
    let prefix = session::index_prefix(&session.account);
    let index = transaction.side_list(Space::Session, &prefix, None, INDEX_MAX)?;
    let mut present = Vec::new();
    for (index_key, _) in index {
        let Some(hash) = index_key
            .get(prefix.len()..)
            .and_then(|rest| <[u8; 32]>::try_from(rest).ok())
        else {
            continue;
        };
        match read(transaction, &hash)? {
            Some(found) => present.push((found.began_at, hash)),
            None => {
                transaction.side_delete(Space::Session, &index_key)?;
            }
        }
    }
    present.sort_unstable();
    let surplus = (present.len() + 1).saturating_sub(session::PER_ACCOUNT_MAX);
    for (_, hash) in present.iter().take(surplus) {
        end(transaction, &session.account, hash)?;
    }
    write(transaction, center, session, &token.hash())
}

fn write(
    transaction: &mut dyn Transaction,
    center: &Center,
    session: &Session,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    let expires_at = Some(session.expires_at(&center.people.limits));
    let octets = session.to_octets().map_err(StoreError::given_up)?;
    transaction.side_put(Space::Session, &session::key(hash), &octets, expires_at)?;
    let index = session::index_key(&session.account, hash);
    transaction.side_put(Space::Session, &index, b"", expires_at)
}

/// Ends a session, if it is there.
pub(crate) fn end(
    transaction: &mut dyn Transaction,
    account: &AccountName,
    hash: &[u8; 32],
) -> Result<(), StoreError> {
    transaction.side_delete(Space::Session, &session::key(hash))?;
    transaction.side_delete(Space::Session, &session::index_key(account, hash))?;
    Ok(())
}

/// Takes away everything that an account could show, and its sessions.
pub(crate) fn forget(
    transaction: &mut dyn Transaction,
    account: &AccountName,
) -> Result<(), StoreError> {
    transaction.side_delete(
        Space::Credential,
        &iryonet_people::credentials::key(account),
    )?;
    let prefix = session::index_prefix(account);
    for (index_key, _) in transaction.side_list(Space::Session, &prefix, None, INDEX_MAX)? {
        if let Some(hash) = index_key
            .get(prefix.len()..)
            .and_then(|rest| <[u8; 32]>::try_from(rest).ok())
        {
            end(transaction, account, &hash)?;
        }
    }
    Ok(())
}

fn read<R: iryonet_store::Reader + ?Sized>(
    reader: &R,
    hash: &[u8; 32],
) -> Result<Option<Session>, StoreError> {
    reader
        .side_get(Space::Session, &session::key(hash))?
        .map(|kept| Session::from_octets(&kept.value).map_err(StoreError::given_up))
        .transpose()
}

/// The session of this token, if it holds now. One that does not is taken away,
/// so that nothing brings it back.
pub(crate) async fn find(
    center: &Arc<Center>,
    token: SessionToken,
) -> Result<Option<Holder>, Problem> {
    let hash = token.hash();
    let now = center.people.now();
    let found = center
        .read(move |reader| {
            let Some(session) = read(reader, &hash)? else {
                return Ok(None);
            };
            let account = reader.account(&session.account)?;
            Ok(Some((session, account)))
        })
        .await?;
    let Some((session, account)) = found else {
        return Ok(None);
    };
    match (
        session.check(account.as_ref(), now, &center.people.limits),
        account,
    ) {
        (Ok(()), Some(account)) => {
            if session.wants_touch(now, &center.people.limits) {
                touch(center, hash, now).await?;
            }
            Ok(Some(Holder {
                session,
                account,
                token,
            }))
        }
        (ended, _) => {
            if let Err(reason @ (Ended::Withdrawn | Ended::Idle | Ended::Over)) = ended {
                tracing::info!(account = %session.account, ?reason, "a session ended");
            }
            center
                .transact(move |transaction| end(transaction, &session.account, &hash))
                .await?;
            Ok(None)
        }
    }
}

/// Writes down that a session is used, if it is still there.
async fn touch(
    center: &Arc<Center>,
    hash: [u8; 32],
    now: iryonet_domain::UnixMillis,
) -> Result<(), Problem> {
    let writer = Arc::clone(center);
    center
        .transact(move |transaction| {
            let Some(mut session) = read(transaction, &hash)? else {
                return Ok(());
            };
            session.seen_at = session.seen_at.max(now);
            write(transaction, &writer, &session, &hash)
        })
        .await
}
