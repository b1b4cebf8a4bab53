//! The certificate that connections show. It is replaced while they go on: a
//! renewed one is shown in every handshake from then on, and no connection
//! that is established notices.

use crate::error::ConfigError;
use crate::identity::LocalIdentity;
use crate::profile::Profile;
use crate::proof::Role;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::sync::{Arc, PoisonError, RwLock};

/// What one end of TLS shows in its handshakes, in one role.
#[derive(Debug)]
pub(crate) struct Shown {
    profile: Profile,
    role: Role,
    present: RwLock<Arc<CertifiedKey>>,
}

impl Shown {
    pub(crate) fn new(
        profile: Profile,
        role: Role,
        identity: &LocalIdentity,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            profile,
            role,
            present: RwLock::new(identity.certified(profile, role)?),
        })
    }

    /// Shows this one from now on. One that does not fit changes nothing.
    pub(crate) fn replace(&self, identity: &LocalIdentity) -> Result<(), ConfigError> {
        let next = identity.certified(self.profile, self.role)?;
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    fn get(&self) -> Arc<CertifiedKey> {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&present)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
