//! The country's size: 600,000 institutions with 3,000,000 agreements. Alone
//! in its file, so that the process's memory is the model's.

use iryonet_domain::UnixMillis;
use iryonet_policy::Collecting;
use iryonet_policy::sample::Sample;
use iryonet_registry::{Event, RevocationReason, Serial};
use std::time::{Duration, Instant};

fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

#[test]
fn the_whole_country_fits_into_400_mib_and_a_revocation_costs_what_it_touches() {
    let network = "2001:db8::/32".parse().unwrap();
    let sample = Sample::new(network, 600_000, 3_000_000, 1);
    sample.check().unwrap();

    let before = resident_bytes();
    let start = Instant::now();
    let mut model = sample.model(10).unwrap();
    let load = start.elapsed();
    let counts = model.counts();
    assert_eq!((counts.participants, counts.grants), (600_060, 3_000_000));
    let memory = before
        .zip(resident_bytes())
        .map(|(before, after)| after - before);
    match memory {
        Some(bytes) => assert!(bytes <= 400 << 20, "{} MiB", bytes >> 20),
        None => println!("skipped the memory limit: no /proc/self/statm"),
    }

    // 200 institutions lose their only device.
    let start = Instant::now();
    for turn in 0..200 {
        let index = turn * 2_999;
        let number = sample.institution(index).unwrap();
        let revoked = Event::DeviceRevoked {
            participant: number,
            device: iryonet_domain::DeviceId(1),
            fingerprint: sample.fingerprint(sample.providers + index),
            serial: Serial::from_octets(&[1]).unwrap(),
            reason: RevocationReason::KeyCompromise,
        };
        let told = model.apply(11 + u64::from(turn), &[revoked]);
        assert!((2..=3).contains(&told.len()), "{told:?}");
    }
    let each = start.elapsed() / 200;
    assert_eq!(model.unfit_events(), 0);
    // Far above what is measured, far below what a walk over the network takes.
    assert!(each < Duration::from_millis(2), "{each:?} for each");

    let gateway = "gw-1".parse().unwrap();
    let start = Instant::now();
    let snapshot = model
        .snapshot(&gateway, UnixMillis(1), UnixMillis(2))
        .unwrap();
    let collect = start.elapsed();

    // Piece by piece it takes as long, and never holds the model for long.
    let mut collecting = Collecting::begin(&model, &gateway).unwrap();
    let mut longest = Duration::ZERO;
    loop {
        let start = Instant::now();
        collecting.step(&model, 4_096);
        longest = longest.max(start.elapsed());
        if !collecting.sort() {
            break;
        }
    }
    let pieced = collecting.finish(UnixMillis(1), UnixMillis(2)).unwrap();
    assert!(pieced == snapshot);
    assert!(longest < collect / 4, "{longest:?} of {collect:?}");
    drop(pieced);

    let start = Instant::now();
    let bytes = snapshot.encode().unwrap().len();
    println!(
        "load {load:?}; memory {:?} MiB; a revocation {each:?}; snapshot of half the country {collect:?}, its longest piece {longest:?}, \
         {} participants, {} grants, {} MiB, encoded in {:?}",
        memory.map(|bytes| bytes >> 20),
        snapshot.participants.len(),
        snapshot.grants.len(),
        bytes >> 20,
        start.elapsed(),
    );
}
