//! An established TLS connection, and the limits of a handshake.

use crate::error::{HandshakeError, TooLarge};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

/// How much of us a peer may use before it has proved anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// For the whole handshake.
    pub timeout: Duration,
    /// Octets read from the peer in the whole handshake. A chain of three RSA
    /// certificates needs about 6,000.
    pub octets: usize,
}

impl Default for HandshakeLimits {
    /// Ten seconds and 32 KiB.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            octets: 32 * 1024,
        }
    }
}

/// How long we wait, after a refusal, for the peer to read why.
const LINGER: Duration = Duration::from_millis(250);

/// A TLS connection whose handshake is done.
#[derive(Debug)]
pub struct TlsStream<S>(tokio_rustls::TlsStream<Limited<S>>);

impl<S> TlsStream<S> {
    /// Lifts the limit of the handshake: from now on the peer is known.
    pub(crate) fn established(stream: impl Into<tokio_rustls::TlsStream<Limited<S>>>) -> Self {
        let mut stream = stream.into();
        stream.get_mut().0.left = None;
        Self(stream)
    }

    /// The connection below.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.0.get_ref().0.inner
    }

    /// The suite agreed on, as the standards write it.
    #[must_use]
    pub fn suite(&self) -> Option<&'static str> {
        let suite = self.0.get_ref().1.negotiated_cipher_suite()?;
        suite.suite().as_str()
    }

    /// The peer's leaf certificate.
    pub(crate) fn peer_leaf(&self) -> Option<&[u8]> {
        let certificates = self.0.get_ref().1.peer_certificates()?;
        certificates.first().map(AsRef::as_ref)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A connection that gives so many octets and then fails.
#[derive(Debug)]
pub(crate) struct Limited<S> {
    inner: S,
    limit: usize,
    left: Option<usize>,
}

impl<S> Limited<S> {
    pub(crate) fn new(inner: S, limit: usize) -> Self {
        Self {
            inner,
            limit,
            left: Some(limit),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(left) = self.left else {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        };
        if left == 0 {
            let limit = self.limit;
            return Poll::Ready(Err(io::Error::other(TooLarge { limit })));
        }
        // Through a buffer of its own, so that never more than the rest is read.
        let mut room = [0; 2048];
        let room_len = room.len().min(left).min(buf.remaining());
        let Some(room) = room.get_mut(..room_len) else {
            return Poll::Ready(Ok(()));
        };
        let mut part = ReadBuf::new(room);
        let read = Pin::new(&mut self.inner).poll_read(cx, &mut part);
        buf.put_slice(part.filled());
        self.left = Some(left.saturating_sub(part.filled().len()));
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Ends a refused connection so that the peer gets to read our alert: closing a
/// socket with unread octets in it makes the kernel throw the alert away.
pub(crate) async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut io: Limited<S>) {
    let farewell = async {
        io.shutdown().await.ok()?;
        let mut sink = [0; 1024];
        while io.read(&mut sink).await.ok()? > 0 {}
        Some(())
    };
    // However it ends, the connection is dropped after it.
    let _ = tokio::time::timeout(LINGER, farewell).await;
}

/// Runs a handshake within its time.
pub(crate) async fn within<T, S: AsyncRead + AsyncWrite + Unpin>(
    limits: &HandshakeLimits,
    handshake: impl Future<Output = Result<T, (io::Error, Limited<S>)>>,
) -> Result<T, HandshakeError> {
    match tokio::time::timeout(limits.timeout, handshake).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err((error, io))) => {
            part(io).await;
            Err(HandshakeError::from_io(error))
        }
        Err(_) => Err(HandshakeError::timeout()),
    }
}
