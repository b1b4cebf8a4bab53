//! A disk that is full, under a real center: each act is refused with when to
//! come again, nothing is lost, and it goes on by itself when there is room.

use crate::clients::{Acts, Answer, Crowd, Request, Sent, Told, ask};
use crate::house::{DEADLINE, House};
use crate::judge::Judge;
use iryonet_store::cluster::Cluster;
use nix::sched::{CloneFlags, unshare};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A small disk that this thread and the processes that it starts have to
/// themselves. Nothing where the system gives none.
struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// One of so many MiB. It goes with the thread.
    fn new(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = |words: &[&str]| {
            let status = std::process::Command::new("mount").args(words).status();
            status.is_ok_and(|status| status.success())
        };
        let size = format!("size={mebibytes}m,mode=0755");
        let path = folder.path().to_str().unwrap();
        let there = unshare(CloneFlags::CLONE_NEWNS).is_ok()
            && mount(&["--make-rprivate", "/"])
            && mount(&["-t", "tmpfs", "-o", &size, "tmpfs", path]);
        if !there {
            println!("SKIPPED: no disk of one's own could be mounted; run as root");
            return None;
        }
        Some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Leaves only so much room.
    fn fill_up_to(&self, bytes: u64) {
        let there = nix::sys::statvfs::statvfs(self.path()).unwrap();
        let free = there.blocks_available() * there.fragment_size();
        let take = usize::try_from(free.saturating_sub(bytes)).unwrap();
        std::fs::write(self.ballast(), vec![0; take]).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
    }
}

/// Lets clients act until each was told three times to come again later, by one
/// of these codes.
fn until_refused(acts: &Arc<Acts>, house: &House, codes: &[&str]) -> Vec<Sent> {
    acts.next_round();
    let mut sent = Vec::new();
    let threads: Vec<_> = (0..3)
        .map(|client| {
            let (acts, socket) = (Arc::clone(acts), house.socket());
            std::thread::spawn(move || {
                let mut later = 0;
                let none = std::sync::atomic::AtomicU32::new(0);
                acts.client(&socket, client, &none, |act| {
                    later += u32::from(matches!(act.told, Told::Later(_) | Told::Nothing));
                    later < 3
                })
            })
        })
        .collect();
    for thread in threads {
        sent.extend(thread.join().unwrap());
    }
    let mut seen = Vec::new();
    for act in &sent {
        if let Told::Later(answer) = &act.told {
            let code = answer.code();
            assert!(codes.contains(&code.as_str()), "{answer:?}");
            seen.push(code);
        }
    }
    assert!(!seen.is_empty(), "nothing was refused");
    seen.sort();
    seen.dedup();
    println!(
        "full after {} acts; refused as {seen:?}",
        sent.iter().filter(|it| it.sequence().is_some()).count()
    );
    sent
}

/// Asks again until it is told; the key sees to it that it is done once.
fn insist(house: &House, sent: &mut [Sent]) {
    let begun = Instant::now();
    for act in sent.iter_mut() {
        while act.sequence().is_none() {
            assert!(begun.elapsed() < DEADLINE, "{act:?}: {}", house.said());
            act.ask(&house.socket());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A center that is read from while nothing can be written.
fn still_answers(house: &House) {
    let Answer { status, .. } = ask(&house.socket(), &Request::get("/v1/participants")).unwrap();
    assert_eq!(status, 200, "{}", house.said());
}

#[test]
fn a_full_disk_under_sqlite_refuses_each_act_loses_none_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::new(24) else { return };
    let mut house = House::new(None);
    house.move_to(&disk.path().join("data"));
    house.init();
    let mut center = house.start();
    let acts = Arc::new(Acts::new(20_000));
    acts.prepare(&house.socket());
    let mut all = Vec::new();
    for turn in 0..3 {
        disk.fill_up_to(400 << 10);
        let mut sent = until_refused(&acts, &house, &["disk-full"]);
        still_answers(&house);
        let mut judge = Judge::default();
        judge.look(&*house.store(), "full");
        judge.told(&sent, "full");
        if turn == 1 {
            // As if that were not enough.
            assert!(center.kill());
            disk.make_room();
            center = house.start();
        } else {
            disk.make_room();
        }
        insist(&house, &mut sent);
        all.extend(sent);
        let mut judge = Judge::default();
        judge.look(&*house.store(), "room");
        judge.told(&all, "room");
    }
    assert!(center.kill(), "it ended by itself: {}", house.said());
}

#[test]
fn a_full_disk_under_postgresql_refuses_each_act_loses_none_and_goes_on_when_there_is_room() {
    let Some(disk) = Disk::new(200) else { return };
    let settings = ["max_wal_size=32MB", "min_wal_size=32MB"];
    let mut cluster = Cluster::start_in(disk.path(), &settings).unwrap();
    cluster.make_database("registry").unwrap();
    let house = House::new(Some(cluster.connection_string("registry")));
    house.init();
    let mut center = house.start();
    let acts = Arc::new(Acts::new(200_000));
    acts.prepare(&house.socket());
    let mut all = Vec::new();
    for _ in 0..2 {
        disk.fill_up_to(2 << 20);
        // PostgreSQL refuses what does not fit; where it is its own log that does
        // not, it goes down.
        let codes = ["disk-full", "store-unreachable", "store-failed"];
        let mut sent = until_refused(&acts, &house, &codes);
        disk.make_room();
        // What went down is started again, as a system's service manager does.
        cluster.resume().unwrap();
        let mut judge = Judge::default();
        judge.look(&*house.store(), "room");
        judge.told(&sent, "room");
        insist(&house, &mut sent);
        all.extend(sent);
        let mut judge = Judge::default();
        judge.look(&*house.store(), "after");
        judge.told(&all, "after");
    }
    // And with room, all goes as ever.
    acts.next_round();
    let crowd = Crowd::that_insist(&acts, 3, &house.socket());
    crowd.hear(20);
    all.extend(crowd.end());
    let mut judge = Judge::default();
    judge.look(&*house.store(), "the end");
    judge.told(&all, "the end");
    assert!(center.kill(), "it ended by itself: {}", house.said());
}
