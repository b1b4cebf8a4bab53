//! The kills.

use crate::Draws;
use crate::clients::{Acts, Crowd, Sent, Told, ask};
use crate::house::{DEADLINE, House};
use crate::judge::Judge;
use iryonet_store::cluster::Cluster;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clients that act at the same time.
const CLIENTS: u32 = 4;
/// Kills of a center in the middle of acts, on SQLite.
const SQLITE_ACTING: u32 = 80;
/// Kills of a center on its way up, on SQLite.
const SQLITE_STARTING: u32 = 20;
/// Kills of `center init` on nothing: keys, certificates and all layouts of the file.
const SQLITE_INIT: u32 = 20;
/// Kills of a center in the middle of acts, on PostgreSQL.
const POSTGRES_ACTING: u32 = 30;
/// Kills of `center init` on an empty database of PostgreSQL's.
const POSTGRES_INIT: u32 = 10;
/// Kills of some process of PostgreSQL's, under a running center.
const SERVER_PROCESS: u32 = 40;
/// Kills of PostgreSQL's first process, under a running center.
const SERVER: u32 = 15;

const _: () = assert!(
    SQLITE_ACTING
        + SQLITE_STARTING
        + SQLITE_INIT
        + POSTGRES_ACTING
        + POSTGRES_INIT
        + SERVER_PROCESS
        + SERVER
        >= 200,
    "a run of these tests kills at least 200 times"
);

/// Of how many that were told, a round asks again.
const ASKED_AGAIN: usize = 2;

/// Asks again for what nobody was told, and for some that was: the first is done
/// now, the second answered as before. And each document is as it was.
fn ask_again(house: &House, sent: &mut [Sent], round: &str) {
    let socket = house.socket();
    let mut told = 0;
    for act in sent.iter_mut() {
        let before = act.told.clone();
        match &before {
            Told::Done(_) if told < ASKED_AGAIN => told += 1,
            Told::Nothing | Told::Later(_) => {}
            Told::Done(_) | Told::Refused(_) => continue,
        }
        act.ask(&socket);
        assert!(act.sequence().is_some(), "{round}: {act:?}");
        if let Told::Done(_) = before {
            assert_eq!(act.told, before, "{round}: answered otherwise");
        }
    }
    for act in sent.iter() {
        if let Some((request, octets)) = act.document() {
            let answer = ask(&socket, &request).unwrap();
            assert_eq!(answer.status, 200, "{round}: {act:?}");
            assert!(answer.body == octets, "{round}: another document");
        }
    }
}

/// What was counted, for whoever reads the test's output.
#[derive(Default)]
struct Tally {
    kills: u32,
    acts: usize,
    untold: usize,
    done_untold: usize,
}

impl Tally {
    fn say(&self, what: &str, judge: &Judge, begun: Instant) {
        println!(
            "{what}: {} kills, {} acts in {} ledger entries, of {} nothing was told (done all the same: {}), {:.1} s",
            self.kills,
            self.acts,
            judge.entries(),
            self.untold,
            self.done_untold,
            begun.elapsed().as_secs_f64()
        );
    }
}

/// A center is killed again and again in the middle of acts.
fn killed_while_acting(house: &House, rounds: u32, draws: &mut Draws) {
    let begun = Instant::now();
    let acts = Arc::new(Acts::new(2_000));
    let (mut judge, mut tally) = (Judge::default(), Tally::default());
    let mut all: Vec<Sent> = Vec::new();
    let mut center = house.start();
    acts.prepare(&house.socket());
    for _ in 0..rounds {
        let round = format!("round {}", acts.next_round());
        let crowd = Crowd::until_it_is_gone(&acts, CLIENTS, &house.socket());
        crowd.hear(u32::try_from(draws.below(12)).unwrap());
        draws.pause(Duration::from_millis(40));
        assert!(
            center.kill(),
            "{round}: it ended by itself: {}",
            house.said()
        );
        tally.kills += 1;
        let mut sent = crowd.end();
        // Whoever comes next finds what is there, and has to make it whole.
        center = house.start();
        let store = house.store();
        judge.look(&*store, &round);
        judge.told(&sent, &round);
        tally.untold += sent.iter().filter(|it| it.told == Told::Nothing).count();
        tally.done_untold += judge.done_untold(&sent);
        ask_again(house, &mut sent, &round);
        judge.look(&*store, &round);
        judge.told(&sent, &round);
        tally.acts += sent.len();
        all.extend(sent);
    }
    // All of it once more, by somebody who has seen nothing of it.
    let mut judge = Judge::default();
    judge.look(&*house.store(), "the end");
    judge.told(&all, "the end");
    tally.say("a center killed while it acts", &judge, begun);
    assert_eq!(tally.kills, rounds);
    assert!(
        tally.untold >= rounds as usize / 2,
        "the kills hardly hit an act: {}",
        tally.untold
    );
}

/// A center is killed on its way up, over what the kill before left.
fn killed_while_starting(house: &House, rounds: u32, draws: &mut Draws) {
    let begun = Instant::now();
    drop(house.start());
    let takes = begun.elapsed();
    let acts = Arc::new(Acts::new(2_000));
    let (mut judge, mut tally) = (Judge::default(), Tally::default());
    for _ in 0..rounds {
        let round = format!("start {}", acts.next_round());
        let mut center = house.begin();
        draws.pause(takes + takes / 5);
        assert!(center.kill(), "{round}: {}", house.said());
        tally.kills += 1;
        if draws.below(4) == 0 {
            // One that comes up, acts, and is killed as well.
            let mut center = house.start();
            if judge.entries() == 0 {
                acts.prepare(&house.socket());
            }
            let crowd = Crowd::until_it_is_gone(&acts, CLIENTS, &house.socket());
            crowd.hear(3);
            assert!(center.kill(), "{round}");
            tally.kills += 1;
            let sent = crowd.end();
            tally.acts += sent.len();
            judge.look(&*house.store(), &round);
            judge.told(&sent, &round);
        }
    }
    drop(house.start());
    judge.look(&*house.store(), "the end");
    tally.say("a center killed while it starts", &judge, begun);
    assert!(tally.kills >= rounds);
}

/// The making of a registry is killed at every stage; done again, it is whole.
fn killed_while_made(
    house: &mut House,
    rounds: u32,
    draws: &mut Draws,
    mut next: impl FnMut(&mut House, u32),
) {
    let begun = Instant::now();
    next(house, 0);
    let making = Instant::now();
    house.init();
    let takes = making.elapsed();
    let mut whole = Judge::default();
    whole.look(&*house.store(), "undisturbed");
    let mut kills = 0;
    for round in 1..=rounds {
        next(house, round);
        let what = format!("making {round}");
        let mut making = house.begin_init();
        draws.pause(takes);
        making.kill().unwrap();
        let status = making.wait().unwrap();
        kills += u32::from(!status.success());
        // Twice: the second finds everything done.
        for _ in 0..2 {
            house.init();
            let mut judge = Judge::default();
            judge.look(&*house.store(), &what);
            assert_eq!(judge.entries(), whole.entries(), "{what}");
        }
    }
    println!(
        "a registry killed while it is made: {kills} of {rounds} kills hit, {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    assert!(kills >= rounds / 2, "{kills} of {rounds} came in time");
}

#[test]
fn a_center_on_sqlite_killed_at_any_moment_loses_nothing_and_does_nothing_twice() {
    let mut draws = Draws::new("sqlite, acting");
    let house = House::new(None);
    house.init();
    killed_while_acting(&house, SQLITE_ACTING, &mut draws);
}

#[test]
fn a_center_on_sqlite_killed_while_it_starts_or_is_made_comes_up_whole() {
    let mut draws = Draws::new("sqlite, starting");
    let mut house = House::new(None);
    let folder = house.folder().to_owned();
    killed_while_made(&mut house, SQLITE_INIT, &mut draws, |house, round| {
        house.move_to(&folder.join(format!("data-{round}")));
    });
    killed_while_starting(&house, SQLITE_STARTING, &mut draws);
}

/// A server with an empty database for the registry.
fn server() -> Cluster {
    let cluster = Cluster::start(&[]).unwrap();
    cluster.make_database("registry").unwrap();
    cluster
}

#[test]
fn a_center_on_postgresql_killed_at_any_moment_loses_nothing_and_does_nothing_twice() {
    let mut draws = Draws::new("postgresql, acting");
    let cluster = server();
    let mut house = House::new(Some(cluster.connection_string("registry")));
    let folder = house.folder().to_owned();
    house.init();
    killed_while_acting(&house, POSTGRES_ACTING, &mut draws);
    killed_while_made(&mut house, POSTGRES_INIT, &mut draws, |house, round| {
        let name = format!("made_{round}");
        cluster.make_database(&name).unwrap();
        let data: &Path = &folder.join(format!("data-{round}"));
        house.move_to_database(cluster.connection_string(&name), data);
    });
}

#[test]
fn a_center_whose_postgresql_is_killed_at_any_moment_loses_nothing_and_does_nothing_twice() {
    let mut draws = Draws::new("postgresql killed");
    let begun = Instant::now();
    let mut cluster = server();
    let house = House::new(Some(cluster.connection_string("registry")));
    house.init();
    let mut center = house.start();
    let acts = Arc::new(Acts::new(2_000));
    acts.prepare(&house.socket());
    acts.next_round();
    let crowd = Crowd::that_insist(&acts, CLIENTS, &house.socket());
    let store = house.store();
    let (mut judge, mut tally) = (Judge::default(), Tally::default());
    let (mut processes, mut servers) = (SERVER_PROCESS, SERVER);
    while processes + servers > 0 {
        crowd.hear(1 + u32::try_from(draws.below(8)).unwrap());
        draws.pause(Duration::from_millis(20));
        if draws.below(u64::from(processes + servers)) < u64::from(servers) {
            servers -= 1;
            cluster.kill().unwrap();
            cluster.resume().unwrap();
        } else {
            processes -= 1;
            // The kill before may just be taking effect.
            let running = loop {
                match cluster.processes("registry") {
                    Ok(running) => break running,
                    Err(error) => assert!(begun.elapsed() < 5 * DEADLINE, "{error}"),
                }
                std::thread::sleep(Duration::from_millis(5));
            };
            let drawn = draws.below(running.len() as u64);
            let process = &running[usize::try_from(drawn).unwrap()];
            // It may have ended by itself meanwhile; then another is killed.
            if !cluster.kill_process(process).unwrap() {
                processes += 1;
                continue;
            }
        }
        tally.kills += 1;
        // The center goes on by itself, and all clients are told.
        crowd.hear(CLIENTS);
        if tally.kills.is_multiple_of(5) {
            judge.look(&*store, &format!("kill {}", tally.kills));
        }
    }
    let patience = Arc::clone(&crowd.patience);
    let mut sent = crowd.end();
    assert!(sent.iter().all(|act| act.sequence().is_some()));
    judge.look(&*store, "the end");
    judge.told(&sent, "the end");
    ask_again(&house, &mut sent, "the end");
    let mut judge = Judge::default();
    judge.look(&*store, "once more");
    judge.told(&sent, "once more");
    assert!(center.kill(), "it ended by itself: {}", house.said());
    tally.acts = sent.len();
    tally.say("postgresql killed under a center", &judge, begun);
    println!(
        "the longest that an act waited for its answer: {:?}",
        patience.lock().unwrap()
    );
}
