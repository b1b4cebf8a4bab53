//! What the chain promises: nobody changes, takes out, puts in or reorders an
//! entry without being found, and the first bad one is named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::UnixMillis;
use iryonet_ledger::export::{ExportError, verify_lines, write_line};
use iryonet_ledger::{Entry, Fault, Hash, Outcome, Tip, Verifier, verify};
use proptest::prelude::*;

fn outcome(n: u64) -> Outcome {
    if n % 3 == 2 {
        Outcome::Refused {
            code: "code-taken".into(),
            text: format!("refusal {n}"),
        }
    } else {
        Outcome::Accepted {
            events: format!(r#"[{{"type":"site-added","n":{n}}}]"#),
        }
    }
}

fn ledger(length: u64) -> Vec<Entry> {
    let mut tip = Tip::EMPTY;
    (0..length)
        .map(|n| {
            let entry = tip.next(
                UnixMillis(1_000 + n * 7),
                "operator:suzuki".parse().unwrap(),
                format!(r#"{{"type":"add-site","n":{n}}}"#),
                outcome(n),
            );
            tip = Tip::from(&entry);
            entry
        })
        .collect()
}

/// Makes the entry's own hash fit what stands in it, as a careful forger would.
fn resealed(mut entry: Entry) -> Entry {
    entry.hash = entry.computed_hash();
    entry
}

#[test]
fn the_hash_of_an_entry_is_what_the_layout_says() {
    // Computed apart, with another program, from the layout in the module's
    // documentation. A change here makes every ledger ever written unreadable.
    let entries = ledger(3);
    assert_eq!(
        entries
            .iter()
            .map(|e| e.hash.to_string())
            .collect::<Vec<_>>(),
        GOLDEN
    );
    assert_eq!(entries[0].previous, Hash::ZERO);
}

const GOLDEN: [&str; 3] = [
    "f7a7933e2927228bb1b5be9ebeb9946830bd751d844cf614fcfcf9173f05575c",
    "52c23160b44b2d0935a6b6dc35289f70630bb1120faabf51f4950188fb055d3f",
    "cf80c8bb19de619648b13654b50343ff219c755fb08739264f3f5a26878a7ca2",
];

#[test]
fn an_untouched_ledger_verifies_and_says_what_it_holds() {
    let entries = ledger(10);
    let summary = verify(&entries).unwrap();
    assert_eq!((summary.accepted, summary.refused), (7, 3));
    assert_eq!(summary.tip, Tip::from(entries.last().unwrap()));
    assert_eq!(summary.first_at, Some(UnixMillis(1_000)));
    assert_eq!(verify(&[]).unwrap().tip, Tip::EMPTY);
}

#[test]
fn entries_cut_off_at_the_end_are_missed_when_the_tip_is_known_from_elsewhere() {
    let entries = ledger(5);
    let known = Tip::from(&entries[4]);
    let mut verifier = Verifier::new();
    for entry in &entries[..4] {
        verifier.take(entry).unwrap();
    }
    let fault = verifier.clone().finish(Some(known)).unwrap_err();
    assert!(matches!(
        fault,
        Fault::End {
            found: 4,
            wanted: 5,
            ..
        }
    ));
    assert_eq!(fault.sequence(), 5);
    verifier.take(&entries[4]).unwrap();
    verifier.finish(Some(known)).unwrap();
}

#[test]
fn a_clock_that_goes_back_repeats_the_last_time_and_breaks_nothing() {
    let first = Tip::EMPTY.next(
        UnixMillis(5_000),
        "system:center".parse().unwrap(),
        "{}".into(),
        outcome(0),
    );
    let second = Tip::from(&first).next(
        UnixMillis(3_000),
        "system:center".parse().unwrap(),
        "{}".into(),
        outcome(0),
    );
    assert_eq!(second.at, UnixMillis(5_000));
    verify([&first, &second]).unwrap();
    let mut earlier = second;
    earlier.at = UnixMillis(3_000);
    let earlier = resealed(earlier);
    assert_eq!(verify([&first, &earlier]), Err(Fault::Time { sequence: 2 }));
}

#[test]
fn an_export_is_verified_line_by_line_and_a_bad_line_is_named() {
    let mut file = Vec::new();
    for entry in ledger(6) {
        write_line(&mut file, &entry).unwrap();
    }
    assert_eq!(verify_lines(&mut file.as_slice()).unwrap().tip.sequence, 6);
    let text = String::from_utf8(file).unwrap();
    let changed = text.replace("refusal 2", "refusal 9");
    assert!(matches!(
        verify_lines(&mut changed.as_bytes()),
        Err(ExportError::Fault {
            line: 3,
            fault: Fault::Changed { sequence: 3, .. }
        })
    ));
    let cut = &text.as_bytes()[..text.len() - 20];
    assert!(matches!(
        verify_lines(&mut &cut[..]),
        Err(ExportError::Syntax { line: 6, .. })
    ));
    let without_actor = text.replacen("operator:suzuki", "", 1);
    assert!(matches!(
        verify_lines(&mut without_actor.as_bytes()),
        Err(ExportError::Syntax { line: 1, .. })
    ));
}

proptest! {
    #[test]
    fn any_changed_field_is_found_at_its_entry(length in 1u64..12, at in 0usize..12, field in 0u8..8, reseal: bool) {
        let mut entries = ledger(length);
        let at = at % entries.len();
        let entry = &mut entries[at];
        match field {
            0 => entry.at.0 += 1,
            1 => entry.actor = "operator:satou".parse().unwrap(),
            2 => entry.command.push(' '),
            3 => match &mut entry.outcome {
                Outcome::Accepted { events } => events.insert(1, ' '),
                Outcome::Refused { text, .. } => text.push('.'),
            },
            4 => entry.outcome = match &entry.outcome {
                Outcome::Accepted { events } => Outcome::Refused { code: events.clone(), text: String::new() },
                Outcome::Refused { .. } => Outcome::Accepted { events: "[]".into() },
            },
            5 => entry.previous.0[31] ^= 1,
            6 => entry.hash.0[0] ^= 1,
            // One character lent from one field to the next.
            _ => {
                let last = entry.command.pop().unwrap();
                match &mut entry.outcome {
                    Outcome::Accepted { events } => events.insert(0, last),
                    Outcome::Refused { code, .. } => code.insert(0, last),
                }
            }
        }
        if reseal && field != 6 {
            // A forger who also makes the hash fit is found by the next entry,
            // or by the tip where it is the last.
            let known = Tip::from(ledger(length).last().unwrap());
            entries[at] = resealed(entries[at].clone());
            let mut verifier = Verifier::new();
            let mut fault = entries.iter().find_map(|entry| verifier.take(entry).err());
            if fault.is_none() {
                fault = verifier.finish(Some(known)).err();
            }
            let fault = fault.expect("a forged entry was not found");
            prop_assert!(fault.sequence() <= at as u64 + 2, "{}", fault);
            prop_assert!(fault.sequence() > at as u64, "{}", fault);
        } else {
            let fault = verify(&entries).unwrap_err();
            prop_assert_eq!(fault.sequence(), at as u64 + 1, "{}", fault);
        }
    }

    #[test]
    fn a_missing_swapped_or_inserted_entry_is_found_where_it_begins(length in 2u64..12, at in 0usize..11, how in 0u8..3) {
        let mut entries = ledger(length);
        let at = at % (entries.len() - 1);
        match how {
            0 => { entries.remove(at); }
            1 => entries.swap(at, at + 1),
            _ => { let copy = entries[at].clone(); entries.insert(at, copy); }
        }
        let fault = verify(&entries).unwrap_err();
        let expected = if how == 2 { at as u64 + 2 } else { at as u64 + 1 };
        prop_assert_eq!(fault.sequence(), expected, "{}", fault);
    }
}
