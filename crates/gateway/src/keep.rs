//! The last signed policy on disk: a snapshot and the deltas since, as they
//! came, signatures and all. After a restart it is verified and used at once,
//! center or no center, until its validity ends.
//!
//! Files: `snapshot`; `deltas` (each with its length before it); `gone`
//! (revoked certificates); `clock` (the highest time seen, so that a clock set
//! back does not revive an ended validity; if it was wrong and far ahead,
//! remove the file by hand).

use iryonet_agent::files::{self, FileError};
use iryonet_domain::{Fingerprint, UnixMillis};
use iryonet_wire::feed::{DELTA_MAX_BYTES, Delta, FeedError, SNAPSHOT_MAX_BYTES, Snapshot};
use iryonet_wire::signed::{Kind, PolicyKeys, SignedError};
use std::path::PathBuf;

/// Envelope around a payload, generously.
pub(crate) const ENVELOPE_BYTES: usize = 256;
/// Deltas kept before a fresh snapshot is asked for.
const DELTAS_MAX: usize = 4_096;
/// Bytes of deltas kept before a fresh snapshot is asked for, at least.
const DELTA_BYTES_MIN: u64 = 4 << 20;
const MODE: u32 = 0o600;

/// Why a policy is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Unbelievable {
    /// The envelope.
    #[error(transparent)]
    Signed(#[from] SignedError),
    /// What is in it.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

/// A snapshot, if the center signed it.
///
/// # Errors
/// When the signature does not fit or the content is none.
pub fn open_snapshot(keys: &PolicyKeys, sealed: &[u8]) -> Result<Snapshot, Unbelievable> {
    Ok(Snapshot::decode(keys.open(Kind::Snapshot, sealed)?)?)
}

/// A delta, if the center signed it.
///
/// # Errors
/// When the signature does not fit or the content is none.
pub fn open_delta(keys: &PolicyKeys, sealed: &[u8]) -> Result<Delta, Unbelievable> {
    Ok(Delta::decode(keys.open(Kind::Delta, sealed)?)?)
}

/// What was on disk and is believed.
#[derive(Debug)]
pub struct Kept {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Deltas after it, in order.
    pub deltas: Vec<Delta>,
    /// Certificates taken away before.
    pub gone: Vec<Fingerprint>,
}

/// The files. See the module.
#[derive(Debug)]
pub struct Keep {
    directory: PathBuf,
    keys: PolicyKeys,
    snapshot_bytes: u64,
    delta_bytes: u64,
    deltas: usize,
    /// The deltas on disk no longer lead to what is in force.
    broken: bool,
}

impl Keep {
    /// Files in this directory, believed by these keys.
    #[must_use]
    pub fn new(directory: PathBuf, keys: PolicyKeys) -> Self {
        Self {
            directory,
            keys,
            snapshot_bytes: 0,
            delta_bytes: 0,
            deltas: 0,
            broken: false,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What an earlier run has kept; `None` when there is nothing, or nothing
    /// that is believed (which is logged).
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub fn load(&mut self) -> Result<Option<Kept>, FileError> {
        let limit = (SNAPSHOT_MAX_BYTES + ENVELOPE_BYTES) as u64;
        let Some(sealed) = files::read_limited(&self.path("snapshot"), limit)? else {
            return Ok(None);
        };
        let snapshot = match open_snapshot(&self.keys, &sealed) {
            Ok(snapshot) => snapshot,
            Err(error) => {
                tracing::error!(%error, "the kept policy is not believed and not used");
                return Ok(None);
            }
        };
        self.snapshot_bytes = sealed.len() as u64;
        let deltas = self.load_deltas()?;
        Ok(Some(Kept {
            snapshot,
            deltas,
            gone: self.load_gone()?,
        }))
    }

    /// Deltas up to the first that is cut short or not believed.
    fn load_deltas(&mut self) -> Result<Vec<Delta>, FileError> {
        let path = self.path("deltas");
        let limit = self.delta_bytes_max() + (DELTA_MAX_BYTES as u64) + (DELTAS_MAX as u64) * 8;
        let Some(bytes) = files::read_limited(&path, limit)? else {
            return Ok(Vec::new());
        };
        let mut deltas = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((header, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*header) as usize;
            let Some((sealed, after)) = after.split_at_checked(length) else {
                break;
            };
            match open_delta(&self.keys, sealed) {
                Ok(delta) => deltas.push(delta),
                Err(error) => {
                    tracing::error!(%error, "a kept delta is not believed; it and those after it are not used");
                    break;
                }
            }
            rest = after;
        }
        self.deltas = deltas.len();
        self.delta_bytes = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            tracing::warn!(
                bytes = rest.len(),
                "the kept deltas end in a part that was not finished; it is dropped"
            );
            self.cut_back();
        }
        Ok(deltas)
    }

    fn load_gone(&self) -> Result<Vec<Fingerprint>, FileError> {
        let limit = (crate::policy::GONE_MAX as u64 + 1) * 65;
        let bytes = files::read_limited(&self.path("gone"), limit)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect())
    }

    fn delta_bytes_max(&self) -> u64 {
        DELTA_BYTES_MIN.max(self.snapshot_bytes / 2)
    }

    /// Is it time for a fresh snapshot?
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.broken || self.deltas >= DELTAS_MAX || self.delta_bytes >= self.delta_bytes_max()
    }

    /// Does the disk hold what is in force?
    #[must_use]
    pub fn whole(&self) -> bool {
        !self.broken
    }

    /// Keeps a snapshot that is in force, in place of all before it.
    ///
    /// # Errors
    /// When the disk refuses; what was kept before stays, and no longer fits.
    pub fn save_snapshot(&mut self, sealed: &[u8], gone: &[Fingerprint]) -> Result<(), FileError> {
        self.broken = true;
        let lines: String = gone.iter().map(|print| format!("{print}\n")).collect();
        files::write_atomic(&self.path("gone"), lines.as_bytes(), MODE)?;
        files::write_atomic(&self.path("snapshot"), sealed, MODE)?;
        // A crash here leaves deltas that lead to an earlier revision; they are
        // told by their revisions and passed over.
        files::remove(&self.path("deltas"))?;
        self.snapshot_bytes = sealed.len() as u64;
        self.delta_bytes = 0;
        self.deltas = 0;
        self.broken = false;
        Ok(())
    }

    /// Keeps a delta that is in force.
    ///
    /// # Errors
    /// When the disk refuses; a fresh snapshot is then wanted.
    pub fn append_delta(&mut self, sealed: &[u8]) -> Result<(), FileError> {
        if self.broken {
            // It would stand after a hole.
            return Ok(());
        }
        let mut frame = Vec::with_capacity(4 + sealed.len());
        let length = u32::try_from(sealed.len()).unwrap_or(u32::MAX);
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(sealed);
        match files::append_durable(&self.path("deltas"), &frame) {
            Ok(()) => {
                self.deltas += 1;
                self.delta_bytes += frame.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.broken = true;
                self.cut_back();
                Err(error)
            }
        }
    }

    fn cut_back(&mut self) {
        let cut = std::fs::OpenOptions::new()
            .write(true)
            .open(self.path("deltas"))
            .and_then(|file| file.set_len(self.delta_bytes));
        if let Err(error) = cut {
            tracing::error!(%error, "the kept deltas could not be cut back to their whole part");
            self.broken = true;
        }
    }

    /// The highest time that an earlier run has seen.
    #[must_use]
    pub fn clock_floor(&self) -> UnixMillis {
        let bytes = files::read_limited(&self.path("clock"), 64).ok().flatten();
        bytes
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.trim().parse().ok())
            .map_or(UnixMillis(0), UnixMillis)
    }
}

/// Keeps the highest time seen.
///
/// # Errors
/// When the disk refuses.
pub fn save_clock(directory: &std::path::Path, now: UnixMillis) -> Result<(), FileError> {
    files::write_atomic(&directory.join("clock"), now.0.to_string().as_bytes(), MODE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iryonet_wire::feed::FORMAT;
    use iryonet_wire::signed::PolicySigner;

    fn signer() -> PolicySigner {
        PolicySigner::from_pkcs8(&PolicySigner::generate_pkcs8().unwrap()).unwrap()
    }

    fn snapshot(signer: &PolicySigner, revision: u64) -> Vec<u8> {
        let snapshot = Snapshot {
            format: FORMAT,
            network: "2001:db8::/32".parse().unwrap(),
            gateway: "gw-a".parse().unwrap(),
            revision,
            issued_at: UnixMillis(1),
            valid_until: UnixMillis(2),
            gateways: vec![],
            participants: vec![],
            services: vec![],
            grants: vec![],
            lines: vec![],
            devices: vec![],
        };
        signer
            .seal(Kind::Snapshot, &snapshot.encode().unwrap())
            .unwrap()
    }

    fn delta(signer: &PolicySigner, from: u64) -> Vec<u8> {
        let delta = Delta {
            format: FORMAT,
            gateway: "gw-a".parse().unwrap(),
            from_revision: from,
            to_revision: from + 1,
            issued_at: UnixMillis(1),
            valid_until: UnixMillis(2),
            changes: vec![],
        };
        signer.seal(Kind::Delta, &delta.encode().unwrap()).unwrap()
    }

    fn keep(directory: &std::path::Path, signer: &PolicySigner) -> Keep {
        let keys = PolicyKeys::new([signer.public_key()]).unwrap();
        Keep::new(directory.to_path_buf(), keys)
    }

    fn revisions(kept: &Kept) -> (u64, Vec<u64>) {
        (
            kept.snapshot.revision,
            kept.deltas.iter().map(|d| d.to_revision).collect(),
        )
    }

    #[test]
    fn a_restart_finds_the_snapshot_and_every_delta_after_it() {
        let (dir, signer) = (tempfile::tempdir().unwrap(), signer());
        let mut first = keep(dir.path(), &signer);
        assert!(first.load().unwrap().is_none());
        first
            .save_snapshot(&snapshot(&signer, 5), &[Fingerprint([7; 32])])
            .unwrap();
        first.append_delta(&delta(&signer, 5)).unwrap();
        first.append_delta(&delta(&signer, 6)).unwrap();
        let kept = keep(dir.path(), &signer).load().unwrap().unwrap();
        assert_eq!(revisions(&kept), (5, vec![6, 7]));
        assert_eq!(kept.gone, [Fingerprint([7; 32])]);
    }

    #[test]
    fn a_delta_cut_short_by_a_power_cut_is_dropped_and_the_next_one_fits_after_it() {
        let (dir, signer) = (tempfile::tempdir().unwrap(), signer());
        let mut first = keep(dir.path(), &signer);
        first.save_snapshot(&snapshot(&signer, 5), &[]).unwrap();
        first.append_delta(&delta(&signer, 5)).unwrap();
        first.append_delta(&delta(&signer, 6)).unwrap();
        let path = dir.path().join("deltas");
        let length = std::fs::metadata(&path).unwrap().len();
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(length - 3)
            .unwrap();
        let mut second = keep(dir.path(), &signer);
        assert_eq!(revisions(&second.load().unwrap().unwrap()), (5, vec![6]));
        second.append_delta(&delta(&signer, 6)).unwrap();
        let kept = keep(dir.path(), &signer).load().unwrap().unwrap();
        assert_eq!(revisions(&kept), (5, vec![6, 7]));
    }

    #[test]
    fn nothing_on_disk_is_believed_that_the_center_did_not_sign() {
        let (dir, signer, forger) = (tempfile::tempdir().unwrap(), signer(), signer());
        let mut first = keep(dir.path(), &signer);
        first.save_snapshot(&snapshot(&signer, 5), &[]).unwrap();
        first.append_delta(&delta(&forger, 5)).unwrap();
        let kept = keep(dir.path(), &signer).load().unwrap().unwrap();
        assert_eq!(revisions(&kept), (5, vec![]));
        first.save_snapshot(&snapshot(&forger, 9), &[]).unwrap();
        assert!(keep(dir.path(), &signer).load().unwrap().is_none());
    }

    #[test]
    fn the_clocks_highest_time_survives() {
        let (dir, signer) = (tempfile::tempdir().unwrap(), signer());
        assert_eq!(keep(dir.path(), &signer).clock_floor(), UnixMillis(0));
        save_clock(dir.path(), UnixMillis(77)).unwrap();
        assert_eq!(keep(dir.path(), &signer).clock_floor(), UnixMillis(77));
    }
}
