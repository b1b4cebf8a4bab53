//! Looks at what is kept, past the center: the ledger from end to end, the
//! tables against what the ledger's events give, each act against what its
//! client was told.

use crate::clients::{Sent, Told};
use crate::house::DEADLINE;
use iryonet_ledger::{Outcome, Verifier};
use iryonet_registry::{AgreementState, Event, MemoryTables, apply};
use iryonet_store::{
    AccountQuery, AgreementQuery, CaseQuery, ParticipantQuery, Reader, Store, StoreError, look,
};
use std::collections::HashMap;
use std::time::Instant;

/// Ledger entries read at a time.
const PAGE: usize = 500;

/// An entry in which a mark stands.
#[derive(Debug)]
struct Found {
    sequence: u64,
    done: bool,
    /// Milliseconds since 1970.
    at: u64,
}

/// What the ledger says, as far as it was read.
#[derive(Default)]
pub(crate) struct Judge {
    verifier: Verifier,
    memory: MemoryTables,
    /// Of each mark, the entries in which it stands.
    marks: HashMap<String, Vec<Found>>,
    end: u64,
}

/// Where PostgreSQL is just coming up again, somebody else asks again as well.
fn patient<T>(store: &dyn Store, mut f: impl FnMut(&dyn Reader) -> Result<T, StoreError>) -> T {
    let begun = Instant::now();
    loop {
        match look(store, &mut f) {
            Ok(found) => return found,
            Err(error) if error.is_temporary() && begun.elapsed() < DEADLINE => {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }
}

impl Judge {
    /// Reads on to the end of the ledger, which must follow on what was read
    /// before, and insists that the tables are what it says.
    pub(crate) fn look(&mut self, store: &dyn Store, round: &str) {
        patient(store, |reader| {
            self.read_on(reader, round)?;
            self.tables(reader, round)
        });
    }

    /// How many entries were read.
    pub(crate) fn entries(&self) -> u64 {
        self.end
    }

    fn read_on(&mut self, reader: &dyn Reader, round: &str) -> Result<(), StoreError> {
        let tip = reader.tip()?;
        assert!(
            tip.sequence >= self.end,
            "{round}: entry {} was there, and the ledger ends with {} now",
            self.end,
            tip.sequence
        );
        loop {
            let page = reader.entries(self.end + 1, PAGE)?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                // Each holds the digest of the one before: an entry that was
                // seen and is another one now is found here.
                let taken = self.verifier.take(&entry);
                taken.unwrap_or_else(|error| panic!("{round}: {error}"));
                self.end = entry.sequence;
                let done = matches!(entry.outcome, Outcome::Accepted { .. });
                for mark in marks_of(&entry.command) {
                    self.marks.entry(mark).or_default().push(Found {
                        sequence: entry.sequence,
                        done,
                        at: entry.at.0,
                    });
                }
                if let Outcome::Accepted { events } = &entry.outcome {
                    for event in serde_json::from_str::<Vec<Event>>(events).unwrap() {
                        apply(&mut self.memory, &event, entry.at).unwrap();
                    }
                }
            }
        }
        assert_eq!(self.end, tip.sequence, "{round}");
        Ok(())
    }

    fn tables(&self, reader: &dyn Reader, round: &str) -> Result<(), StoreError> {
        let all = usize::MAX;
        let memory = &self.memory;
        macro_rules! same {
            ($found:expr, $memory:expr) => {
                assert_eq!($found, $memory.cloned().collect::<Vec<_>>(), "{round}")
            };
        }
        same!(
            reader.participants(&ParticipantQuery::default(), None, all)?,
            memory.participants()
        );
        same!(reader.gateways()?, memory.gateways());
        same!(reader.lines(None, all)?, memory.lines());
        same!(reader.services(None, all)?, memory.services());
        same!(
            reader.agreements(&AgreementQuery::default(), None, all)?,
            memory.agreements()
        );
        same!(
            reader.cases(&CaseQuery::default(), None, all)?,
            memory.cases()
        );
        same!(
            reader.accounts(&AccountQuery::default(), None, all)?,
            memory.accounts()
        );
        same!(reader.all_rules()?, memory.all_rules());
        let mut sites = Vec::new();
        reader.each_site(&mut |site| {
            sites.push(site);
            Ok(())
        })?;
        same!(sites, memory.sites());
        let mut devices = Vec::new();
        reader.each_unrevoked_device(&mut |device| {
            devices.push(device);
            Ok(())
        })?;
        same!(
            devices,
            memory.devices().filter(|device| device.revoked.is_none())
        );
        let mut agreements = Vec::new();
        reader.each_accepted_agreement(&mut |agreement| {
            agreements.push(agreement);
            Ok(())
        })?;
        same!(
            agreements,
            memory
                .agreements()
                .filter(|it| it.state == AgreementState::Accepted)
        );
        // By the search as well, which is kept apart.
        for part in ["診療所〔", "の3の"] {
            let query = ParticipantQuery {
                name: Some(part.to_owned()),
                ..ParticipantQuery::default()
            };
            same!(
                reader.participants(&query, None, all)?,
                memory.participants().filter(|it| it.name.contains(part))
            );
        }
        Ok(())
    }

    /// Insists that what clients were told of these acts is so.
    pub(crate) fn told(&self, sent: &[Sent], round: &str) {
        for act in sent {
            let found = self.marks.get(&act.mark).map_or(&[][..], Vec::as_slice);
            let done = found.iter().filter(|it| it.done);
            let done: Vec<u64> = done.map(|it| it.sequence).collect();
            match (&act.told, act.sequence()) {
                (Told::Done(_), Some(sequence)) => {
                    assert_eq!(done, [sequence], "{round}: acknowledged: {act:?}");
                }
                (Told::Refused(_), Some(sequence)) => {
                    assert!(done.is_empty(), "{round}: {act:?}");
                    assert!(
                        found.iter().any(|it| it.sequence == sequence && !it.done),
                        "{round}: a refusal is not there: {act:?}"
                    );
                }
                (Told::Later(_), _) => {
                    assert!(done.is_empty(), "{round}: said not to be done: {act:?}");
                }
                // Nobody knows whether it was done. That it was by half, the
                // tables would have shown.
                _ => assert!(done.len() <= 1, "{round}: {act:?}"),
            }
            // Nor was it done before it was said that it was not.
            if let Some(said) = act.not_done_at {
                assert!(
                    found.iter().all(|it| it.at >= said),
                    "{round}: it was said at {said} that nothing was recorded: {found:?} {act:?}"
                );
            }
            if act.bad {
                assert!(done.is_empty(), "{round}: {act:?}");
            }
        }
    }

    /// How many of these, of which nothing was told, are done.
    pub(crate) fn done_untold(&self, sent: &[Sent]) -> usize {
        let untold = sent.iter().filter(|act| act.told == Told::Nothing);
        untold
            .filter(|act| self.marks.contains_key(&act.mark))
            .count()
    }
}

/// The marks that stand in a command.
fn marks_of(command: &str) -> Vec<String> {
    command
        .match_indices('〔')
        .filter_map(|(at, _)| {
            let rest = &command[at..];
            let end = rest.find('〕')? + '〕'.len_utf8();
            Some(rest[..end].to_owned())
        })
        .collect()
}
