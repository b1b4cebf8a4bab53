//! A ledger, its key, and a witness.
#![allow(
    dead_code,
    reason = "each test binary takes what it needs of the fixtures"
)]

use iryonet_domain::UnixMillis;
use iryonet_ledger::export::write_line;
use iryonet_ledger::merkle::tile::{TileId, TileNodes, TileTree};
use iryonet_ledger::merkle::{self, leaf_of_entry};
use iryonet_ledger::{Entry, KeyName, KeyUse, Outcome, Signed, SigningKey, Tip};
use std::collections::BTreeMap;
use std::convert::Infallible;
use zeroize::Zeroizing;

pub(crate) fn key(name: &str, key_use: KeyUse, seed: u8) -> SigningKey {
    let seed = Zeroizing::new([seed; 32]);
    SigningKey::from_seed(KeyName::new(name).unwrap(), key_use, seed).unwrap()
}

pub(crate) fn log_key() -> SigningKey {
    key("example.jp/ledger", KeyUse::Log, 1)
}

pub(crate) fn witness_key() -> SigningKey {
    key("witness.example/w1", KeyUse::Witness, 2)
}

/// Acts of one day, every third one refused.
pub(crate) fn ledger(length: u64) -> Vec<Entry> {
    let mut tip = Tip::EMPTY;
    (0..length)
        .map(|n| {
            let outcome = if n % 3 == 2 {
                Outcome::Refused {
                    code: "code-taken".into(),
                    text: format!("refusal {n}"),
                }
            } else {
                Outcome::Accepted {
                    events: format!(r#"[{{"type":"site-added","name":"さくら診療所 {n}"}}]"#),
                }
            };
            let entry = tip.next(
                UnixMillis(1_000 + n * 7),
                "operator:suzuki".parse().unwrap(),
                format!(r#"{{"type":"add-site","n":{n}}}"#),
                outcome,
            );
            tip = Tip::from(&entry);
            entry
        })
        .collect()
}

/// The chain made anew from this entry on, as a forger who owns the database
/// would do it.
pub(crate) fn rechained(mut entries: Vec<Entry>, from: usize) -> Vec<Entry> {
    for at in from..entries.len() {
        if at > 0 {
            entries[at].previous = entries[at - 1].hash;
        }
        entries[at].hash = entries[at].computed_hash();
    }
    entries
}

pub(crate) fn export(entries: &[Entry]) -> Vec<u8> {
    let mut file = Vec::new();
    for entry in entries {
        write_line(&mut file, entry).unwrap();
    }
    file
}

pub(crate) type Fetch = Box<dyn FnMut(TileId) -> Result<Option<Vec<u8>>, Infallible>>;

/// The tree over these entries, from its tiles.
pub(crate) fn tree(entries: &[Entry]) -> TileNodes<Fetch> {
    let mut tree = TileTree::new();
    let mut full = Vec::new();
    for entry in entries {
        tree.push(leaf_of_entry(entry.hash), &mut full);
    }
    let tiles: BTreeMap<_, _> = full.into_iter().chain(tree.open_tiles()).collect();
    TileNodes::new(Box::new(move |tile| Ok(tiles.get(&tile).cloned())))
}

/// What the ledger signs when it has these entries.
pub(crate) fn signed(entries: &[Entry]) -> Signed {
    let size = entries.len() as u64;
    let root = merkle::root(&mut tree(entries), size).unwrap();
    Signed::new(&log_key(), size, root).unwrap()
}
