//! The listeners' own certificate: made anew while the center runs, as soon as
//! less than a third of its life is left, and shown from then on. Connections
//! that are open go on. While the CA's key is away the present one is shown.

use crate::certificate;
use crate::clock;
use crate::http::problem::chain;
use crate::state::Center;
use iryonet_tls::{Acceptor, ConfigError, EnrolmentAcceptor, LocalIdentity, OpenAcceptor};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked at: at the least, since a clock may be set; and at
/// the most.
const LOOK_EVERY: Duration = Duration::from_secs(600);
const LOOK_AT_MOST: Duration = Duration::from_secs(1);
/// After a failure.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Everything that shows it.
pub(crate) struct Listeners {
    pub(crate) public: OpenAcceptor,
    pub(crate) device: Acceptor,
    pub(crate) staff: EnrolmentAcceptor,
}

impl Listeners {
    fn show(&self, identity: &LocalIdentity) -> Result<(), ConfigError> {
        self.public.show(identity)?;
        self.device.show(identity)?;
        self.staff.show(identity)
    }
}

/// Keeps it young until the center stops.
pub(crate) async fn run(
    center: Arc<Center>,
    mut shown: LocalIdentity,
    listeners: Listeners,
    end: CancellationToken,
) {
    let mut pause = until_due(&center, &shown);
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = end.cancelled() => return,
        }
        let maker = Arc::clone(&center);
        let made = tokio::task::spawn_blocking(move || {
            certificate::ensure(&maker.config, maker.authorities.current(), clock::now())
        })
        .await;
        pause = match made {
            Ok(Ok(next)) => match listeners.show(&next) {
                Ok(()) => {
                    shown = next;
                    until_due(&center, &shown)
                }
                Err(error) => {
                    tracing::error!(error = %chain(&error), "the listeners' renewed certificate cannot be shown");
                    AGAIN_AFTER
                }
            },
            Ok(Err(error)) => {
                tracing::error!(error = %chain(&error), "the listeners' certificate could not be renewed; the present one is shown on");
                AGAIN_AFTER
            }
            Err(error) => {
                tracing::error!(%error, "renewing the listeners' certificate broke off");
                AGAIN_AFTER
            }
        };
    }
}

fn until_due(center: &Center, shown: &LocalIdentity) -> Duration {
    let due = certificate::due(&center.config, shown);
    let left = due.map_or(0, |due| due.since_ms(clock::now()));
    Duration::from_millis(left).clamp(LOOK_AT_MOST, LOOK_EVERY)
}
