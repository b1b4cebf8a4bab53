//! Fills a registry: gateways, the public lists, everybody.

use super::generated::Institution;
use crate::revoke::RevokeError;
use crate::revoke::region;
use iryonet_domain::{Actor, ParticipantNumber, ScoreTable, UnixMillis};
use iryonet_registry::{AdmissionRow, Command, Event, Home, ListId};
use iryonet_store::{Store, StoreError, change};

/// Rows of one act.
const ROWS: usize = 1_000;
/// Acts of one transaction: together they cost one wait for the disk.
const ACTS: usize = 8;

fn failed(error: &dyn std::error::Error) -> RevokeError {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    RevokeError::Country(text)
}

/// Records these acts in one transaction; gives all that they brought about.
fn record(
    store: &dyn Store,
    role: &str,
    commands: &[Command],
    now: UnixMillis,
) -> Result<Vec<Event>, RevokeError> {
    let actor: Actor = format!("{role}:bench").parse().map_err(|e| failed(&e))?;
    change(store, |transaction| {
        let mut all = Vec::new();
        for command in commands {
            let recorded = transaction.record(&actor, command, now)?;
            all.extend(recorded.events().map_err(StoreError::given_up)?);
        }
        Ok(all)
    })
    .map_err(|error| failed(&error))
}

pub(super) fn gateways(store: &dyn Store) -> Result<(), RevokeError> {
    let commands: Vec<Command> = region::gateways()
        .into_iter()
        .map(|(gateway, backbone, blocks)| Command::RegisterGateway {
            gateway,
            backbone,
            blocks,
        })
        .collect();
    record(store, "operator", &commands, region::now()).map(drop)
}

/// Records everybody who has a code as a public list would name them.
pub(super) fn list(store: &dyn Store, country: &[Institution]) -> Result<u32, RevokeError> {
    let rows = country
        .iter()
        .filter_map(Institution::row)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| failed(&e))?;
    let commands: Vec<Command> = rows
        .chunks(ROWS)
        .map(|rows| Command::ListApplicants {
            list: ListId::of(ScoreTable::Medical),
            file_sha256: "0".repeat(64),
            rows: rows.to_vec(),
        })
        .collect();
    for commands in commands.chunks(ACTS) {
        record(store, "operator", commands, region::now())?;
    }
    Ok(rows.len() as u32)
}

/// Admits everybody, the half of the country at each gateway; gives their
/// numbers.
pub(super) fn admit(
    store: &dyn Store,
    country: &[Institution],
) -> Result<Vec<ParticipantNumber>, RevokeError> {
    let homes = ["g1", "g2"]
        .into_iter()
        .map(str::parse)
        .collect::<Result<Vec<iryonet_domain::GatewayId>, _>>()
        .map_err(|e| failed(&e))?;
    let mut acts = country.chunks(ROWS);
    let mut numbers = Vec::with_capacity(country.len());
    loop {
        let commands: Vec<Command> = acts
            .by_ref()
            .take(ACTS)
            .map(|chunk| Command::AdmitParticipants {
                rows: chunk
                    .iter()
                    .filter_map(|one| {
                        let east = one.prefecture.number() <= 15;
                        Some(AdmissionRow {
                            kind: one.kind,
                            name: one.name.clone(),
                            code: one.code,
                            area: one.code.is_none().then_some(one.prefecture),
                            home: Home::Gateway(homes.get(usize::from(!east))?.clone()),
                            site: "本院".to_owned(),
                        })
                    })
                    .collect(),
            })
            .collect();
        if commands.is_empty() {
            return Ok(numbers);
        }
        let events = record(store, "system", &commands, region::now())?;
        numbers.extend(events.iter().filter_map(|event| match event {
            Event::ParticipantAdmitted { number, .. } => Some(*number),
            _ => None,
        }));
    }
}
