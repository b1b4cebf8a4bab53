//! What the tests stand on: a datapath that remembers, clocks that are moved by
//! hand, a CA that issues.

use crate::datapath::{DatapathError, DenialRecord, DropCount, LineCounters, ReasonTotal};
use crate::engine::Clocks;
use crate::kernel::Kernel;
use crate::policy::{Held, Op};
use iryonet_authority::issuing::IssuingSpec;
use iryonet_authority::signer::CaKey;
use iryonet_authority::{CaName, Csr, Custody, IssuingCa, Profile as For, RootCa, RootSpec, issue};
use iryonet_domain::{
    DeviceId, InstitutionKind, ParticipantKind, ParticipantNumber, ServiceId, SitePrefix,
    UnixMillis,
};
use iryonet_tls::LocalIdentity;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const DAY_MS: u64 = 86_400_000;
pub(crate) const IFINDEX: u32 = 5;

/// What the datapath was asked for, as far as tests look at the order of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// A path was opened.
    Opened,
    /// A lease was prolonged.
    Renewed,
}

/// Bindings and entries as the datapath would hold them.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) done: Arc<Mutex<Vec<Done>>>,
    participants: Arc<Mutex<BTreeSet<ParticipantNumber>>>,
    grants: Arc<Mutex<BTreeSet<(ParticipantNumber, ServiceId)>>>,
    bindings: Arc<Mutex<BTreeMap<u32, (ParticipantNumber, u64)>>>,
    /// The kernel refuses everything.
    pub(crate) refuses: Arc<AtomicBool>,
    pub(crate) reconciled: Arc<AtomicU64>,
}

impl Fake {
    fn ask(&self) -> Result<(), DatapathError> {
        if self.refuses.load(Ordering::SeqCst) {
            return Err(DatapathError::Full {
                table: "test",
                max: 0,
            });
        }
        Ok(())
    }
    pub(crate) fn bound(&self) -> Option<ParticipantNumber> {
        self.bindings.lock().unwrap().get(&IFINDEX).map(|b| b.0)
    }
    pub(crate) fn count(&self, what: Done) -> usize {
        let done = self.done.lock().unwrap();
        done.iter().filter(|done| **done == what).count()
    }
    pub(crate) fn lease_end_ns(&self) -> u64 {
        self.bindings.lock().unwrap()[&IFINDEX].1
    }
}

impl Kernel for Fake {
    fn apply(&mut self, op: &Op) -> Result<(), DatapathError> {
        self.ask()?;
        match *op {
            Op::SetParticipant { number, .. } => {
                self.participants.lock().unwrap().insert(number);
            }
            Op::RemoveParticipant(number) => {
                self.participants.lock().unwrap().remove(&number);
            }
            Op::SetGrant {
                participant,
                service,
            } => {
                self.grants.lock().unwrap().insert((participant, service));
                self.done.lock().unwrap().push(Done::Opened);
            }
            Op::RemoveGrant {
                participant,
                service,
            } => {
                self.grants.lock().unwrap().remove(&(participant, service));
            }
            _ => {}
        }
        Ok(())
    }
    fn held(&self) -> Held {
        self.reconciled.fetch_add(1, Ordering::SeqCst);
        Held {
            participants: self.participants.lock().unwrap().iter().copied().collect(),
            grants: self.grants.lock().unwrap().iter().copied().collect(),
            endpoints: Vec::new(),
        }
    }
    fn bind(
        &mut self,
        ifindex: u32,
        participant: ParticipantNumber,
        _: SitePrefix,
        lease_end_ns: u64,
    ) -> Result<(), DatapathError> {
        self.ask()?;
        self.bindings
            .lock()
            .unwrap()
            .insert(ifindex, (participant, lease_end_ns));
        Ok(())
    }
    fn renew(&mut self, ifindex: u32, lease_end_ns: u64) -> Result<(), DatapathError> {
        match self.bindings.lock().unwrap().get_mut(&ifindex) {
            Some(binding) => {
                binding.1 = lease_end_ns;
                self.done.lock().unwrap().push(Done::Renewed);
                Ok(())
            }
            None => Err(DatapathError::NotBound { ifindex }),
        }
    }
    fn unbind(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        self.ask()?;
        self.bindings.lock().unwrap().remove(&ifindex);
        Ok(())
    }
    fn attach_line(&mut self, _: u32, _: &str) -> Result<(), DatapathError> {
        Ok(())
    }
    fn attach_backbone(&mut self, _: u32, _: &str) -> Result<(), DatapathError> {
        Ok(())
    }
    fn detach_line(&mut self, _: u32) -> Result<(), DatapathError> {
        Ok(())
    }
    fn drops(&self) -> Result<Vec<DropCount>, DatapathError> {
        Ok(vec![])
    }
    fn totals(&self) -> Result<Vec<ReasonTotal>, DatapathError> {
        Ok(vec![])
    }
    fn recent(&mut self, _: usize) -> Result<Vec<DenialRecord>, DatapathError> {
        Ok(vec![])
    }
    fn line_counters(&self, _: u32) -> Result<LineCounters, DatapathError> {
        Ok(LineCounters::default())
    }
}

#[derive(Clone)]
pub(crate) struct Hands {
    pub(crate) wall: Arc<AtomicU64>,
    pub(crate) monotonic_ns: Arc<AtomicU64>,
}

impl Hands {
    pub(crate) fn at(now: UnixMillis) -> Self {
        Self {
            wall: Arc::new(AtomicU64::new(now.0)),
            monotonic_ns: Arc::new(AtomicU64::new(1)),
        }
    }
    pub(crate) fn pass_ms(&self, ms: u64) {
        self.wall.fetch_add(ms, Ordering::SeqCst);
        self.monotonic_ns
            .fetch_add(ms * 1_000_000, Ordering::SeqCst);
    }
}

impl Clocks for Hands {
    fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall.load(Ordering::SeqCst))
    }
    fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns.load(Ordering::SeqCst)
    }
}

pub(crate) fn number(n: u32) -> ParticipantNumber {
    ParticipantNumber::new(n).unwrap()
}

pub(crate) fn new_ca(dir: &std::path::Path, now: UnixMillis, rng: &mut StdRng) -> IssuingCa {
    let name = |common_name: &str| CaName {
        organisation: "iryonet".to_owned(),
        common_name: common_name.to_owned(),
    };
    let long_ago = UnixMillis(now.0 - 400 * DAY_MS);
    let root_spec = RootSpec {
        name: name("root"),
        key: CaKey::P384,
        custody: Custody::PlainFile,
    };
    let root = RootCa::make(dir, &root_spec, long_ago, rng).unwrap();
    let spec = IssuingSpec {
        name: name("issuing"),
        key: CaKey::P256,
        life_days: 2_000,
        custody: Custody::PlainFile,
    };
    IssuingCa::make(&root, dir, &spec, long_ago, rng).unwrap()
}

pub(crate) fn certify(
    ca: &IssuingCa,
    profile: &For,
    now: UnixMillis,
    rng: &mut StdRng,
) -> LocalIdentity {
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::default()
        .serialize_request(&key)
        .unwrap();
    let csr = Csr::parse(request.der()).unwrap();
    let made = issue(ca, profile, &csr, Some(30 * DAY_MS), now, rng).unwrap();
    LocalIdentity::from_pem(made.chain_pem.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

pub(crate) fn device_profile(n: u32, device: u32) -> For {
    For::Institution {
        number: number(n),
        device: DeviceId(device),
        name: "青葉中央病院".to_owned(),
        kind: ParticipantKind::Institution(InstitutionKind::Hospital),
        code: None,
    }
}
