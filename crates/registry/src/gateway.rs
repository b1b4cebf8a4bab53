//! ゲートウェイ: registration, and the blocks of numbers it is home to.

use crate::decide::Decision;
use crate::limits::GATEWAYS_MAX;
use crate::view::View;
use crate::{Event, Refusal};
use iryonet_domain::GatewayId;
use serde::{Deserialize, Serialize};
use std::net::Ipv6Addr;

/// A gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Name.
    pub gateway: GatewayId,
    /// Address on the backbone.
    pub backbone: Ipv6Addr,
    /// Blocks it is home to, ascending.
    pub blocks: Vec<u8>,
}

/// Block 0 is given to nobody: its first /56 (number 0) is the network's own,
/// and a gateway that announced block 0 would draw the infrastructure's
/// addresses to itself.
pub(crate) fn register(
    view: &dyn View,
    gateway: &GatewayId,
    backbone: Ipv6Addr,
    blocks: &[u8],
) -> Decision {
    crate::network::founded(view)?;
    if view.gateway(gateway)?.is_some() {
        return Err(Refusal::GatewayExists(gateway.clone()).into());
    }
    if view.gateway_count()? >= GATEWAYS_MAX {
        return Err(Refusal::TooManyGateways.into());
    }
    if backbone.is_unspecified()
        || backbone.is_multicast()
        || backbone.is_loopback()
        || backbone.is_unicast_link_local()
        || backbone.to_ipv4_mapped().is_some()
    {
        return Err(Refusal::BackboneUnusable(backbone).into());
    }
    if let Some(other) = view.gateway_of_backbone(backbone)? {
        return Err(Refusal::BackboneTaken { backbone, other }.into());
    }
    let mut sorted = blocks.to_vec();
    sorted.sort_unstable();
    for pair in sorted.windows(2) {
        if let [a, b] = pair
            && a == b
        {
            return Err(Refusal::BlockTwice(*a).into());
        }
    }
    for block in &sorted {
        if *block == 0 {
            return Err(Refusal::BlockReserved.into());
        }
        if let Some(other) = view.gateway_of_block(*block)? {
            return Err(Refusal::BlockTaken {
                block: *block,
                other,
            }
            .into());
        }
    }
    Ok(vec![Event::GatewayRegistered {
        gateway: gateway.clone(),
        backbone,
        blocks: sorted,
    }])
}

/// The gateway.
pub(crate) fn known(view: &dyn View, gateway: &GatewayId) -> Result<Gateway, crate::DecideError> {
    Ok(view
        .gateway(gateway)?
        .ok_or_else(|| Refusal::GatewayUnknown(gateway.clone()))?)
}
