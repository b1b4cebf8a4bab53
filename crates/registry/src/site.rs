//! 拠点: a place of a participant, with its own LAN and its own /64.

use crate::decide::{Decision, text};
use crate::limits::{NAME_MAX_CHARS, SITES_PER_PARTICIPANT};
use crate::view::View;
use crate::{Event, Refusal};
use iryonet_domain::{ParticipantNumber, SiteIndex};
use serde::{Deserialize, Serialize};

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Whose.
    pub participant: ParticipantNumber,
    /// Which of the participant's 256 /64s.
    pub site: SiteIndex,
    /// Name.
    pub name: String,
}

pub(crate) fn add(
    view: &dyn View,
    participant: ParticipantNumber,
    wanted: Option<SiteIndex>,
    name: &str,
) -> Decision {
    crate::participant::open(view, participant)?;
    let name = text("name of the site", name, NAME_MAX_CHARS)?;
    let present = view.sites_of(participant)?;
    let site = match wanted {
        Some(site) if present.iter().any(|other| other.site == site) => {
            return Err(Refusal::SiteExists { participant, site }.into());
        }
        Some(site) => site,
        None => (0..SITES_PER_PARTICIPANT)
            .filter_map(|index| SiteIndex::try_from(index).ok())
            .find(|index| present.iter().all(|other| other.site != *index))
            .ok_or(Refusal::NoSiteLeft(participant))?,
    };
    Ok(vec![Event::SiteAdded {
        participant,
        site,
        name,
    }])
}
