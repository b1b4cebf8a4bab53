//! What every home promises of the side store.

use super::Home;
use crate::support::*;
use iryonet_domain::UnixMillis;
use iryonet_store::side::{KEY_MAX_BYTES, LIST_MAX_BYTES};
use iryonet_store::{SideError, SideValue, Space, Store, StoreError, change, look};

/// By the clock of this machine, which is the store's too.
fn from_now(milliseconds: i64) -> UnixMillis {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    UnixMillis((since.as_millis() as u64).saturating_add_signed(milliseconds))
}

fn get(store: &dyn Store, space: Space, key: &[u8]) -> Option<SideValue> {
    look(store, |reader| reader.side_get(space, key)).unwrap()
}

fn bytes(store: &dyn Store, space: Space) -> u64 {
    look(store, |reader| reader.side_bytes(space)).unwrap()
}

fn keys(store: &dyn Store, space: Space, prefix: &[u8]) -> Vec<Vec<u8>> {
    look(store, |reader| reader.side_list(space, prefix, None, 100))
        .unwrap()
        .into_iter()
        .map(|(key, _)| key)
        .collect()
}

pub(crate) fn a_side_value_is_kept_replaced_and_deleted_within_the_act(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let revision = store.revision().unwrap();
    change(store, |transaction| {
        transaction.side_put(Space::Credential, b"suzuki", b"one", None)?;
        transaction.side_put(Space::Session, b"suzuki", &[0, 0xff, 0], None)?;
        assert_eq!(
            transaction.side_get(Space::Credential, b"suzuki")?,
            Some(SideValue {
                value: b"one".to_vec(),
                expires_at: None
            })
        );
        Ok(())
    })
    .unwrap();
    let soon = from_now(3_600_000);
    change(store, |transaction| {
        transaction.side_put(Space::Credential, b"suzuki", b"two", Some(soon))
    })
    .unwrap();
    let kept = get(store, Space::Credential, b"suzuki").unwrap();
    assert_eq!(
        (kept.value.as_slice(), kept.expires_at),
        (b"two".as_slice(), Some(soon))
    );
    // Another space is another place, and bytes are bytes.
    let other = get(store, Space::Session, b"suzuki").unwrap();
    assert_eq!(other.value, [0, 0xff, 0]);
    assert_eq!(bytes(store, Space::Session), 3);
    assert_eq!(get(store, Space::Document, b"suzuki"), None);

    // An act that is given up leaves nothing here either.
    let given_up: Result<(), StoreError> = change(store, |transaction| {
        transaction.record(&actor(), &admit(clinic(), None), NOW)?;
        transaction.side_put(Space::Credential, b"suzuki", b"three", None)?;
        assert!(transaction.side_delete(Space::Session, b"suzuki")?);
        Err(StoreError::given_up(std::io::Error::other(
            "the signer is gone",
        )))
    });
    given_up.unwrap_err();
    assert_eq!(
        get(store, Space::Credential, b"suzuki").unwrap().value,
        b"two"
    );
    assert!(get(store, Space::Session, b"suzuki").is_some());

    let deleted = change(store, |transaction| {
        let first = transaction.side_delete(Space::Session, b"suzuki")?;
        Ok((first, transaction.side_delete(Space::Session, b"suzuki")?))
    })
    .unwrap();
    assert_eq!(deleted, (true, false));
    assert_eq!(get(store, Space::Session, b"suzuki"), None);
    // Beside the ledger: nothing of this is an act.
    assert_eq!(store.revision().unwrap(), revision);
}

pub(crate) fn a_side_value_is_as_large_as_its_space_takes_and_no_larger(store: Home) {
    let store = store.as_ref();
    let limits = [
        (Space::Document, 20 << 20),
        (Space::Idempotency, 64 << 10),
        (Space::Credential, 64 << 10),
        (Space::Session, 64 << 10),
        (Space::Tile, 1 << 20),
        (Space::Checkpoint, 64 << 10),
    ];
    assert_eq!(limits.map(|(space, _)| space), Space::ALL);
    let longest = [7; KEY_MAX_BYTES];
    for (space, limit) in limits {
        let whole: Vec<u8> = (0..limit).map(|n: usize| (n % 251) as u8).collect();
        change(store, |transaction| {
            let over = transaction
                .side_put(space, b"over", &vec![1; limit + 1], None)
                .unwrap_err();
            assert!(
                matches!(over, StoreError::Side(SideError::Value { have, limit: told, .. })
                    if have == limit + 1 && told == limit),
                "{over:?}"
            );
            for key in [&[][..], &[7; KEY_MAX_BYTES + 1]] {
                let bad = transaction.side_put(space, key, b"x", None).unwrap_err();
                assert!(
                    matches!(bad, StoreError::Side(SideError::Key { .. })),
                    "{bad:?}"
                );
            }
            // What was refused is no reason to give the rest up.
            transaction.side_put(space, &longest, &whole, None)
        })
        .unwrap();
        assert_eq!(get(store, space, &longest).unwrap().value, whole);
        assert_eq!(keys(store, space, b""), [longest.to_vec()]);
    }
}

pub(crate) fn an_expired_side_value_is_not_there_and_is_purged_in_bounded_steps(store: Home) {
    let store = store.as_ref();
    let (past, future) = (from_now(-1_000), from_now(3_600_000));
    change(store, |transaction| {
        for n in 0..10u8 {
            transaction.side_put(
                Space::Session,
                &[b's', n],
                b"old",
                Some(UnixMillis(past.0 - u64::from(n))),
            )?;
        }
        transaction.side_put(Space::Session, b"s-new", b"new", Some(future))?;
        transaction.side_put(Space::Session, b"s-for-ever", b"new", None)
    })
    .unwrap();
    assert_eq!(get(store, Space::Session, &[b's', 3]), None);
    // It still takes its room, in its space alone.
    assert_eq!(bytes(store, Space::Session), 10 * 3 + 2 * 3);
    assert_eq!(bytes(store, Space::Document), 0);
    assert_eq!(
        keys(store, Space::Session, b"s"),
        [b"s-for-ever".to_vec(), b"s-new".to_vec()]
    );
    // Put again it is there again; deleting what has expired says that nothing was there.
    change(store, |transaction| {
        transaction.side_put(Space::Session, &[b's', 3], b"again", Some(future))?;
        assert!(!transaction.side_delete(Space::Session, &[b's', 4])?);
        Ok(())
    })
    .unwrap();
    assert!(get(store, Space::Session, &[b's', 3]).is_some());

    let purge =
        |now, limit| change(store, |transaction| transaction.side_purge(now, limit)).unwrap();
    // Nothing had expired long ago.
    assert_eq!(purge(UnixMillis(past.0 - 100), 100), 0);
    assert_eq!(purge(past, 3), 3);
    assert_eq!(purge(past, 100), 5);
    assert_eq!(purge(past, 100), 0);
    assert_eq!(keys(store, Space::Session, b"").len(), 3);
    assert_eq!(bytes(store, Space::Session), 5 + 3 + 3);
    // Its end is the first moment at which it is gone.
    assert_eq!(purge(future, 100), 2);
    assert_eq!(keys(store, Space::Session, b""), [b"s-for-ever".to_vec()]);
}

pub(crate) fn side_values_are_listed_by_prefix_page_by_page(store: Home) {
    let store = store.as_ref();
    let mut all: Vec<Vec<u8>> = (0..40u8).map(|n| vec![b'k', n * 6, n]).collect();
    all.push(vec![b'k']);
    all.push(vec![0xff]);
    all.push(vec![0xff, 0xff, 1]);
    all.sort();
    change(store, |transaction| {
        for key in all.iter().rev() {
            transaction.side_put(Space::Tile, key, key, None)?;
        }
        transaction.side_put(Space::Checkpoint, b"k", b"elsewhere", None)
    })
    .unwrap();
    let paged = |prefix: &[u8], limit| {
        let mut seen = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = look(store, |reader| {
                reader.side_list(Space::Tile, prefix, after.as_deref(), limit)
            })
            .unwrap();
            assert!(page.len() <= limit);
            let Some((last, _)) = page.last() else {
                return seen;
            };
            after = Some(last.clone());
            for (key, value) in page {
                assert_eq!(key, value.value);
                seen.push(key);
            }
        }
    };
    let begins = |prefix: &[u8]| -> Vec<Vec<u8>> {
        all.iter()
            .filter(|key| key.starts_with(prefix))
            .cloned()
            .collect()
    };
    for prefix in [
        &b""[..],
        b"k",
        &[b'k', 12],
        &[0xff],
        &[0xff, 0xff],
        b"nothing",
    ] {
        for limit in [1, 7, 100] {
            assert_eq!(paged(prefix, limit), begins(prefix), "{prefix:?}, {limit}");
        }
    }
    // Large values: a page holds no more than its bytes, and misses nothing.
    let large = vec![5; Space::Document.value_max_bytes()];
    change(store, |transaction| {
        for n in 0..3u8 {
            transaction.side_put(Space::Document, &[n], &large, None)?;
        }
        Ok(())
    })
    .unwrap();
    let first = look(store, |reader| {
        reader.side_list(Space::Document, b"", None, 3)
    })
    .unwrap();
    assert_eq!(first.len(), LIST_MAX_BYTES / large.len());
    assert_eq!(keys_after(store, &first.last().unwrap().0), [vec![1]]);
    assert_eq!(keys_after(store, &[1]), [vec![2]]);
    assert!(keys_after(store, &[2]).is_empty());
}

fn keys_after(store: &dyn Store, after: &[u8]) -> Vec<Vec<u8>> {
    look(store, |reader| {
        reader.side_list(Space::Document, b"", Some(after), 3)
    })
    .unwrap()
    .into_iter()
    .map(|(key, _)| key)
    .collect()
}
