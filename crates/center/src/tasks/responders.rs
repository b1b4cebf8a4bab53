//! OCSP responders: one for each issuing CA, made at the start and anew at half
//! of its short life. A CA whose key is away leaves the present one at work.

use crate::authorities::Authorities;
use crate::clock;
use crate::http::problem::chain;
use crate::state::Center;
use iryonet_authority::ocsp::Responder;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Life of a responder's certificate. It cannot be revoked (RFC 6960 section
/// 4.2.2.2.1), so it ends soon.
const LIFE_MS: u64 = 3 * 86_400_000;
/// How often they are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Makes those that are missing or past half of their life.
pub(crate) fn refresh(authorities: &Authorities) {
    let now = clock::now();
    for (place, ca) in authorities.all().iter().enumerate() {
        let (_, ca_ends) = ca.validity();
        if ca_ends <= now {
            continue;
        }
        let fresh = authorities.responder(place).is_some_and(|present| {
            let left = present.not_after().since_ms(now);
            left > LIFE_MS / 2 || present.not_after() == ca_ends
        });
        if fresh {
            continue;
        }
        match Responder::make(ca, LIFE_MS, now, &mut rand::rng()) {
            Ok(responder) => authorities.set_responder(place, responder),
            Err(error) => {
                tracing::error!(error = %chain(&error), place, "no OCSP responder could be made; the present one, if any, stays");
            }
        }
    }
}

/// Keeps them fresh until the center stops.
pub(crate) async fn run(center: Arc<Center>, end: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = end.cancelled() => return,
        }
        let center = Arc::clone(&center);
        let made = tokio::task::spawn_blocking(move || refresh(&center.authorities)).await;
        if let Err(error) = made {
            tracing::error!(%error, "making the OCSP responders broke off");
        }
    }
}
