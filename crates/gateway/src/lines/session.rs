//! One attachment: handshake, hello, bound, renewals, end.
//!
//! Generic over the stream, so that the conversation is tested over memory with
//! real TLS. It must not know interfaces beyond their name and number, nor how
//! a line is bound.

use crate::engine::{Attached, Engine};
use crate::routes::RouteKeeper;
use iryonet_agent::chain;
use iryonet_agent::frames::{self, ConversationError};
use iryonet_tls::{Acceptor, HandshakeLimits, PeerProof, TlsStream};
use iryonet_wire::attach::{FromDevice, FromGateway, Refusal, VERSION};
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

/// From the end of the handshake to the hello.
const HELLO: Duration = Duration::from_secs(5);
/// For one message to go out.
const WRITE: Duration = Duration::from_secs(5);
/// For the device to read why, and to close.
const LINGER: Duration = Duration::from_millis(500);
/// Characters of the agent's name that are logged.
const AGENT_MAX: usize = 64;

/// Where a connection came in.
#[derive(Debug, Clone)]
pub struct Place {
    /// Name of the line's interface.
    pub interface: Arc<str>,
    /// Its number.
    pub ifindex: u32,
    /// The box's link-local address.
    pub hop: Ipv6Addr,
}

/// How an attachment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The handshake failed; the word is the reason.
    Handshake(&'static str),
    /// It was refused.
    Refused(Refusal),
    /// It was bound and then cut.
    Cut(Refusal),
    /// The device ended it.
    Bye,
    /// The connection ended, broke or fell silent.
    Lost,
}

/// Serves one connection from handshake to end. When it returns, the line is
/// unbound unless a newer attachment has it.
pub async fn serve<S>(
    engine: &Engine,
    acceptor: &Acceptor,
    routes: &RouteKeeper,
    limits: &HandshakeLimits,
    place: &Place,
    stream: S,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, proof) = match acceptor.accept(stream, limits).await {
        Ok(established) => established,
        Err(error) => {
            let reason = error.reason().as_str();
            engine.count_refusal(&place.interface, reason);
            tracing::warn!(
                interface = %place.interface, peer = %place.hop, reason, error = %chain(&error),
                "handshake refused"
            );
            return End::Handshake(reason);
        }
    };
    let end = converse(engine, routes, place, stream, &proof).await;
    tracing::info!(interface = %place.interface, identity = %proof.identity, ?end, "attachment ended");
    end
}

async fn converse<S>(
    engine: &Engine,
    routes: &RouteKeeper,
    place: &Place,
    stream: TlsStream<S>,
    proof: &PeerProof,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut from, mut to) = tokio::io::split(stream);
    let hello = tokio::time::timeout(HELLO, frames::read(&mut from)).await;
    let refusal = match hello {
        Ok(Ok(FromDevice::Hello { version, agent })) if version == VERSION => {
            let agent: String = agent.chars().take(AGENT_MAX).collect();
            tracing::info!(interface = %place.interface, identity = %proof.identity, ?agent, "hello");
            match engine.attach(
                &place.interface,
                place.ifindex,
                place.hop,
                &proof.identity,
                proof.fingerprint,
            ) {
                Ok(attached) => {
                    return hold(engine, routes, place, from, to, attached).await;
                }
                Err(refusal) => refusal,
            }
        }
        Ok(Err(ConversationError::Closed | ConversationError::Io(_))) => return End::Lost,
        Ok(Ok(_)) | Ok(Err(ConversationError::Frame(_))) | Err(_) => {
            engine.count_refusal(&place.interface, Refusal::Protocol.as_str());
            Refusal::Protocol
        }
    };
    tracing::warn!(
        interface = %place.interface, identity = %proof.identity, reason = refusal.as_str(),
        "attachment refused"
    );
    say_refused(&mut from, &mut to, refusal).await;
    End::Refused(refusal)
}

/// Holds a bound line until it ends.
async fn hold<S>(
    engine: &Engine,
    routes: &RouteKeeper,
    place: &Place,
    mut from: ReadHalf<TlsStream<S>>,
    mut to: WriteHalf<TlsStream<S>>,
    attached: Attached,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Attached {
        bound,
        line,
        session,
        mut cut,
    } = attached;
    // However this future ends, by return or by being dropped, the line is left.
    let _leave = Leave {
        engine,
        line,
        session,
    };
    routes.synced().await;
    if !say(&mut to, &bound).await {
        return End::Lost;
    }
    tracing::info!(interface = %place.interface, %line, session, "line bound");
    loop {
        let woken = {
            // A read must not be given up half way: it is, only where the
            // connection ends with it.
            let next = frames::read::<_, FromDevice>(&mut from);
            tokio::select! {
                biased;
                reason = &mut cut => Err(reason),
                message = next => Ok(message),
            }
        };
        let message = match woken {
            Ok(message) => message,
            Err(Ok(reason)) => {
                say_refused(&mut from, &mut to, reason).await;
                return End::Cut(reason);
            }
            // Without a word: the lease ran out, nobody is there.
            Err(Err(_)) => return End::Lost,
        };
        match message {
            Ok(FromDevice::Renew { sequence }) => {
                // Not ours any more: the cut tells why.
                if engine.renew(line, session)
                    && !say(&mut to, &FromGateway::Renewed { sequence }).await
                {
                    return End::Lost;
                }
            }
            Ok(FromDevice::Bye) => return End::Bye,
            Ok(FromDevice::Hello { .. }) | Err(ConversationError::Frame(_)) => {
                engine.count_refusal(&place.interface, Refusal::Protocol.as_str());
                engine.leave(line, session);
                say_refused(&mut from, &mut to, Refusal::Protocol).await;
                return End::Cut(Refusal::Protocol);
            }
            Err(ConversationError::Closed | ConversationError::Io(_)) => return End::Lost,
        }
    }
}

struct Leave<'a> {
    engine: &'a Engine,
    line: iryonet_domain::LineId,
    session: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.engine.leave(self.line, self.session);
    }
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    to: &mut WriteHalf<TlsStream<S>>,
    message: &FromGateway,
) -> bool {
    matches!(
        tokio::time::timeout(WRITE, frames::write(to, message)).await,
        Ok(Ok(()))
    )
}

async fn say_refused<S: AsyncRead + AsyncWrite + Unpin>(
    from: &mut ReadHalf<TlsStream<S>>,
    to: &mut WriteHalf<TlsStream<S>>,
    reason: Refusal,
) {
    let refused = FromGateway::Refused {
        reason,
        retry_after_ms: retry_after(reason),
    };
    if say(to, &refused).await {
        // The peer reads the reason, then sees the end; that it has gone
        // already changes nothing.
        let _ = tokio::time::timeout(WRITE, to.shutdown()).await;
        // Closing with something unread resets the connection, and a reset
        // overtakes the reason.
        let mut rest = tokio::io::sink();
        let _ = tokio::time::timeout(LINGER, tokio::io::copy(from, &mut rest)).await;
    }
}

/// When trying again may help. A device that enrolled a moment ago may be ahead
/// of the feed.
fn retry_after(reason: Refusal) -> Option<u32> {
    match reason {
        Refusal::NoPolicy | Refusal::Full | Refusal::Draining => Some(2_000),
        Refusal::UnknownDevice | Refusal::UnknownLine => Some(1_000),
        _ => None,
    }
}
