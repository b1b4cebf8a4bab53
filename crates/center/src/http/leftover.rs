//! What of a request nobody has read when it is answered. A connection that is
//! closed on a peer that is still sending is reset, and the peer never reads why
//! it was refused (RFC 9112, section 9.6). So the rest is read and forgotten,
//! within limits.
//!
//! It must not know what requests are about.

use super::input::LARGE_BODY_MAX_BYTES;
use axum::body::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// Of a rest, so much is read; who sends more is cut off.
const READ_MAX_BYTES: usize = LARGE_BODY_MAX_BYTES;
/// How long it may take.
const READ_MAX: Duration = Duration::from_secs(5);

/// A request's body that is looked after when its request is answered.
pub(crate) struct Lent(Arc<Mutex<Incoming>>);

/// The other half of it.
pub(crate) struct Leftover(Option<Arc<Mutex<Incoming>>>);

/// Lends a request's body to whoever answers it.
pub(crate) fn lend(request: hyper::Request<Incoming>) -> (hyper::Request<Lent>, Leftover) {
    // Whoever waits to be told to go on has sent nothing that is to be read.
    let waits = request.headers().contains_key(hyper::header::EXPECT);
    let (head, body) = request.into_parts();
    let announced = body.size_hint().lower();
    let body = Arc::new(Mutex::new(body));
    let looked_after = !waits && announced <= READ_MAX_BYTES as u64;
    let leftover = Leftover(looked_after.then(|| Arc::clone(&body)));
    (hyper::Request::from_parts(head, Lent(body)), leftover)
}

impl Leftover {
    /// Reads it, and forgets it.
    pub(crate) async fn forget(self) {
        let Some(body) = self.0 else { return };
        let mut body = Lent(body);
        let mut left = READ_MAX_BYTES;
        let reading = async {
            while let Some(Ok(frame)) = body.frame().await {
                let octets = frame.data_ref().map_or(0, Bytes::len);
                let Some(less) = left.checked_sub(octets) else {
                    return;
                };
                left = less;
            }
        };
        // Who sends more slowly is cut off too.
        let _ = tokio::time::timeout(READ_MAX, reading).await;
    }
}

impl Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.size_hint()
    }
}
