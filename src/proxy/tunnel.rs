//! Two byte streams joined, with one bounded buffer in each direction and a deadline on silence.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;

use crate::proxy::ticker::Alarm;

/// Bytes buffered in each direction.
const BUFFER: usize = 8 * 1024;

/// Two joined streams.
#[derive(Debug)]
pub(super) struct Tunnel<C, O> {
    client: C,
    origin: O,
    up: Pipe,
    down: Pipe,
}

/// One direction.
#[derive(Debug)]
struct Pipe {
    buffer: Box<[u8]>,
    /// What was read and not yet written.
    pending: std::ops::Range<usize>,
    state: State,
    bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes flow.
    Open,
    /// The reader has ended, the writer is being told.
    Ending,
    /// Nothing more will come.
    Ended,
}

impl<C, O> Tunnel<C, O>
where
    C: AsyncRead + AsyncWrite + Unpin,
    O: AsyncRead + AsyncWrite + Unpin,
{
    /// Joins two streams; `early` was read from the origin already.
    pub(super) fn new(client: C, origin: O, early: &[u8]) -> Self {
        Self {
            client,
            origin,
            up: Pipe::new(&[]),
            down: Pipe::new(early),
        }
    }

    /// Bytes carried so far: to the origin, to the client.
    pub(super) fn bytes(&self) -> (u64, u64) {
        (self.up.bytes, self.down.bytes)
    }

    /// Carries bytes until both directions have ended, or nothing moved for `idle`.
    pub(super) async fn run(&mut self, alarm: &mut Alarm, idle: Duration) -> io::Result<()> {
        alarm.set(idle);
        std::future::poll_fn(|cx| {
            let before = self.bytes();
            let up = self.up.poll(&mut self.client, &mut self.origin, cx)?;
            let down = self.down.poll(&mut self.origin, &mut self.client, cx)?;
            if up.is_ready() && down.is_ready() {
                return Poll::Ready(Ok(()));
            }
            if self.bytes() != before {
                alarm.set(idle);
            }
            if alarm.is_due(cx) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Poll::Pending
        })
        .await
    }
}

impl Pipe {
    fn new(early: &[u8]) -> Self {
        let mut buffer = early.to_vec();
        buffer.resize(early.len().max(BUFFER), 0);
        Self {
            buffer: buffer.into_boxed_slice(),
            pending: 0..early.len(),
            state: State::Open,
            bytes: 0,
        }
    }

    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if !self.pending.is_empty() {
                let bytes = &self.buffer[self.pending.clone()];
                let written = std::task::ready!(Pin::new(&mut *to).poll_write(cx, bytes))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.pending.start += written;
                self.bytes = self.bytes.saturating_add(written as u64);
                continue;
            }
            match self.state {
                State::Ended => return Poll::Ready(Ok(())),
                State::Ending => {
                    std::task::ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                State::Open => {
                    let mut space = ReadBuf::new(&mut self.buffer);
                    match Pin::new(&mut *from).poll_read(cx, &mut space)? {
                        Poll::Ready(()) if space.filled().is_empty() => self.state = State::Ending,
                        Poll::Ready(()) => self.pending = 0..space.filled().len(),
                        Poll::Pending => {
                            // What was written may sit in a TLS record until it is flushed.
                            std::task::ready!(Pin::new(&mut *to).poll_flush(cx))?;
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;

    use super::*;
    use crate::proxy::ticker::Ticker;

    #[tokio::test]
    async fn what_goes_in_comes_out_on_the_other_side_and_is_counted() {
        let (client, mut browser) = tokio::io::duplex(16);
        let (origin, mut portal) = tokio::io::duplex(16);
        let mut tunnel = Tunnel::new(client, origin, b"hi ");
        let mut alarm = Ticker::new().alarm();
        let talk = async {
            browser.write_all(&[7; 20_000]).await.unwrap();
            browser.shutdown().await.unwrap();
            let mut answer = Vec::new();
            browser.read_to_end(&mut answer).await.unwrap();
            answer
        };
        let listen = async {
            let mut heard = Vec::new();
            portal.read_to_end(&mut heard).await.unwrap();
            portal.write_all(b"bye").await.unwrap();
            portal.shutdown().await.unwrap();
            heard.len()
        };
        let hour = Duration::from_secs(3600);
        let (ended, answer, heard) = tokio::join!(tunnel.run(&mut alarm, hour), talk, listen);
        ended.unwrap();
        assert_eq!((answer.as_slice(), heard), (&b"hi bye"[..], 20_000));
        assert_eq!(tunnel.bytes(), (20_000, 6));
    }
}
