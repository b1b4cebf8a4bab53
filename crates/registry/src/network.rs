//! The network itself: its address plan, fixed by the first act.

use crate::decide::Decision;
use crate::view::View;
use crate::{DecideError, Event, Refusal};
use iryonet_domain::NetworkPrefix;

pub(crate) fn found(view: &dyn View, network: NetworkPrefix) -> Decision {
    if let Some(present) = view.network()? {
        return Err(Refusal::NetworkFounded(present).into());
    }
    Ok(vec![Event::NetworkFounded { network }])
}

/// The address plan.
pub(crate) fn founded(view: &dyn View) -> Result<NetworkPrefix, DecideError> {
    Ok(view.network()?.ok_or(Refusal::NetworkNotFounded)?)
}
