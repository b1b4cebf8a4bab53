//! What a signed export promises: whoever changes, takes out, puts in, moves or
//! cuts off an entry is found, also when he owns the database and makes the
//! chain fit again; and the first bad entry is named where it can be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod common;

use common::*;
use iryonet_ledger::export::{Audited, Claims, ExportError, verify_signed};
use iryonet_ledger::merkle::proof::{inclusion, range};
use iryonet_ledger::proof_file::{EntryProof, ProofFileError};
use iryonet_ledger::range::Range;
use iryonet_ledger::{Checkpoint, Entry, Fault, Outcome, Signed};
use proptest::prelude::*;

fn verify(file: &[u8], checkpoint: &Checkpoint) -> Result<Audited, ExportError> {
    let claims = Claims {
        checkpoint,
        range: None,
        older: None,
    };
    verify_signed(&mut &*file, &claims)
}

fn proof_of(entries: &[Entry], sequence: u64) -> EntryProof {
    EntryProof {
        entry: entries[sequence as usize - 1].clone(),
        path: inclusion(&mut tree(entries), sequence - 1, entries.len() as u64)
            .unwrap()
            .unwrap(),
        checkpoint: signed(entries),
    }
}

#[test]
fn an_export_is_the_one_that_was_signed() {
    for length in [0, 1, 2, 100, 300] {
        let entries = ledger(length);
        let signed = signed(&entries);
        let audited = verify(&export(&entries), signed.checkpoint()).unwrap();
        assert_eq!(audited.summary.tip.sequence, length);
        assert_eq!(audited.summary.accepted + audited.summary.refused, length);
    }
}

#[test]
fn entries_cut_off_added_dropped_or_moved_are_named() {
    let entries = ledger(20);
    let checkpoint = signed(&entries).checkpoint().clone();
    let named = |entries: &[Entry]| {
        verify(&export(entries), &checkpoint)
            .unwrap_err()
            .sequence()
    };
    assert_eq!(named(&entries[..15]), Some(16));
    assert_eq!(named(&ledger(21)), Some(21));
    let mut dropped = entries.clone();
    dropped.remove(7);
    assert_eq!(named(&dropped), Some(8));
    let mut moved = entries.clone();
    moved.swap(3, 4);
    assert_eq!(named(&moved), Some(4));
    let mut inserted = entries.clone();
    inserted.insert(9, entries[9].clone());
    assert_eq!(named(&inserted), Some(11));
    let mut changed = entries.clone();
    changed[11].command.push(' ');
    assert_eq!(named(&changed), Some(12));
    let file = export(&entries);
    let cut = &file[..file.len() - 9];
    assert!(matches!(
        verify(cut, &checkpoint),
        Err(ExportError::Syntax { line: 20, .. })
    ));
}

#[test]
fn a_ledger_rewritten_with_its_chain_made_to_fit_is_not_the_signed_one() {
    let entries = ledger(50);
    let checkpoint = signed(&entries).checkpoint().clone();
    for at in [0, 24, 49] {
        let mut forged = entries.clone();
        forged[at].outcome = Outcome::Accepted {
            events: "[]".into(),
        };
        let forged = rechained(forged, at);
        assert!(matches!(
            verify(&export(&forged), &checkpoint),
            Err(ExportError::Root { .. })
        ));
    }
    // The checkpoint of another ledger, of the same length.
    let mut other = ledger(50);
    other[0].at.0 -= 1;
    let other = signed(&rechained(other, 0));
    assert!(matches!(
        verify(&export(&entries), other.checkpoint()),
        Err(ExportError::Root { .. })
    ));
}

#[test]
fn an_older_checkpoint_shows_a_ledger_that_was_rewritten_and_signed_anew() {
    let entries = ledger(60);
    let kept = signed(&entries[..40]);
    let with_older = |entries: &[Entry], older: &Signed| {
        let signed = signed(entries);
        verify_signed(
            &mut export(entries).as_slice(),
            &Claims {
                checkpoint: signed.checkpoint(),
                range: None,
                older: Some(older.checkpoint()),
            },
        )
    };
    with_older(&entries, &kept).unwrap();
    with_older(&entries, &signed(&[])).unwrap();
    with_older(&entries, &signed(&entries)).unwrap();
    let mut forged = entries.clone();
    forged[10].actor = "operator:satou".parse().unwrap();
    let forged = rechained(forged, 10);
    assert!(matches!(
        with_older(&forged, &kept),
        Err(ExportError::Older { size: 40, .. })
    ));
    assert!(matches!(
        with_older(&entries[..39], &kept),
        Err(ExportError::Rollback {
            older: 40,
            size: 39
        })
    ));
}

#[test]
fn a_line_with_more_in_it_than_the_hash_covers_is_no_entry() {
    let entries = ledger(3);
    let checkpoint = signed(&entries).checkpoint().clone();
    let text = String::from_utf8(export(&entries)).unwrap();
    for (from, to) in [
        (
            r#""sequence":2,"#,
            r#""sequence":2,"approved_by":"nobody","#,
        ),
        (r#""sequence":2,"#, r#""sequence":1,"sequence":2,"#),
        (r#""type":"accepted","#, r#""type":"accepted","code":"x","#),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(
            matches!(
                verify(changed.as_bytes(), &checkpoint),
                Err(ExportError::Syntax { .. })
            ),
            "{to}"
        );
    }
}

#[test]
fn every_entry_of_every_ledger_of_1_to_60_and_of_some_larger_ones_is_proved_by_its_file() {
    let all = ledger(300);
    for length in (1..=60).chain([127, 128, 129, 255, 256, 257, 300]) {
        let entries = &all[..length];
        for sequence in 1..=length as u64 {
            let text = proof_of_with(entries, sequence);
            let read = EntryProof::parse(text.as_bytes()).unwrap();
            assert_eq!(read.entry, entries[sequence as usize - 1]);
            read.verify(log_key().verifier()).unwrap();
        }
    }

    fn proof_of_with(entries: &[Entry], sequence: u64) -> String {
        thread_local! {
            static LAST: std::cell::RefCell<Option<(usize, Signed)>> = const { std::cell::RefCell::new(None) };
        }
        let checkpoint = LAST.with_borrow_mut(|last| match last {
            Some((length, signed)) if *length == entries.len() => signed.clone(),
            _ => {
                let made = signed(entries);
                *last = Some((entries.len(), made.clone()));
                made
            }
        });
        EntryProof {
            entry: entries[sequence as usize - 1].clone(),
            path: inclusion(&mut tree(entries), sequence - 1, entries.len() as u64)
                .unwrap()
                .unwrap(),
            checkpoint,
        }
        .to_text()
        .unwrap()
    }
}

#[test]
fn a_proof_file_with_another_entry_another_place_or_another_checkpoint_proves_nothing() {
    let entries = ledger(30);
    let good = proof_of(&entries, 12);
    good.verify(log_key().verifier()).unwrap();
    let verify = |proof: &EntryProof| proof.verify(log_key().verifier());

    let mut changed = good.clone();
    changed.entry.command.push(' ');
    assert!(matches!(
        verify(&changed),
        Err(ProofFileError::Changed { sequence: 12, .. })
    ));
    changed.entry.hash = changed.entry.computed_hash();
    assert!(matches!(
        verify(&changed),
        Err(ProofFileError::NotIncluded { sequence: 12, .. })
    ));

    let mut moved = good.clone();
    moved.entry = entries[12].clone();
    assert!(matches!(
        verify(&moved),
        Err(ProofFileError::NotIncluded { sequence: 13, .. })
    ));

    let mut swapped = good.clone();
    swapped.checkpoint = signed(&entries[..29]);
    assert!(matches!(
        verify(&swapped),
        Err(ProofFileError::NotIncluded { .. })
    ));

    let mut forged = good.clone();
    let stranger = common::key("example.jp/ledger", iryonet_ledger::KeyUse::Log, 9);
    let checkpoint = forged.checkpoint.checkpoint().clone();
    forged.checkpoint = Signed::new(&stranger, checkpoint.size, checkpoint.root).unwrap();
    assert!(matches!(
        verify(&forged),
        Err(ProofFileError::Checkpoint(_))
    ));

    let text = good.to_text().unwrap();
    let place = text.replace("\nindex 11\n", "\nindex 12\n");
    assert!(matches!(
        EntryProof::parse(place.as_bytes()),
        Err(ProofFileError::Index {
            index: 12,
            sequence: 12
        })
    ));
}

#[test]
fn a_part_of_a_ledger_proves_itself_against_the_whole_ones_checkpoint() {
    let entries = ledger(90);
    let whole = signed(&entries);
    let part = |first: u64, last: u64| Range {
        first,
        last,
        proof: range(&mut tree(&entries), first - 1, last, 90)
            .unwrap()
            .unwrap(),
    };
    let verify = |file: &[Entry], range: &Range, older: Option<&Checkpoint>| {
        verify_signed(
            &mut export(file).as_slice(),
            &Claims {
                checkpoint: whole.checkpoint(),
                range: Some(range),
                older,
            },
        )
    };
    for (first, last) in [(1, 90), (1, 1), (90, 90), (17, 55), (64, 65)] {
        let entries = &entries[first as usize - 1..last as usize];
        let audited = verify(entries, &part(first, last), None).unwrap();
        assert_eq!((audited.first, audited.summary.tip.sequence), (first, last));
    }
    let good = &entries[16..55];
    let range = part(17, 55);
    assert!(matches!(
        verify(&entries[17..55], &range, None),
        Err(ExportError::OtherPart { .. })
    ));
    assert_eq!(
        verify(&entries[16..54], &range, None)
            .unwrap_err()
            .sequence(),
        Some(55)
    );
    assert_eq!(
        verify(&entries[16..56], &range, None)
            .unwrap_err()
            .sequence(),
        Some(56)
    );
    assert_eq!(verify(&[], &range, None).unwrap_err().sequence(), Some(17));
    let mut forged = good.to_vec();
    forged[20].command.push(' ');
    let forged = rechained(forged, 20);
    assert!(matches!(
        verify(&forged, &range, None),
        Err(ExportError::Root { .. })
    ));
    // What the part's first entry names as the one before is covered too.
    let mut forged = good.to_vec();
    forged[0].previous = entries[3].hash;
    let forged = rechained(forged, 1);
    assert_eq!(
        verify(&forged, &range, None).unwrap_err().sequence(),
        Some(17)
    );
    let mut other = range.clone();
    other.proof.left[0].0[0] ^= 1;
    assert!(matches!(
        verify(good, &other, None),
        Err(ExportError::Root { .. })
    ));
    other.proof.left.clear();
    assert!(matches!(
        verify(good, &other, None),
        Err(ExportError::Part(_))
    ));
    // An older checkpoint can be compared where the part begins or inside it.
    for size in [16, 17, 40, 55] {
        let older = signed(&entries[..size]);
        verify(good, &range, Some(older.checkpoint())).unwrap();
        let mut lie = older.checkpoint().clone();
        lie.root.0[0] ^= 1;
        assert!(matches!(
            verify(good, &range, Some(&lie)),
            Err(ExportError::Older { .. })
        ));
    }
    for size in [15, 56] {
        let older = signed(&entries[..size]);
        assert!(matches!(
            verify(good, &range, Some(older.checkpoint())),
            Err(ExportError::OlderElsewhere { .. })
        ));
    }
}

#[test]
fn a_faults_place_in_a_part_is_the_entrys_own_number() {
    let entries = ledger(40);
    let whole = signed(&entries);
    let range = Range {
        first: 11,
        last: 40,
        proof: range(&mut tree(&entries), 10, 40, 40).unwrap().unwrap(),
    };
    let mut changed = entries[10..].to_vec();
    changed[4].command.push(' ');
    let error = verify_signed(
        &mut export(&changed).as_slice(),
        &Claims {
            checkpoint: whole.checkpoint(),
            range: Some(&range),
            older: None,
        },
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            ExportError::Fault {
                line: 5,
                fault: Fault::Changed { sequence: 15, .. }
            }
        ),
        "{error}"
    );
}

#[test]
fn a_ledger_of_100000_entries_is_verified_and_each_entry_of_a_sample_proved() {
    let entries = ledger(100_000);
    let mut nodes = tree(&entries);
    let root = iryonet_ledger::merkle::root(&mut nodes, 100_000).unwrap();
    let signed = Signed::new(&log_key(), 100_000, root).unwrap();
    let file = export(&entries);
    let audited = verify(&file, signed.checkpoint()).unwrap();
    assert_eq!(audited.summary.tip.sequence, 100_000);
    for sequence in (1..=100_000).step_by(997).chain([100_000]) {
        let path = inclusion(&mut nodes, sequence - 1, 100_000)
            .unwrap()
            .unwrap();
        assert!(path.len() <= 17);
        let entry = entries[sequence as usize - 1].clone();
        let proof = EntryProof {
            entry,
            path,
            checkpoint: signed.clone(),
        };
        proof.verify(log_key().verifier()).unwrap();
    }
}

proptest! {
    #[test]
    fn one_changed_octet_anywhere_in_an_export_is_noticed(length in 1u64..8, at: prop::sample::Index, bit in 0u8..8) {
        let entries = ledger(length);
        let checkpoint = signed(&entries).checkpoint().clone();
        let mut file = export(&entries);
        let place = at.index(file.len());
        file[place] ^= 1 << bit;
        // Blanks between fields, a line feed more or less at the very end, and
        // the case of hexadecimal digits say nothing.
        if let Ok(audited) = verify(&file, &checkpoint) {
            let read: Vec<Entry> = file
                .split(|b| *b == b'\n')
                .filter(|line| !line.is_empty())
                .map(|line| iryonet_ledger::export::parse_line(line).unwrap())
                .collect();
            prop_assert_eq!(read, entries);
            prop_assert_eq!(audited.summary.tip.sequence, length);
        }
    }

    #[test]
    fn one_changed_octet_anywhere_in_a_proof_file_is_noticed(length in 1u64..40, which: prop::sample::Index, at: prop::sample::Index, bit in 0u8..8) {
        let entries = ledger(length);
        let sequence = which.index(entries.len()) as u64 + 1;
        let mut file = proof_of(&entries, sequence).to_text().unwrap().into_bytes();
        let place = at.index(file.len());
        file[place] ^= 1 << bit;
        if let Ok(read) = EntryProof::parse(&file) && read.verify(log_key().verifier()).is_ok() {
            prop_assert_eq!(&read.entry, &entries[sequence as usize - 1]);
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "c2sp.org/tlog-proof@v1\nextra [A-Za-z+/=]{0,30}\n(.|\n){0,60}") {
        let _ = EntryProof::parse(&bytes);
        let _ = EntryProof::parse(text.as_bytes());
        let _ = verify(&bytes, signed(&ledger(1)).checkpoint());
    }
}
