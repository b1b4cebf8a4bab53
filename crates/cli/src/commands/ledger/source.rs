//! Where a ledger is read: from a running center, or from its database. Proofs
//! are computed here, from tiles; neither is believed.

use crate::commands::SomeRegistry;
use crate::commands::operator::Center;
use anyhow::Context;
use clap::Args;
use iryonet_center::client::Content;
use iryonet_ledger::export::{parse_line, write_line};
use iryonet_ledger::merkle::tile::{TileId, TileNodes, TilePath};
use iryonet_ledger::{Entry, Signed};
use iryonet_store::tree::{self, checkpoints};
use iryonet_store::{Store, look};
use std::io::Write;
use std::sync::Arc;

/// Entries asked for at once from a center.
const PAGE: u64 = 1_000;
/// Entries read at once from a database.
const ENTRIES_AT_ONCE: usize = 64;

/// Where: a center, unless a registry is named.
#[derive(Args)]
pub(super) struct Where {
    #[command(flatten)]
    registry: SomeRegistry,
}

/// An open one.
pub(super) enum Source<'a> {
    Center(&'a Center),
    Store(Arc<dyn Store>),
}

/// Why a tile could not be had.
#[derive(Debug, thiserror::Error)]
#[error("a tile of the ledger's tree cannot be read")]
pub(super) struct TileTrouble(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Where {
    pub(super) fn open<'a>(&self, center: &'a Center) -> anyhow::Result<Source<'a>> {
        Ok(match self.registry.open_read_only()? {
            Some(store) => Source::Store(store),
            None => Source::Center(center),
        })
    }
}

fn fetch(center: &Center, path: &str) -> anyhow::Result<Vec<u8>> {
    Ok(center.document("GET", path, Content::None)?.to_vec())
}

impl Source<'_> {
    /// The last checkpoint, or the last one that a witness has cosigned.
    pub(super) fn checkpoint(&self, cosigned: bool) -> anyhow::Result<Signed> {
        match self {
            Self::Store(store) => Ok(tree::ask(&**store, |reader| {
                checkpoints::signed(reader, cosigned)
            })?),
            Self::Center(center) => {
                let path = format!("/v1/ledger/checkpoint?cosigned={cosigned}");
                let bytes = fetch(center, &path)?;
                Signed::parse(&bytes).context("the center's answer is not a checkpoint")
            }
        }
    }

    /// The tree with so many entries.
    pub(super) fn nodes(
        &self,
        size: u64,
    ) -> TileNodes<impl FnMut(TileId) -> Result<Option<Vec<u8>>, TileTrouble>> {
        TileNodes::new(move |tile| {
            let Some(path) = TilePath::in_tree(tile, size) else {
                return Ok(None);
            };
            match self {
                Self::Store(store) => look(&**store, |reader| tree::tile(reader, tile))
                    .map_err(|error| TileTrouble(error.into())),
                Self::Center(center) => fetch(center, &format!("/v1/ledger/tile/{path}"))
                    .map(Some)
                    .map_err(|error| TileTrouble(error.into_boxed_dyn_error())),
            }
        })
    }

    /// Writes the entries `first` to `last`, one a line.
    pub(super) fn write_entries(
        &self,
        first: u64,
        last: u64,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> anyhow::Result<()> {
        let mut after = first.saturating_sub(1);
        while after < last {
            let before = after;
            match self {
                Self::Store(store) => {
                    let limit = usize::try_from(last - after)
                        .unwrap_or(usize::MAX)
                        .min(ENTRIES_AT_ONCE);
                    let entries = look(&**store, |reader| reader.entries(after + 1, limit))?;
                    for entry in entries {
                        write_line(out, &entry)?;
                        after = entry.sequence;
                    }
                }
                Self::Center(center) => {
                    let limit = PAGE.min(last - after);
                    let path = format!("/v1/ledger/export?after={after}&limit={limit}");
                    let page = fetch(center, &path)?;
                    for line in page.split_inclusive(|byte| *byte == b'\n') {
                        let entry = parse_line(line)
                            .context("the center's answer is not a ledger entry")?;
                        out.write_all(line)?;
                        after = entry.sequence;
                    }
                }
            }
            if after <= before {
                anyhow::bail!(
                    "entry {} is missing, and the checkpoint covers it: the ledger was cut off",
                    before + 1
                );
            }
            progress(after);
        }
        Ok(())
    }

    /// One entry.
    pub(super) fn entry(&self, sequence: u64) -> anyhow::Result<Entry> {
        let mut line = Vec::new();
        self.write_entries(sequence, sequence, &mut line, &mut |_| {})?;
        parse_line(&line).context("no such entry came")
    }
}
