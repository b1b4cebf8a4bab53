//! Tiles (C2SP tlog-tiles): the tree cut into runs of 256 hashes, of which all
//! but the last of each level never change again. That is how the tree is kept
//! and how it is handed out; every proof is computed from a few of them.
//!
//! A tile of level *L* holds the hashes of subtrees of 256^*L* leaves. A partial
//! tile is the beginning of the full one that it becomes, so whoever holds the
//! longer one can answer for the shorter.

use super::{Frontier, Node, Nodes, cover, fold, node_hash};
use crate::entry::Hash;
use std::collections::BTreeMap;

/// log2 of the hashes in a full tile.
const HEIGHT: u8 = 8;
/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;
/// Octets of one hash.
const HASH_BYTES: usize = 32;
/// Octets of a full tile.
pub const TILE_BYTES: usize = TILE_WIDTH * HASH_BYTES;
/// Levels of tiles that a tree of fewer than 2^64 leaves has.
const LEVELS: u8 = 8;
/// Tiles that one [`TileNodes`] remembers. A proof needs fewer.
const TILES_KEPT_MAX: usize = 256;

/// Which tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 holds leaves; below 8.
    pub level: u8,
    /// Which one of its level, from 0.
    pub index: u64,
}

/// A tile as it is asked for: a full one, or the first so many hashes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TilePath {
    /// Which tile.
    pub tile: TileId,
    /// Hashes wanted, 1 to 256.
    pub width: usize,
}

impl TilePath {
    /// As much of a tile as a tree of `size` leaves has; nothing when it has
    /// none of it.
    #[must_use]
    pub fn in_tree(tile: TileId, size: u64) -> Option<Self> {
        let hashes = size.checked_shr(u32::from(tile.level) * u32::from(HEIGHT))?;
        let before = tile.index.checked_mul(TILE_WIDTH as u64)?;
        let width = hashes.checked_sub(before)?.min(TILE_WIDTH as u64);
        let width = usize::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { tile, width })
    }
}

/// The path names no tile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no tile; write LEVEL/INDEX or LEVEL/INDEX.p/WIDTH, as 0/x001/x234/067 or 1/000.p/17"
)]
pub struct TilePathError(String);

impl std::fmt::Display for TilePath {
    /// As in a URL, behind `tile/`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut groups = vec![self.tile.index % 1_000];
        let mut rest = self.tile.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        write!(f, "{}", self.tile.level)?;
        for (place, group) in groups.iter().enumerate().rev() {
            let mark = if place == 0 { "" } else { "x" };
            write!(f, "/{mark}{group:03}")?;
        }
        if self.width < TILE_WIDTH {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || TilePathError(text.chars().take(80).collect());
        // The longest path that there is has 39 characters.
        if text.len() > 64 {
            return Err(bad());
        }
        let (level, rest) = text.split_once('/').ok_or_else(bad)?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().map_err(|_| bad())?),
            None => (rest, TILE_WIDTH),
        };
        let mut number: u64 = 0;
        for group in index.split('/') {
            let digits = group.strip_prefix('x').unwrap_or(group);
            number = digits
                .parse::<u64>()
                .ok()
                .filter(|_| digits.len() == 3)
                .and_then(|group| number.checked_mul(1_000)?.checked_add(group))
                .ok_or_else(bad)?;
        }
        let path = Self {
            tile: TileId {
                level: level.parse().map_err(|_| bad())?,
                index: number,
            },
            width,
        };
        // One name for each tile: what is not written as we would write it is
        // not taken (leading zeros, an x too many, a full tile called partial).
        let fits = path.tile.level < LEVELS && (1..=TILE_WIDTH).contains(&width);
        if fits && path.to_string() == text {
            Ok(path)
        } else {
            Err(bad())
        }
    }
}

/// Why hashes could not be had from tiles.
#[derive(Debug, thiserror::Error)]
pub enum TileError<E: std::error::Error + 'static> {
    /// Not there, or shorter than the tree's size says.
    #[error(
        "tile {level}/{index} should hold {wanted} hashes and holds {found}: the tree is damaged"
    )]
    Short {
        /// Level of the tile.
        level: u8,
        /// Its number.
        index: u64,
        /// Hashes that it should hold.
        wanted: usize,
        /// Hashes that it holds; 0 where there is no such tile.
        found: usize,
    },
    /// The place where tiles are kept failed.
    #[error(transparent)]
    Source(E),
}

/// Hashes of subtrees, read from tiles.
pub struct TileNodes<F> {
    fetch: F,
    kept: BTreeMap<TileId, Vec<u8>>,
}

impl<F> std::fmt::Debug for TileNodes<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TileNodes").finish_non_exhaustive()
    }
}

impl<F, E> TileNodes<F>
where
    F: FnMut(TileId) -> Result<Option<Vec<u8>>, E>,
    E: std::error::Error + 'static,
{
    /// `fetch` hands out a tile, as long as it is by now.
    pub fn new(fetch: F) -> Self {
        Self {
            fetch,
            kept: BTreeMap::new(),
        }
    }

    /// The first `width` hashes of a tile.
    ///
    /// # Errors
    /// When it is shorter, or cannot be fetched.
    pub fn hashes(&mut self, tile: TileId, width: usize) -> Result<Vec<Hash>, TileError<E>> {
        self.run(tile, 0, width)
    }

    fn run(&mut self, tile: TileId, from: usize, to: usize) -> Result<Vec<Hash>, TileError<E>> {
        if !self.kept.contains_key(&tile) {
            let bytes = (self.fetch)(tile)
                .map_err(TileError::Source)?
                .unwrap_or_default();
            if self.kept.len() >= TILES_KEPT_MAX {
                self.kept.clear();
            }
            self.kept.insert(tile, bytes);
        }
        let bytes = self.kept.get(&tile).map_or(&[][..], Vec::as_slice);
        let short = TileError::Short {
            level: tile.level,
            index: tile.index,
            wanted: to,
            found: bytes.len() / HASH_BYTES,
        };
        let run = bytes.get(from * HASH_BYTES..to * HASH_BYTES).ok_or(short)?;
        Ok(run.chunks_exact(HASH_BYTES).filter_map(hash).collect())
    }
}

impl<F, E> Nodes for TileNodes<F>
where
    F: FnMut(TileId) -> Result<Option<Vec<u8>>, E>,
    E: std::error::Error + 'static,
{
    type Error = TileError<E>;

    fn node(&mut self, node: Node) -> Result<Hash, Self::Error> {
        let inside = node.level % HEIGHT;
        let first = node.index << inside;
        let tile = TileId {
            level: node.level / HEIGHT,
            index: first >> HEIGHT,
        };
        let from = usize::from(first.to_le_bytes()[0]);
        let run = self.run(tile, from, from + (1 << inside))?;
        Ok(complete(&run))
    }
}

/// A growing tree, with the tiles that are not full yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TileTree {
    size: u64,
    /// By level: the hashes of its last tile, fewer than 256.
    open: Vec<Vec<Hash>>,
}

impl TileTree {
    /// Without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tree of the first `size` leaves, from tiles that hold as many or more.
    ///
    /// # Errors
    /// When a tile is missing, too short, or cannot be fetched.
    pub fn resume<F, E>(size: u64, nodes: &mut TileNodes<F>) -> Result<Self, TileError<E>>
    where
        F: FnMut(TileId) -> Result<Option<Vec<u8>>, E>,
        E: std::error::Error + 'static,
    {
        let mut open = Vec::new();
        for level in 0..LEVELS {
            let hashes = size >> (level * HEIGHT);
            if hashes == 0 {
                break;
            }
            let width = usize::from(hashes.to_le_bytes()[0]);
            let index = hashes >> HEIGHT;
            open.push(if width == 0 {
                Vec::new()
            } else {
                nodes.hashes(TileId { level, index }, width)?
            });
        }
        Ok(Self { size, open })
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf; its data has been hashed. Tiles that became full by it are
    /// added to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<(TileId, Vec<u8>)>) {
        self.size = self.size.saturating_add(1);
        let mut hash = leaf;
        for level in 0..LEVELS {
            let at = usize::from(level);
            if self.open.len() == at {
                self.open.push(Vec::with_capacity(TILE_WIDTH));
            }
            let Some(tile) = self.open.get_mut(at) else {
                return;
            };
            tile.push(hash);
            if tile.len() < TILE_WIDTH {
                return;
            }
            hash = complete(tile);
            let index = (self.size >> (level * HEIGHT) >> HEIGHT) - 1;
            full.push((TileId { level, index }, bytes(tile)));
            tile.clear();
        }
    }

    /// The tiles that are not full, from level 0 upwards.
    #[must_use]
    pub fn open_tiles(&self) -> Vec<(TileId, Vec<u8>)> {
        (0..LEVELS)
            .zip(&self.open)
            .filter(|(_, hashes)| !hashes.is_empty())
            .map(|(level, hashes)| {
                let index = self.size >> (level * HEIGHT) >> HEIGHT;
                (TileId { level, index }, bytes(hashes))
            })
            .collect()
    }

    /// The right edge.
    #[must_use]
    pub fn frontier(&self) -> Frontier {
        let mut edge = Vec::new();
        for hashes in self.open.iter().rev() {
            for node in cover(0, hashes.len() as u64) {
                let from = usize::try_from(node.index << node.level).unwrap_or(usize::MAX);
                let run = hashes.get(from..from.saturating_add(1 << node.level));
                edge.push(complete(run.unwrap_or_default()));
            }
        }
        Frontier::from_edge(self.size, edge).unwrap_or_default()
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier().root()
    }
}

/// The root over a power of two of hashes.
fn complete(hashes: &[Hash]) -> Hash {
    if let [one] = hashes {
        return *one;
    }
    let mut row: Vec<Hash> = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(*left, *right),
                other => fold(other),
            })
            .collect();
    }
    fold(&row)
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    bytes.try_into().ok().map(Hash)
}

fn bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::naive::{leaves, mth};
    use super::super::{proof, root};
    use super::*;
    use proptest::prelude::*;
    use std::convert::Infallible;

    type Tiles = BTreeMap<TileId, Vec<u8>>;

    fn grow(tree: &mut TileTree, tiles: &mut Tiles, leaves: &[Hash]) {
        let mut full = Vec::new();
        for leaf in leaves {
            tree.push(*leaf, &mut full);
        }
        tiles.extend(full);
        tiles.extend(tree.open_tiles());
    }

    fn nodes(tiles: Tiles) -> TileNodes<impl FnMut(TileId) -> Result<Option<Vec<u8>>, Infallible>> {
        TileNodes::new(move |tile| Ok(tiles.get(&tile).cloned()))
    }

    /// The tiles of a tree with these leaves.
    pub(crate) fn kept(
        leaves: &[Hash],
    ) -> TileNodes<impl FnMut(TileId) -> Result<Option<Vec<u8>>, Infallible>> {
        let (mut tree, mut tiles) = (TileTree::new(), Tiles::new());
        grow(&mut tree, &mut tiles, leaves);
        nodes(tiles)
    }

    #[test]
    fn a_tree_of_70000_entries_has_the_tiles_of_the_specification() {
        let all = leaves(70_000);
        let (mut tree, mut tiles) = (TileTree::new(), Tiles::new());
        grow(&mut tree, &mut tiles, &all);
        let widths = |level| -> Vec<usize> {
            tiles
                .iter()
                .filter(|(tile, _)| tile.level == level)
                .map(|(_, bytes)| bytes.len() / HASH_BYTES)
                .collect()
        };
        let mut zero = vec![256; 273];
        zero.push(112);
        assert_eq!(widths(0), zero);
        assert_eq!(widths(1), [256, 17]);
        assert_eq!(widths(2), [1]);
        assert!(widths(3).is_empty());
        assert_eq!(tree.root(), mth(&all));
        // Each entry of the upper levels is the root of a full tile below.
        let upper = TileId { level: 1, index: 1 };
        assert_eq!(tiles[&upper][..32], mth(&all[65_536..65_536 + 256]).0);
        let mut nodes = nodes(tiles);
        for size in [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000] {
            assert_eq!(root(&mut nodes, size).unwrap(), mth(&all[..size as usize]));
        }
    }

    #[test]
    fn a_tree_of_256_entries_has_a_full_tile_and_one_hash_above_it() {
        let (mut tree, mut tiles) = (TileTree::new(), Tiles::new());
        grow(&mut tree, &mut tiles, &leaves(256));
        let found: Vec<_> = tiles.into_iter().map(|(id, b)| (id, b.len())).collect();
        let tile = |level| TileId { level, index: 0 };
        assert_eq!(found, [(tile(0), TILE_BYTES), (tile(1), HASH_BYTES)]);
        assert_eq!(tree.root(), mth(&leaves(256)));
    }

    #[test]
    fn a_missing_or_short_tile_is_named() {
        let all = leaves(600);
        let (mut tree, mut tiles) = (TileTree::new(), Tiles::new());
        grow(&mut tree, &mut tiles, &all);
        let second = TileId { level: 0, index: 2 };
        tiles.get_mut(&second).unwrap().truncate(10 * HASH_BYTES);
        let error = root(&mut nodes(tiles.clone()), 600).unwrap_err();
        assert!(
            error.to_string().contains("tile 0/2 should hold 64"),
            "{error}"
        );
        tiles.remove(&second);
        let error = TileTree::resume(600, &mut nodes(tiles)).unwrap_err();
        assert!(error.to_string().contains("holds 0"), "{error}");
    }

    #[test]
    fn names_of_tiles_are_those_of_the_specification() {
        for (level, index, width, path) in [
            (0, 0, 256, "0/000"),
            (0, 1_234_067, 256, "0/x001/x234/067"),
            (3, 999, 1, "3/999.p/1"),
            (7, 1_000, 255, "7/x001/000.p/255"),
            (0, u64::MAX, 256, "0/x018/x446/x744/x073/x709/x551/615"),
        ] {
            let parsed: TilePath = path.parse().unwrap();
            assert_eq!(
                parsed,
                TilePath {
                    tile: TileId { level, index },
                    width
                }
            );
            assert_eq!(parsed.to_string(), path);
        }
        for bad in [
            "",
            "0",
            "0/",
            "0/1",
            "0/01",
            "0/0001",
            "00/001",
            "+0/001",
            "8/000",
            "64/000",
            "0/x001",
            "0/x000/001",
            "0/001/002",
            "0/000.p/",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/007",
            "0/000/",
            "0/-01",
            "0/+01",
            "0/a01",
            "data/000",
            "entries/000",
            "0/x018/x446/x744/x073/x709/x551/616",
            "0/000.p/1.p/1",
            "../../etc/passwd",
        ] {
            assert!(bad.parse::<TilePath>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_tree_of_70000_entries_has_so_much_of_each_tile() {
        let width = |level, index| {
            TilePath::in_tree(TileId { level, index }, 70_000).map(|path| path.width)
        };
        assert_eq!(width(0, 272), Some(256));
        assert_eq!(width(0, 273), Some(112));
        assert_eq!(width(0, 274), None);
        assert_eq!(
            (width(1, 0), width(1, 1), width(1, 2)),
            (Some(256), Some(17), None)
        );
        assert_eq!(
            (width(2, 0), width(3, 0), width(200, 0)),
            (Some(1), None, None)
        );
        assert_eq!(width(0, u64::MAX), None);
    }

    proptest! {
        #[test]
        fn growing_in_pieces_gives_the_same_tiles_and_every_root_on_the_way(pieces in proptest::collection::vec(0usize..400, 1..6)) {
            let all = leaves(pieces.iter().sum());
            let (mut tree, mut tiles) = (TileTree::new(), Tiles::new());
            let mut at = 0;
            for piece in pieces {
                grow(&mut tree, &mut tiles, &all[at..at + piece]);
                at += piece;
                prop_assert_eq!(tree.root(), mth(&all[..at]));
                prop_assert_eq!(&tree, &TileTree::resume(at as u64, &mut nodes(tiles.clone())).unwrap());
            }
            let (mut whole, mut at_once) = (TileTree::new(), Tiles::new());
            grow(&mut whole, &mut at_once, &all);
            prop_assert_eq!(&tiles, &at_once);
            // The tree of an earlier size comes from the later tiles.
            let earlier = at / 2;
            prop_assert_eq!(TileTree::resume(earlier as u64, &mut nodes(tiles.clone())).unwrap().root(), mth(&all[..earlier]));
            if earlier > 0 {
                let proof = proof::consistency(&mut nodes(tiles), earlier as u64, at as u64).unwrap().unwrap();
                proof::verify_consistency(earlier as u64, mth(&all[..earlier]), at as u64, mth(&all), &proof).unwrap();
            }
        }

        #[test]
        fn every_path_is_read_as_it_was_written(level in 0u8..8, index: u64, width in 1usize..=256) {
            let path = TilePath { tile: TileId { level, index }, width };
            prop_assert_eq!(path.to_string().parse::<TilePath>().unwrap(), path);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,70}") {
            let _ = text.parse::<TilePath>();
        }
    }
}
