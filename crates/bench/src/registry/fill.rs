//! Fills a registry: gateways, the public lists, everybody.

use super::generated::Institution;
use crate::revoke::RevokeError;
use crate::revoke::region;
use iryonet_domain::{Actor, ScoreTable, UnixMillis};
use iryonet_registry::{AdmissionRow, Command, Home, ListId};
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

fn record(
    store: &dyn Store,
    role: &str,
    commands: &[Command],
    now: UnixMillis,
) -> Result<(), RevokeError> {
    let actor: Actor = format!("{role}:bench").parse().map_err(|e| failed(&e))?;
    change(store, |transaction| {
        for command in commands {
            transaction
                .record(&actor, command, now)?
                .events()
                .map_err(StoreError::given_up)?;
        }
        Ok(())
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
    record(store, "operator", &commands, region::now())
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

/// Admits everybody, the half of the country at each gateway.
pub(super) fn admit(store: &dyn Store, country: &[Institution]) -> Result<(), RevokeError> {
    let homes = ["g1", "g2"]
        .into_iter()
        .map(str::parse)
        .collect::<Result<Vec<iryonet_domain::GatewayId>, _>>()
        .map_err(|e| failed(&e))?;
    let mut acts = country.chunks(ROWS);
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
                            home: Home::Gateway(homes.get(usize::from(!east))?.clone()),
                            site: "本院".to_owned(),
                        })
                    })
                    .collect(),
            })
            .collect();
        if commands.is_empty() {
            return Ok(());
        }
        record(store, "system", &commands, region::now())?;
    }
}
