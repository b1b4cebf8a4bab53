//! What is known of each gateway's feed since the center's start. Nothing of
//! it is needed after a restart: gateways say it again.

use crate::state::lock;
use iryonet_domain::{GatewayId, UnixMillis};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// An acknowledgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Acknowledged {
    pub(crate) revision: u64,
    pub(crate) bound_lines: u32,
    pub(crate) at: UnixMillis,
}

/// One gateway's feed.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) acknowledged: Option<Acknowledged>,
    /// When something sealed was last made for it.
    pub(crate) sealed_at: Option<UnixMillis>,
    pub(crate) seen_at: UnixMillis,
    waiting: CancellationToken,
}

/// The feeds of all gateways. Its size is bounded by the registry: only a
/// gateway with a valid certificate gets here.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<GatewayId, Session>>);

impl Sessions {
    fn with<T>(&self, gateway: &GatewayId, f: impl FnOnce(&mut Session) -> T) -> T {
        let mut sessions = lock(&self.0);
        f(sessions.entry(gateway.clone()).or_insert_with(|| Session {
            acknowledged: None,
            sealed_at: None,
            seen_at: UnixMillis(0),
            waiting: CancellationToken::new(),
        }))
    }

    pub(crate) fn seen(&self, gateway: &GatewayId, now: UnixMillis) {
        self.with(gateway, |session| session.seen_at = now);
    }

    pub(crate) fn acknowledge(&self, gateway: &GatewayId, acknowledged: Acknowledged) {
        self.with(gateway, |session| session.acknowledged = Some(acknowledged));
    }

    pub(crate) fn sealed(&self, gateway: &GatewayId, now: UnixMillis) {
        self.with(gateway, |session| session.sealed_at = Some(now));
    }

    pub(crate) fn sealed_at(&self, gateway: &GatewayId) -> Option<UnixMillis> {
        self.with(gateway, |session| session.sealed_at)
    }

    /// Takes the one place to wait; whoever waited there before is woken.
    pub(crate) fn wait_alone(&self, gateway: &GatewayId) -> CancellationToken {
        let mine = CancellationToken::new();
        self.with(gateway, |session| {
            std::mem::replace(&mut session.waiting, mine.clone()).cancel();
        });
        mine
    }

    pub(crate) fn all(&self) -> BTreeMap<GatewayId, Session> {
        lock(&self.0).clone()
    }
}
