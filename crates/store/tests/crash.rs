//! Killed at any moment: what was acknowledged is there, no half act is, and
//! the tables are what the ledger says. Two hundred times and more, on both
//! homes: the process that writes, and PostgreSQL's own processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

mod support;

use iryonet_registry::{AdmissionRow, Command, Home};
use iryonet_store::cluster::Cluster;
use iryonet_store::{
    Place, PostgresOptions, PostgresStore, Space, Store, StoreError, change, look,
};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::*;

const CHILD: &str = "IRYONET_TEST_CRASH_PLACE";
/// Kills of the process that writes into SQLite.
const WRITER_KILLS: u32 = 100;
/// The same on PostgreSQL.
const CLIENT_KILLS: u32 = 30;
/// Kills of a PostgreSQL process that serves a writer: the server then ends all
/// sessions and recovers.
const BACKEND_KILLS: u32 = 50;
/// Kills of PostgreSQL's own first process.
const SERVER_KILLS: u32 = 30;

struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// One act of three parts: a bulk admission, a refused command, and a side value
/// that tells how far it is. Half of it would be seen.
fn whole_act(store: &dyn Store) -> Result<u64, StoreError> {
    change(store, |transaction| {
        let rows: Vec<AdmissionRow> = (0..12)
            .map(|n| AdmissionRow {
                kind: clinic(),
                name: format!("さくら診療所{n}"),
                code: None,
                home: Home::Block(1),
                site: "本院".into(),
            })
            .collect();
        let admit = Command::AdmitParticipants { rows };
        let recorded = transaction.record(&actor_of(&admit), &admit, NOW)?;
        assert!(recorded.events().is_ok());
        let again = Command::FoundNetwork { network: network() };
        let last = transaction.record(&actor_of(&again), &again, NOW)?;
        transaction.side_put(
            Space::Checkpoint,
            b"last",
            &last.sequence.to_be_bytes(),
            None,
        )?;
        Ok(last.sequence)
    })
}

/// Insists that the store is whole and has what was acknowledged. Tells its end.
fn whole(store: &dyn Store, acknowledged: u64, tables_too: bool, round: u32) -> u64 {
    look(store, |reader| {
        let tip = reader.tip()?.sequence;
        assert!(
            tip >= acknowledged,
            "round {round}: {acknowledged} was acknowledged, {tip} is there"
        );
        let told = reader.side_get(Space::Checkpoint, b"last")?;
        let told = told.map(|it| u64::from_be_bytes(it.value.try_into().unwrap()));
        if let Some(told) = told {
            assert_eq!(told, tip, "round {round}: half an act is there");
        }
        // The chain from its first entry on, each time.
        let mut verifier = iryonet_ledger::Verifier::new();
        loop {
            let page = reader.entries(verifier.summary().tip.sequence + 1, 1_000)?;
            if page.is_empty() {
                break;
            }
            for entry in &page {
                verifier.take(entry).unwrap();
            }
        }
        verifier.finish(Some(reader.tip()?)).unwrap();
        if tables_too {
            let memory = replayed(reader)?;
            let query = iryonet_store::ParticipantQuery::default();
            assert_eq!(
                reader.participants(&query, None, usize::MAX)?,
                memory.participants().cloned().collect::<Vec<_>>()
            );
            let query = iryonet_store::ParticipantQuery {
                name: Some("さくら診療所7".into()),
                ..query
            };
            let found = reader.participants(&query, None, usize::MAX)?;
            let expected = memory
                .participants()
                .filter(|it| it.name == "さくら診療所7");
            assert_eq!(
                found.len(),
                expected.count(),
                "the search index is half written"
            );
        }
        Ok(tip)
    })
    .unwrap()
}

/// Not a test of its own: the process that is killed. Says a sequence aloud
/// only when the act was acknowledged.
#[test]
fn child_that_acts_until_it_is_killed() {
    let Some(place) = std::env::var_os(CHILD) else {
        return;
    };
    let store = Place::named(place.to_str().unwrap(), None)
        .unwrap()
        .open()
        .unwrap();
    loop {
        println!("acknowledged {}", whole_act(&*store).unwrap());
    }
}

fn child(place: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_that_acts_until_it_is_killed",
            "--nocapture",
        ])
        .env(CHILD, place)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

/// Lets a child act and kills it; tells what it had acknowledged.
fn act_and_kill(place: &str, draws: &mut Draws) -> u64 {
    let (mut child, lines) = child(place);
    let wanted = 1 + draws.below(4);
    let pause = Duration::from_micros(draws.below(4_000));
    let (mut acknowledged, mut heard) = (0, 0);
    let mut lines = lines.lines();
    while let Some(Ok(line)) = lines.next() {
        let Some((_, sequence)) = line.split_once("acknowledged ") else {
            continue;
        };
        if let Ok(sequence) = sequence.trim().parse() {
            acknowledged = sequence;
            heard += 1;
        }
        if heard == wanted {
            std::thread::sleep(pause);
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(heard >= wanted, "the child ended by itself");
    acknowledged
}

#[test]
fn a_center_killed_at_any_moment_loses_nothing_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("registry.sqlite");
    let place = path.to_str().unwrap();
    let mut draws = Draws(0x2545_f491_4f6c_dd1d);
    small_world(&*Place::named(place, None).unwrap().open().unwrap());
    for round in 1..=WRITER_KILLS {
        let acknowledged = act_and_kill(place, &mut draws);
        let store = Place::named(place, None).unwrap().open().unwrap();
        let tables_too = round % 20 == 0;
        whole(&*store, acknowledged, tables_too, round);
    }
}

#[test]
fn a_center_killed_at_any_moment_loses_nothing_on_postgresql() {
    let cluster = Cluster::start(&[]).unwrap();
    cluster.make_database("registry").unwrap();
    let place = cluster.connection_string("registry");
    let mut draws = Draws(0x9e37_79b9_7f4a_7c15);
    let store = Place::named(&place, None).unwrap().open().unwrap();
    small_world(&*store);
    for round in 1..=CLIENT_KILLS {
        let acknowledged = act_and_kill(&place, &mut draws);
        whole(&*store, acknowledged, round % 10 == 0, round);
    }
}

/// Acts without end; tells the last sequence that was acknowledged.
fn acting(
    store: Arc<PostgresStore>,
    last: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut failed = 0;
        while !end.load(Ordering::SeqCst) {
            match whole_act(&*store) {
                Ok(sequence) => last.store(sequence, Ordering::SeqCst),
                // Nothing was done, or nobody knows: said, and not acknowledged.
                Err(error) => {
                    assert!(
                        error.is_temporary() || matches!(error, StoreError::OutcomeUnknown { .. }),
                        "{error}"
                    );
                    failed += 1;
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        failed
    })
}

/// Waits for one more acknowledged act.
fn one_more(last: &AtomicU64) {
    let before = last.load(Ordering::SeqCst);
    let began = Instant::now();
    while last.load(Ordering::SeqCst) == before {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "no act is done any more"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

#[test]
fn postgresql_killed_at_any_moment_loses_nothing() {
    let mut cluster = Cluster::start(&[]).unwrap();
    let settings = cluster.make_database("registry").unwrap();
    let options = PostgresOptions {
        resolve_ms: 20_000,
        ..PostgresOptions::default()
    };
    let store = Arc::new(PostgresStore::open_with(&settings, &options).unwrap());
    small_world(&*store);
    // Another center beside it, that only looks.
    let beside = PostgresStore::open(&settings).unwrap();
    let (last, end) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let writer = acting(Arc::clone(&store), Arc::clone(&last), Arc::clone(&end));
    let mut draws = Draws(0x853c_49e6_748f_ea9b);
    let mut rounds = 0;
    for round in 1..=BACKEND_KILLS + SERVER_KILLS {
        one_more(&last);
        std::thread::sleep(Duration::from_micros(draws.below(5_000)));
        if round % 8 < 3 && rounds < SERVER_KILLS {
            rounds += 1;
            cluster.kill().unwrap();
            cluster.resume().unwrap();
        } else {
            cluster.kill_session("registry").unwrap();
        }
        one_more(&last);
        // Acknowledged before it is looked at.
        let acknowledged = last.load(Ordering::SeqCst);
        let tip = loop {
            match iryonet_store::look(&beside, |reader| Ok(reader.tip()?.sequence)) {
                Ok(tip) => break tip,
                Err(error) => assert!(error.is_temporary(), "{error}"),
            }
        };
        assert!(
            tip >= acknowledged,
            "round {round}: {acknowledged} but {tip}"
        );
        if round % 10 == 0 {
            whole(&beside, acknowledged, round % 40 == 0, round);
        }
    }
    end.store(true, Ordering::SeqCst);
    let failed = writer.join().unwrap();
    println!("{failed} acts were answered with an error");
    whole(&*store, last.load(Ordering::SeqCst), true, 0);
}
