//! The issuing CAs of a center: the one that issues now, and older ones that
//! still answer for what they issued.

use crate::config::Config;
use crate::error::CenterError;
use iryonet_authority::ocsp::{CertId, Responder};
use iryonet_authority::{IssuingCa, Rules, Serial, files};
use rustls_pki_types::CertificateDer;
use std::sync::{Arc, PoisonError, RwLock};

/// Most older issuing CAs at once: one is usual, during a roll-over.
pub(crate) const OLDER_MAX: usize = 7;

/// All issuing CAs, the current one first.
pub(crate) struct Authorities {
    all: Vec<IssuingCa>,
    roots: Vec<CertificateDer<'static>>,
    responders: RwLock<Vec<Option<Arc<Responder>>>>,
}

impl Authorities {
    /// Reads them, and checks that each belongs to a root that everybody is given.
    pub(crate) fn load(config: &Config) -> Result<Self, CenterError> {
        let roots = files::read_certificates(&config.root_certificate)?;
        let mut all: Vec<IssuingCa> = Vec::new();
        for directory in std::iter::once(&config.issuing_dir).chain(&config.older_issuing_dirs) {
            let ca = IssuingCa::load(directory)?.with_rules(Rules {
                crl_uri: config.crl_uri.clone(),
                ocsp_uri: config.ocsp_uri.clone(),
                shards: config.crl_shards,
                leaf_keys: config.leaf_keys.into(),
            })?;
            if !roots.contains(ca.root_certificate()) {
                return Err(CenterError::OtherRoot {
                    issuing_dir: directory.clone(),
                    root_certificate: config.root_certificate.clone(),
                });
            }
            if all.iter().any(|known| known.tag() == ca.tag()) {
                return Err(CenterError::SameIssuer {
                    issuing_dir: directory.clone(),
                });
            }
            all.push(ca);
        }
        let responders = RwLock::new(all.iter().map(|_| None).collect());
        Ok(Self {
            all,
            roots,
            responders,
        })
    }

    /// The one that issues.
    pub(crate) fn current(&self) -> &IssuingCa {
        // `load` puts one in before it can return.
        #[allow(clippy::indexing_slicing, reason = "never empty: see load")]
        &self.all[0]
    }

    /// All of them, the current one first.
    pub(crate) fn all(&self) -> &[IssuingCa] {
        &self.all
    }

    /// The roots that everybody is given.
    pub(crate) fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// Which one gave this serial number. Those from before serial numbers said
    /// so are the oldest's.
    pub(crate) fn issuer_of(&self, serial: &Serial) -> Option<usize> {
        match serial.issuer() {
            Some(tag) => self.all.iter().position(|ca| ca.tag() == tag),
            None => self.all.len().checked_sub(1),
        }
    }

    /// Which one a question is about.
    pub(crate) fn asked_of(&self, id: &CertId) -> Option<usize> {
        self.all.iter().position(|ca| id.is_of(ca))
    }

    /// Who answers for an issuing CA; `None` until its key has signed one.
    pub(crate) fn responder(&self, place: usize) -> Option<Arc<Responder>> {
        self.responders
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(place)?
            .clone()
    }

    pub(crate) fn set_responder(&self, place: usize, responder: Responder) {
        let mut responders = self
            .responders
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(seat) = responders.get_mut(place) {
            *seat = Some(Arc::new(responder));
        }
    }
}
