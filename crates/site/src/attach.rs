//! The attach conversation, from the device's side: hello, bound, renewals.
//!
//! Generic over the stream and over what holds the binding, so that it is
//! tested without a kernel. Who the gateway is was proved by the handshake.

use iryonet_agent::frames::{self, ConversationError};
use iryonet_domain::{GatewayId, NetworkPrefix, ParticipantNumber, SiteIndex};
use iryonet_wire::attach::{FromDevice, FromGateway, Refusal, VERSION};
use std::net::Ipv6Addr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// For the gateway's answer to the hello.
const ANSWER: Duration = Duration::from_secs(10);
/// For one message to go out.
const WRITE: Duration = Duration::from_secs(5);
/// Leases outside of this are no leases.
const LEASE_MS: std::ops::RangeInclusive<u32> = 500..=3_600_000;

/// What the gateway bound the line to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whom.
    pub participant: ParticipantNumber,
    /// Which site.
    pub site: SiteIndex,
    /// Its /64.
    pub prefix: Ipv6Addr,
    /// The network.
    pub network: NetworkPrefix,
    /// By which gateway.
    pub gateway: GatewayId,
    /// For how long without a renewal.
    pub lease: Duration,
    /// How often to renew.
    pub renew: Duration,
}

/// What holds a binding on this machine.
pub trait Holder {
    /// The line is bound, until `until` if nothing more is heard.
    fn bound(
        &self,
        terms: &Terms,
        until: Instant,
    ) -> impl Future<Output = Result<(), String>> + Send;
    /// It goes on until `until`.
    fn prolonged(&self, until: Instant) -> impl Future<Output = ()> + Send;
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The gateway refused, or cut the line.
    Refused {
        /// Why.
        reason: Refusal,
        /// When trying again may help.
        retry_after: Option<Duration>,
    },
    /// The connection was lost, or the gateway fell silent.
    Lost(String),
    /// The gateway did not keep to the rules.
    Broken(String),
    /// This machine could not do its part.
    Local(String),
    /// We ended it.
    Stopped,
}

/// Attaches over an established connection and stays attached until it ends.
/// With `once` it ends as soon as the line is bound.
pub async fn converse<S, H>(
    stream: S,
    own: ParticipantNumber,
    holder: &H,
    stop: &CancellationToken,
    once: bool,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Holder,
{
    let (mut from, mut to) = tokio::io::split(stream);
    let hello = FromDevice::Hello {
        version: VERSION,
        agent: concat!("iryonet-site/", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let asked = Instant::now();
    if let Err(end) = say(&mut to, &hello).await {
        return end;
    }
    let answer = tokio::select! {
        () = stop.cancelled() => return End::Stopped,
        answer = tokio::time::timeout(ANSWER, frames::read(&mut from)) => answer,
    };
    let terms = match answer {
        Ok(Ok(message)) => match read_terms(message, own) {
            Ok(terms) => terms,
            Err(end) => return end,
        },
        Ok(Err(error)) => return lost(&error),
        Err(_) => return End::Lost("the gateway did not answer the hello".to_owned()),
    };
    if once {
        return goodbye(&mut to).await;
    }
    // Counted from the question, not from the answer: never longer than the
    // gateway counts.
    if let Err(text) = holder.bound(&terms, asked + terms.lease).await {
        // The line must not stay bound to a site that cannot use it.
        goodbye(&mut to).await;
        return End::Local(text);
    }
    hold(from, to, &terms, asked + terms.lease, holder, stop).await
}

async fn hold<R, W, H>(
    from: R,
    mut to: W,
    terms: &Terms,
    mut until: Instant,
    holder: &H,
    stop: &CancellationToken,
) -> End
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    H: Holder,
{
    let mut sequence = 0;
    let mut asked = Instant::now();
    let mut renew_at = asked + terms.renew;
    // A read that was begun is finished: half a frame read is a frame lost.
    let mut next = Box::pin(read_one(from));
    loop {
        tokio::select! {
            () = stop.cancelled() => return goodbye(&mut to).await,
            () = tokio::time::sleep_until(until) => {
                return End::Lost("the gateway did not answer the renewals in time".to_owned());
            }
            () = tokio::time::sleep_until(renew_at) => {
                sequence += 1;
                asked = Instant::now();
                renew_at = asked + terms.renew;
                if let Err(end) = say(&mut to, &FromDevice::Renew { sequence }).await {
                    return end;
                }
            }
            (from, message) = &mut next => {
                match message {
                    Ok(FromGateway::Renewed { sequence: answered }) if answered == sequence => {
                        until = asked + terms.lease;
                        holder.prolonged(until).await;
                    }
                    // A late answer to an earlier renewal prolongs nothing.
                    Ok(FromGateway::Renewed { sequence: answered }) if answered < sequence => {}
                    Ok(FromGateway::Refused { reason, retry_after_ms }) => {
                        return refused(reason, retry_after_ms);
                    }
                    Ok(other) => return End::Broken(format!("unexpected message {other:?}")),
                    Err(error) => return lost(&error),
                }
                next = Box::pin(read_one(from));
            }
        }
    }
}

async fn read_one<R: AsyncRead + Unpin>(
    mut from: R,
) -> (R, Result<FromGateway, ConversationError>) {
    let message = frames::read(&mut from).await;
    (from, message)
}

/// The gateway proved to be one; that it binds us to ourselves, inside the
/// network, is checked all the same.
fn read_terms(message: FromGateway, own: ParticipantNumber) -> Result<Terms, End> {
    match message {
        FromGateway::Bound {
            participant,
            site,
            prefix,
            network,
            gateway,
            lease_ms,
            renew_ms,
        } => {
            if participant != own {
                return Err(End::Broken(format!(
                    "the gateway bound the line to participant {participant}, and this is {own}"
                )));
            }
            if network.site(participant, site).address() != prefix {
                return Err(End::Broken(format!(
                    "{prefix}/64 is not the prefix of site {site} of participant {participant}"
                )));
            }
            if !LEASE_MS.contains(&lease_ms) || renew_ms == 0 || renew_ms > lease_ms {
                return Err(End::Broken(format!(
                    "a lease of {lease_ms} ms renewed every {renew_ms} ms is none"
                )));
            }
            Ok(Terms {
                participant,
                site,
                prefix,
                network,
                gateway,
                lease: Duration::from_millis(lease_ms.into()),
                renew: Duration::from_millis(renew_ms.into()),
            })
        }
        FromGateway::Refused {
            reason,
            retry_after_ms,
        } => Err(refused(reason, retry_after_ms)),
        FromGateway::Renewed { .. } => Err(End::Broken(
            "the gateway renewed what it had not bound".to_owned(),
        )),
    }
}

fn refused(reason: Refusal, retry_after_ms: Option<u32>) -> End {
    End::Refused {
        reason,
        retry_after: retry_after_ms.map(|ms| Duration::from_millis(ms.into())),
    }
}

fn lost(error: &ConversationError) -> End {
    match error {
        ConversationError::Frame(_) => End::Broken(error.to_string()),
        _ => End::Lost(error.to_string()),
    }
}

async fn say<W: AsyncWrite + Unpin>(to: &mut W, message: &FromDevice) -> Result<(), End> {
    match tokio::time::timeout(WRITE, frames::write(to, message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(lost(&error)),
        Err(_) => Err(End::Lost("the gateway takes nothing any more".to_owned())),
    }
}

async fn goodbye<W: AsyncWrite + Unpin>(to: &mut W) -> End {
    // A gateway that hears it unbinds at once; one that does not, soon.
    if say(to, &FromDevice::Bye).await.is_ok() {
        let _ = tokio::time::timeout(WRITE, to.shutdown()).await;
    }
    End::Stopped
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use tokio::io::DuplexStream;

    fn own() -> ParticipantNumber {
        ParticipantNumber::new(7).unwrap()
    }

    fn bound() -> FromGateway {
        FromGateway::Bound {
            participant: own(),
            site: 0,
            prefix: "2001:db8:0:700::".parse().unwrap(),
            network: "2001:db8::/32".parse().unwrap(),
            gateway: "gw-a".parse().unwrap(),
            lease_ms: 10_000,
            renew_ms: 3_000,
        }
    }

    #[derive(Default)]
    struct Held(Mutex<Vec<String>>);

    impl Holder for Held {
        async fn bound(&self, terms: &Terms, _: Instant) -> Result<(), String> {
            self.0
                .lock()
                .unwrap()
                .push(format!("bound {}", terms.prefix));
            Ok(())
        }
        async fn prolonged(&self, until: Instant) {
            let left = until.saturating_duration_since(Instant::now());
            self.0
                .lock()
                .unwrap()
                .push(format!("prolonged {}", left.as_millis()));
        }
    }

    async fn hear(gateway: &mut DuplexStream) -> FromDevice {
        frames::read(gateway).await.unwrap()
    }

    async fn play<F>(
        script: impl FnOnce(DuplexStream, CancellationToken) -> F,
    ) -> (End, Vec<String>)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (ours, theirs) = tokio::io::duplex(4096);
        let (held, stop) = (Held::default(), CancellationToken::new());
        let gateway = tokio::spawn(script(theirs, stop.clone()));
        let end = converse(ours, own(), &held, &stop, false).await;
        gateway.await.unwrap();
        (end, held.0.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn it_renews_as_often_as_told_and_says_goodbye() {
        let (end, held) = play(|mut gateway, stop| async move {
            assert!(matches!(hear(&mut gateway).await, FromDevice::Hello { .. }));
            frames::write(&mut gateway, &bound()).await.unwrap();
            for wanted in 1..4 {
                let begun = Instant::now();
                assert_eq!(
                    hear(&mut gateway).await,
                    FromDevice::Renew { sequence: wanted }
                );
                assert!(begun.elapsed() <= Duration::from_millis(3_001));
                frames::write(&mut gateway, &FromGateway::Renewed { sequence: wanted })
                    .await
                    .unwrap();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            stop.cancel();
            assert_eq!(hear(&mut gateway).await, FromDevice::Bye);
        })
        .await;
        assert_eq!(end, End::Stopped);
        assert_eq!(
            held.first().map(String::as_str),
            Some("bound 2001:db8:0:700::")
        );
        assert_eq!(held.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_that_falls_silent_is_given_up_when_the_lease_is_over() {
        let begun = Instant::now();
        let (end, _) = play(|mut gateway, _| async move {
            hear(&mut gateway).await;
            frames::write(&mut gateway, &bound()).await.unwrap();
            // Reads and never answers.
            while frames::read::<_, FromDevice>(&mut gateway).await.is_ok() {}
        })
        .await;
        assert!(matches!(end, End::Lost(_)), "{end:?}");
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn every_refusal_is_heard_before_and_after_being_bound() {
        for reason in Refusal::ALL {
            for after in [false, true] {
                let (end, _) = play(move |mut gateway, _| async move {
                    hear(&mut gateway).await;
                    if after {
                        frames::write(&mut gateway, &bound()).await.unwrap();
                    }
                    let refused = FromGateway::Refused {
                        reason,
                        retry_after_ms: Some(1_000),
                    };
                    frames::write(&mut gateway, &refused).await.unwrap();
                })
                .await;
                assert_eq!(
                    end,
                    End::Refused {
                        reason,
                        retry_after: Some(Duration::from_secs(1))
                    }
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_binding_to_somebody_else_or_elsewhere_is_not_believed() {
        let altered = |with: fn(&mut FromGateway)| {
            let mut message = bound();
            with(&mut message);
            message
        };
        for message in [
            altered(|m| {
                if let FromGateway::Bound { participant, .. } = m {
                    *participant = ParticipantNumber::new(8).unwrap();
                }
            }),
            altered(|m| {
                if let FromGateway::Bound { prefix, .. } = m {
                    *prefix = "2001:db8:0:800::".parse().unwrap();
                }
            }),
            altered(|m| {
                if let FromGateway::Bound { lease_ms, .. } = m {
                    *lease_ms = 0;
                }
            }),
            FromGateway::Renewed { sequence: 1 },
        ] {
            let (end, held) = play(move |mut gateway, _| async move {
                hear(&mut gateway).await;
                frames::write(&mut gateway, &message).await.unwrap();
            })
            .await;
            assert!(matches!(end, End::Broken(_)), "{end:?}");
            assert!(held.is_empty());
        }
    }
}
