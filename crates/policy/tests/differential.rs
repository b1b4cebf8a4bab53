//! Random histories of a small network: what the model tells its gateways,
//! against the plain definition of what they must hold.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code: a broken fixture may stop a test at once"
)]

mod plain;

use iryonet_domain::*;
use iryonet_policy::{Collecting, FeedLimits, FeedLog, Model, Since};
use iryonet_registry::Event;
use plain::history::{act, entries, history};
use plain::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn check_wanted(
    model: &Model,
    plain: &Plain,
    gateway: &GatewayId,
) -> Result<Holder, TestCaseError> {
    let snapshot = model
        .snapshot(gateway, UnixMillis(1), UnixMillis(2))
        .unwrap();
    let held = Wanted {
        gateways: snapshot.gateways.clone(),
        participants: (snapshot.participants.iter())
            .map(|p| (p.number, p.condition))
            .collect(),
        services: snapshot.services.clone(),
        grants: snapshot.grants.clone(),
        lines: snapshot.lines.clone(),
        devices: (snapshot.devices.iter())
            .map(|d| (d.fingerprint, d.clone()))
            .collect(),
    };
    prop_assert_eq!(&held, &plain.wanted(gateway), "gateway {}", gateway);
    let ascending = snapshot.participants.is_sorted_by_key(|p| p.number)
        && snapshot
            .devices
            .is_sorted_by_key(|d| (d.participant, d.fingerprint));
    prop_assert!(ascending, "equal states are equal bytes");
    Ok(Holder::from(snapshot))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// A gateway that starts from any snapshot and follows the deltas, however
    /// lazily, holds exactly what concerns it; and at no moment in between does
    /// it let a flow outlive what allowed it.
    #[test]
    fn a_gateway_that_follows_the_feed_holds_what_concerns_it_and_no_flow_outlives_its_right(
        more in entries(),
        pulls in any::<u64>(),
        kept in 3usize..60,
    ) {
        let mut plain = Plain::default();
        let mut model = Model::new(network());
        let limits = FeedLimits { changes_per_gateway: kept, bytes_total: 1 << 20 };
        let mut log = FeedLog::new(0, limits);
        let mut holders: BTreeMap<GatewayId, Holder> = BTreeMap::new();
        let mut revision = 0;
        for (index, entry) in history(more).into_iter().enumerate() {
            revision += 1;
            let events: Vec<Event> = entry.into_iter().flat_map(|a| act(&mut plain, a)).collect();
            log.push(revision, model.apply(revision, &events));
            prop_assert_eq!(model.unfit_events(), 0, "{:?}", events);

            for (place, gateway) in plain.gateways.keys().enumerate() {
                let now = check_wanted(&model, &plain, gateway)?;
                let Some(holder) = holders.get_mut(gateway) else {
                    holders.insert(gateway.clone(), now);
                    continue;
                };
                holder.traffic();
                if pulls.rotate_left(index as u32 + 7 * place as u32) & 3 == 0 {
                    continue;
                }
                match log.since(gateway, holder.revision) {
                    Since::UpToDate => {}
                    Since::TooOld => {
                        holder.take(model.snapshot(gateway, UnixMillis(1), UnixMillis(2)).unwrap());
                    }
                    Since::Changes { to, changes } => {
                        let told = format!("{changes:#?}");
                        for change in changes {
                            let result = holder.apply(change);
                            prop_assert_eq!(result, Ok(()), "{}", told);
                            holder.traffic();
                        }
                        holder.revision = to;
                        let outlived = holder.flow_that_outlived_its_right(&plain);
                        prop_assert_eq!(outlived, None, "{} events {:?} told {}", gateway, events, told);
                    }
                }
                let same = holder.same_as(&now);
                prop_assert!(same.is_ok(), "{} events {:?}: {}", gateway, events, same.unwrap_err());
            }
        }
    }

    /// A snapshot that is collected piece by piece while the network goes on is
    /// the same as one that is collected at its end in one go.
    #[test]
    fn a_snapshot_collected_while_the_network_goes_on_is_that_of_its_end(
        more in entries(),
        begin in any::<prop::sample::Index>(),
        pieces in proptest::collection::vec(0usize..4, 64),
    ) {
        let history = history(more);
        let begin = begin.index(history.len());
        let mut plain = Plain::default();
        let mut model = Model::new(network());
        let mut log = FeedLog::new(0, FeedLimits::default());
        let mut making: BTreeMap<GatewayId, Collecting> = BTreeMap::new();
        for (index, entry) in history.into_iter().enumerate() {
            let revision = index as u64 + 1;
            let events: Vec<Event> = entry.into_iter().flat_map(|a| act(&mut plain, a)).collect();
            log.push(revision, model.apply(revision, &events));
            for gateway in plain.gateways.keys() {
                if index == begin {
                    making.insert(gateway.clone(), Collecting::begin(&model, gateway).unwrap());
                }
                if let Some(collecting) = making.get_mut(gateway) {
                    collecting.step(&model, pieces[index % pieces.len()]);
                    collecting.sort();
                }
            }
        }
        for (gateway, mut collecting) in making {
            loop {
                collecting.step(&model, 1);
                if !collecting.sort() {
                    break;
                }
            }
            prop_assert!(collecting.conclude(&model, &log));
            let mut pieced = collecting.finish(UnixMillis(1), UnixMillis(2)).unwrap();
            let whole = model.snapshot(&gateway, UnixMillis(1), UnixMillis(2)).unwrap();
            prop_assert!(pieced.revision <= whole.revision);
            // Where nothing concerned the gateway, it stands at an earlier
            // revision that says the same.
            prop_assert!(pieced.revision == whole.revision
                || log.since(&gateway, pieced.revision) == Since::UpToDate);
            pieced.revision = whole.revision;
            prop_assert_eq!(pieced, whole);
        }
    }

    /// A center that starts anew from the projections tells the same as one
    /// that lived through the history, generations apart.
    #[test]
    fn a_loaded_model_goes_on_like_the_one_that_followed_the_events(more in entries(), cut in any::<prop::sample::Index>()) {
        use iryonet_wire::feed::Change;
        let history = history(more);
        let cut = cut.index(history.len());
        let mut plain = Plain::default();
        let mut lived = Model::new(network());
        let mut loaded = None;
        for (index, entry) in history.into_iter().enumerate() {
            let revision = index as u64 + 1;
            let events: Vec<Event> = entry.into_iter().flat_map(|a| act(&mut plain, a)).collect();
            let mut told = lived.apply(revision, &events);
            match &mut loaded {
                None if index == cut => loaded = Some(plain.load(revision)),
                None => {}
                Some(loaded) => {
                    let mut other: Vec<_> = loaded.apply(revision, &events);
                    for (_, change) in told.iter_mut().chain(other.iter_mut()) {
                        if let Change::Participant(entry) = change {
                            entry.generation = 0;
                        }
                    }
                    // Gateways were loaded by name; the registry registered them by time.
                    told.sort_by(|a, b| a.0.cmp(&b.0));
                    other.sort_by(|a, b| a.0.cmp(&b.0));
                    prop_assert_eq!(told, other);
                    prop_assert_eq!(lived.counts(), loaded.counts());
                    for n in plain.participants.keys() {
                        let mut concerned = [lived.concerned(*n), loaded.concerned(*n)];
                        concerned.iter_mut().for_each(|list| list.sort());
                        let [a, b] = concerned;
                        prop_assert_eq!(a, b);
                    }
                }
            }
        }
    }
}
