//! A witness: somebody outside who has seen every tree that he signs grow from
//! the one before. A ledger that was rewritten cannot get his signature again,
//! however well it chains.
//!
//! The request is that of C2SP tlog-witness (`add-checkpoint`), so that any
//! witness of that kind can answer it; [`cosign`] is one that needs no network.

use crate::checkpoint::{Checkpoint, CheckpointError, Signed, base64_hash, decimal};
use crate::entry::Hash;
use crate::key::{KeyUse, SigningKey, VerifierKey};
use crate::merkle::proof::{PROOF_HASHES_MAX, ProofError, verify_consistency};
use crate::note::NOTE_MAX_BYTES;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Largest request, in octets.
pub const REQUEST_MAX_BYTES: usize = NOTE_MAX_BYTES + 8 * 1_024;

/// Why a request is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Larger than any.
    #[error("the request has {0} octets; at most {REQUEST_MAX_BYTES} are taken")]
    TooLarge(usize),
    /// The part above the checkpoint.
    #[error(
        "a request for a cosignature is `old SIZE`, the consistency proof (one hash in base64 a line, at most 63), an empty line and the checkpoint; line {line} is not what it should be"
    )]
    Form {
        /// From 1.
        line: usize,
    },
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// A checkpoint to be cosigned, and the proof that it adds to an older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Entries of the older tree; 0 when there was none.
    pub old: u64,
    /// From there to the checkpoint.
    pub proof: Vec<Hash>,
    /// What is to be cosigned.
    pub checkpoint: Signed,
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "old {}", self.old)?;
        for hash in &self.proof {
            writeln!(f, "{}", STANDARD.encode(hash.0))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl Request {
    /// Takes a request apart. Nothing is verified.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > REQUEST_MAX_BYTES {
            return Err(RequestError::TooLarge(bytes.len()));
        }
        let mut rest = bytes;
        let mut line = 0;
        let mut next = || -> Result<&str, RequestError> {
            line += 1;
            let end = rest
                .iter()
                .position(|b| *b == b'\n')
                .ok_or(RequestError::Form { line })?;
            let (text, below) = rest.split_at(end);
            rest = below.get(1..).unwrap_or_default();
            std::str::from_utf8(text).map_err(|_| RequestError::Form { line })
        };
        let old = next()?
            .strip_prefix("old ")
            .and_then(decimal)
            .ok_or(RequestError::Form { line: 1 })?;
        let mut proof = Vec::new();
        loop {
            let text = next()?;
            if text.is_empty() {
                break;
            }
            let form = RequestError::Form {
                line: proof.len() + 2,
            };
            if proof.len() + 1 >= PROOF_HASHES_MAX {
                return Err(form);
            }
            proof.push(base64_hash(text).ok_or(form)?);
        }
        Ok(Self {
            old,
            proof,
            checkpoint: Signed::parse(rest)?,
        })
    }
}

/// What the witness saw last; it is its whole memory, and carries its own
/// signature, so that nobody can put words in its mouth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The tree.
    pub checkpoint: Checkpoint,
    /// When it was cosigned, in seconds since 1970.
    pub at_s: u64,
}

impl Seen {
    /// From the checkpoint that this witness cosigned last.
    ///
    /// # Errors
    /// When it is not that ledger's, or not cosigned by this witness.
    pub fn open(
        bytes: &[u8],
        log: &VerifierKey,
        witness: &VerifierKey,
    ) -> Result<Self, CheckpointError> {
        let signed = Signed::open(bytes, log)?;
        let at_s = signed.cosigned(witness)?.at_s;
        Ok(Self {
            checkpoint: signed.checkpoint().clone(),
            at_s,
        })
    }
}

/// Why a witness does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CosignError {
    /// Not a checkpoint of that ledger.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The ledger has become shorter.
    #[error(
        "ROLLBACK: the ledger shows {new} entries, and this witness has cosigned {seen}: entries were taken back. Do not go on; ask who restored or replaced the ledger"
    )]
    Rollback {
        /// What is shown.
        new: u64,
        /// What was cosigned before.
        seen: u64,
    },
    /// The ledger tells another story than before.
    #[error(
        "FORK: the tree of {new} entries does not begin with the one of {seen} entries that this witness has cosigned: the ledger was rewritten. Keep both checkpoints, they prove it"
    )]
    Fork {
        /// What is shown.
        new: u64,
        /// What was cosigned before.
        seen: u64,
    },
    /// The proof is of use only from another size on.
    #[error(
        "the proof begins with {found} entries, and this witness has last cosigned {seen}: ask for one from there (`--old {seen}`)"
    )]
    OldSize {
        /// Where the proof begins.
        found: u64,
        /// Where it should begin.
        seen: u64,
    },
    /// The proof proves nothing.
    #[error("the consistency proof is none")]
    Proof(#[source] ProofError),
    /// A clock that went back.
    #[error(
        "the clock says {now_s}, and the last cosignature was made at {seen_s} (seconds since 1970): set the clock"
    )]
    Clock {
        /// Now.
        now_s: u64,
        /// Then.
        seen_s: u64,
    },
}

/// Cosigns a checkpoint if it adds to what was seen before. The answer is the
/// checkpoint with the ledger's signature and this witness's; it is also the
/// witness's new memory ([`Seen::open`]), to be kept *before* it is handed out.
///
/// # Errors
/// When it does not add to it, or anything else is wrong; the memory stays.
pub fn cosign(
    key: &SigningKey,
    log: &VerifierKey,
    seen: Option<&Seen>,
    request: &Request,
    now_s: u64,
) -> Result<Signed, CosignError> {
    request.checkpoint.verify(log)?;
    let new = request.checkpoint.checkpoint();
    if let Some(seen) = seen {
        grown(seen, request, new)?;
        if now_s < seen.at_s {
            return Err(CosignError::Clock {
                now_s,
                seen_s: seen.at_s,
            });
        }
    } else if request.old != 0 {
        return Err(CosignError::OldSize {
            found: request.old,
            seen: 0,
        });
    }
    let cosignature = request.checkpoint.cosignature(key, now_s)?;
    let mut answer = request.checkpoint.clone().only(log);
    answer.add(cosignature)?;
    Ok(answer)
}

fn grown(seen: &Seen, request: &Request, new: &Checkpoint) -> Result<(), CosignError> {
    let old = &seen.checkpoint;
    let sizes = (new.size, old.size);
    if new.size < old.size {
        return Err(CosignError::Rollback {
            new: sizes.0,
            seen: sizes.1,
        });
    }
    if new.size == old.size && new.root != old.root {
        return Err(CosignError::Fork {
            new: sizes.0,
            seen: sizes.1,
        });
    }
    if request.old != old.size {
        return Err(CosignError::OldSize {
            found: request.old,
            seen: old.size,
        });
    }
    match verify_consistency(old.size, old.root, new.size, new.root, &request.proof) {
        Ok(()) => Ok(()),
        // A proof of the right shape that leads elsewhere: either tree is not
        // what it was.
        Err(ProofError::Root { .. }) => Err(CosignError::Fork {
            new: sizes.0,
            seen: sizes.1,
        }),
        Err(error) => Err(CosignError::Proof(error)),
    }
}

/// The witness keys, by use.
///
/// # Errors
/// When one is no witness key.
pub fn witnesses(keys: Vec<VerifierKey>) -> Result<Vec<VerifierKey>, crate::key::KeyError> {
    keys.into_iter()
        .map(|key| key.of_use(KeyUse::Witness))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::tests::key;
    use crate::merkle::naive::{Leaves, leaves, mth};
    use crate::merkle::proof::consistency;
    use proptest::prelude::*;

    fn log() -> SigningKey {
        key("example.jp/ledger", KeyUse::Log, 1)
    }

    fn witness() -> SigningKey {
        key("witness.example/w1", KeyUse::Witness, 2)
    }

    fn request(leaves: &[Hash], old: usize) -> Request {
        Request {
            old: old as u64,
            proof: consistency(&mut Leaves(leaves), old as u64, leaves.len() as u64)
                .unwrap()
                .unwrap(),
            checkpoint: Signed::new(&log(), leaves.len() as u64, mth(leaves)).unwrap(),
        }
    }

    fn memory(answer: &Signed) -> Seen {
        Seen::open(
            answer.to_string().as_bytes(),
            log().verifier(),
            witness().verifier(),
        )
        .unwrap()
    }

    #[test]
    fn a_growing_ledger_is_cosigned_again_and_again() {
        let all = leaves(100);
        let mut seen: Option<Seen> = None;
        for (at_s, size) in [(50, 3), (60, 3), (60, 64), (99, 100)] {
            let old = seen
                .as_ref()
                .map_or(0, |seen| seen.checkpoint.size as usize);
            let answer = cosign(
                &witness(),
                log().verifier(),
                seen.as_ref(),
                &request(&all[..size], old),
                at_s,
            )
            .unwrap();
            assert_eq!(answer.note().signatures().len(), 2);
            let remembered = memory(&answer);
            assert_eq!(
                (remembered.checkpoint.size, remembered.at_s),
                (size as u64, at_s)
            );
            seen = Some(remembered);
        }
    }

    #[test]
    fn a_ledger_that_was_rolled_back_or_rewritten_gets_no_signature() {
        let all = leaves(40);
        let first = cosign(
            &witness(),
            log().verifier(),
            None,
            &request(&all[..30], 0),
            1,
        )
        .unwrap();
        let seen = memory(&first);
        let again =
            |request: &Request| cosign(&witness(), log().verifier(), Some(&seen), request, 2);
        assert_eq!(
            again(&request(&all[..29], 0)),
            Err(CosignError::Rollback { new: 29, seen: 30 })
        );
        // Restored from a copy of yesterday, and gone on from there.
        let mut other = all.clone();
        for leaf in &mut other[20..] {
            leaf.0[0] ^= 1;
        }
        assert_eq!(
            again(&request(&other[..30], 30)),
            Err(CosignError::Fork { new: 30, seen: 30 })
        );
        assert_eq!(
            again(&request(&other, 30)),
            Err(CosignError::Fork { new: 40, seen: 30 })
        );
        // An honest ledger, and a proof from somewhere else.
        assert_eq!(
            again(&request(&all, 20)),
            Err(CosignError::OldSize {
                found: 20,
                seen: 30
            })
        );
        let mut short = request(&all, 30);
        short.proof.pop();
        assert!(matches!(again(&short), Err(CosignError::Proof(_))));
        // A witness without memory does not believe a proof from the middle.
        assert_eq!(
            cosign(&witness(), log().verifier(), None, &request(&all, 30), 2),
            Err(CosignError::OldSize { found: 30, seen: 0 })
        );
        assert!(again(&request(&all, 30)).is_ok());
    }

    #[test]
    fn a_checkpoint_that_the_ledger_did_not_sign_is_not_cosigned() {
        let all = leaves(5);
        let stranger = key("example.jp/ledger", KeyUse::Log, 9);
        let mut forged = request(&all, 0);
        forged.checkpoint = Signed::new(&stranger, 5, mth(&all)).unwrap();
        assert!(matches!(
            cosign(&witness(), log().verifier(), None, &forged, 1),
            Err(CosignError::Checkpoint(_))
        ));
        assert!(cosign(&log(), log().verifier(), None, &request(&all, 0), 1).is_err());
    }

    #[test]
    fn a_clock_that_went_back_makes_no_cosignature() {
        let all = leaves(5);
        let seen =
            memory(&cosign(&witness(), log().verifier(), None, &request(&all, 0), 100).unwrap());
        assert_eq!(
            cosign(
                &witness(),
                log().verifier(),
                Some(&seen),
                &request(&all, 5),
                99
            ),
            Err(CosignError::Clock {
                now_s: 99,
                seen_s: 100
            })
        );
    }

    #[test]
    fn a_memory_that_the_witness_did_not_write_is_not_believed() {
        let all = leaves(5);
        let unsigned = request(&all, 0).checkpoint;
        assert!(
            Seen::open(
                unsigned.to_string().as_bytes(),
                log().verifier(),
                witness().verifier()
            )
            .is_err()
        );
    }

    #[test]
    fn signatures_of_strangers_do_not_travel_on() {
        let all = leaves(5);
        let mut request = request(&all, 0);
        let stranger = key("stranger.example", KeyUse::Witness, 4);
        let line = request.checkpoint.cosignature(&stranger, 1).unwrap();
        request.checkpoint.add(line).unwrap();
        let answer = cosign(&witness(), log().verifier(), None, &request, 1).unwrap();
        assert!(answer.cosigned(stranger.verifier()).is_err());
    }

    #[test]
    fn what_is_no_request_is_refused_at_its_line() {
        let all = leaves(9);
        let text = request(&all, 3).to_string();
        assert_eq!(Request::parse(text.as_bytes()).unwrap(), request(&all, 3));
        let hash = STANDARD.encode([1; 32]);
        for (bad, line) in [
            (text.replacen("old 3", "old 03", 1), 1),
            (text.replacen("old ", "new ", 1), 1),
            (text.replacen("old 3\n", "old 3\nAAAA\n", 1), 2),
            ("old 3".to_owned(), 1),
            (format!("old 3\n{}", format!("{hash}\n").repeat(64)), 65),
        ] {
            assert_eq!(
                Request::parse(bad.as_bytes()),
                Err(RequestError::Form { line }),
                "{bad:.80?}"
            );
        }
        assert!(Request::parse(&vec![b'o'; REQUEST_MAX_BYTES + 1]).is_err());
        assert!(matches!(
            Request::parse(b"old 0\n\nno checkpoint\n"),
            Err(RequestError::Checkpoint(_))
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "old [0-9]{0,3}\n([A-Za-z+/=]{0,44}\n){0,3}\n(.|\n){0,60}") {
            let _ = Request::parse(&bytes);
            let _ = Request::parse(text.as_bytes());
        }
    }
}
