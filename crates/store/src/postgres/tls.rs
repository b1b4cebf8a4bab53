//! TLS for the client library, out of `iryonet-tls`.

use iryonet_tls::{HandshakeError, NamedConnector, TlsStream};
use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(super) struct MakeTls(pub(super) NamedConnector);

impl MakeTlsConnect<Socket> for MakeTls {
    type Stream = Encrypted;
    type TlsConnect = Tls;
    type Error = HandshakeError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Tls, HandshakeError> {
        Ok(Tls {
            connector: self.0.clone(),
            host: host.to_owned(),
        })
    }
}

pub(super) struct Tls {
    connector: NamedConnector,
    host: String,
}

impl TlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type Error = HandshakeError;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, HandshakeError>> + Send>>;

    fn connect(self, stream: Socket) -> Self::Future {
        Box::pin(async move {
            self.connector
                .connect(&self.host, stream)
                .await
                .map(Encrypted)
        })
    }
}

pub(super) struct Encrypted(TlsStream<Socket>);

impl postgres::tls::TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        self.0
            .server_end_point()
            .map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
