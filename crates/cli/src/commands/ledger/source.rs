//! Where a ledger is read: from a running center, or from its database. Proofs
//! are computed here, from tiles; neither is believed.

use crate::commands;
use anyhow::Context;
use clap::Args;
use iryonet_center::client::OperatorClient;
use iryonet_ledger::export::{parse_line, write_line};
use iryonet_ledger::merkle::tile::{TileId, TileNodes, TilePath};
use iryonet_ledger::{Entry, Signed};
use iryonet_store::tree::{self, checkpoints};
use iryonet_store::{SqliteStore, look};
use std::io::Write;
use std::path::PathBuf;

/// Entries asked for at once from a center.
const PAGE: u64 = 1_000;
/// Entries read at once from a database.
const ENTRIES_AT_ONCE: usize = 64;

/// Where.
#[derive(Args)]
pub(super) struct Arguments {
    /// The center's operator socket.
    #[arg(
        long,
        env = "IRYONET_CENTER",
        value_name = "SOCKET",
        default_value = "/run/iryonet/operator.sock"
    )]
    center: PathBuf,
    /// Read this registry.sqlite instead, also while a center runs on it.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// An open one.
pub(super) enum Source {
    Center {
        client: OperatorClient,
        runtime: tokio::runtime::Runtime,
    },
    Store(SqliteStore),
}

/// Why a tile could not be had.
#[derive(Debug, thiserror::Error)]
#[error("a tile of the ledger's tree cannot be read")]
pub(super) struct TileTrouble(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Arguments {
    pub(super) fn open(&self) -> anyhow::Result<Source> {
        Ok(match &self.store {
            Some(path) => Source::Store(
                SqliteStore::open_read_only(path)
                    .with_context(|| format!("the store {} cannot be opened", path.display()))?,
            ),
            None => Source::Center {
                client: OperatorClient::new(&self.center),
                runtime: commands::runtime()?,
            },
        })
    }
}

impl Source {
    fn fetch(&self, path: &str) -> anyhow::Result<Vec<u8>> {
        let Self::Center { client, runtime } = self else {
            anyhow::bail!("this is a database, not a center");
        };
        Ok(runtime.block_on(client.fetch(path))?.to_vec())
    }

    /// The last checkpoint, or the last one that a witness has cosigned.
    pub(super) fn checkpoint(&self, cosigned: bool) -> anyhow::Result<Signed> {
        match self {
            Self::Store(store) => Ok(tree::ask(store, |reader| {
                checkpoints::signed(reader, cosigned)
            })?),
            Self::Center { .. } => {
                let bytes = self.fetch(&format!("/v1/ledger/checkpoint?cosigned={cosigned}"))?;
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
                Self::Store(store) => look(store, |reader| tree::tile(reader, tile))
                    .map_err(|error| TileTrouble(error.into())),
                Self::Center { .. } => self
                    .fetch(&format!("/v1/ledger/tile/{path}"))
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
                    let entries = look(store, |reader| reader.entries(after + 1, limit))?;
                    for entry in entries {
                        write_line(out, &entry)?;
                        after = entry.sequence;
                    }
                }
                Self::Center { .. } => {
                    let limit = PAGE.min(last - after);
                    let page =
                        self.fetch(&format!("/v1/ledger/export?after={after}&limit={limit}"))?;
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
