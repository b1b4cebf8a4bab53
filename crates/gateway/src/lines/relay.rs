//! The enrolment relay: how a site without a certificate reaches the center's
//! public listener, and nothing else. Bytes go through untouched (the TLS is
//! between site and center), so many and for so long, and no more.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes each way.
pub const BYTES_MAX: u64 = 256 << 10;
/// The whole exchange.
pub const TIME_MAX: Duration = Duration::from_secs(30);
/// For the connection to the center.
const CONNECT: Duration = Duration::from_secs(5);

/// How a relayed exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// Both sides ended it within the limits.
    Done,
    /// The center did not answer.
    CenterAway,
    /// One side sent more than allowed.
    TooMuch,
    /// It took too long.
    TooLong,
    /// The connection broke.
    Broken,
}

impl Relayed {
    /// The word used in counters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "relay-done",
            Self::CenterAway => "relay-center-away",
            Self::TooMuch => "relay-too-much",
            Self::TooLong => "relay-too-long",
            Self::Broken => "relay-broken",
        }
    }
}

/// Relays one connection to the center.
pub async fn relay<S>(site: S, center: SocketAddr) -> Relayed
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match tokio::time::timeout(CONNECT, TcpStream::connect(center)).await {
        Ok(Ok(center)) => tokio::time::timeout(TIME_MAX, join(site, center))
            .await
            .unwrap_or(Relayed::TooLong),
        _ => Relayed::CenterAway,
    }
}

async fn join<A, B>(a: A, b: B) -> Relayed
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (a_from, a_to) = tokio::io::split(a);
    let (b_from, b_to) = tokio::io::split(b);
    match tokio::try_join!(one_way(a_from, b_to), one_way(b_from, a_to)) {
        Ok(_) => Relayed::Done,
        Err(end) => end,
    }
}

async fn one_way<R, W>(from: R, mut to: W) -> Result<(), Relayed>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut limited = from.take(BYTES_MAX + 1);
    let copied = tokio::io::copy(&mut limited, &mut to)
        .await
        .map_err(|_| Relayed::Broken)?;
    if copied > BYTES_MAX {
        return Err(Relayed::TooMuch);
    }
    to.shutdown().await.map_err(|_| Relayed::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn center_that_echoes() -> SocketAddr {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (mut from, mut to) = stream.into_split();
            let _ = tokio::io::copy(&mut from, &mut to).await;
            let _ = to.shutdown().await;
        });
        address
    }

    #[tokio::test]
    async fn a_site_reaches_the_center_through_it() {
        let (mut site, ours) = tokio::io::duplex(1024);
        let relayed = tokio::spawn(relay(ours, center_that_echoes().await));
        site.write_all(b"enrol").await.unwrap();
        site.shutdown().await.unwrap();
        let mut answer = Vec::new();
        site.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"enrol");
        assert_eq!(relayed.await.unwrap(), Relayed::Done);
    }

    #[tokio::test]
    async fn it_is_no_way_to_carry_files() {
        let (site, ours) = tokio::io::duplex(1024);
        let relayed = tokio::spawn(relay(ours, center_that_echoes().await));
        let (mut from, mut to) = tokio::io::split(site);
        tokio::spawn(async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await });
        let sent = to
            .write_all(&vec![0; usize::try_from(BYTES_MAX).unwrap() * 2])
            .await;
        assert_eq!(relayed.await.unwrap(), Relayed::TooMuch);
        assert!(sent.is_err());
    }

    #[tokio::test]
    async fn a_center_that_is_away_is_told_apart() {
        let listener = TcpListener::bind("[::1]:0").await.unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let (_site, ours) = tokio::io::duplex(64);
        assert_eq!(relay(ours, nobody).await, Relayed::CenterAway);
    }
}
