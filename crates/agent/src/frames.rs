//! The frames of the attach conversation on a stream: length, then message,
//! with the limits of `wire::attach` kept before anything is stored.

use iryonet_wire::attach::{FrameError, body_length, decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Why no message could be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConversationError {
    /// The other side ended the connection.
    #[error("the other side closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[source] std::io::Error),
    /// What came is no message.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Reads one message.
///
/// Not safe to cancel: a read that was given up may have taken half a frame.
/// Keep the future and poll it again, or close the connection.
///
/// # Errors
/// When the connection ends or breaks, or the bytes are no message.
pub async fn read<S: AsyncRead + Unpin, T: DeserializeOwned>(
    stream: &mut S,
) -> Result<T, ConversationError> {
    let mut header = [0; 4];
    fill(stream, &mut header).await?;
    let mut body = vec![0; body_length(header)?];
    fill(stream, &mut body).await?;
    Ok(decode(&body)?)
}

async fn fill<S: AsyncRead + Unpin>(
    stream: &mut S,
    into: &mut [u8],
) -> Result<(), ConversationError> {
    match stream.read_exact(into).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(ConversationError::Closed)
        }
        Err(error) => Err(ConversationError::Io(error)),
    }
}

/// Writes one message.
///
/// # Errors
/// When the connection breaks, or the message is larger than a frame.
pub async fn write<S: AsyncWrite + Unpin, T: Serialize>(
    stream: &mut S,
    message: &T,
) -> Result<(), ConversationError> {
    let frame = encode(message)?;
    stream
        .write_all(&frame)
        .await
        .map_err(ConversationError::Io)?;
    stream.flush().await.map_err(ConversationError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use iryonet_wire::attach::FromDevice;

    #[tokio::test]
    async fn messages_arrive_in_order_and_the_end_is_told_apart_from_rubbish() {
        let (mut a, mut b) = tokio::io::duplex(64);
        write(&mut a, &FromDevice::Renew { sequence: 1 })
            .await
            .unwrap();
        write(&mut a, &FromDevice::Bye).await.unwrap();
        assert_eq!(
            read::<_, FromDevice>(&mut b).await.unwrap(),
            FromDevice::Renew { sequence: 1 }
        );
        assert_eq!(
            read::<_, FromDevice>(&mut b).await.unwrap(),
            FromDevice::Bye
        );
        a.write_all(&[0xff; 4]).await.unwrap();
        assert!(matches!(
            read::<_, FromDevice>(&mut b).await,
            Err(ConversationError::Frame(FrameError::TooLarge(_)))
        ));
        drop(a);
        assert!(matches!(
            read::<_, FromDevice>(&mut b).await,
            Err(ConversationError::Closed)
        ));
    }
}
