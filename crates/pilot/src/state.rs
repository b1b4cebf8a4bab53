//! What the center gave out while the region was raised: numbers, sites,
//! services. Written by `up`, read by `check`.

use crate::error::PilotError;
use crate::plan::Plan;
use iryonet_domain::{ParticipantNumber, SitePrefix};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;

/// The raised region.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// By the key of the region's file.
    pub(crate) sites: BTreeMap<String, SiteState>,
    /// Service numbers by the key of the region's file.
    pub(crate) services: BTreeMap<String, u32>,
}

/// A raised site.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SiteState {
    /// The participant's number.
    pub(crate) number: ParticipantNumber,
    /// The site's index.
    pub(crate) site: u8,
}

impl SiteState {
    /// The site's /64.
    pub(crate) fn prefix(self, plan: &Plan) -> SitePrefix {
        plan.region().network.site(self.number, self.site)
    }

    /// The LAN host's address.
    pub(crate) fn host(self, plan: &Plan) -> Ipv6Addr {
        crate::plan::lan_host(self.prefix(plan))
    }
}

const FILE: &str = "state.json";

impl State {
    /// The state of a region that is up.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn load(plan: &Plan) -> Result<Self, PilotError> {
        let not_up = || PilotError::NotUp(plan.region().name.clone());
        let text = std::fs::read(plan.path(FILE)).map_err(|_| not_up())?;
        serde_json::from_slice(&text).map_err(|_| not_up())
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn save(&self, plan: &Plan) -> Result<(), PilotError> {
        let path = plan.path(FILE);
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        std::fs::write(&path, text).map_err(PilotError::io("could not keep the state", path))
    }

    /// A site that was raised.
    ///
    /// # Errors
    /// When the region's file names a site that was not raised with it.
    pub(crate) fn site(&self, plan: &Plan, key: &str) -> Result<SiteState, PilotError> {
        self.sites
            .get(key)
            .copied()
            .ok_or_else(|| PilotError::NotUp(format!("{} (site {key})", plan.region().name)))
    }
}
