//! Many admitted in one act: whole or not at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests state promises; a broken fixture may stop them at once"
)]

use iryonet_domain::{
    Actor, InstitutionCode, InstitutionKind, ParticipantKind, Prefecture, ScoreTable, UnixMillis,
};
use iryonet_registry::{
    AdmissionRow, Command, DecideError, Event, Home, MemoryTables, Refusal, View, apply, decide,
};

const NOW: UnixMillis = UnixMillis(1_756_000_000_000);

fn machine() -> Actor {
    "system:migration".parse().unwrap()
}

fn code(serial: u16) -> InstitutionCode {
    InstitutionCode::generate(Prefecture::new(13).unwrap(), ScoreTable::Medical, 5, serial)
}

fn row(serial: u16, block: u8) -> AdmissionRow {
    AdmissionRow {
        kind: ParticipantKind::Institution(InstitutionKind::Clinic),
        name: format!("さくら診療所{serial}"),
        code: Some(code(serial)),
        area: None,
        home: Home::Block(block),
        site: "本院".into(),
    }
}

fn founded() -> MemoryTables {
    let mut tables = MemoryTables::default();
    for command in [
        Command::FoundNetwork {
            network: "2001:db8::/32".parse().unwrap(),
        },
        Command::RegisterGateway {
            gateway: "gw-1".parse().unwrap(),
            backbone: "2001:db8::1".parse().unwrap(),
            blocks: vec![1, 2],
        },
    ] {
        let actor: Actor = match command {
            Command::FoundNetwork { .. } => machine(),
            _ => "operator:suzuki".parse().unwrap(),
        };
        for event in decide(&tables, &actor, &command, NOW).unwrap() {
            apply(&mut tables, &event, NOW).unwrap();
        }
    }
    tables
}

fn decided(tables: &MemoryTables, rows: Vec<AdmissionRow>) -> Result<Vec<Event>, Refusal> {
    match decide(
        tables,
        &machine(),
        &Command::AdmitParticipants { rows },
        NOW,
    ) {
        Ok(events) => Ok(events),
        Err(DecideError::Refused(refusal)) => Err(refusal),
        Err(DecideError::View(error)) => panic!("{error}"),
    }
}

#[test]
fn each_gets_the_number_that_it_would_have_got_alone_and_its_first_site() {
    let mut at_once = founded();
    let mut one_by_one = founded();
    let mut gateways = row(3, 1);
    gateways.home = Home::Gateway("gw-1".parse().unwrap());
    let rows = vec![row(1, 1), row(2, 2), gateways, row(4, 2)];
    for event in decided(&at_once, rows.clone()).unwrap() {
        apply(&mut at_once, &event, NOW).unwrap();
    }
    for row in rows {
        let admit = Command::AdmitParticipant {
            kind: row.kind,
            name: row.name,
            code: row.code,
            home: row.home,
        };
        let events = decide(&one_by_one, &machine(), &admit, NOW).unwrap();
        let Event::ParticipantAdmitted { number, .. } = events[0] else {
            panic!("{events:?}");
        };
        let site = Event::SiteAdded {
            participant: number,
            site: 0,
            name: row.site,
        };
        for event in events.into_iter().chain([site]) {
            apply(&mut one_by_one, &event, NOW).unwrap();
        }
    }
    assert_eq!(at_once, one_by_one);
}

#[test]
fn one_without_a_code_is_where_it_is_said_to_be() {
    let mut tables = founded();
    let kyoto = Prefecture::new(26).unwrap();
    let care = AdmissionRow {
        kind: ParticipantKind::Institution(InstitutionKind::CareOffice),
        code: None,
        area: Some(kyoto),
        ..row(1, 1)
    };
    for event in decided(&tables, vec![care, row(2, 1)]).unwrap() {
        // As it is read again from the ledger.
        let written = serde_json::to_string(&event).unwrap();
        let event: Event = serde_json::from_str(&written).unwrap();
        apply(&mut tables, &event, NOW).unwrap();
    }
    let places: Vec<_> = tables.participants().map(|it| it.prefecture()).collect();
    assert_eq!(places, [Some(kyoto), Prefecture::new(13).ok()]);
}

#[test]
fn a_block_that_runs_full_in_the_middle_is_followed_by_the_next() {
    let mut tables = founded();
    let mut left = 0x1_0000_u32 - 3;
    // Fill block 1 but for three numbers.
    let mut serial = 0;
    while left > 0 {
        let now = left.min(1_000);
        let rows = (0..now)
            .map(|_| {
                serial += 1;
                AdmissionRow {
                    code: None,
                    ..row((serial % 10_000) as u16, 1)
                }
            })
            .collect();
        for event in decided(&tables, rows).unwrap() {
            apply(&mut tables, &event, NOW).unwrap();
        }
        left -= now;
    }
    let rows = (0..5)
        .map(|_| AdmissionRow {
            code: None,
            home: Home::Gateway("gw-1".parse().unwrap()),
            ..row(1, 1)
        })
        .collect();
    let numbers: Vec<u32> = decided(&tables, rows)
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            Event::ParticipantAdmitted { number, .. } => Some(number.get()),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [0x1_fffd, 0x1_fffe, 0x1_ffff, 0x2_0000, 0x2_0001]);
    let refused = decided(&tables, (0..4).map(|n| row(n, 1)).collect()).unwrap_err();
    assert_eq!(refused.code(), "admission-row");
    assert!(refused.to_string().contains("row 4"), "{refused}");
}

#[test]
fn one_row_that_may_not_be_stops_all_and_is_named() {
    let mut tables = founded();
    for event in decided(&tables, vec![row(1, 1)]).unwrap() {
        apply(&mut tables, &event, NOW).unwrap();
    }
    let mut turned = row(9, 1);
    turned.name = "右\u{202e}左".into();
    let mut nameless = row(9, 1);
    nameless.site = String::new();
    let mut provider = row(9, 1);
    provider.kind = ParticipantKind::Provider;
    for (wrong, says) in [
        (row(1, 1), "is held"),
        (row(2, 1), "twice"),
        (row(9, 7), "block 7"),
        (turned, "name"),
        (nameless, "name of the site"),
        (provider, "code"),
    ] {
        let refused = decided(&tables, vec![row(2, 1), row(3, 1), wrong]).unwrap_err();
        let text = refused.to_string();
        assert!(text.contains("row 3") && text.contains(says), "{text}");
        assert!(refused.ja().contains("3 行目"), "{}", refused.ja());
    }
    assert_eq!(
        decided(&tables, Vec::new()).unwrap_err().code(),
        "row-count"
    );
    let many = (0..1_001).map(|n| row(n, 1)).collect();
    assert_eq!(decided(&tables, many).unwrap_err().code(), "row-count");
    assert_eq!(tables.participants().count(), 1);
    assert_eq!(
        tables.holder_of_code(code(2)).unwrap(),
        None,
        "nobody of the refused rows is there"
    );
}

#[test]
fn only_the_network_itself_admits_in_bulk() {
    let tables = founded();
    for actor in [
        "operator:suzuki",
        "approver:sato",
        "examiner:ito",
        "officer:abe",
    ] {
        let command = Command::AdmitParticipants {
            rows: vec![row(1, 1)],
        };
        let refused = decide(&tables, &actor.parse().unwrap(), &command, NOW).unwrap_err();
        assert!(
            matches!(refused, DecideError::Refused(Refusal::RoleMayNot { .. })),
            "{actor}: {refused:?}"
        );
    }
}
