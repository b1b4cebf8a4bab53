//! What every home promises of the ledger's tree and its checkpoints.

use super::Home;
use crate::support::*;
use iryonet_domain::UnixMillis;
use iryonet_ledger::checkpoint::Cosigned;
use iryonet_ledger::export::{Claims, verify_signed, write_line};
use iryonet_ledger::merkle::{Frontier, leaf_of_entry};
use iryonet_ledger::witness::{Seen, cosign};
use iryonet_ledger::{KeyName, KeyUse, Signed, SigningKey};
use iryonet_registry::Command;
use iryonet_store::tree::audit::Audit;
use iryonet_store::tree::checkpoints::{self, Keys};
use iryonet_store::tree::{self, TreeError, grow};
use iryonet_store::{Space, Store, change, look};

fn key(name: &str, key_use: KeyUse, seed: u8) -> SigningKey {
    SigningKey::from_seed(KeyName::new(name).unwrap(), key_use, [seed; 32].into()).unwrap()
}

fn log_key() -> SigningKey {
    key("example.jp/ledger", KeyUse::Log, 1)
}

fn witness_key() -> SigningKey {
    key("witness.example/w1", KeyUse::Witness, 2)
}

fn keys() -> Keys {
    Keys {
        log: log_key().verifier().clone(),
        before: Vec::new(),
        witnesses: vec![witness_key().verifier().clone()],
    }
}

/// Acts, refused ones, so that the ledger grows and nothing else does.
fn acts(store: &dyn Store, count: usize) {
    change(store, |transaction| {
        for n in 0..count as u64 {
            transaction.record(
                &actor(),
                &Command::RemoveLine {
                    line: iryonet_domain::LineId(999),
                },
                NOW.plus_ms(n),
            )?;
        }
        Ok(())
    })
    .unwrap();
}

fn grow_all(store: &dyn Store) {
    while tree::grow(store, 100).unwrap() > 0 {}
}

fn sign(store: &dyn Store, now: UnixMillis) -> Option<Signed> {
    grow_all(store);
    let signed = tree::ask(store, |reader| {
        checkpoints::plan(reader, &log_key(), &keys())
    })
    .unwrap()?;
    assert!(
        tree::act(store, |transaction| {
            checkpoints::commit(transaction, &signed, &keys(), now)
        })
        .unwrap()
    );
    Some(signed)
}

fn audit(store: &dyn Store) -> Result<u64, TreeError> {
    let mut audit = tree::ask(store, Audit::begin)?;
    while !tree::ask(store, |reader| audit.step(reader))? {}
    Ok(audit.done())
}

fn sign_with(
    store: &dyn Store,
    key: &SigningKey,
    keys: &Keys,
) -> Result<Option<Signed>, TreeError> {
    tree::ask(store, |reader| checkpoints::plan(reader, key, keys))
}

pub(crate) fn the_tree_grows_with_the_ledger_and_proves_every_entry(store: Home) {
    let store = store.as_ref();
    assert_eq!(sign(store, NOW), None, "an empty ledger is nothing to sign");
    small_world(store);
    let mut frontier = Frontier::new();
    for more in [0, 1, 250, 1, 300] {
        acts(store, more);
        let signed = sign(store, NOW).unwrap();
        let size = store.revision().unwrap();
        for entry in look(store, |reader| reader.entries(frontier.size() + 1, 1_000)).unwrap() {
            frontier.push(leaf_of_entry(entry.hash));
        }
        assert_eq!(signed.checkpoint().size, size);
        assert_eq!(signed.checkpoint().root, frontier.root());
        assert_eq!(sign(store, NOW), None, "nothing new");
        let asked = (1..=size).step_by(37).chain([size]);
        for sequence in asked {
            let proof =
                tree::ask(store, |reader| checkpoints::prove(reader, sequence, false)).unwrap();
            proof.verify(log_key().verifier()).unwrap();
        }
        assert!(matches!(
            tree::ask(store, |reader| checkpoints::prove(reader, size + 1, false)),
            Err(TreeError::Beyond { .. })
        ));
        assert_eq!(audit(store).unwrap(), size);
    }
    let size = store.revision().unwrap();
    for (first, last) in [(1, size), (5, 5), (250, 270)] {
        let (range, checkpoint) = tree::ask(store, |reader| {
            checkpoints::range(reader, first, last, false)
        })
        .unwrap();
        let mut file = Vec::new();
        for entry in look(store, |reader| {
            reader.entries(first, (last - first + 1) as usize)
        })
        .unwrap()
        {
            write_line(&mut file, &entry).unwrap();
        }
        let claims = Claims {
            checkpoint: checkpoint.checkpoint(),
            range: Some(&range),
            older: None,
        };
        verify_signed(&mut file.as_slice(), &claims).unwrap();
    }
}

pub(crate) fn several_centers_build_one_tree_and_sign_one_history(store: Home) {
    small_world(store.as_ref());
    acts(store.as_ref(), 700);
    let centers: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            std::thread::spawn(move || {
                let mut signed = Vec::new();
                for round in 0..20 {
                    while tree::grow(store.as_ref(), 40 + round).unwrap() > 0 {}
                    let planned = sign_with(store.as_ref(), &log_key(), &keys()).unwrap();
                    if let Some(checkpoint) = planned {
                        tree::act(store.as_ref(), |transaction| {
                            checkpoints::commit(transaction, &checkpoint, &keys(), NOW)
                        })
                        .unwrap();
                        signed.push(checkpoint);
                    }
                    acts(store.as_ref(), 5);
                }
                signed
            })
        })
        .collect();
    let mut all: Vec<Signed> = centers
        .into_iter()
        .flat_map(|center| center.join().unwrap())
        .collect();
    sign(store.as_ref(), NOW);
    audit(store.as_ref()).unwrap();
    // Whatever any of them signed is one of the one history.
    all.sort_by_key(|signed| signed.checkpoint().size);
    for pair in all.windows(2) {
        if pair[0].checkpoint().size == pair[1].checkpoint().size {
            assert_eq!(pair[0], pair[1], "two different ones of one size");
        }
    }
    assert!(all.len() > 3);
    let entries = look(store.as_ref(), |reader| reader.entries(1, 10_000)).unwrap();
    let mut frontier = Frontier::new();
    let mut next = all.iter().peekable();
    for entry in entries {
        frontier.push(leaf_of_entry(entry.hash));
        while let Some(signed) = next.next_if(|s| s.checkpoint().size == frontier.size()) {
            assert_eq!(signed.checkpoint().root, frontier.root());
        }
    }
    assert_eq!(next.next(), None);
}

pub(crate) fn a_center_that_lost_the_race_writes_nothing(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let planned = tree::ask(store, |reader| grow::plan(reader, 5))
        .unwrap()
        .unwrap();
    assert_eq!(
        planned.entries(),
        store.revision().unwrap(),
        "a page is taken whole"
    );
    grow_all(store);
    assert!(!change(store, |transaction| grow::commit(transaction, &planned)).unwrap());
    let old = sign_with(store, &log_key(), &keys()).unwrap().unwrap();
    acts(store, 1);
    let new = sign(store, NOW).unwrap();
    // Neither an older one nor another one of the same size takes its place.
    let stranger = key("example.jp/ledger", KeyUse::Log, 9);
    let root = new.checkpoint().root;
    let other = Signed::new(&stranger, new.checkpoint().size, root).unwrap();
    for late in [&old, &other] {
        let kept = tree::act(store, |transaction| {
            checkpoints::commit(transaction, late, &keys(), NOW)
        });
        assert!(!kept.unwrap());
    }
    // A center with another key finds that it is not the one that signs here,
    // though it began when nothing was signed yet.
    let theirs = Keys {
        log: stranger.verifier().clone(),
        ..keys()
    };
    let larger = Signed::new(&stranger, new.checkpoint().size + 1, root).unwrap();
    let refused = tree::act(store, |transaction| {
        checkpoints::commit(transaction, &larger, &theirs, NOW)
    });
    assert!(
        matches!(refused, Err(TreeError::Checkpoint(_))),
        "{refused:?}"
    );
    let (latest, _) = look(store, checkpoints::latest).unwrap().unwrap();
    assert_eq!(latest, new);
}

pub(crate) fn what_was_begun_before_a_crash_is_gone_on_with(store: Home) {
    let store = store.as_ref();
    small_world(store);
    sign(store, NOW).unwrap();
    acts(store, 300);
    // Tiles of a part of it are written, and the center is gone.
    tree::grow(store, 100).unwrap();
    let half = look(store, tree::size).unwrap();
    assert!(half < store.revision().unwrap());
    // The next one signs what is there, or goes on; both are one history.
    let signed = sign_with(store, &log_key(), &keys()).unwrap().unwrap();
    assert_eq!(signed.checkpoint().size, half);
    let whole = sign(store, NOW).unwrap();
    assert_eq!(whole.checkpoint().size, store.revision().unwrap());
    audit(store).unwrap();
}

pub(crate) fn a_witnesss_cosignature_stays_with_its_checkpoint(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let first = sign(store, NOW).unwrap();
    let mut seen: Option<Seen> = None;
    for at_s in [100, 200] {
        let old = seen.as_ref().map_or(0, |seen| seen.checkpoint.size);
        let request = tree::ask(store, |reader| checkpoints::request(reader, old)).unwrap();
        let cosigned = cosign(
            &witness_key(),
            log_key().verifier(),
            seen.as_ref(),
            &request,
            at_s,
        )
        .unwrap();
        // Meanwhile the ledger has gone on.
        acts(store, 10);
        sign(store, NOW).unwrap();
        let kept = tree::act(store, |transaction| {
            checkpoints::attach(transaction, &cosigned, &keys())
        })
        .unwrap();
        assert_eq!(
            kept.cosigned(witness_key().verifier()),
            Ok(Cosigned { at_s })
        );
        assert_eq!(
            look(store, checkpoints::latest_cosigned).unwrap(),
            Some(kept)
        );
        seen = Some(
            Seen::open(
                cosigned.to_string().as_bytes(),
                log_key().verifier(),
                witness_key().verifier(),
            )
            .unwrap(),
        );
    }
    let proof = tree::ask(store, |reader| checkpoints::prove(reader, 1, true)).unwrap();
    proof.verify(log_key().verifier()).unwrap();
    assert_eq!(
        proof.cosigned(witness_key().verifier()),
        Ok(Cosigned { at_s: 200 })
    );
    // The last one, cosigned while it is the last one, says so itself.
    let request = tree::ask(store, |reader| {
        checkpoints::request(reader, seen.as_ref().unwrap().checkpoint.size)
    })
    .unwrap();
    let cosigned = cosign(
        &witness_key(),
        log_key().verifier(),
        seen.as_ref(),
        &request,
        300,
    )
    .unwrap();
    tree::act(store, |transaction| {
        checkpoints::attach(transaction, &cosigned, &keys())
    })
    .unwrap();
    let (latest, _) = look(store, checkpoints::latest).unwrap().unwrap();
    assert_eq!(
        latest.cosigned(witness_key().verifier()),
        Ok(Cosigned { at_s: 300 })
    );
    // A later one takes the place of the earlier; an earlier one does not.
    let (again, earlier) = (
        cosign(
            &witness_key(),
            log_key().verifier(),
            None,
            &tree::ask(store, |r| checkpoints::request(r, 0)).unwrap(),
            400,
        )
        .unwrap(),
        cosign(
            &witness_key(),
            log_key().verifier(),
            None,
            &tree::ask(store, |r| checkpoints::request(r, 0)).unwrap(),
            350,
        )
        .unwrap(),
    );
    for handed_in in [&again, &earlier] {
        let kept = tree::act(store, |transaction| {
            checkpoints::attach(transaction, handed_in, &keys())
        })
        .unwrap();
        assert_eq!(
            kept.cosigned(witness_key().verifier()),
            Ok(Cosigned { at_s: 400 })
        );
        assert_eq!(kept.note().signatures().len(), 2);
    }
    let _ = first;
}

pub(crate) fn a_cosignature_that_says_nothing_is_not_kept(store: Home) {
    let store = store.as_ref();
    small_world(store);
    let signed = sign(store, NOW).unwrap();
    let attach = |handed_in: &Signed| {
        change(store, |transaction| {
            Ok(checkpoints::attach(transaction, handed_in, &keys()))
        })
        .unwrap()
    };
    // Nobody's, a stranger's, one that does not fit.
    assert!(matches!(attach(&signed), Err(TreeError::NoWitness { .. })));
    let stranger = key("stranger.example", KeyUse::Witness, 9);
    let mut by_stranger = signed.clone();
    by_stranger
        .add(signed.cosignature(&stranger, 5).unwrap())
        .unwrap();
    assert!(matches!(
        attach(&by_stranger),
        Err(TreeError::NoWitness { .. })
    ));
    let mut line = signed.cosignature(&witness_key(), 5).unwrap();
    line.bytes[20] ^= 1;
    let mut forged = signed.clone();
    forged.add(line).unwrap();
    assert!(matches!(attach(&forged), Err(TreeError::HandedIn(_))));
    // Of a checkpoint that the ledger did not sign, or not of this past.
    let with_witness = |mut signed: Signed| {
        signed
            .add(signed.cosignature(&witness_key(), 5).unwrap())
            .unwrap();
        signed
    };
    let size = signed.checkpoint().size;
    let other_key = key("example.jp/ledger", KeyUse::Log, 7);
    let foreign = Signed::new(&other_key, size, signed.checkpoint().root).unwrap();
    assert!(matches!(
        attach(&with_witness(foreign)),
        Err(TreeError::HandedIn(_))
    ));
    let mut root = signed.checkpoint().root;
    root.0[0] ^= 1;
    let forked = Signed::new(&log_key(), size, root).unwrap();
    assert!(matches!(
        attach(&with_witness(forked)),
        Err(TreeError::Signed { .. })
    ));
    let future = Signed::new(&log_key(), size + 1, root).unwrap();
    assert!(matches!(
        attach(&with_witness(future)),
        Err(TreeError::Beyond { .. })
    ));
    assert_eq!(look(store, checkpoints::latest_cosigned).unwrap(), None);
    attach(&with_witness(signed)).unwrap();
}

pub(crate) fn nothing_is_signed_by_another_key_unless_it_is_named_as_the_one_before(store: Home) {
    let store = store.as_ref();
    small_world(store);
    sign(store, NOW).unwrap();
    acts(store, 1);
    grow_all(store);
    let new = key("example.jp/ledger", KeyUse::Log, 8);
    let mut changed = Keys {
        log: new.verifier().clone(),
        ..keys()
    };
    let error = sign_with(store, &new, &changed).unwrap_err();
    assert!(
        error.is_contradiction() && error.to_string().contains("checkpoint_keys_before"),
        "{error}"
    );
    changed.before.push(log_key().verifier().clone());
    assert!(sign_with(store, &new, &changed).unwrap().is_some());
}

pub(crate) fn a_tree_that_contradicts_the_ledger_is_found_and_nothing_signed(store: Home) {
    let store = store.as_ref();
    small_world(store);
    acts(store, 600);
    let signed = sign(store, NOW).unwrap();
    let size = signed.checkpoint().size;
    acts(store, 3);
    let put = |space, key: &[u8], value: &[u8]| {
        change(store, |transaction| {
            transaction.side_put(space, key, value, None)
        })
        .unwrap();
    };
    let kept = |space, key: &[u8]| {
        look(store, |reader| reader.side_get(space, key))
            .unwrap()
            .unwrap()
            .value
    };
    // A leaf of the first tile.
    let tile = [0; 9];
    let good = kept(Space::Tile, &tile);
    let mut bad = good.clone();
    bad[41 * 32] ^= 1;
    put(Space::Tile, &tile, &bad);
    let error = audit(store).unwrap_err();
    assert!(
        matches!(error, TreeError::Rewritten { sequence: 42 }),
        "{error}"
    );
    assert!(error.is_contradiction());
    put(Space::Tile, &tile, &good[..8_160]);
    assert!(audit(store).unwrap_err().is_contradiction());
    put(Space::Tile, &tile, &good);
    // A hash above the leaves.
    let upper = [1, 0, 0, 0, 0, 0, 0, 0, 0];
    let good = kept(Space::Tile, &upper);
    let mut bad = good.clone();
    bad[40] ^= 1;
    put(Space::Tile, &upper, &bad);
    assert!(matches!(
        audit(store),
        Err(TreeError::Tile { level: 1, index: 0 })
    ));
    let error = sign_with(store, &log_key(), &keys()).unwrap_err();
    assert!(matches!(error, TreeError::Signed { .. }), "{error}");
    put(Space::Tile, &upper, &good);
    // The last leaf: the next entries do not join it.
    let last = [0, 0, 0, 0, 0, 0, 0, 0, 2];
    let good = kept(Space::Tile, &last);
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    put(Space::Tile, &last, &bad);
    let error = tree::grow(store, 100).unwrap_err();
    assert!(
        matches!(error, TreeError::Rewritten { sequence } if sequence == size),
        "{error}"
    );
    put(Space::Tile, &last, &good);
    // A tree of more entries than the ledger has: an old copy was restored.
    let good = kept(Space::Checkpoint, b"tree");
    put(Space::Checkpoint, b"tree", &(size + 100).to_be_bytes());
    for error in [
        tree::grow(store, 100).unwrap_err(),
        audit(store).unwrap_err(),
    ] {
        assert!(matches!(error, TreeError::Rollback { .. }), "{error}");
    }
    // A tree of fewer entries than were signed.
    put(Space::Checkpoint, b"tree", &(size - 1).to_be_bytes());
    assert!(matches!(audit(store), Err(TreeError::Rollback { .. })));
    assert!(matches!(
        sign_with(store, &log_key(), &keys()),
        Err(TreeError::Rollback { .. })
    ));
    put(Space::Checkpoint, b"tree", &good);
    // A checkpoint that was signed over something else.
    let good = kept(Space::Checkpoint, b"latest");
    let mut root = signed.checkpoint().root;
    root.0[5] ^= 1;
    let other = Signed::new(&log_key(), size, root).unwrap();
    put(Space::Checkpoint, b"latest", other.to_string().as_bytes());
    for error in [
        audit(store).unwrap_err(),
        sign_with(store, &log_key(), &keys()).unwrap_err(),
    ] {
        assert!(matches!(error, TreeError::Signed { .. }), "{error}");
    }
    put(Space::Checkpoint, b"latest", &good);
    // All of it put back: as if nothing had been.
    audit(store).unwrap();
    sign(store, NOW).unwrap();
}
